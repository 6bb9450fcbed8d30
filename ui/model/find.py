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
from engine.estimate.fits import Verdict
from engine.hardware import Machine
from engine.model import catalog, local, safety
from engine.process import hub
from engine.spec import presets
from engine.spec.method import MethodSpec
from engine.spec.run import PlaceSpec
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.model import lists
from ui.text import line, status
from ui.theme import html

TASKS = [
    ("Any", ""),
    ("Write text", "text-generation"),
    ("Choose labels", "text-classification"),
    ("Encode text", "fill-mask"),
]
LICENCES = [
    ("Any", ""),
    ("Apache 2.0", "apache-2.0"),
    ("MIT", "mit"),
    ("Gemma", "gemma"),
    ("Llama 3.2", "llama3.2"),
]
SIZES = [
    ("Fits this machine", "fits"),
    ("Up to 1 B", "1"),
    ("Up to 4 B", "4"),
    ("Up to 9 B", "9"),
    ("Any", ""),
]
FEW = 3  # verdicts between two updates of the list
STAYS = "\nThe model that is shown below stays chosen."
ASK = line("Search for a name, such as SmolLM2 or Qwen3. Models that fit this machine come first.")


@dataclass(frozen=True)
class Finding:
    """The widgets by which a model is found."""

    known: gr.HTML
    found: gr.HTML
    folder: gr.Textbox
    use: gr.Button
    refused: gr.HTML  # why the folder cannot be used


def build(ctx: Context) -> Finding:
    """Lay it out and wire what concerns it alone."""
    with gr.Accordion("Recommended models", open=True, elem_id="known-box"):
        known = html(
            recommended(ctx),
            js_on_load=lists.SCRIPT,
            elem_id="known-models",
            elem_classes="model-list",
        )
    with gr.Accordion("Search the Hugging Face Hub", open=False, elem_id="search-box"):
        found = _search(ctx)
    with gr.Accordion("A folder on this machine", open=False, elem_id="folder-box"):
        folder = gr.Textbox(
            label="Folder",
            info="The whole path of a folder with config.json, a tokenizer and *.safetensors files.",
            placeholder="/home/me/models/SmolLM2-135M",
            elem_id="model-folder",
        )
        use = gr.Button("Use this folder", size="md", elem_id="use-folder")
        refused = html(visible=False, elem_id="folder-problem")
    return Finding(known, found, folder, use, refused)


def _search(ctx: Context) -> gr.HTML:
    query = gr.Textbox(
        label="Name",
        info="A part of it is enough; owner/name finds one model.",
        elem_id="hub-query",
    )
    with gr.Row(elem_classes="filters"):
        task = gr.Dropdown(
            TASKS,
            value="text-generation",
            label="Task",
            info="What it can do.",
            min_width=120,
            elem_id="hub-task",
        )
        licence = gr.Dropdown(
            LICENCES,
            value="",
            label="Licence",
            info="Its terms.",
            min_width=120,
            elem_id="hub-licence",
        )
        size = gr.Dropdown(
            SIZES,
            value="fits",
            label="Size",
            info="How many weights it has.",
            min_width=240,
            elem_id="hub-size",
        )
    go = gr.Button("Search", size="md", elem_id="hub-search")
    found = html(ASK, js_on_load=lists.SCRIPT, elem_id="hub-found", elem_classes="model-list")
    asked: list[Component] = [query, task, size, licence]
    gr.on([go.click, query.submit], bind(search, ctx), asked, found, **QUIET)
    return found


# --- handlers ---


def choices(ctx: Context, source: str = "") -> list[tuple[str, str]]:
    """(label, source) of all base models here, and of one that is only looked at."""
    found = [(label, one) for one, label in ctx.model_choices()]
    found += [(Path(one).name, one) for one in ctx.opened()]
    if (name := local.hub_name(source)) and source not in {one for _, one in found}:
        found.append((f"{name} (not downloaded)", source))
    return found


def refresh(ctx: Context, source: str) -> Any:
    """What is here when the page opens: more than when the app started, perhaps."""
    return gr.update(choices=choices(ctx, source))


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
        safety.check(path)
    except HoneError as error:
        return gr.skip(), gr.update(value=line(str(error), "bad"), visible=True)
    found = [choice for choice in choices(ctx) if choice[1] != str(path)]
    chosen = gr.update(choices=[*found, (path.name, str(path))], value=str(path))
    return chosen, gr.update(visible=False)


def list_known(ctx: Context) -> Iterator[str]:
    """The recommended models; what fits is worked out from their configs, some seconds the first time."""
    yield recommended(ctx)
    unknown = [
        one.name for one in presets.known_models() if ctx.known_model(local.HUB + one.name) is None
    ]
    for number, name in enumerate(unknown, 1):
        try:
            ctx.model(local.HUB + name)
        except HoneError:
            continue  # it stays without a verdict; choosing it tells why
        if number % FEW == 0 or number == len(unknown):
            yield recommended(ctx)


def search(ctx: Context, query: str, task: str, size: str, licence: str) -> Iterator[str]:
    """Models of the Hub, each with what probably fits."""
    ctx.policy.require_download()
    yield line("Asking the Hub.", "wait")
    now = machine(ctx)
    largest = fits.largest(now) if size == "fits" else int(size) * 10**9 if size else None
    try:
        found = hub.search(ctx.engine.store, query or "", task or "", licence or "", largest)
        yield lists.found(
            found, [judged(ctx, local.HUB + one.name, now, one.parameters) for one in found]
        )
    except HoneError as error:
        yield line(str(error), "bad")


def choose(ctx: Context, event: gr.EventData) -> Iterator[tuple[Any, Any]]:
    """Look at a model of a list: what was said of it, and the choice."""
    name = str(event.name)
    source = catalog.source_of(ctx.engine.store, name)
    page = ctx.page(name)
    if (
        local.hub_name(source)
        and catalog.known(name) is None
        and (page is None or page.folder is None)
    ):
        yield gr.update(value=line(f"Asking the Hub for {name}.", "wait"), visible=True), gr.skip()
        try:
            page = ctx.look(name)
        except HoneError as error:
            yield said("bad", f"{name} cannot be looked at", str(error)), gr.skip()
            return
        if page.folder is None:
            title = f"{name} cannot be used" if page.model.problem else f"{name} cannot be used yet"
            yield said("warn", title, (page.model.problem or page.todo) + STAYS), gr.skip()
            return
        source = local.HUB + page.model.name
    yield gr.update(visible=False), gr.update(choices=choices(ctx, source), value=source)


def said(tone: str, title: str, text: str) -> Any:
    """A sentence above the chosen model."""
    return gr.update(value=status(tone, title, text, links=True), visible=True)


# --- what fits ---


def machine(ctx: Context) -> Machine:
    """What a run would have to itself with the settings that Hone begins with."""
    return hardware.machine(PlaceSpec(), MethodSpec(), ctx.engine.store.home)


def judged(
    ctx: Context, source: str, now: Machine, parameters: int | None = None
) -> Verdict | None:
    """What fits: exactly where its config has been read, else from its size; None where neither is known."""
    capable = hardware.bf16(now.device)
    if info := ctx.known_model(source):
        return fits.verdict(info, now, capable)
    return fits.rough(parameters, now, capable) if parameters else None


def recommended(ctx: Context) -> str:
    """The list as far as it is known what fits."""
    now = machine(ctx)
    return lists.recommended(
        [(one, judged(ctx, local.HUB + one.name, now)) for one in presets.known_models()], now.free
    )
