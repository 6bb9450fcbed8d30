"""The look of the page: theme, stylesheets, scripts, header. Nothing comes from another machine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gradio as gr
import plotly

from ui.text import ASSETS, escape_html, read_asset

SCRIPTS = (
    "page.js", "push.js", "fields.js", "keys.js", "hints.js", "confirm.js", "curve.js", "live.js",
    "model.js", "runs.js", "run-card.js",
)  # fmt: skip
STYLES = (
    "app.css", "train.css", "model.css", "compare.css", "export.css", "runs.css", "report.css",
    "data.css",
)  # fmt: skip
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PLOTLY_PATH = "/plotly.min.js"  # where it is served

# What Gradio colours with which variable of app.css, which has a light and a dark value.
THEME_COLOURS = {
    "page": ("body_background_fill", "background_fill_secondary"),
    "card": ("background_fill_primary", "block_background_fill"),
    "line": ("block_border_color", "border_color_primary"),
    "edge": ("button_secondary_border_color", "input_border_color", "checkbox_label_border_color"),
    "text": (
        "block_label_text_color", "block_title_text_color", "body_text_color",
        "checkbox_label_text_color_selected",
    ),
    "muted": ("block_info_text_color", "body_text_color_subdued", "input_placeholder_color"),
    "brand": (
        "button_primary_background_fill", "button_primary_border_color", "link_text_color",
        "slider_color",
    ),
    "brand-hover": ("button_primary_background_fill_hover",),
    "raised": (
        "button_secondary_background_fill", "button_cancel_background_fill",
        "checkbox_label_background_fill",
    ),
    "raised-hover": ("button_secondary_background_fill_hover",),
    "cancel": ("button_cancel_text_color",),
    "cancel-hover": ("button_cancel_background_fill_hover",),
    "cancel-edge": ("button_cancel_border_color",),
    "input": ("input_background_fill",),
    "soft": ("color_accent_soft", "checkbox_label_background_fill_selected"),
    "soft-edge": ("border_color_accent_subdued",),
    "box-edge": ("checkbox_border_color",),
}  # fmt: skip


def make_theme() -> gr.themes.Base:
    """Slate and one indigo, thin borders, no shadows.

    Without semi-bold fonts: those that Gradio bundles lack Latin letters.
    """
    sans = gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700))
    mono = gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700))
    base = gr.themes.Base(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        font=[sans, "ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=[mono, "ui-monospace", "monospace"],
        radius_size="md",
    )
    look = {name: f"var(--{colour})" for colour, names in THEME_COLOURS.items() for name in names}
    look |= {"block_label_background_fill": "transparent", "button_primary_text_color": "#fff"}
    look |= {"block_shadow": "none", "input_border_width": "1px"}
    return base.set(
        **look,
        **{f"{name}_dark": value for name, value in look.items()},
        block_label_border_width="0px",
        button_border_width="1px",
        layout_gap="16px",
        chatbot_text_size="15px",
    )


def launch_options() -> dict[str, Any]:
    """The arguments of ``launch`` for the look."""
    return {
        "theme": make_theme(),
        "css": "\n".join(read_asset(name) for name in STYLES),
        "favicon_path": ASSETS / "logo.svg",
    }


def head_scripts() -> str:
    """Hone's scripts, which run before Gradio's."""
    plotly_url = f'window.HONE_PLOTLY = "{PLOTLY_PATH.lstrip("/")}";'
    return "".join(f"<script>{text}</script>" for text in (plotly_url, *map(read_asset, SCRIPTS)))


def raw_html(value: str = "", **more: Any) -> gr.HTML:
    """Hone's own HTML, without Gradio's styles for text."""
    return gr.HTML(value, apply_default_css=False, **more)


def button_list(elem_id: str, events: Iterable[str], value: str = "", **more: Any) -> gr.HTML:
    """Own HTML whose buttons trigger these events: see ``small_button``."""
    script = f"HoneButtonList(element, trigger, watch); {[*events]}"
    return raw_html(value, js_on_load=script, elem_id=elem_id, **more)


def make_button(
    label: str = "Run", elem_id: str | None = None, width: int | None = None, **more: Any
) -> gr.Button:
    """A button of medium size, at least ``width`` pixels wide."""
    return gr.Button(label, size="md", min_width=width, elem_id=elem_id, **more)


def build_hint(name: str, step: int, text: str) -> None:
    """Lay out a hint for a first visit, which is gone for good once it is dismissed."""
    button = '<button type="button" class="mini" aria-label="Hide this hint">Got it</button>'
    raw_html(
        f'<div class="hint"><b>{step}</b><p>{escape_html(text)}</p>{button}</div>',
        js_on_load=f"HoneHint(element, {json.dumps(name)})",
        elem_id=f"hint-{name}",
    )


def build_intro(title: str, text: str) -> None:
    """Lay out a tab's heading, and what to do next in one line."""
    raw_html(f'<div class="intro"><h2>{escape_html(title)}</h2><p>{escape_html(text)}</p></div>')
