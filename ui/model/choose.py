"""Choosing a base model from a list; one that is not here is looked up on the Hub first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine.errors import HoneError
from engine.model import catalog, local
from ui.context import Context
from ui.handlers import event_text
from ui.text import line, status_box

STAYS_CHOSEN = "\nThe model shown below stays chosen."


@dataclass
class LookUp:
    """The model of a list that is being looked up for a page; empty once another is chosen."""

    name: str = ""


def model_choices(ctx: Context, source: str = "") -> list[tuple[str, str]]:
    """(label, source) of all base models here, and of ``source`` where it is only looked at."""
    found = [(label, one) for one, label in ctx.model_choices()]
    opened = ctx.opened_folders()
    if ctx.policy.may_open_folders and source not in dict(found).values() and _is_folder(source):
        opened = [*opened, source]  # before the app was started anew
    found += [(Path(one).name, one) for one in dict.fromkeys(opened)]
    if (name := local.hub_name(source)) and source not in {one for _, one in found}:
        found.append((f"{name} (not downloaded)", source))
    return found


def _is_folder(source: str) -> bool:
    return Path(source).is_absolute() and (Path(source) / "config.json").is_file()


def choose_listed(ctx: Context, look_up: LookUp, event: gr.EventData) -> Iterator[tuple[Any, Any]]:
    """Choose a model of a list; yields the message above it and the choice.

    A model that is neither here nor known is looked up on the Hub first, which takes a while:
    another choice that is made meanwhile stands.
    """
    name = event_text(event, "name")
    source = catalog.source_of(ctx.engine.store, name)
    if look_up.name == name:  # clicked twice
        yield gr.skip(), gr.skip()
        return
    look_up.name = name
    try:
        if _must_look_up(ctx, name, source):
            asking = line(f"Looking up {name} on the Hub.", "wait")
            yield gr.update(value=asking, visible=True), gr.skip()
            message, source = _look_up(ctx, name)
            if look_up.name != name:
                return
            if not source:
                yield message, gr.skip()
                return
        chosen = gr.update(choices=model_choices(ctx, source), value=source)
        yield gr.update(visible=False), chosen
    finally:
        if look_up.name == name:
            look_up.name = ""


def _look_up(ctx: Context, name: str) -> tuple[Any, str]:
    """A message where a model of the Hub cannot be used, else its source."""
    try:
        page = ctx.refresh_hub_page(name)
    except HoneError as error:
        return shown_message("bad", f"{name} could not be looked up", str(error)), ""
    if page.folder is None:
        title = f"{name} cannot be used" if page.model.problem else f"{name} cannot be used yet"
        reason = page.model.problem or page.todo
        return shown_message("warn", title, reason + STAYS_CHOSEN), ""
    return None, local.HUB_PREFIX + page.model.name


def _must_look_up(ctx: Context, name: str, source: str) -> bool:
    if not local.hub_name(source) or catalog.known_model(name):
        return False
    page = ctx.known_hub_page(name)
    return page is None or page.folder is None


def shown_message(tone: str, title: str, text: str) -> Any:
    """A message above the chosen model."""
    return gr.update(value=status_box(tone, title, text, links=True), visible=True)
