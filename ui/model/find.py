"""Finding a base model: the recommended ones, the Hub's, a folder of this machine; choosing looks at it first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine import hardware
from engine.errors import HoneError
from engine.estimate import fits
from engine.estimate.fits import ModelFit
from engine.hardware import Machine
from engine.model import catalog, local, safety
from engine.process import hub
from engine.spec import presets
from engine.spec.method import MethodSpec
from engine.spec.run import PlaceSpec
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.model import lists
from ui.text import line, status_box
from ui.theme import raw_html

TASK_FILTER = [
    ("Any", ""),
    ("Write text", "text-generation"),
    ("Choose labels", "text-classification"),
    ("Encode text", "fill-mask"),
]
LICENCE_FILTER = [
    ("Any", ""),
    ("Apache 2.0", "apache-2.0"),
    ("MIT", "mit"),
    ("Gemma", "gemma"),
    ("Llama 3.2", "llama3.2"),
]
SIZE_FILTER = [
    ("Fits this machine", "fits"),
    ("Up to 1 B", "1"),
    ("Up to 4 B", "4"),
    ("Up to 9 B", "9"),
    ("Any", ""),
]
VERDICTS_PER_UPDATE = 3  # verdicts between two updates of the list
CHOICE_STAYS = "\nThe model that is shown below stays chosen."
SEARCH_HINT = line(
    "Search for a name, such as SmolLM2 or Qwen3. Models that fit this machine come first."
)


@dataclass(frozen=True)
class SearchWidgets:
    """The widgets by which a model is found."""

    known: gr.HTML
    found: gr.HTML
    folder: gr.Textbox
    use: gr.Button
    refused: gr.HTML  # why the folder cannot be used


def build_search(ctx: Context) -> SearchWidgets:
    """Lay it out and wire what concerns it alone."""
    with gr.Accordion("Recommended models", open=True, elem_id="known-box"):
        known = raw_html(
            recommended_list(ctx),
            js_on_load=lists.LIST_SCRIPT,
            elem_id="known-models",
            elem_classes="model-list",
        )
    with gr.Accordion("Search the Hugging Face Hub", open=False, elem_id="search-box"):
        found = _build_hub_search(ctx)
    with gr.Accordion("A folder on this machine", open=False, elem_id="folder-box"):
        folder = gr.Textbox(
            label="Folder",
            info="The whole path of a folder with config.json, a tokenizer and *.safetensors files.",
            placeholder="/home/me/models/SmolLM2-135M",
            elem_id="model-folder",
        )
        use = gr.Button("Use this folder", size="md", elem_id="use-folder")
        refused = raw_html(visible=False, elem_id="folder-problem")
    return SearchWidgets(known, found, folder, use, refused)


def _build_hub_search(ctx: Context) -> gr.HTML:
    query = gr.Textbox(
        label="Name",
        info="A part of it is enough; owner/name finds one model.",
        elem_id="hub-query",
    )
    with gr.Row(elem_classes="filters"):
        task = gr.Dropdown(
            TASK_FILTER,
            value="text-generation",
            label="Task",
            info="What it can do.",
            min_width=120,
            elem_id="hub-task",
        )
        licence = gr.Dropdown(
            LICENCE_FILTER,
            value="",
            label="Licence",
            info="Its terms.",
            min_width=120,
            elem_id="hub-licence",
        )
        size = gr.Dropdown(
            SIZE_FILTER,
            value="fits",
            label="Size",
            info="How many weights it has.",
            min_width=240,
            elem_id="hub-size",
        )
    go = gr.Button("Search", size="md", elem_id="hub-search")
    found = raw_html(
        SEARCH_HINT, js_on_load=lists.LIST_SCRIPT, elem_id="hub-found", elem_classes="model-list"
    )
    asked: list[Component] = [query, task, size, licence]
    gr.on([go.click, query.submit], bind(search_hub, ctx), asked, found, **QUIET)
    return found


# --- handlers ---


def model_choices(ctx: Context, source: str = "") -> list[tuple[str, str]]:
    """(label, source) of all base models here, and of one that is only looked at."""
    found = [(label, one) for one, label in ctx.model_choices()]
    found += [(Path(one).name, one) for one in ctx.opened_folders()]
    if (name := local.hub_name(source)) and source not in {one for _, one in found}:
        found.append((f"{name} (not downloaded)", source))
    return found


def refresh_models(ctx: Context, source: str) -> Any:
    """What is here when the page opens: more than when the app started, perhaps."""
    return gr.update(choices=model_choices(ctx, source))


def open_folder(ctx: Context, folder: str) -> tuple[Any, Any]:
    """Offer a folder as base model and choose it, once it has passed the safety check; else say why not, beside it."""
    ctx.policy.require_folders()
    name = folder.strip().strip("\"'")
    if not name:
        return gr.skip(), gr.update(
            value=line("Write the folder's path first.", "bad"), visible=True
        )
    path = Path(os.path.expanduser(name))
    try:
        safety.check_model_folder(path)
    except HoneError as error:
        return gr.skip(), gr.update(value=line(str(error), "bad"), visible=True)
    found = [choice for choice in model_choices(ctx) if choice[1] != str(path)]
    chosen = gr.update(choices=[*found, (path.name, str(path))], value=str(path))
    return chosen, gr.update(visible=False)


def list_known(ctx: Context) -> Iterator[str]:
    """The recommended models; what fits is worked out from their configs, some seconds the first time."""
    yield recommended_list(ctx)
    unknown = [
        one.name
        for one in presets.known_models()
        if ctx.known_model(local.HUB_PREFIX + one.name) is None
    ]
    for number, name in enumerate(unknown, 1):
        try:
            ctx.load_model(local.HUB_PREFIX + name)
        except HoneError:
            continue  # it stays without a verdict; choosing it tells why
        if number % VERDICTS_PER_UPDATE == 0 or number == len(unknown):
            yield recommended_list(ctx)


def search_hub(ctx: Context, query: str, task: str, size: str, licence: str) -> Iterator[str]:
    """Models of the Hub, each with what probably fits."""
    ctx.policy.require_download()
    yield line("Asking the Hub.", "wait")
    now = default_machine(ctx)
    largest = fits.largest_model(now) if size == "fits" else int(size) * 10**9 if size else None
    try:
        found = hub.search_models(ctx.engine.store, query or "", task or "", licence or "", largest)
        yield lists.found_models(
            found,
            [estimate_fit(ctx, local.HUB_PREFIX + one.name, now, one.parameters) for one in found],
        )
    except HoneError as error:
        yield line(str(error), "bad")


def choose_listed(ctx: Context, event: gr.EventData) -> Iterator[tuple[Any, Any]]:
    """Look at a model of a list: what was said of it, and the choice."""
    name = str(event.name)
    source = catalog.source_of(ctx.engine.store, name)
    page = ctx.known_hub_page(name)
    if (
        local.hub_name(source)
        and catalog.known_model(name) is None
        and (page is None or page.folder is None)
    ):
        yield gr.update(value=line(f"Asking the Hub for {name}.", "wait"), visible=True), gr.skip()
        try:
            page = ctx.refresh_hub_page(name)
        except HoneError as error:
            yield shown_message("bad", f"{name} cannot be looked at", str(error)), gr.skip()
            return
        if page.folder is None:
            title = f"{name} cannot be used" if page.model.problem else f"{name} cannot be used yet"
            yield (
                shown_message("warn", title, (page.model.problem or page.todo) + CHOICE_STAYS),
                gr.skip(),
            )
            return
        source = local.HUB_PREFIX + page.model.name
    yield gr.update(visible=False), gr.update(choices=model_choices(ctx, source), value=source)


def shown_message(tone: str, title: str, text: str) -> Any:
    """A sentence above the chosen model."""
    return gr.update(value=status_box(tone, title, text, links=True), visible=True)


# --- what fits ---


def default_machine(ctx: Context) -> Machine:
    """What a run would have to itself with the settings that Hone begins with."""
    return hardware.machine(PlaceSpec(), MethodSpec(), ctx.engine.store.home)


def estimate_fit(
    ctx: Context, source: str, now: Machine, parameters: int | None = None
) -> ModelFit | None:
    """What fits: exactly where its config has been read, else from its size; None where neither is known."""
    capable = hardware.bf16(now.device)
    if info := ctx.known_model(source):
        return fits.check_fit(info, now, capable)
    return fits.check_fit_by_size(parameters, now, capable) if parameters else None


def recommended_list(ctx: Context) -> str:
    """The list as far as it is known what fits."""
    now = default_machine(ctx)
    return lists.recommended_models(
        [
            (one, estimate_fit(ctx, local.HUB_PREFIX + one.name, now))
            for one in presets.known_models()
        ],
        now.free,
    )
