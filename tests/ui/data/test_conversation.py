"""Rows as conversations: every form of row, what is learned, nothing that is code."""

from __future__ import annotations

from typing import Any

import pytest

from engine.spec.run import DataSpec, Shape
from ui.data import conversation

NASTY = "<img src=x onerror=alert(1)>"
CHAT = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi.", "weight": 0},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "So long."},
    ]
}


def shown(row: dict[str, Any], shape: Shape, **data: Any) -> str:
    return conversation.row_card(row, 7, shape, DataSpec(**data))


def learned(html: str) -> list[str]:
    """The kinds of the turns that are marked as learned."""
    parts = html.split('<div class="turn" data-kind="')[1:]
    return [one.split('"')[0] for one in parts if 'data-learned="true"' in one.split(">")[0]]


@pytest.mark.parametrize(
    ("learn", "kinds"),
    [
        ("answers", ["assistant"]),  # the other has the weight 0
        ("last", ["assistant"]),
        ("all", ["system", "user", "assistant", "user", "assistant"]),
    ],
)
def test_what_is_learned_of_a_chat_is_marked(learn: str, kinds: list[str]) -> None:
    html = shown(CHAT, Shape.CHAT, learn=learn)
    assert learned(html) == kinds
    assert html.count('class="turn"') == 5 and "System prompt" in html and "Row 7" in html


def test_a_label_is_chosen_or_written() -> None:
    row = {"prompt": "It broke.", "completion": "complaint"}
    chosen = shown(row, Shape.LABEL, goal="classify")
    assert "<mark>complaint</mark>" in chosen and learned(chosen) == []
    assert learned(shown(row, Shape.LABEL, goal="write")) == ["assistant"]
    several = {**row, "completion": "a, b", "labels": ["a", "b"]}
    chosen = shown(several, Shape.LABEL, goal="multilabel")
    assert "<mark>a</mark><mark>b</mark>" in chosen and "Labels" in chosen


def test_both_answers_of_a_preference_stand_side_by_side() -> None:
    row = {"prompt": "Hello", "completion": "Good.", "rejected": "Bad."}
    html = shown(row, Shape.PREFERENCE, goal="auto")
    assert '<div class="answers">' in html and "learned to avoid" in html
    assert learned(html) == ["assistant"] and "Bad." in html
    assert "not used" in shown(row, Shape.PREFERENCE, goal="write")


def test_feedback_says_which_answers_are_good() -> None:
    row = {"prompt": "Hello", "completion": "Fine.", "good": True}
    good = shown(row, Shape.FEEDBACK)
    assert "Marked good" in good and learned(good) == ["assistant"]
    bad = shown(row | {"good": False}, Shape.FEEDBACK)
    assert "Marked bad" in bad and learned(bad) == []


def test_text_is_a_paragraph_and_long_ones_are_cut() -> None:
    html = shown({"text": "word " * 1000}, Shape.TEXT)
    assert learned(html) == ["text"] and "… 3,000 more letters" in html


def test_tool_calls_are_named() -> None:
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": NASTY}}}
    turns = [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "Yes.", "name": "weather"},
        {"role": "assistant", "content": "It rains."},
    ]
    html = shown({"messages": turns}, Shape.CHAT)
    assert "weather" in html and "<img" not in html and 'data-kind="tool"' in html


def test_no_row_can_bring_html() -> None:
    rows = [
        {"prompt": NASTY, "completion": NASTY, "rejected": NASTY},
        {"text": NASTY},
        {"messages": [{"role": NASTY, "content": NASTY}, {"role": "assistant", "content": NASTY}]},
        {"prompt": NASTY, "completion": NASTY, "labels": [NASTY]},
    ]
    for goal in ("multilabel", "write"):
        data = DataSpec.model_validate({"goal": goal})
        assert "<img" not in conversation.rows_card(rows, [1, 2, 3, 4], Shape.LABEL, data, NASTY)
