"""Lists of models to choose from, as HTML: recommended, found on the Hub, downloaded. Pure functions of values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.estimate.fits import LENGTH, Verdict
from engine.model.hub import Downloaded, HubModel
from engine.process.downloads import Progress
from engine.spec.presets import KnownModel
from ui.text import count, line, megabytes, plural, safe, short

GATED = "terms to accept"
NOTHING_FOUND = "Nothing was found. Use fewer words, or loosen the filters."
ASSUMED = (
    "{1} of memory are free. What fits is told for LoRA, one example of {0:,} tokens at a time."
)
SCRIPT = "HonePicks(element, trigger, watch); ['choose', 'resume', 'halt', 'discard']"
TONES = {"fits": "good", "four": "warn", "large": "bad"}


def chip(found: Verdict | None) -> str:
    """A verdict in two or three words, with what it needs."""
    if found is None:
        return '<span class="mark" data-tone="">…</span>'
    likely = "likely " if found.rough else ""
    words = {"fits": "fits", "four": "fits in 4 bit", "large": "too large"}[found.word]
    text = f"{likely}{words}: {megabytes(found.needs)}"
    return f'<span class="mark" data-tone="{TONES[found.word]}">{safe(text[0].upper() + text[1:])}</span>'


def pick(name: str, title: str, found: Verdict | None, facts: Iterable[str], text: str) -> str:
    """A model that can be chosen."""
    meta = " · ".join(fact for fact in facts if fact)
    return (
        f'<button type="button" class="pick" data-do="choose" data-name="{safe(name)}" data-key="pick {safe(name)}">'
        f"<b>{safe(title)}</b>{chip(found)}<small>{safe(meta)}</small><span>{safe(text)}</span></button>"
    )


def recommended(models: Sequence[tuple[KnownModel, Verdict | None]], free: float) -> str:
    """The list that ships with Hone: by what they are for, and last those that are too large."""
    small = [pair for pair in models if pair[1] is None or pair[1].word != "large"]
    shelves = [
        ("To write and answer", [pair for pair in small if pair[0].task == "write"]),
        ("To choose labels", [pair for pair in small if pair[0].task == "classify"]),
        ("Too large for this machine", [pair for pair in models if pair not in small]),
    ]
    shown = "".join(
        f'<h4>{safe(title)}</h4><div class="picks">{"".join(_known(*pair) for pair in shelf)}</div>'
        for title, shelf in shelves
        if shelf
    )
    return line(ASSUMED.format(LENGTH, megabytes(free))) + shown


def _known(one: KnownModel, verdict: Verdict | None) -> str:
    facts = (
        f"{short(one.parameters)} weights",
        f"{one.gigabytes:g} GB",
        one.licence,
        GATED if one.gated else "",
    )
    return pick(one.name, one.title, verdict, facts, one.good_for)


def found(models: Sequence[HubModel], verdicts: Sequence[Verdict | None]) -> str:
    """What the Hub has; models that cannot be used say why and cannot be chosen."""
    if not models:
        return line(NOTHING_FOUND)
    cards = (_found(one, verdict) for one, verdict in zip(models, verdicts, strict=True))
    return f'<div class="picks">{"".join(cards)}</div>'


def _found(one: HubModel, verdict: Verdict | None) -> str:
    size = amount(one.bytes) if one.bytes else "size unknown"
    gated = GATED if one.gated else ""
    facts = (f"{short(one.parameters)} weights" if one.parameters else "", size, one.licence, gated)
    if one.problem:
        return (
            f'<div class="pick off"><b>{safe(one.name)}</b><span>{safe(one.problem)}</span></div>'
        )
    task = one.task.replace("-", " ")
    return pick(
        one.name,
        one.name,
        verdict,
        facts,
        f"{task}, {count(one.downloads)} downloads a month".strip(", "),
    )


def here(models: Sequence[Downloaded], coming: dict[str, Progress], may_remove: bool) -> str:
    """What came from the Hub, what is coming, and what broke off."""
    if not models and not any(one.live for one in coming.values()):
        return line("Nothing is downloaded yet.")
    known = {one.name for one in models}
    fresh = [_fresh(one) for name, one in coming.items() if one.live and name not in known]
    return (
        '<div class="picks">'
        + "".join([*fresh, *(_here(one, coming.get(one.name), may_remove) for one in models)])
        + "</div>"
    )


def _fresh(one: Progress) -> str:
    return _article(
        one.name,
        meter(one.percent or 0, one.name),
        one.told,
        [("choose", "Show"), ("halt", "Stop")],
    )


def _here(one: Downloaded, progress: Progress | None, may_remove: bool) -> str:
    live = progress is not None and progress.live
    if one.whole:
        text, acts = f"{amount(one.bytes)} · {one.licence}", [("choose", "Use it")]
    elif live or one.coming:
        text, acts = (
            (progress.told if live and progress else "It is coming."),
            [("choose", "Show")] + [("halt", "Stop")] * live,
        )
    else:
        text, acts = (
            f"{amount(one.bytes)} of {amount(one.total)} are here",
            [("choose", "Show"), ("resume", "Go on")],
        )
    if may_remove and not live and not one.coming:
        acts.append(("discard", "Remove…"))
    bar = "" if one.whole else meter(100 * one.bytes / max(1, one.total), one.name)
    return _article(one.name, bar, text, acts)


def _article(name: str, bar: str, text: str, acts: Sequence[tuple[str, str]]) -> str:
    buttons = "".join(
        f'<button type="button" class="mini" data-do="{do}" data-name="{safe(name)}" data-key="{do} {safe(name)}" '
        f'aria-label="{safe(word.rstrip("…"))}: {safe(name)}">{safe(word)}</button>'
        for do, word in acts
    )
    inner = (
        f'<b>{safe(name)}</b>{bar}<small>{safe(text)}</small><div class="kept-acts">{buttons}</div>'
    )
    return f'<article class="kept">{inner}</article>'


def meter(percent: float, name: str) -> str:
    """How far a download is."""
    return (
        f'<div class="bar" role="progressbar" aria-label="Download of {safe(name)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent:.0f}"><i style="width:{percent:.1f}%"></i></div>'
    )


def amount(size: float) -> str:
    """Bytes as the Hub counts them."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.{0 if size >= 1e8 else 1}f} MB"


def removal(one: Downloaded, runs: int) -> str:
    """The question before a model is removed."""
    uses = f" {plural(runs, 'run')} made with it can then neither go on nor answer." if runs else ""
    return f"Remove “{one.name}” from this machine? This frees {amount(one.bytes)}.{uses} It can be downloaded again."
