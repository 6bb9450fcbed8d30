"""What somebody has chosen on the page: kept, found again, and never somebody else's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.store.workspace import Store
from ui.choices import Choices, FormChoices, change_choices, read_choices


@pytest.fixture
def store(ctx: Any) -> Store:
    found: Store = ctx.engine.store
    return found


def test_what_is_kept_is_found_again(store: Store, values: dict[str, Any]) -> None:
    assert read_choices(store) == Choices()
    chosen = FormChoices(values | {"method.rank": 300, "data.roles": {"prompt": "a"}}, "", "own")
    first = change_choices(store, form=chosen, watched="a-run")
    assert first.version == 1 and read_choices(Store(store.root)) == first
    assert change_choices(store, form=chosen) == first, "nothing new is nothing to write"
    second = change_choices(store, taken="b-run")
    assert second == first._replace(version=2, taken="b-run") == read_choices(store)


def test_every_owner_has_his_own(store: Store, values: dict[str, Any]) -> None:
    anna, ben = store.for_owner("anna"), store.for_owner("ben")
    change_choices(anna, form=FormChoices(values, "Recommended", "all"))
    assert read_choices(ben) == read_choices(store) == Choices()
    anna.remove_owner()
    assert read_choices(anna) == Choices()


WHOLE = {"version": 1, "form": {}, "recipe": "", "group": "all", "watched": "", "taken": ""}
DAMAGED = [WHOLE | {"version": "x"}, WHOLE | {"watched": 3}, WHOLE | {"recipe": None}, [], 3]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, *map(json.dumps, DAMAGED)])
def test_a_damaged_file_is_as_none(store: Store, text: str) -> None:
    store.choices_file.write_text(text)
    assert read_choices(store) == Choices()


@pytest.mark.parametrize(
    ("path", "value"),
    [("method.rank", "many"), ("method.targets", [3]), ("data.roles", []), ("method.kind", "lorry"),
     ("method.rslora", "yes"), ("data.seed", True), ("name", 3)],
)  # fmt: skip
def test_values_that_no_widget_can_hold_are_left_out_together(
    store: Store, values: dict[str, Any], path: str, value: Any
) -> None:
    """The form belongs together: a part of it would be settings that nobody has chosen."""
    change_choices(store, form=FormChoices(values | {path: value}, "", "all"), watched="run")
    found = read_choices(store)
    assert found.form is None and found.watched == "run"
