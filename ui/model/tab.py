"""The Model tab: which base model, what it is made of, which of its parts learn, and whether it fits this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import HoneError
from engine.model import hub, local
from ui import form
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.model import about as model_about
from ui.model import download, find
from ui.model.download import DownloadWidgets
from ui.model.find import SearchWidgets
from ui.text import line, status_box, tab_intro
from ui.theme import raw_html

READING_MODEL = line(
    "Reading the model's description. The first time takes about ten seconds.", "wait"
)
MAP_SCRIPT = "HoneMap(element, props, trigger, watch); ['toggle_part', 'take_group']"


@dataclass(frozen=True)
class ModelTab:
    """What the other tabs need, and the widgets that ui.train.memory fills."""

    tab: gr.Tab
    source: gr.Dropdown
    told: gr.HTML
    about: gr.HTML
    verdict: gr.HTML
    map: gr.HTML
    memory: gr.HTML
    next: gr.Button
    finding: SearchWidgets
    getting: DownloadWidgets


def build(ctx: Context) -> ModelTab:
    """Lay the tab out and wire what concerns it alone."""
    with gr.Tab("Model", id="model") as tab:
        raw_html(
            tab_intro(
                "Which model should learn it?",
                "Keep the pocket model to try things out, or choose another one.",
            )
        )
        with gr.Row(equal_height=False, elem_classes="page model"):
            with gr.Column(scale=0, min_width=340, elem_classes="side"):
                source = form.make_widget("model.source", choices=find.model_choices(ctx))
                forward = gr.Button("Next: train it", variant="primary", size="md")
                finding = find.build_search(ctx)
                listed = download.build_list(ctx)
            with gr.Column(scale=1, min_width=320, elem_id="model-page"):
                told = raw_html(visible=False, elem_id="model-told")
                panel = download.build_panel()
                verdict = raw_html(elem_id="model-verdict")
                about = raw_html(READING_MODEL, elem_id="model-about")
                drawing = raw_html(
                    html_template='<div class="block-map"></div>',
                    js_on_load=MAP_SCRIPT,
                    elem_id="model-map",
                )
                memory = raw_html(elem_id="model-memory")
        timer = gr.Timer(
            download.POLL_SECONDS, active=False
        )  # within the tab: beside the tabs it would count as one
    shown = *panel, timer, *listed
    return ModelTab(
        tab,
        source,
        told,
        about,
        verdict,
        drawing,
        memory,
        forward,
        finding,
        DownloadWidgets(*shown),
    )


def wire_model(ctx: Context, tab: ModelTab, blocks: gr.Blocks) -> None:
    """From the lists to the choice, and from the choice to what is said of it."""
    finding, source = tab.finding, tab.source
    for listed in (finding.known, finding.found, tab.getting.listed):
        listed.choose(bind(find.choose_listed, ctx), None, [tab.told, source], **QUIET)
    opened, own = [finding.use.click, finding.folder.submit], [source, finding.refused]
    gr.on(opened, bind(find.open_folder, ctx), finding.folder, own, **QUIET)
    # What was said of a model that could not be chosen goes once another one is; and one button of two is the next.
    source.change(bind(follow_choice), source, [tab.told, tab.next], **QUIET)
    tab.tab.select(bind(find.list_known, ctx), None, finding.known, **QUIET)
    blocks.load(bind(find.refresh_models, ctx), source, source, **QUIET)
    download.wire_downloads(ctx, tab.getting, source, blocks.load)


# --- handlers ---


def follow_choice(source: str) -> tuple[Any, Any]:
    """Nothing is said any more of another model; to train comes first only where nothing has to be downloaded."""
    return gr.update(visible=False), gr.update(
        variant="secondary" if local.hub_name(source) else "primary"
    )


def describe_model(ctx: Context, source: str) -> Iterator[str]:
    """What the model is; says that it is being read while it is."""
    if ctx.known_model(source) is None:
        yield READING_MODEL
    try:
        yield model_about.model_cards(
            ctx.load_model(source), hub.read_origin(local.model_path(source))
        )
    except HoneError as error:
        yield status_box("bad", "This model cannot be shown now", str(error))
