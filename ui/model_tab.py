"""The Model tab: which base model, what it is made of, and which of its parts can be adapted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine import models
from engine.anatomy import ModelInfo
from engine.errors import HoneError
from ui import form
from ui.context import Context
from ui.handlers import bind
from ui.text import card, count, intro, line, megabytes, row, safe, short, status, table, tiles
from ui.theme import html

READING = line("Reading the model's description. The first time takes about ten seconds.", "wait")
GROUPS = {
    "fewest": "Fewest (query and value)",
    "attention": "Attention",
    "all": "All linear layers",
}
GROUP_NOTES = {
    "fewest": "the least memory; enough to change the tone",
    "attention": "all of the attention block",
    "all": "learns the most; the usual choice",
}


@dataclass(frozen=True)
class ModelTab:
    """What the other tabs need."""

    tab: gr.Tab
    source: gr.Dropdown
    about: gr.HTML
    next: gr.Button


def build(ctx: Context) -> ModelTab:
    """Lay the tab out and wire what concerns it alone."""
    with gr.Tab("Model", id="model") as tab:
        html(intro("Which model should learn it?", "Keep the pocket model to try things out, or use one of your own."))
        with gr.Row(equal_height=False, elem_classes="page"):
            with gr.Column(scale=0, min_width=340, elem_classes="side"):
                source = form.widget("model.source", choices=choices(ctx))
                folder = gr.Textbox(
                    label="Folder on this machine",
                    info="The whole path of a folder with config.json, a tokenizer and *.safetensors files.",
                    placeholder="/home/me/models/SmolLM2-135M",
                    elem_id="model-folder",
                )
                use = gr.Button("Use this folder", size="md")
                forward = gr.Button("Next: train it", variant="primary", size="md")
            with gr.Column(scale=1, min_width=320):
                about = html(READING, elem_id="model-about")
    gr.on([use.click, folder.submit], bind(open_folder, ctx), folder, source, api_visibility="private")
    return ModelTab(tab, source, about, forward)


def choices(ctx: Context) -> list[tuple[str, str]]:
    """(label, source) of all base models found."""
    return [(label, source) for source, label in ctx.model_choices()]


# --- handlers ---


def open_folder(ctx: Context, folder: str) -> Any:
    """Offer a folder as base model and choose it, once it has passed the safety check."""
    ctx.policy.require_folders()
    name = folder.strip().strip("\"'")
    path = Path(os.path.expanduser(name)) if name else Path("(nothing)")
    models.check(path)
    found = [choice for choice in choices(ctx) if choice[1] != str(path)]
    return gr.update(choices=[*found, (path.name, str(path))], value=str(path))


def describe(ctx: Context, source: str) -> Iterator[str]:
    """What the model is; says that it is being read while it is."""
    if ctx.known_model(source) is None:
        yield READING
    try:
        yield about(ctx.model(source))
    except HoneError as error:
        yield status("bad", "This model cannot be shown now", str(error))


# --- what is shown: pure functions ---


def about(info: ModelInfo) -> str:
    """All there is to know of a base model before training."""
    heads = f"{info.heads} heads" if info.kv_heads == info.heads else f"{info.heads} heads, {info.kv_heads} for keys"
    words = (
        "It has a chat template: it knows who is speaking, the user or the assistant."
        if info.has_template
        else "It has no chat template. Hone writes turns as lines that begin with User: and Assistant: for it."
    )
    strip = [
        ("Parameters", short(info.parameters), f"{count(info.parameters)} weights"),
        ("Size on disk", megabytes(info.megabytes * 2**20), f"stored as {info.dtype}"),
        ("Layers", count(info.layers), f"{count(info.hidden_size)} wide, {heads}"),
        ("Context", count(info.context), f"tokens at once; knows {count(info.vocab_size)} tokens"),
    ]
    family = f"Family: {info.model_type}"
    return card(info.name, line(family), line(words)) + tiles(strip) + _targets(info)


def _targets(info: ModelInfo) -> str:
    """The modules that LoRA can adapt, with the group that each belongs to."""
    headers = ("Module", "Part", "Layers", "Shape (in × out)", *(name for name in GROUPS.values()))
    rows = (
        row(
            (
                m.name,
                m.part,
                count(m.count),
                f"{count(m.ins)} × {count(m.outs)}",
                *("✓" if m.name in info.groups[g] else "" for g in GROUPS),
            )
        )
        for m in info.modules
    )
    notes = "".join(f"<li><b>{safe(name)}</b>: {safe(GROUP_NOTES[group])}</li>" for group, name in GROUPS.items())
    text = "An adapter is put beside these parts; the model itself stays as it is. Choose the group on the Train tab."
    return card("Parts that can learn (target modules)", line(text), f"<ul>{notes}</ul>", table(headers, rows))
