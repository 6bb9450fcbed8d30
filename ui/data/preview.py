"""The data as HTML: facts, figures, and rows as the model sees them. Pure functions."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from engine.data.datasets import Dataset
from engine.data.prepared import Prepared
from engine.data.quality.token_report import PreviewRow, TokenReport
from engine.spec import presets
from engine.spec.objective import LABEL_OBJECTIVES
from engine.spec.run import DataSpec
from engine.text import count_of, format_count, format_share
from ui.text import Tile, card, escape_html, line, tile_strip

TITLE = "Your rows as the model sees them"
TOKENS_SHOWN = 1500  # of one row; more would make the page slow
SHOWN_WITH = (
    "Shown with the pocket model's tokenizer, {}. Its own may cut words elsewhere, and has its own "
    "marks around turns."
)
COUNTED_WITH = "Counted with the pocket model's tokenizer, {}. With its own the counts will differ."
RARE_LANGUAGE = 0.02  # languages and scripts with a smaller share are not named
LEGEND = (
    '<p class="legend"><span><mark>learned</mark> the model is trained to write this</span>'
    '<span><span class="read">read</span> it only reads this</span>'
    '<span><i class="special">mark</i> a control token</span>'
    '<span><s class="cut">cut</s> beyond the limit</span></p>'
)


class Counted(NamedTuple):
    """The tokens of the rows, or the sentence why they cannot be counted; neither until they are.

    ``borrowed`` says why the tokenizer is not the chosen model's, where it is not.
    """

    report: TokenReport | None = None
    problem: str = ""
    borrowed: str = ""


NOT_YET = Counted()


def facts_cards(
    dataset: Dataset, prepared: Prepared, spec: DataSpec, tokens: Counted = NOT_YET
) -> str:
    """What the data is, what it means for training, and how much of it there is.

    ``spec`` says what is learned, with nothing left to decide.
    """
    samples = {f"sample:{one.id}": one.summary for one in presets.bundled_samples()}
    texts = [
        samples.get(dataset.source, ""),
        prepared.task,
        f"Read as {prepared.shape.value}. {_reason(prepared)}".strip(),
        *dataset.notes,
        prepared.skipped,
        _language_line(prepared),
    ]
    tiles = [*_row_tiles(prepared, tokens), *_token_tiles(tokens, spec)]
    notes = line(tokens.problem, "warn") if tokens.problem else ""
    if tokens.borrowed and tokens.report:
        notes = line(COUNTED_WITH.format(tokens.borrowed))
    return card(dataset.name, *(line(text) for text in texts if text)) + tile_strip(tiles) + notes


def _reason(prepared: Prepared) -> str:
    """Why the rows are read so; what is asked about it is on a card of its own."""
    asked = any(one.kind == "unsure" for one in prepared.findings)
    return "" if asked else prepared.reason


def _row_tiles(prepared: Prepared, tokens: Counted) -> list[Tile]:
    learned, report = prepared.train, tokens.report
    # Rows without any target token for this model are known once all are counted.
    if report and not tokens.borrowed and report.measured == report.rows:
        learned -= report.lost + report.refused.rows
    left_out = prepared.total - learned - prepared.held_out - prepared.unusable
    rows = f"of {count_of(prepared.total, 'row')}"
    if prepared.unusable:
        rows += f", {format_count(prepared.unusable)} cannot be used"
    if left_out > 0:
        rows += f", {format_count(left_out)} left out"
    held_out = format_share(prepared.held_out, prepared.train + prepared.held_out)
    return [
        ("To learn from", format_count(learned), rows),
        ("Held out", format_count(prepared.held_out), f"{held_out}, never trained on"),
    ]


def _token_tiles(tokens: Counted, spec: DataSpec) -> list[Tile]:
    report = tokens.report
    if report is None:
        state = "not counted" if tokens.problem else "counting…"
        return [("Tokens (pieces of words)", "–", state), ("Learned", "–", state)]
    mean = report.tokens / max(1, report.measured)
    total = round(mean * report.rows)
    about = "about " if report.measured < report.rows or tokens.borrowed else ""
    longest, most = format_count(report.longest), format_count(spec.max_length)
    lengths = f"{mean:.0f} a row, longest {longest}, limit {most}"
    counted = ("Tokens (pieces of words)", about + format_count(total), lengths)
    if spec.goal in LABEL_OBJECTIVES:
        return [counted, ("Learned", "1 label", "for each text; the text is only read")]
    learned = round(report.learned / max(1, report.tokens) * total)
    share = format_share(report.learned, report.tokens)
    return [counted, ("Learned", share, f"{about}{format_count(learned)} tokens")]


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


def preview_card(rows: list[PreviewRow], numbers: list[int], where: str, borrowed: str = "") -> str:
    """Rows with target tokens marked, control tokens visible and the cut drawn.

    ``borrowed`` says why the tokenizer is not the chosen model's, where it is not.
    """
    shown = (row_card(row, number) for row, number in zip(rows, numbers, strict=True))
    where_line = f'<p class="where">{escape_html(where)}</p>'
    note = ""
    if borrowed:
        note = f'<p class="where borrowed">{escape_html(SHOWN_WITH.format(borrowed))}</p>'
    return card(TITLE, where_line, note, LEGEND, *shown)


def row_card(row: PreviewRow, number: int) -> str:
    """One row: its tokens, or why it cannot be learned."""
    body, note = f'<div class="tokens" tabindex="0">{_token_spans(row)}</div>', _row_note(row)
    if row.label:
        body += (
            f'<p class="chosen-labels"><span>Label</span><mark>{escape_html(row.label)}</mark></p>'
        )
    if row.problem:
        body, note = line(row.problem, "bad"), "cannot be learned"
    where = f"<small>Row {format_count(number)}: {note}</small>"
    return f'<article class="row-card">{body}{where}</article>'


def _kept_tokens(row: PreviewRow) -> int:
    return len(row.tokens) if row.kept is None else row.kept


def _row_note(row: PreviewRow) -> str:
    kept = _kept_tokens(row)
    learned = f"{format_count(sum(row.learned[:kept]))} learned"
    if row.label:
        learned = "all of them only read; the label is learned"
    note = f"{count_of(kept, 'token')}, {learned}"
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
