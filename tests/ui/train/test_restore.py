"""A page that is opened, or comes to the front, shows what its owner has chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.process import oneshot
from engine.runs import deletion
from tests.ui.train.test_start_card import plain
from ui import form
from ui.choices import change_choices, read_choices
from ui.context import Context
from ui.train import restore
from ui.train.recipes import OWN_SETTINGS, RECOMMENDED

GROUP = "attention"


@pytest.fixture
def own_rows(ctx: Context, tmp_path: Path) -> str:
    file = tmp_path / "tickets.csv"
    file.write_text("question,answer\n" + "".join(f"What is {n}?,It is {n}.\n" for n in range(40)))
    return oneshot.add_dataset_files(ctx.engine.store, [(file, file.name)])


def opened(ctx: Context) -> dict[str, Any]:
    return restore.open_page(ctx, lambda _: "data")


def keep(ctx: Context, values: dict[str, Any], kept: Any = None, recipe: str = "") -> Any:
    found = restore.keep_form(ctx, 1, kept, recipe, GROUP, **values)
    return found.get("kept", kept)


def form_of(updates: dict[str, Any]) -> dict[str, Any]:
    return {path: plain(updates[path]) for path in form.FORM_PATHS if path in updates}


def test_a_first_page_shows_the_sample_with_its_settings(ctx: Context) -> None:
    found = opened(ctx)
    assert found["first"] == "data" and "kept" not in found
    assert found["data.max_length"] == 192, "what suits the sample"
    assert not read_choices(ctx.engine.store).form


def test_a_reload_shows_what_was_chosen(
    ctx: Context, values: dict[str, Any], own_rows: str
) -> None:
    values |= {"data.source": own_rows, "method.rank": 7, "optim.learning_rate": 5}
    values["method.targets"] = ["q_proj"]
    keep(ctx, values, recipe=OWN_SETTINGS)
    found = opened(ctx)
    assert form_of(found) == values, "what was typed stays, even if it is wrong"
    assert found["filled"] == own_rows, "its settings are not replaced by those of new data"
    assert found["group"] == GROUP and plain(found["recipe"]) == OWN_SETTINGS
    assert own_rows in [source for _, source in found["data.source"]["choices"]]
    assert "q_proj" in found["method.targets"]["choices"]
    ctx.load_model("pocket")
    assert plain(opened(ctx)["method.targets"]) == ["q_proj"]


def test_nothing_is_kept_before_the_page_shows_what_was_chosen(
    ctx: Context, values: dict[str, Any]
) -> None:
    """Else the defaults that a page begins with would be kept instead."""
    assert restore.keep_form(ctx, 0, None, RECOMMENDED, GROUP, **values) == {}
    assert read_choices(ctx.engine.store).form is None


def test_another_page_follows_and_does_not_write_what_it_was_given(
    ctx: Context, values: dict[str, Any]
) -> None:
    first = keep(ctx, values)
    other = restore.catch_up(ctx, None)
    assert form_of(other) == values and other["kept"] == first
    assert restore.catch_up(ctx, first) == {}, "it shows that already"
    change_choices(ctx.engine.store, watched="a-run")
    assert restore.catch_up(ctx, first) == {"live": "a-run"}, "it shows the run that was started"
    later = keep(ctx, values | {"method.rank": 9}, first)
    # The other page's widgets now change, one after the other, to what they were given.
    assert keep(ctx, values, other["kept"]) == other["kept"]
    assert read_choices(ctx.engine.store).form == later, "the newer choice stands"
    assert form_of(restore.catch_up(ctx, other["kept"]))["method.rank"] == 9


def test_what_has_gone_is_said_and_replaced(
    ctx: Context, values: dict[str, Any], own_rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda text, duration: said.append(text))
    values |= {"data.source": own_rows, "data.roles": {"prompt": "question"}, "method.rank": 7}
    keep(ctx, values | {"model.source": "/models/gone"})
    deletion.delete_dataset(ctx.engine, own_rows, False)
    found = form_of(opened(ctx))
    assert found["data.source"] == "sample:pirate" and found["data.roles"] == {}
    assert found["model.source"] == "pocket" and found["method.rank"] == 7
    assert len(said) == 2 and "no longer here" in said[1]


def test_all_that_is_mine_takes_my_choices_along(ctx: Context, values: dict[str, Any]) -> None:
    keep(ctx, values)
    deletion.delete_everything(ctx.engine)
    assert not ctx.engine.store.choices_file.exists()
