"""The Model tab: choose a base model, see what it is made of, and which parts get an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from engine.errors import HoneError
from engine.model import hub, local
from ui import form
from ui.context import Context
from ui.handlers import EACH_CHANGE, QUIET, bind
from ui.model import about as model_about
from ui.model.choose import LookUp, choose_listed, model_choices
from ui.model.download import DownloadedWidgets, DownloadWidgets, wire_downloads
from ui.model.find import SearchWidgets, list_recommended, open_folder
from ui.text import line, status_box
from ui.theme import build_hint, build_intro, make_button, raw_html

READING_MODEL = line(
    "Reading the model's description. The first time takes about ten seconds.", "wait"
)
DIAGRAM_SCRIPT = "HoneLayerDiagram(element, props, trigger, watch); ['toggle_part', 'take_group']"


class ModelTab:
    """The tab; ui.train.memory fills ``verdict``, ``map`` and ``memory``."""

    def __init__(self, ctx: Context) -> None:
        with gr.Tab("Model", id="model") as self.tab:
            text = "Keep the pocket model to try things out, or choose another one."
            build_intro("Which model should learn it?", text)
            with gr.Row(equal_height=False, elem_classes="page model"):
                with gr.Column(scale=0, min_width=340, elem_classes="side"):
                    self.source = form.make_widget("model.source", choices=model_choices(ctx))
                    build_hint(
                        "model", 2, "Keep the pocket model for a first try, then press Next."
                    )
                    self.next = make_button("Next: train it", "model-next", variant="primary")
                    self.search = SearchWidgets(ctx)
                    self.downloaded = DownloadedWidgets(ctx)
                    self.look_up = gr.State(LookUp())
                with gr.Column(scale=1, min_width=320, elem_id="model-page"):
                    # On a model that cannot be chosen.
                    self.message = raw_html(visible=False, elem_id="model-told")
                    self.download = DownloadWidgets(self.downloaded)
                    self.verdict = raw_html(elem_id="model-verdict")
                    self.about = raw_html(READING_MODEL, elem_id="model-about")
                    self.map = raw_html(
                        html_template='<div class="block-map"></div>',
                        js_on_load=DIAGRAM_SCRIPT,
                        elem_id="model-map",
                    )
                    self.memory = raw_html(elem_id="model-memory")


def wire_model(ctx: Context, tab: ModelTab, opened: Any) -> None:
    """From the lists to the choice, and from the choice to what is shown of it.

    ``opened``: the event after which the page shows what was chosen.
    """
    search, source = tab.search, tab.source
    for listed in (search.recommended, search.found, tab.downloaded.listed):
        listed.choose(bind(choose_listed, ctx), tab.look_up, [tab.message, source], **EACH_CHANGE)
    named = [search.use_folder.click, search.folder.submit]
    gr.on(named, bind(open_folder, ctx), search.folder, [source, search.refused], **QUIET)
    source.change(bind(follow_choice), [source, tab.look_up], [tab.message, tab.next], **QUIET)
    tab.tab.select(bind(list_recommended, ctx), None, search.recommended, **QUIET)
    wire_downloads(ctx, tab.download, source, opened)


# --- handlers ---


def follow_choice(source: str, look_up: LookUp) -> tuple[Any, Any]:
    """Hide the message on another model; training comes first only for a model that is here."""
    look_up.name = ""
    variant = "secondary" if local.hub_name(source) else "primary"
    return gr.update(visible=False), gr.update(variant=variant)


def show_chosen_model(ctx: Context, source: str) -> Iterator[str]:
    """What the model is; until it is read, that it is being read."""
    if ctx.known_model(source) is None:
        yield READING_MODEL
    try:
        info = ctx.load_model(source)
        yield model_about.model_cards(info, hub.read_origin(local.model_path(source)))
    except HoneError as error:
        yield status_box("bad", "This model cannot be shown now", str(error))
