"""Recipes on the Train tab: what each sets, what follows by itself, and the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.errors import RunError, SpecError
from engine.runs import recipes
from engine.spec import presets
from tests.ui.fakes import INFO
from tests.ui.train.test_tab import counted, plain, setting
from ui import form
from ui.context import Context
from ui.train import recipes as train_recipes
from ui.train import tab
from ui.train.recipes import PATHS, RECOMMENDED


def by_path(shown: list[Any]) -> dict[str, Any]:
    """What a recipe shows, by setting."""
    return {path: plain(value) for path, value in zip(PATHS, shown, strict=False)}


@pytest.fixture
def file_values(values: dict[str, Any], ctx: Context, tmp_path: Path) -> list[object]:
    """The form with rows of the user's own, counted."""
    from engine.process import oneshot

    rows = "\n".join(
        f'{{"prompt": "Question {n}?", "completion": "Answer number {n}."}}' for n in range(120)
    )
    (tmp_path / "own.jsonl").write_text(rows)
    source = oneshot.ingest_files(ctx.engine.store, [(tmp_path / "own.jsonl", "own.jsonl")])
    values["data.source"] = source
    counted(ctx, values)
    return values


def test_a_recipe_sets_its_values_and_resets_the_others(
    ctx: Context, values: dict[str, Any]
) -> None:
    quick = by_path(train_recipes.choose_recipe(ctx, "Quick try", **values))
    assert quick["optim.epochs"] == 1 and quick["method.rank"] == 8
    assert quick["optim.batch_size"] == suited_spec("sample:pirate").optim.batch_size


@pytest.mark.parametrize("recipe", presets.bundled_recipes(), ids=lambda recipe: recipe.name)
def test_every_recipe_can_be_chosen(
    ctx: Context, values: dict[str, Any], recipe: presets.Recipe
) -> None:
    if recipe.data != "any":
        setting(
            values,
            "data.source",
            {"labels": "sample:reviews", "preferences": "sample:preferences"}[recipe.data],
        )
    counted(ctx, values)
    *shown, group, said = train_recipes.choose_recipe(ctx, recipe.name, **values)
    for path, value in zip(PATHS, shown, strict=True):
        setting(values, path, value)
    spec = form.read_spec(values)
    assert all(
        recipe_values.values_by_path(spec)[path] == value for path, value in recipe.values.items()
    )
    assert group == recipe.group and recipe.cost in said.replace("&#x27;", "'")


def test_recipes_are_offered_by_the_rows(ctx: Context, values: dict[str, Any]) -> None:
    assert "Classifier" not in train_recipes.offer_recipes(ctx, RECOMMENDED, **values)["choices"]
    values["data.source"] = "sample:reviews"
    offered = train_recipes.offer_recipes(ctx, "Preferences", **values)
    assert (
        "Classifier" in offered["choices"]
        and "Preferences" not in offered["choices"]
        and offered["value"] is None
    )
    assert "value" not in train_recipes.offer_recipes(ctx, "Classifier", **values), (
        "another may have been chosen meanwhile"
    )


def test_what_is_recommended_follows_the_model_and_says_why(
    ctx: Context, file_values: dict[str, Any]
) -> None:
    *shown, group, said = train_recipes.choose_recipe(ctx, RECOMMENDED, **file_values)
    found = by_path(shown)
    assert found["optim.learning_rate"] == 0.002 and found["optim.epochs"] == 6
    assert found["optim.batch_size"] * found["optim.accumulation"] == 8
    assert found["data.max_length"] == 16, "the longest row"
    assert (
        "Why these values" in said and "smaller models bear larger steps" in said and group == "all"
    )
    ctx._models["pocket"] = INFO.model_copy(
        update={"hidden_size": 4096, "parameters": 7_000_000_000}
    )
    assert (
        by_path(train_recipes.choose_recipe(ctx, RECOMMENDED, **file_values))["optim.learning_rate"]
        == 0.0003
    )


def test_the_sample_s_own_settings_are_recommended_for_the_pocket_model(
    ctx: Context, values: dict[str, Any]
) -> None:
    counted(ctx, values)
    found = by_path(train_recipes.choose_recipe(ctx, RECOMMENDED, **values))
    assert found["optim.learning_rate"] == suited_spec("sample:pirate").optim.learning_rate


def test_following_leaves_the_data_tab_and_settings_by_hand_alone(
    ctx: Context, file_values: dict[str, Any]
) -> None:
    found = by_path(train_recipes.follow_choices(ctx, RECOMMENDED, **file_values))
    assert found["data.max_length"] == gr.skip() and found["optim.epochs"] == 6
    assert all(
        value == gr.skip() for value in train_recipes.follow_choices(ctx, None, **file_values)
    )


def test_what_is_proposed_says_which_recipe_it_was_asked_for(
    ctx: Context, values: dict[str, Any]
) -> None:
    counted(ctx, values)
    offered, told = train_recipes.propose_updates(
        ctx, train_recipes.choose_recipe, "Quick try", **values
    )
    assert told["recipe"] == "Quick try" and by_path(told["shown"])["method.rank"] == 8
    assert "value" not in offered, "the page takes it or leaves it"
    assert {name for _, name in offered["choices"]} >= set(by_path(told["shown"])["method.targets"])


def test_another_method_by_hand_brings_a_learning_rate_that_suits_it(
    ctx: Context, values: dict[str, Any]
) -> None:
    counted(ctx, values)
    values["method.kind"] = "full"
    shown = train_recipes.follow_method(ctx, None, **values)
    assert by_path(shown)["optim.learning_rate"] == 0.0002 and "follows the method" in shown[-1]
    assert len([one for one in shown if one != gr.skip()]) == 2
    values["method.kind"] = "qlora"
    assert all(one == gr.skip() for one in train_recipes.follow_method(ctx, None, **values))


def test_a_method_chosen_before_the_model_is_read_brings_its_learning_rate_too(
    ctx: Context, values: dict[str, Any]
) -> None:
    values["method.kind"] = "full"
    assert ctx.known_model("pocket") is None
    assert (
        by_path(train_recipes.follow_method(ctx, None, **values))["optim.learning_rate"] == 0.0002
    )


def test_own_recipes_are_saved_chosen_taken_and_deleted(
    ctx: Context, values: dict[str, Any]
) -> None:
    counted(ctx, values)
    values["method.rank"] = 24
    values["method.targets"] = ["q_proj", "v_proj"]
    chosen, name = own_recipes.save_recipe(ctx, "  Mine <b> ", **values)
    assert name == "" and chosen["choices"] == [("Mine <b>", chosen["value"])]
    kept = recipes.load_recipe(ctx.engine.store, chosen["value"])
    assert kept.group == "fewest" and not {"data.source", "model.source", "data.fixes"} & set(
        kept.values
    )
    *shown, group, _, radio = own_recipes.choose_own_recipe(ctx, chosen["value"], **values)
    assert by_path(shown)["method.rank"] == 24 and group == "fewest" and radio is None
    assert by_path(shown)["method.targets"] == ["q_proj", "v_proj"]
    assert (
        Path(own_recipes.recipe_file(ctx, chosen["value"])).read_text().startswith("name: Mine <b>")
    )
    assert own_recipes.delete_recipe(ctx, chosen["value"])["choices"] == []
    with pytest.raises(RunError, match="not there any more"):
        own_recipes.choose_own_recipe(ctx, chosen["value"], **values)


def test_names_that_another_model_lacks_give_way(ctx: Context, values: dict[str, Any]) -> None:
    counted(ctx, values)
    recipe = recipes.parse_recipe(
        "name: x\nsummary: ''\ncost: ''\nvalues: {method.targets: [c_attn]}", "x.yaml"
    )
    found = recipe_values._targets_and_group(
        recipe_values.recipe_settings(ctx, recipe, values), ctx.known_model("pocket")
    )
    assert found == (INFO.groups["all"], "all")


def test_without_a_name_or_a_choice_it_says_what_to_do(
    ctx: Context, values: dict[str, Any]
) -> None:
    with pytest.raises(SpecError, match="name first"):
        own_recipes.save_recipe(ctx, " ", **values)
    for handler in (own_recipes.delete_recipe, own_recipes.recipe_file):
        with pytest.raises(SpecError, match="Choose a recipe"):
            handler(ctx, None)
    assert all(value == gr.skip() for value in own_recipes.choose_own_recipe(ctx, None, **values))


def test_a_file_is_checked_before_it_is_kept(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(
        "name: From afar\nsummary: s\ncost: c\nvalues: {optim.epochs: 2}\n"
    )
    assert own_recipes.add_recipe_file(ctx, str(tmp_path / "good.yaml"))["choices"] == [
        ("From afar", "from-afar")
    ]
    (tmp_path / "bad.yaml").write_text(
        "name: x\nsummary: s\ncost: c\nvalues: {data.source: /etc/passwd}\n"
    )
    with pytest.raises(SpecError, match="not part of a recipe"):
        own_recipes.add_recipe_file(ctx, str(tmp_path / "bad.yaml"))
