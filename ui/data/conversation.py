"""Rows as conversations: who says what, and what of it is learned. No tokenizer is needed.

Pure functions over normal rows (engine.data.normalize).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.data.normalize import last_answer
from engine.data.rows import Row
from engine.spec.objective import LABEL_OBJECTIVES, has_preference
from engine.spec.run import DataSpec, Shape
from engine.text import format_count
from ui.text import card, escape_html

TITLE = "Your rows as conversations"
LETTERS_SHOWN = 2000  # of one turn
SPEAKERS = {"system": "System prompt", "user": "User", "assistant": "Assistant", "tool": "Tool"}
LEARNED = (
    '<span class="legend-learned"><mark>learned</mark> the model is trained to write this</span>'
)
LEGEND = (
    f'<p class="legend">{LEARNED}<span><span class="read">read</span> it only reads this</span></p>'
)


def rows_card(
    rows: Sequence[Row], numbers: Sequence[int], shape: Shape, data: DataSpec, where: str
) -> str:
    """Some rows, each as its turns; ``data`` says what is learned, with nothing left to decide."""
    shown = (row_card(row, at, shape, data) for row, at in zip(rows, numbers, strict=True))
    return card(TITLE, f'<p class="where">{escape_html(where)}</p>', LEGEND, *shown)


def row_card(row: Row, number: int, shape: Shape, data: DataSpec) -> str:
    """One row with its number in the file."""
    body = f'<div class="talk">{_row_body(row, shape, data)}</div>'
    return f'<article class="row-card">{body}<small>Row {format_count(number)}</small></article>'


def _row_body(row: Row, shape: Shape, data: DataSpec) -> str:
    if "text" in row:
        return _bubble("text", "Text", row["text"], learned=True)
    turns = _turns(row)
    if shape == Shape.LABEL and data.goal in LABEL_OBJECTIVES:
        return _labelled(row, turns)
    if "rejected" in row:
        return _compared(row, turns, has_preference(data, row))
    learned = _learned_turns(turns, "last" if "good" in row else data.learn)
    if row.get("good") is False:
        learned = set()
    said = [_turn(turn, at in learned) for at, turn in enumerate(turns)]
    return "".join(said) + _mark(row)


def _turns(row: Row) -> list[dict[str, Any]]:
    if "messages" in row:
        return list(row["messages"])
    asked = {"role": "user", "content": row["prompt"]}
    return [asked, {"role": "assistant", "content": last_answer(row)}]


def _learned_turns(turns: Sequence[dict[str, Any]], learn: str) -> set[int]:
    """The turns that the model is trained to write."""
    if learn == "all":
        return set(range(len(turns)))
    answers = [
        at for at, turn in enumerate(turns)
        if turn["role"] == "assistant" and turn.get("weight") != 0
    ]  # fmt: skip
    return set(answers[-1:] if learn == "last" else answers)


def _labelled(row: Row, turns: Sequence[dict[str, Any]]) -> str:
    """A text, and the labels that are chosen for it; a head reads neither role nor system text."""
    texts = (_bubble("text", "Text", turn["content"]) for turn in turns if turn["role"] == "user")
    labels = row.get("labels") or [last_answer(row)]
    chips = "".join(f"<mark>{escape_html(str(one))}</mark>" for one in labels)
    name = "Label" if len(labels) == 1 else "Labels"
    return "".join(texts) + f'<p class="chosen-labels"><span>{name}</span>{chips}</p>'


def _compared(row: Row, turns: Sequence[dict[str, Any]], both: bool) -> str:
    """A better and a worse answer side by side, after what they answer."""
    *before, better = turns
    asked = "".join(_turn(turn, False) for turn in before)
    worse = "Worse answer (rejected)"
    worse += ": learned to avoid" if both else ": not used"
    answers = _bubble("assistant", "Better answer (chosen)", _content(better), learned=True)
    answers += _bubble("worse", worse, str(row["rejected"]))
    return f'{asked}<div class="answers">{answers}</div>'


def _mark(row: Row) -> str:
    """Whether the answer is good, where rows say that."""
    if "good" not in row:
        return ""
    tone, word = ("good", "Marked good") if row["good"] else ("bad", "Marked bad: learned to avoid")
    return f'<p class="verdict" data-tone="{tone}">{word}</p>'


def _turn(turn: dict[str, Any], learned: bool) -> str:
    role = str(turn["role"])
    return _bubble(role, SPEAKERS.get(role, role), _content(turn), learned)


def _content(turn: dict[str, Any]) -> str:
    """What a turn says, and the tools that it calls."""
    calls = (json.dumps(one.get("function", one), ensure_ascii=False)
             for one in turn.get("tool_calls") or [])  # fmt: skip
    return "\n".join(filter(None, [str(turn["content"]), *calls]))


def _bubble(kind: str, speaker: str, text: str, learned: bool = False) -> str:
    """One turn; what is learned looks as it does among tokens."""
    more = len(text) - LETTERS_SHOWN
    cut = f" <i>… {format_count(more)} more letters</i>" if more > 0 else ""
    said = f"{escape_html(text[:LETTERS_SHOWN])}{cut}"
    chip = ' <span class="learns">learned</span>' if learned else ""
    return (
        f'<div class="turn" data-kind="{escape_html(kind)}" data-learned="{str(learned).lower()}">'
        f'<span class="speaker">{escape_html(speaker)}{chip}</span><p>{said}</p></div>'
    )
