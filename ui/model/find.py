"""Finding a base model: recommended ones, a search on the Hub, a folder; and what fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine import hardware
from engine.errors import HoneError
from engine.estimate import fits
from engine.estimate.fits import ModelFit
from engine.hardware import Machine
from engine.model import local, safety
from engine.process import hub
from engine.spec import presets
from engine.spec.method import MethodSpec
from engine.spec.run import PlaceSpec
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.model import lists
from ui.model.choose import model_choices
from ui.text import line
from ui.theme import make_button, raw_html

TASK_FILTER = [
    ("Any", ""), ("Write text", "text-generation"), ("Choose labels", "text-classification"),
    ("Encode text", "fill-mask"),
]  # fmt: skip
LICENCE_FILTER = [
    ("Any", ""), ("Apache 2.0", "apache-2.0"), ("MIT", "mit"), ("Gemma", "gemma"),
    ("Llama 3.2", "llama3.2"),
]  # fmt: skip
SIZE_FILTER = [
    ("Fits this machine", "fits"), ("Up to 1 B", "1"), ("Up to 4 B", "4"), ("Up to 9 B", "9"),
    ("Any", ""),
]  # fmt: skip
FITS_PER_UPDATE = 3  # models whose fit is worked out between two updates of the list
SEARCH_HINT = line(
    "Search for a name, such as SmolLM2 or Qwen3. Models that fit this machine come first."
)


class SearchWidgets:
    """The widgets that a model is found with."""

    def __init__(self, ctx: Context) -> None:
        with gr.Accordion("Recommended models", open=True, elem_id="known-box"):
            self.recommended = lists.build_list(recommended_list(ctx), "known-models")
        with gr.Accordion("Search the Hugging Face Hub", open=False, elem_id="search-box"):
            self.found = _build_hub_search(ctx)
        with gr.Accordion("A folder on this machine", open=False, elem_id="folder-box"):
            self.folder = gr.Textbox(
                label="Folder",
                info="The full path of a folder with config.json, a tokenizer and *.safetensors "
                "files.",
                placeholder="/home/me/models/SmolLM2-135M",
                elem_id="model-folder",
            )
            self.use_folder = make_button("Use this folder", "use-folder")
            # Why the folder cannot be used.
            self.refused = raw_html(visible=False, elem_id="folder-problem")


def _build_hub_search(ctx: Context) -> gr.HTML:
    query = gr.Textbox(
        label="Name",
        info="Part of a name is enough; owner/name finds one model.",
        elem_id="hub-query",
    )
    with gr.Row(elem_classes="filters"):
        task = _build_filter("Task", "What it can do.", TASK_FILTER, "text-generation")
        licence = _build_filter("Licence", "Its terms.", LICENCE_FILTER, "")
        size = _build_filter("Size", "Its number of weights.", SIZE_FILTER, "fits", width=240)
    go = make_button("Search", "hub-search")
    found = lists.build_list(SEARCH_HINT, "hub-found")
    wanted: list[Component] = [query, task, size, licence]
    gr.on([go.click, query.submit], bind(search_hub, ctx), wanted, found, **QUIET)
    return found


def _build_filter(
    label: str, info: str, choices: list[tuple[str, str]], value: str, width: int = 120
) -> gr.Dropdown:
    shown = {"label": label, "info": info, "min_width": width}
    return gr.Dropdown(choices, value=value, elem_id=f"hub-{label.lower()}", **shown)


# --- handlers ---


def open_folder(ctx: Context, folder: str) -> tuple[Any, Any]:
    """Choose a folder that passes the safety check as base model; else say why not."""
    ctx.policy.require_folders()
    name = folder.strip().strip("\"'")
    if not name:
        return _refuse_folder("Type the folder's path first.")
    path = Path(name).expanduser()
    try:
        safety.check_model_folder(path)
    except HoneError as error:
        return _refuse_folder(str(error))
    found = [choice for choice in model_choices(ctx) if choice[1] != str(path)]
    chosen = gr.update(choices=[*found, (path.name, str(path))], value=str(path))
    return chosen, gr.update(visible=False)


def _refuse_folder(reason: str) -> tuple[Any, Any]:
    return gr.skip(), gr.update(value=line(reason, "bad"), visible=True)


def list_recommended(ctx: Context) -> Iterator[str]:
    """The recommended models; reading their configs to see what fits takes seconds at first."""
    yield recommended_list(ctx)
    names = [one.name for one in presets.known_models()]
    unread = [name for name in names if ctx.known_model(local.HUB_PREFIX + name) is None]
    for number, name in enumerate(unread, 1):
        try:
            ctx.load_model(local.HUB_PREFIX + name)
        except HoneError:
            continue  # its fit stays unknown; choosing it says why
        if number % FITS_PER_UPDATE == 0 or number == len(unread):
            yield recommended_list(ctx)


def search_hub(ctx: Context, query: str, task: str, size: str, licence: str) -> Iterator[str]:
    """Models of the Hub, each with what probably fits."""
    ctx.policy.require_download()
    yield line("Searching the Hub.", "wait")
    machine = default_machine(ctx)
    largest = int(size) * 10**9 if size.isdigit() else None
    if size == "fits":
        largest = fits.largest_model(machine)
    try:
        found = hub.search_models(ctx.engine.store, query or "", task or "", licence or "", largest)
    except HoneError as error:
        yield line(str(error), "bad")
        return
    estimates = [
        estimate_fit(ctx, local.HUB_PREFIX + one.name, machine, one.parameters) for one in found
    ]
    yield lists.found_models(found, estimates)


# --- what fits ---


def default_machine(ctx: Context) -> Machine:
    """What a run would have to itself with the default settings."""
    return hardware.choose_machine(PlaceSpec(), MethodSpec(), ctx.engine.store.root)


def estimate_fit(
    ctx: Context, source: str, machine: Machine, parameters: int | None = None
) -> ModelFit | None:
    """What fits: exact where the config has been read, else from the size; None without both."""
    if info := ctx.known_model(source):
        return fits.check_fit(info, machine)
    return fits.check_fit_by_size(parameters, machine) if parameters else None


def recommended_list(ctx: Context) -> str:
    """The recommended models, with what fits as far as that is known."""
    machine = default_machine(ctx)
    found = [
        (one, estimate_fit(ctx, local.HUB_PREFIX + one.name, machine))
        for one in presets.known_models()
    ]
    return lists.recommended_models(found, machine.free)
