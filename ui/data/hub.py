"""Adding a dataset of the Hugging Face Hub: look it up, choose rows of it, download."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from engine.data.hub import HubInfo, HubSpec
from engine.errors import DataError
from engine.process import oneshot
from ui.context import Context
from ui.data.intake import IntakeWidgets, take_in, wait_line
from ui.handlers import QUIET, Updates, Values, bind
from ui.text import line, status_box
from ui.theme import make_button, raw_html


class HubWidgets:
    """The dataset's name, what its page says, and which rows of it to download."""

    def __init__(self, ctx: Context) -> None:
        hidden: dict[str, Any] = {"visible": False}
        self.name = gr.Textbox(
            label="Hugging Face Hub",
            info="The dataset's name as on its page: owner/name.",
            elem_id="hub-name",
        )
        self.look_up = make_button("Look it up", "hub-look")
        self.about = raw_html(**hidden)
        info = "Some datasets have several."
        self.config = gr.Dropdown(
            [], label="Subset (config)", info=info, elem_id="hub-config", **hidden
        )
        info = "Most datasets have one for training and one for testing."
        self.split = gr.Dropdown([], label="Split", info=info, elem_id="hub-split", **hidden)
        number: dict[str, Any] = {"precision": 0, **hidden}
        self.first = gr.Number(0, label="Start at row", info="0 is the first row.", **number)
        self.most = gr.Number(5000, label="Rows at most", info="0 downloads all.", **number)
        self.download = make_button("Download", "hub-get", **hidden)
        self.wanted = {self.name, self.config, self.split, self.first, self.most}
        self.choice = [self.config, self.split, self.first, self.most, self.download]
        found = [self.about, *self.choice]
        self.look_up.click(bind(show_hub_dataset, ctx, self), self.name, found, **QUIET)
        self.config.input(bind(offer_splits, ctx), [self.name, self.config], self.split, **QUIET)


# --- handlers ---


def show_hub_dataset(ctx: Context, hub: HubWidgets, name: str) -> Updates:
    """Show what a Hub dataset holds, and offer its splits."""
    ctx.policy.require_download()
    try:
        info = oneshot.look_up_dataset(ctx.engine.store, (name or "").strip())
    except DataError as error:
        refused = status_box("bad", "This dataset cannot be read", str(error))
        hidden = dict.fromkeys(hub.choice, gr.update(visible=False))
        return {hub.about: gr.update(value=refused, visible=True), **hidden}
    configs = list(info.splits)
    default = info.default or next(iter(configs), "")
    shown = gr.update(visible=bool(configs))
    return {
        hub.about: gr.update(value=line(_about_dataset(info)), visible=True),
        hub.config: gr.update(choices=configs, value=default, visible=len(configs) > 1),
        hub.split: _split_choices(info, default),
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
    ctx.policy.require_download()
    info = oneshot.look_up_dataset(ctx.engine.store, (name or "").strip())
    return _split_choices(info, config)


def _split_choices(info: HubInfo, config: str) -> Any:
    splits = list(info.splits.get(config, {}))
    split = "train" if "train" in splits else next(iter(splits), None)
    return gr.update(choices=splits, value=split, visible=bool(splits))


def add_hub_dataset(
    ctx: Context, hub: HubWidgets, shown: IntakeWidgets, values: Values
) -> Iterator[Updates]:
    """Download a dataset's split, or some rows of it, and take it in."""
    ctx.policy.require_download()
    wanted = HubSpec(
        name=(values[hub.name] or "").strip(),
        config=values[hub.config] or "",
        split=values[hub.split] or "train",
        first=int(values[hub.first] or 0),
        count=int(values[hub.most] or 0) or None,
    )
    yield {shown.problem: wait_line(f"Looking up {wanted.name} on the Hub.")}
    download = partial(oneshot.ingest_hub_dataset, ctx.engine.store, wanted)
    yield from take_in(ctx, shown, None, download)
