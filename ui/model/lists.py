"""Lists of models to choose from, as HTML: recommended, found on the Hub, downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import gradio as gr

from engine.estimate.fits import FIT_LENGTH, ModelFit
from engine.model.hub import DownloadedModel, HubModel
from engine.process.downloads import Download
from engine.spec.presets import KnownModel
from engine.text import format_bytes, format_count, format_hub_bytes, format_large_number
from ui.text import escape_html, line, small_button
from ui.theme import button_list

GATED_NOTE = "terms to accept"
NOTHING_FOUND = "Nothing was found. Use fewer words or fewer filters."
ASSUMPTIONS = (
    "{1} of memory is free. What fits is estimated for LoRA with one example of {0:,} tokens at a "
    "time."
)
LIST_EVENTS = ("choose", "resume", "halt", "discard")
FIT_TONES = {"fits": "good", "four": "warn", "large": "bad"}
FIT_WORDS = {"fits": "fits", "four": "fits in 4 bit", "large": "too large"}
ListAct = tuple[str, str]  # the event that a button triggers, and its label


def build_list(html: str, elem_id: str) -> gr.HTML:
    """The widget of a list."""
    return button_list(elem_id, LIST_EVENTS, html, elem_classes="model-list")


def recommended_models(models: Sequence[tuple[KnownModel, ModelFit | None]], free: float) -> str:
    """The models that Hone recommends: by task, and last those that are too large."""
    small = [pair for pair in models if pair[1] is None or pair[1].word != "large"]
    groups = [
        ("To write and answer", [pair for pair in small if pair[0].task == "write"]),
        ("To choose labels", [pair for pair in small if pair[0].task == "classify"]),
        ("Too large for this machine", [pair for pair in models if pair not in small]),
    ]
    shown = [
        f"<h3>{escape_html(title)}</h3>{_model_list(_recommended_model(*pair) for pair in group)}"
        for title, group in groups
        if group
    ]
    return line(ASSUMPTIONS.format(FIT_LENGTH, format_bytes(free))) + "".join(shown)


def found_models(models: Sequence[HubModel], fits: Sequence[ModelFit | None]) -> str:
    """What the Hub has; models that cannot be used say why and cannot be chosen."""
    if not models:
        return line(NOTHING_FOUND)
    return _model_list(_found_model(one, fit) for one, fit in zip(models, fits, strict=True))


def _model_list(items: Iterable[str]) -> str:
    return f'<div class="picks">{"".join(items)}</div>'


def _recommended_model(one: KnownModel, fit: ModelFit | None) -> str:
    weights = f"{format_large_number(one.parameters)} weights"
    facts = [weights, f"{one.gigabytes:g} GB", one.licence]
    if one.gated:
        facts.append(GATED_NOTE)
    return _model_button(one.name, one.title, fit, facts, one.good_for)


def _found_model(one: HubModel, fit: ModelFit | None) -> str:
    if one.problem:
        body = f"<b>{escape_html(one.name)}</b><span>{escape_html(one.problem)}</span>"
        return f'<div class="pick off">{body}</div>'
    facts = []
    if one.parameters:
        facts.append(f"{format_large_number(one.parameters)} weights")
    facts += [format_hub_bytes(one.bytes) if one.bytes else "size unknown", one.licence]
    if one.gated:
        facts.append(GATED_NOTE)
    task = one.task.replace("-", " ")
    text = f"{task}, {format_count(one.downloads)} downloads a month".strip(", ")
    return _model_button(one.name, one.name, fit, facts, text)


def _model_button(
    name: str, title: str, fit: ModelFit | None, facts: Iterable[str], text: str
) -> str:
    meta = " · ".join(fact for fact in facts if fact)
    safe_name = escape_html(name)
    return (
        f'<button type="button" class="pick" data-do="choose" data-name="{safe_name}" '
        f'data-key="pick {safe_name}"><b>{escape_html(title)}</b>{fit_chip(fit)}'
        f"<small>{escape_html(meta)}</small><span>{escape_html(text)}</span></button>"
    )


def fit_chip(fit: ModelFit | None) -> str:
    """Whether a model fits, in a word or two.

    Without a figure: what the settings need is one figure, which stands beside the chosen model.
    """
    if fit is None:
        return '<span class="mark" data-tone="">…</span>'
    likely = "likely " if fit.rough else ""
    text = f"{likely}{FIT_WORDS[fit.word]}"
    text = text[0].upper() + text[1:]
    return f'<span class="mark" data-tone="{FIT_TONES[fit.word]}">{escape_html(text)}</span>'


def downloaded_models(
    models: Sequence[DownloadedModel], downloads: dict[str, Download], may_remove: bool
) -> str:
    """What came from the Hub, what is being downloaded, and what is unfinished."""
    names = {one.name for one in models}
    begun = [one for name, one in downloads.items() if one.live and name not in names]
    if not models and not begun:
        return line("Nothing is downloaded yet.")
    shown = (_downloaded_model(one, downloads.get(one.name), may_remove) for one in models)
    return _model_list([*map(_begun_download, begun), *shown])


def _begun_download(one: Download) -> str:
    bar = progress_bar(one.percent or 0, one.name)
    return _list_item(one.name, bar, one.status, [("choose", "Show"), ("halt", "Stop")])


def _downloaded_model(one: DownloadedModel, download: Download | None, may_remove: bool) -> str:
    size = format_hub_bytes(one.bytes)
    bar = "" if one.whole else progress_bar(100 * one.bytes / max(1, one.origin.bytes), one.name)
    if download and download.live and not one.whole:
        acts = [("choose", "Show"), ("halt", "Stop")]
        return _list_item(one.name, bar, download.status, acts)
    if one.coming and not one.whole:
        return _list_item(one.name, bar, "It is being downloaded.", [("choose", "Show")])
    text, acts = f"{size} · {one.origin.licence}", [("choose", "Use it")]
    if not one.whole:
        text = f"{size} of {format_hub_bytes(one.origin.bytes)} are here"
        acts = [("choose", "Show"), ("resume", "Resume")]
    busy = one.coming or (download is not None and download.live)
    if may_remove and not busy:
        acts.append(("discard", "Remove…"))
    return _list_item(one.name, bar, text, acts)


def _list_item(name: str, bar: str, text: str, acts: Sequence[ListAct]) -> str:
    buttons = "".join(small_button(do, name, label, name) for do, label in acts)
    body = f"<b>{escape_html(name)}</b>{bar}<small>{escape_html(text)}</small>"
    return f'<article class="kept">{body}<div class="kept-acts">{buttons}</div></article>'


def progress_bar(percent: float, name: str) -> str:
    """How far a download is."""
    return (
        f'<div class="bar" role="progressbar" aria-label="Download of {escape_html(name)}" '
        f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent:.0f}">'
        f'<i style="width:{percent:.1f}%"></i></div>'
    )
