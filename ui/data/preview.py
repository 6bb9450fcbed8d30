"""The data as HTML: facts, figures, and rows as the model sees them. Pure functions."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from engine.data.datasets import Dataset
from engine.data.prepared import Prepared
from engine.data.quality.token_report import PreviewRow, TokenReport
from engine.spec import presets
from engine.text import count_of, format_count, format_share
from ui.text import Tile, card, escape_html, line, tile_strip

TITLE = "As the model sees it"
TOKENS_SHOWN = 1500  # of one row; more would make the page slow
RARE_LANGUAGE = 0.02  # languages and scripts with a smaller share are not named
LEGEND = (
    '<p class="legend"><span><mark>learned</mark> the model is trained to write this</span>'
    '<span><span class="read">read</span> it only reads this</span>'
    '<span><i class="special">mark</i> a control token</span>'
    '<span><s class="cut">cut</s> beyond the limit</span></p>'
)


def facts_cards(
    dataset: Dataset, prepared: Prepared, limit: int, tokens: TokenReport | str | None = None
) -> str:
    """What the data is, what it means for training, and how much of it there is.

    ``tokens`` is None while they are counted, and a sentence where they cannot be.
    """
    samples = {f"sample:{one.id}": one.summary for one in presets.bundled_samples()}
    texts = [
        samples.get(dataset.source, ""),
        prepared.task,
        f"Recognised as {prepared.shape.value}. {prepared.reason}",
        *dataset.notes,
        _language_line(prepared),
    ]
    tiles = [*_row_tiles(prepared, tokens), *_token_tiles(tokens, limit)]
    problem = line(tokens, "warn") if isinstance(tokens, str) else ""
    return card(dataset.name, *(line(text) for text in texts if text)) + tile_strip(tiles) + problem


def _row_tiles(prepared: Prepared, tokens: TokenReport | str | None) -> list[Tile]:
    learned = prepared.train
    # Rows without any target token for this model are known once all are counted.
    if isinstance(tokens, TokenReport) and tokens.measured == tokens.rows:
        learned -= tokens.lost + tokens.refused.rows
    left_out = prepared.total - learned - prepared.held_out
    rows = f"of {count_of(prepared.total, 'row')}"
    if left_out > 0:
        rows += f", {format_count(left_out)} left out"
    held_out = format_share(prepared.held_out, prepared.train + prepared.held_out)
    return [
        ("To learn from", format_count(learned), rows),
        ("Held out", format_count(prepared.held_out), f"{held_out}, never trained on"),
    ]


def _token_tiles(tokens: TokenReport | str | None, limit: int) -> list[Tile]:
    if not isinstance(tokens, TokenReport):
        state = "counting…" if tokens is None else "not counted"
        return [("Tokens (pieces of words)", "–", state), ("Learned", "–", state)]
    mean = tokens.tokens / max(1, tokens.measured)
    total = round(mean * tokens.rows)
    learned = round(tokens.learned / max(1, tokens.tokens) * total)
    about = "about " if tokens.measured < tokens.rows else ""
    longest, most = format_count(tokens.longest), format_count(limit)
    lengths = f"{mean:.0f} a row, longest {longest}, limit {most}"
    share = format_share(tokens.learned, tokens.tokens)
    return [
        ("Tokens (pieces of words)", about + format_count(total), lengths),
        ("Learned", share, f"{about}{format_count(learned)} tokens"),
    ]


def _language_line(prepared: Prepared) -> str:
    languages = [
        f"{code} {share:.0%}"
        for code, share in prepared.languages.items()
        if code != "?" and share >= RARE_LANGUAGE
    ]
    scripts = [script for script, share in prepared.scripts.items() if share >= RARE_LANGUAGE]
    unknown = prepared.languages.get("?", 0.0)
    rest = f" (unknown for {unknown:.0%} of the rows)" if unknown >= RARE_LANGUAGE else ""
    language = ", ".join(languages[:6]) or "unknown"
    return f"Language: {language}{rest}. Script: {', '.join(scripts[:5]) or 'none'}."


def preview_card(rows: list[PreviewRow], numbers: list[int], where: str) -> str:
    """Rows with target tokens marked, control tokens visible and the cut drawn."""
    shown = (row_card(row, number) for row, number in zip(rows, numbers, strict=True))
    where_line = f'<p class="where">{escape_html(where)}</p>'
    return card(TITLE, where_line, LEGEND, *shown)


def reading_card(title: str, row: str) -> str:
    """A reading in words, and its row as HTML."""
    return f'<div class="reading"><p>{escape_html(title)}</p>{row}</div>'


def row_card(row: PreviewRow, number: int) -> str:
    """One row: its tokens, or why it cannot be learned."""
    body, note = f'<div class="tokens" tabindex="0">{_token_spans(row)}</div>', _row_note(row)
    if row.problem:
        body, note = line(row.problem, "bad"), "cannot be learned"
    where = f"<small>Row {format_count(number)}: {note}</small>"
    return f'<article class="row-card">{body}{where}</article>'


def _kept_tokens(row: PreviewRow) -> int:
    return len(row.tokens) if row.kept is None else row.kept


def _row_note(row: PreviewRow) -> str:
    kept = _kept_tokens(row)
    note = f"{count_of(kept, 'token')}, {format_count(sum(row.learned[:kept]))} learned"
    return f"{note}, {format_count(row.cut)} cut off" if row.cut > 0 else note


def _token_spans(row: PreviewRow) -> str:
    """Neighbouring tokens of one kind share an element."""
    kept, special = _kept_tokens(row), row.special or [False] * len(row.tokens)
    tags = (_token_tag(learned, at >= kept) for at, learned in enumerate(row.learned))
    tokens = list(zip(tags, row.tokens, special, strict=True))
    spans = [
        f"<{tag}>{''.join(_token_html(text, marks) for _, text, marks in group)}</{tag.split()[0]}>"
        for tag, group in groupby(tokens[:TOKENS_SHOWN], key=itemgetter(0))
    ]
    if len(tokens) > TOKENS_SHOWN:
        spans.append(f" … {count_of(len(tokens) - TOKENS_SHOWN, 'more token')}")
    return "".join(spans)


def _token_html(text: str, is_special: bool) -> str:
    return f'<i class="special">{escape_html(text)}</i>' if is_special else escape_html(text)


def _token_tag(learned: bool, cut: bool) -> str:
    if cut:
        return 's class="cut"'
    return "mark" if learned else "span"
