"""Adding a dataset of the Hugging Face Hub: look it up, choose rows of it, download."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.data.hub import HubInfo, HubSpec
from engine.errors import DataError
from engine.process import oneshot
from ui.context import Context
from ui.data.intake import IntakeWidgets, take_in, wait_line
from ui.handlers import QUIET, Updates, Values, bind
from ui.text import line, status_box
from ui.theme import raw_html


@dataclass(frozen=True)
class HubWidgets:
    """The dataset's name, what its page says, and which rows of it to download."""

    name: gr.Textbox
    look_up: gr.Button
    about: gr.HTML
    config: gr.Dropdown
    split: gr.Dropdown
    first: gr.Number
    most: gr.Number
    download: gr.Button


def build_hub(ctx: Context) -> HubWidgets:
    """Lay the widgets out and wire those that look a dataset up."""
    hub = HubWidgets(
        name=gr.Textbox(
            label="Hugging Face Hub",
            info="The dataset's name as on its page: owner/name.",
            elem_id="hub-name",
        ),
        look_up=gr.Button("Look it up", size="md", elem_id="hub-look"),
        about=raw_html(visible=False),
        config=gr.Dropdown(
            [],
            label="Subset (config)",
            info="Some datasets have several.",
            visible=False,
            elem_id="hub-config",
        ),
        split=gr.Dropdown(
            [],
            label="Split",
            info="Most datasets have one for training and one for testing.",
            visible=False,
            elem_id="hub-split",
        ),
        first=gr.Number(
            0, precision=0, label="Start at row", info="0 is the first row.", visible=False
        ),
        most=gr.Number(
            5000, precision=0, label="Rows at most", info="0 downloads all.", visible=False
        ),
        download=gr.Button("Download", size="md", visible=False, elem_id="hub-get"),
    )
    found = [hub.about, hub.config, hub.split, hub.first, hub.most, hub.download]
    hub.look_up.click(bind(show_hub_dataset, ctx, hub), hub.name, found, **QUIET)
    hub.config.input(bind(offer_splits, ctx), [hub.name, hub.config], hub.split, **QUIET)
    return hub


def wire_hub(ctx: Context, hub: HubWidgets, shown: IntakeWidgets) -> None:
    """The button downloads the chosen rows."""
    wanted = {hub.name, hub.config, hub.split, hub.first, hub.most}
    outputs = [shown.source, shown.problem]
    hub.download.click(bind(add_hub_dataset, ctx, hub, shown), wanted, outputs, **QUIET)


# --- handlers ---


def show_hub_dataset(ctx: Context, hub: HubWidgets, name: str) -> Updates:
    """Show what a Hub dataset holds, and offer its splits."""
    choice = (hub.config, hub.split, hub.first, hub.most, hub.download)
    try:
        info = oneshot.look_up_dataset(ctx.engine.store, (name or "").strip())
    except DataError as error:
        refused = status_box("bad", "This dataset cannot be read", str(error))
        hidden = {widget: gr.update(visible=False) for widget in choice}
        return {hub.about: gr.update(value=refused, visible=True), **hidden}
    configs = list(info.splits)
    default = info.default or next(iter(configs), "")
    splits = list(info.splits.get(default, {}))
    split = "train" if "train" in splits else next(iter(splits), None)
    shown = gr.update(visible=bool(configs))
    return {
        hub.about: gr.update(value=line(_about_dataset(info)), visible=True),
        hub.config: gr.update(choices=configs, value=default, visible=len(configs) > 1),
        hub.split: gr.update(choices=splits, value=split, visible=bool(splits)),
        hub.first: shown,
        hub.most: shown,
        hub.download: shown,
    }


def _about_dataset(info: HubInfo) -> str:
    size = f"{info.size / 2**20:,.0f} MB. " if info.size else ""
    gated = "It is gated: accept its terms on its page and set HF_TOKEN. " if info.gated else ""
    return f"{info.name}: {size}Licence: {info.licence}. {gated}{' '.join(info.notes)}"


def offer_splits(ctx: Context, name: str, config: str) -> Any:
    """The splits of another config."""
    splits = list(oneshot.look_up_dataset(ctx.engine.store, name.strip()).splits.get(config, {}))
    return gr.update(choices=splits, value=next(iter(splits), None))


def add_hub_dataset(
    ctx: Context, hub: HubWidgets, shown: IntakeWidgets, values: Values
) -> Iterator[Updates]:
    """Download a dataset's split, or some rows of it, and take it in."""
    wanted = HubSpec(
        name=values[hub.name].strip(),
        config=values[hub.config] or "",
        split=values[hub.split] or "train",
        first=int(values[hub.first] or 0),
        count=int(values[hub.most] or 0) or None,
    )
    yield {shown.problem: wait_line(f"Looking up {wanted.name} on the Hub.")}
    yield from take_in(
        ctx,
        shown,
        None,
        lambda on_progress: oneshot.ingest_hub_dataset(ctx.engine.store, wanted, on_progress),
    )
