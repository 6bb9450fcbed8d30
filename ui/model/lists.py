"""Lists of models to choose from, as HTML: recommended, found on the Hub, downloaded. Pure functions of values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.estimate.fits import FIT_LENGTH, ModelFit
from engine.model.hub import DownloadedModel, HubModel
from engine.process.downloads import Download
from engine.spec.presets import KnownModel
from engine.text import count_of, format_bytes, format_count, format_hub_bytes, format_large_number
from ui.text import escape_html, line

GATED_NOTE = "terms to accept"
NOTHING_FOUND = "Nothing was found. Use fewer words, or loosen the filters."
ASSUMED = (
    "{1} of memory are free. What fits is told for LoRA, one example of {0:,} tokens at a time."
)
LIST_SCRIPT = "HonePicks(element, trigger, watch); ['choose', 'resume', 'halt', 'discard']"
TONES = {"fits": "good", "four": "warn", "large": "bad"}


def fit_chip(found_models: ModelFit | None) -> str:
    """A verdict in two or three words, with what it needs."""
    if found_models is None:
        return '<span class="mark" data-tone="">…</span>'
    likely = "likely " if found_models.rough else ""
    words = {"fits": "fits", "four": "fits in 4 bit", "large": "too large"}[found_models.word]
    text = f"{likely}{words}: {format_bytes(found_models.needs)}"
    return f'<span class="mark" data-tone="{TONES[found_models.word]}">{escape_html(text[0].upper() + text[1:])}</span>'


def model_button(
    name: str, title: str, found_models: ModelFit | None, facts: Iterable[str], text: str
) -> str:
    """A model that can be chosen."""
    meta = " · ".join(fact for fact in facts if fact)
    return (
        f'<button type="button" class="pick" data-do="choose" data-name="{escape_html(name)}" data-key="pick {escape_html(name)}">'
        f"<b>{escape_html(title)}</b>{fit_chip(found_models)}<small>{escape_html(meta)}</small><span>{escape_html(text)}</span></button>"
    )


def recommended_models(models: Sequence[tuple[KnownModel, ModelFit | None]], free: float) -> str:
    """The list that ships with Hone: by what they are for, and last those that are too large."""
    small = [pair for pair in models if pair[1] is None or pair[1].word != "large"]
    shelves = [
        ("To write and answer", [pair for pair in small if pair[0].task == "write"]),
        ("To choose labels", [pair for pair in small if pair[0].task == "classify"]),
        ("Too large for this machine", [pair for pair in models if pair not in small]),
    ]
    shown = "".join(
        f'<h4>{escape_html(title)}</h4><div class="picks">{"".join(_recommended_model(*pair) for pair in shelf)}</div>'
        for title, shelf in shelves
        if shelf
    )
    return line(ASSUMED.format(FIT_LENGTH, format_bytes(free))) + shown


def _recommended_model(one: KnownModel, verdict: ModelFit | None) -> str:
    facts = (
        f"{format_large_number(one.parameters)} weights",
        f"{one.gigabytes:g} GB",
        one.licence,
        GATED_NOTE if one.gated else "",
    )
    return model_button(one.name, one.title, verdict, facts, one.good_for)


def found_models(models: Sequence[HubModel], verdicts: Sequence[ModelFit | None]) -> str:
    """What the Hub has; models that cannot be used say why and cannot be chosen."""
    if not models:
        return line(NOTHING_FOUND)
    cards = (_found_model(one, verdict) for one, verdict in zip(models, verdicts, strict=True))
    return f'<div class="picks">{"".join(cards)}</div>'


def _found_model(one: HubModel, verdict: ModelFit | None) -> str:
    size = format_hub_bytes(one.bytes) if one.bytes else "size unknown"
    gated = GATED_NOTE if one.gated else ""
    facts = (
        f"{format_large_number(one.parameters)} weights" if one.parameters else "",
        size,
        one.licence,
        gated,
    )
    if one.problem:
        return f'<div class="pick off"><b>{escape_html(one.name)}</b><span>{escape_html(one.problem)}</span></div>'
    task = one.task.replace("-", " ")
    return model_button(
        one.name,
        one.name,
        verdict,
        facts,
        f"{task}, {format_count(one.downloads)} downloads a month".strip(", "),
    )


def downloaded_models(
    models: Sequence[DownloadedModel], coming: dict[str, Download], may_remove: bool
) -> str:
    """What came from the Hub, what is coming, and what broke off."""
    if not models and not any(one.live for one in coming.values()):
        return line("Nothing is downloaded yet.")
    known = {one.name for one in models}
    fresh = [_new_download(one) for name, one in coming.items() if one.live and name not in known]
    return (
        '<div class="picks">'
        + "".join(
            [*fresh, *(_downloaded_model(one, coming.get(one.name), may_remove) for one in models)]
        )
        + "</div>"
    )


def _new_download(one: Download) -> str:
    return _list_item(
        one.name,
        progress_bar(one.percent or 0, one.name),
        one.told,
        [("choose", "Show"), ("halt", "Stop")],
    )


def _downloaded_model(one: DownloadedModel, progress: Download | None, may_remove: bool) -> str:
    live = progress is not None and progress.live
    if one.whole:
        text, acts = f"{format_hub_bytes(one.bytes)} · {one.licence}", [("choose", "Use it")]
    elif live or one.coming:
        text, acts = (
            (progress.told if live and progress else "It is coming."),
            [("choose", "Show")] + [("halt", "Stop")] * live,
        )
    else:
        text, acts = (
            f"{format_hub_bytes(one.bytes)} of {format_hub_bytes(one.total)} are here",
            [("choose", "Show"), ("resume", "Go on")],
        )
    if may_remove and not live and not one.coming:
        acts.append(("discard", "Remove…"))
    bar = "" if one.whole else progress_bar(100 * one.bytes / max(1, one.total), one.name)
    return _list_item(one.name, bar, text, acts)


def _list_item(name: str, bar: str, text: str, acts: Sequence[tuple[str, str]]) -> str:
    buttons = "".join(
        f'<button type="button" class="mini" data-do="{do}" data-name="{escape_html(name)}" data-key="{do} {escape_html(name)}" '
        f'aria-label="{escape_html(word.rstrip("…"))}: {escape_html(name)}">{escape_html(word)}</button>'
        for do, word in acts
    )
    inner = f'<b>{escape_html(name)}</b>{bar}<small>{escape_html(text)}</small><div class="kept-acts">{buttons}</div>'
    return f'<article class="kept">{inner}</article>'


def progress_bar(percent: float, name: str) -> str:
    """How far a download is."""
    return (
        f'<div class="bar" role="progressbar" aria-label="Download of {escape_html(name)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent:.0f}"><i style="width:{percent:.1f}%"></i></div>'
    )


def removal_question(one: DownloadedModel, runs: int) -> str:
    """The question before a model is removed."""
    uses = (
        f" {count_of(runs, 'run')} made with it can then neither go on nor answer." if runs else ""
    )
    return f"Remove “{one.name}” from this machine? This frees {format_hub_bytes(one.bytes)}.{uses} It can be downloaded again."
