"""What the Data tab shows, as HTML: facts, findings, rows as the model sees them. Pure functions of values."""

from __future__ import annotations

from engine.data.datasets import Dataset
from engine.data.prepare import Prepared
from engine.data.quality.findings import Finding
from engine.data.quality.token_report import PreviewRow, TokenReport
from engine.spec import presets
from ui.text import card, count, line, plural, safe, share, status, tiles

LEVELS = {"stop": "bad", "warn": "warn", "info": "idle"}
SHOWN = 1500  # tokens of a row that are shown; more would make the page slow


def facts(
    dataset: Dataset, prepared: Prepared, limit: int, tokens: TokenReport | str | None = None
) -> str:
    """What the data is, what it means for training, and how much of it there is."""
    about = next((s.summary for s in presets.samples() if f"sample:{s.id}" == dataset.source), "")
    learned = prepared.train
    if (
        isinstance(tokens, TokenReport) and tokens.measured == tokens.rows
    ):  # some rows teach nothing in this model
        learned -= tokens.lost + tokens.refused.rows
    left = prepared.total - learned - prepared.held_out
    words = [
        about,
        prepared.task,
        f"Recognised as {prepared.shape.value}. {prepared.reason}",
        *dataset.notes,
    ]
    words.append(_languages(prepared))
    strip = [
        (
            "To learn from",
            count(learned),
            f"of {plural(prepared.total, 'row')}"
            + (f", {count(left)} left out" if left > 0 else ""),
        ),
        (
            "Held out",
            count(prepared.held_out),
            f"{share(prepared.held_out, prepared.train + prepared.held_out)}, never trained on",
        ),
        *_token_tiles(tokens, limit),
    ]
    below = line(tokens, "warn") if isinstance(tokens, str) else ""
    return card(dataset.name, *(line(text) for text in words if text)) + tiles(strip) + below


def _languages(prepared: Prepared) -> str:
    found = [
        f"{code} {part:.0%}"
        for code, part in prepared.languages.items()
        if code != "?" and part >= 0.02
    ]
    scripts = [script for script, part in prepared.scripts.items() if part >= 0.02]
    short = prepared.languages.get("?", 0.0)
    rest = f" ({short:.0%} of the rows do not tell)" if short >= 0.02 else ""
    return f"Language: {', '.join(found[:6]) or 'not to be told'}{rest}. Script: {', '.join(scripts[:5]) or 'none'}."


def _token_tiles(tokens: TokenReport | str | None, limit: int) -> list[tuple[str, str, str]]:
    if not isinstance(tokens, TokenReport):
        word = "counting…" if tokens is None else "not counted"
        return [("Tokens (pieces of words)", "–", word), ("Learned", "–", word)]
    each = tokens.tokens / max(1, tokens.measured)
    whole = round(each * tokens.rows)
    about = "about " if tokens.measured < tokens.rows else ""
    learned = tokens.learned / max(1, tokens.tokens) * whole
    return [
        (
            "Tokens (pieces of words)",
            about + count(whole),
            f"{each:.0f} a row, longest {count(tokens.longest)}, limit {count(limit)}",
        ),
        ("Learned", share(tokens.learned, tokens.tokens), f"{about}{count(round(learned))} tokens"),
    ]


def finding(one: Finding) -> str:
    """One finding; its button stands beside it."""
    example = (
        f'<pre class="example" tabindex="0">{safe(one.example)}</pre>'
        if one.example and not one.done
        else ""
    )
    where = (
        f"<small>Rows {', '.join(map(count, one.rows[:8]))}{'…' if len(one.rows) > 8 else ''}</small>"
        if one.rows
        else ""
    )
    text = "Mended." if one.done else one.text
    tone = "good" if one.done else LEVELS[one.level]
    return (
        f'<section class="finding" data-tone="{tone}"><h4>{safe(one.title)}</h4><p>{safe(text)}</p>'
        f"{example}{'' if one.done else where}</section>"
    )


def notes(found: list[Finding]) -> str:
    """Findings that nothing on the page mends."""
    return f'<section class="notes">{"".join(map(finding, found))}</section>' if found else ""


def problem(title: str, text: str) -> str:
    return status("bad", title, text)


def preview(rows: list[PreviewRow], numbers: list[int], where: str, template: str) -> str:
    """Rows with the learned tokens marked, special ones visible and the cut drawn."""
    legend = (
        '<p class="legend"><span><mark>learned</mark> the model is trained to write this</span>'
        '<span><span class="read">read</span> it only reads this</span>'
        '<span><i class="special">mark</i> a control token</span>'
        '<span><s class="cut">cut</s> beyond the limit</span></p>'
    )
    shown = (_row(row, number) for row, number in zip(rows, numbers, strict=True))
    return card(
        "As the model sees it",
        f'<p class="where">{safe(where)} {safe(template)}</p>',
        legend,
        *shown,
    )


def _row(row: PreviewRow, number: int) -> str:
    if row.problem:
        body, note = line(row.problem, "bad"), "cannot be learned"
    else:
        body, note = f'<div class="tokens" tabindex="0">{_tokens(row)}</div>', _note(row)
    return f'<article class="row-card">{body}<small>Row {count(number)}: {note}</small></article>'


def _note(row: PreviewRow) -> str:
    kept = len(row.tokens) if row.kept is None else row.kept
    note = f"{plural(kept, 'token')}, {count(sum(row.learned[:kept]))} learned"
    return f"{note}, {count(row.cut)} cut off" if row.cut > 0 else note


def _tokens(row: PreviewRow) -> str:
    kept = len(row.tokens) if row.kept is None else row.kept
    special = row.special or [False] * len(row.tokens)
    parts: list[str] = []
    opened = ""
    for at, (token, learned, mark) in enumerate(zip(row.tokens, row.learned, special, strict=True)):
        if at == SHOWN:
            parts.append(
                f"</{opened.split()[0]}> … {plural(len(row.tokens) - SHOWN, 'more token')}"
                if opened
                else "…"
            )
            opened = ""
            break
        tag = 's class="cut"' if at >= kept else "mark" if learned else "span"
        if tag != opened:
            parts.append((f"</{opened.split()[0]}>" if opened else "") + f"<{tag}>")
            opened = tag
        parts.append(f'<i class="special">{safe(token)}</i>' if mark else safe(token))
    return "".join(parts) + (f"</{opened.split()[0]}>" if opened else "")
