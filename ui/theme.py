"""How the page looks: Gradio's theme, the stylesheet, the scripts, the header. All of it comes from this machine."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import gradio as gr
import plotly

from ui.text import safe

BOOT = secrets.token_hex(4)
ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("page.js", "live.js", "model.js")
STYLES = ("app.css", "model.css", "report.css")
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

# One colour per meaning, as (light, dark); app.css holds the same for our own HTML.
PAGE = ("#f6f7f9", "#0c0e13")
CARD = ("#ffffff", "#14171e")
LINE = ("#e3e6eb", "#262b35")
EDGE = ("#c9cfd8", "#3a4250")
TEXT = ("#151a23", "#e8ebf0")
MUTED = ("#566070", "#9aa4b2")
BRAND = ("#4338ca", "#5b54e8")
BRAND_HOVER = ("#3730a3", "#6d67f0")
RAISED = ("#ffffff", "#1b1f28")
RAISED_HOVER = ("#f1f3f6", "#232936")
FIELD = ("#ffffff", "#0f1218")
DANGER = ("#b42318", "#fda29b")
DANGER_EDGE = ("#f0c4bf", "#5b2a27")
DANGER_HOVER = ("#fef3f2", "#2a1a1b")

COLOURS = {
    "body_background_fill": PAGE,
    "background_fill_primary": CARD,
    "background_fill_secondary": PAGE,
    "block_background_fill": CARD,
    "block_border_color": LINE,
    "border_color_primary": LINE,
    "block_label_background_fill": ("transparent", "transparent"),
    "block_label_text_color": TEXT,
    "block_title_text_color": TEXT,
    "block_info_text_color": MUTED,
    "body_text_color": TEXT,
    "body_text_color_subdued": MUTED,
    "button_primary_background_fill": BRAND,
    "button_primary_background_fill_hover": BRAND_HOVER,
    "button_primary_border_color": BRAND,
    "button_primary_text_color": ("#ffffff", "#ffffff"),
    "button_secondary_background_fill": RAISED,
    "button_secondary_background_fill_hover": RAISED_HOVER,
    "button_secondary_border_color": EDGE,
    "button_cancel_background_fill": RAISED,
    "button_cancel_background_fill_hover": DANGER_HOVER,
    "button_cancel_text_color": DANGER,
    "button_cancel_border_color": DANGER_EDGE,
    "input_background_fill": FIELD,
    "input_border_color": EDGE,
    "input_placeholder_color": MUTED,
    "color_accent_soft": ("#eef0fe", "#252a45"),
    "border_color_accent_subdued": ("#d9dcfb", "#343b63"),
    "link_text_color": BRAND,
    "checkbox_label_background_fill": RAISED,
    "checkbox_label_background_fill_selected": ("#eef0fe", "#252a45"),
    "checkbox_label_text_color_selected": TEXT,
    "checkbox_label_border_color": EDGE,
    "checkbox_border_color": ("#7a8494", "#6b7585"),
    "slider_color": BRAND,
}


def theme() -> gr.themes.Base:
    """Slate and one indigo, thin borders, no shadows. The semi-bold fonts that Gradio bundles lack Latin letters."""
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
    light = {name: pair[0] for name, pair in COLOURS.items()}
    dark = {f"{name}_dark": pair[1] for name, pair in COLOURS.items()}
    return base.set(
        **light,
        **dark,
        block_shadow="none",
        input_border_width="1px",
        input_border_width_dark="1px",
        block_shadow_dark="none",
        block_label_border_width="0px",
        button_border_width="1px",
        layout_gap="16px",
        chatbot_text_size="15px",
    )


def look() -> dict[str, Any]:
    """What ``launch`` needs for the look."""
    scripts = "".join(
        f"<script>{(ASSETS / name).read_text(encoding='utf-8')}</script>" for name in SCRIPTS
    )
    plotly_url = f'<script>window.HONE_PLOTLY = "gradio_api/file={PLOTLY.as_posix()}";</script>'
    return {
        "theme": theme(),
        "css": "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in STYLES),
        "head": plotly_url + scripts,
        "favicon_path": ASSETS / "logo.svg",
    }


def html(value: str = "", **more: Any) -> gr.HTML:
    """Our own HTML, without the look that Gradio gives to text."""
    return gr.HTML(value, apply_default_css=False, **more)


def boot(_: str) -> str:
    """Which start of the app this is."""
    return BOOT


def header(device: str) -> None:
    """Name, machine, and the switch between light and dark."""
    logo = (
        (ASSETS / "logo.svg")
        .read_text(encoding="utf-8")
        .replace("<svg ", '<svg aria-hidden="true" ')
    )
    html(
        f'<header class="top">{logo}<h1>Hone</h1><span class="grow"></span>'
        f'<span class="chip" title="Where training runs">{safe(device)}</span>'
        '<button type="button" class="mini theme">Theme</button></header>',
        js_on_load="HoneTheme(element.querySelector('.theme')); HoneRestart(server)",
        server_functions=[boot],
        elem_id="top",
    )
