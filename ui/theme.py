"""The look of the page: theme, stylesheets, scripts, header. Nothing comes from another machine."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import gradio as gr
import plotly

from ui.text import escape_html

BOOT_ID = secrets.token_hex(4)
ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("page.js", "live.js", "model.js")
STYLES = ("app.css", "model.css", "report.css")
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PLOTLY_PATH = "/plotly.min.js"  # where it is served

# Colours by meaning, as (light, dark). app.css holds the same for Hone's own HTML.
PAGE_COLOUR = ("#f6f7f9", "#0c0e13")
CARD_COLOUR = ("#ffffff", "#14171e")
LINE_COLOUR = ("#e3e6eb", "#262b35")
EDGE_COLOUR = ("#c9cfd8", "#3a4250")
TEXT_COLOUR = ("#151a23", "#e8ebf0")
MUTED_COLOUR = ("#566070", "#9aa4b2")
BRAND_COLOUR = ("#4338ca", "#5b54e8")
RAISED_COLOUR = ("#ffffff", "#1b1f28")

THEME_COLOURS = {
    "body_background_fill": PAGE_COLOUR,
    "background_fill_primary": CARD_COLOUR,
    "background_fill_secondary": PAGE_COLOUR,
    "block_background_fill": CARD_COLOUR,
    "block_border_color": LINE_COLOUR,
    "border_color_primary": LINE_COLOUR,
    "block_label_background_fill": ("transparent", "transparent"),
    "block_label_text_color": TEXT_COLOUR,
    "block_title_text_color": TEXT_COLOUR,
    "block_info_text_color": MUTED_COLOUR,
    "body_text_color": TEXT_COLOUR,
    "body_text_color_subdued": MUTED_COLOUR,
    "button_primary_background_fill": BRAND_COLOUR,
    "button_primary_background_fill_hover": ("#3730a3", "#6d67f0"),
    "button_primary_border_color": BRAND_COLOUR,
    "button_primary_text_color": ("#ffffff", "#ffffff"),
    "button_secondary_background_fill": RAISED_COLOUR,
    "button_secondary_background_fill_hover": ("#f1f3f6", "#232936"),
    "button_secondary_border_color": EDGE_COLOUR,
    "button_cancel_background_fill": RAISED_COLOUR,
    "button_cancel_background_fill_hover": ("#fef3f2", "#2a1a1b"),
    "button_cancel_text_color": ("#b42318", "#fda29b"),
    "button_cancel_border_color": ("#f0c4bf", "#5b2a27"),
    "input_background_fill": ("#ffffff", "#0f1218"),
    "input_border_color": EDGE_COLOUR,
    "input_placeholder_color": MUTED_COLOUR,
    "color_accent_soft": ("#eef0fe", "#252a45"),
    "border_color_accent_subdued": ("#d9dcfb", "#343b63"),
    "link_text_color": BRAND_COLOUR,
    "checkbox_label_background_fill": RAISED_COLOUR,
    "checkbox_label_background_fill_selected": ("#eef0fe", "#252a45"),
    "checkbox_label_text_color_selected": TEXT_COLOUR,
    "checkbox_label_border_color": EDGE_COLOUR,
    "checkbox_border_color": ("#7a8494", "#6b7585"),
    "slider_color": BRAND_COLOUR,
}


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
    light = {name: pair[0] for name, pair in THEME_COLOURS.items()}
    dark = {f"{name}_dark": pair[1] for name, pair in THEME_COLOURS.items()}
    return base.set(
        **light,
        **dark,
        block_shadow="none",
        block_shadow_dark="none",
        input_border_width="1px",
        input_border_width_dark="1px",
        block_label_border_width="0px",
        button_border_width="1px",
        layout_gap="16px",
        chatbot_text_size="15px",
    )


def read_asset(name: str) -> str:
    """The text of a file in ``assets``."""
    return (ASSETS / name).read_text(encoding="utf-8")


def launch_options() -> dict[str, Any]:
    """The arguments of ``launch`` for the look."""
    scripts = "".join(f"<script>{read_asset(name)}</script>" for name in SCRIPTS)
    plotly_url = f'<script>window.HONE_PLOTLY = "{PLOTLY_PATH.lstrip("/")}";</script>'
    return {
        "theme": make_theme(),
        "css": "\n".join(read_asset(name) for name in STYLES),
        "head": plotly_url + scripts,
        "favicon_path": ASSETS / "logo.svg",
    }


def raw_html(value: str = "", **more: Any) -> gr.HTML:
    """Hone's own HTML, without Gradio's styles for text."""
    return gr.HTML(value, apply_default_css=False, **more)


def make_button(
    label: str = "Run", elem_id: str | None = None, width: int | None = None, **more: Any
) -> gr.Button:
    """A button of medium size, at least ``width`` pixels wide."""
    return gr.Button(label, size="md", min_width=width, elem_id=elem_id, **more)


def build_intro(title: str, text: str) -> None:
    """Lay out a tab's heading, and what to do next in one line."""
    raw_html(f'<div class="intro"><h2>{escape_html(title)}</h2><p>{escape_html(text)}</p></div>')


def boot_id(_: str) -> str:
    """Identifies this start of the app, so that the page notices a restart."""
    return BOOT_ID


def build_header(device: str) -> None:
    """Lay out the name, the machine, and the switch between light and dark."""
    logo = read_asset("logo.svg").replace("<svg ", '<svg aria-hidden="true" ')
    raw_html(
        f'<header class="top">{logo}<h1>Hone</h1><span class="grow"></span>'
        f'<span class="chip" title="Where training runs">{escape_html(device)}</span>'
        '<button type="button" class="mini theme">Theme</button></header>',
        js_on_load="HoneTheme(element.querySelector('.theme')); HoneRestart(server)",
        server_functions=[boot_id],
        elem_id="top",
    )
