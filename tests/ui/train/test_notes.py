"""What is wrong or unwise stands beside its field, and what is missing leads there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ui.train.test_start_card import counted
from ui.context import Context
from ui.train import start_card


def notes(ctx: Context, values: dict[str, Any]) -> dict[str, list[str]]:
    shown = next(iter(start_card.show_plan(ctx, **values)))
    found: dict[str, list[str]] = json.loads(shown["notes"])
    return found


def test_settings_as_they_come_need_no_note(ctx: Context, values: dict[str, Any]) -> None:
    counted(ctx, values)
    assert notes(ctx, values) == {}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("optim.learning_rate", 5, "Must be at most 1.0; it is 5."),
        ("optim.epochs", -1, "Must be more than 0.0"),
        ("method.layers", "9-2", "such as 8-15 or 0,2,4"),
        ("method.rank", None, "Must be a whole number"),
        ("sampling.prompts", "\n".join("abcdefgh"), "may have at most 5".capitalize()),
    ],
)
def test_a_wrong_value_is_marked_in_its_field(
    ctx: Context, values: dict[str, Any], path: str, value: Any, words: str
) -> None:
    counted(ctx, values)
    values[path] = value
    (field, (tone, text)) = next(iter(notes(ctx, values).items()))
    assert field == "field-" + path.replace(".", "-") and tone == "bad" and words in text
    shown = list(start_card.show_plan(ctx, **values))[-1]
    assert shown["start"] == start_card.DISABLED
    assert f'data-go="train" data-to="{field}"' in shown["facts"]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("optim.learning_rate", 1.0, "667 times the advised 0.0015"),
        ("optim.learning_rate", 1e-6, "Only 1/1,500 of the advised 0.0015"),
        ("method.alpha", "999", "Alpha / rank is 62, and 2 is usual"),
        ("method.alpha", "1", "hardly act"),
        ("method.rank", 128, "16 is advised for 700 rows"),
        ("optim.epochs", 100, "6 is advised for 700 rows"),
        ("optim.batch_size", 512, "only 2 steps in all"),
    ],
)
def test_an_unwise_value_gets_a_note_and_may_be_started(
    ctx: Context, values: dict[str, Any], path: str, value: Any, words: str
) -> None:
    counted(ctx, values)
    values |= {"optim.epochs": 1, path: value}
    tone, text = notes(ctx, values)["field-" + path.replace(".", "-")]
    assert tone == "warn" and words in text
    assert next(start_card.show_plan(ctx, **values))["start"] == start_card.ENABLED


def test_what_is_missing_elsewhere_leads_to_its_tab(ctx: Context, values: dict[str, Any]) -> None:
    values["data.source"] = "dataset:0123456789abcdef"
    shown = list(start_card.show_plan(ctx, **values))[-1]
    assert (
        "Go to the Data tab" in shown["facts"] and 'data-to="field-data-source"' in shown["facts"]
    )
    values["data.source"], values["data.max_length"] = "sample:pirate", 513
    ctx.load_model("pocket")
    shown = list(start_card.show_plan(ctx, **values))[-1]
    assert 'data-to="field-data-max_length" data-fold="learning"' in shown["facts"]
