"""Recipes on the Train tab: what each sets, what follows by itself, and the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import DataError, RunError, SpecError
from engine.process import oneshot
from engine.runs import recipes
from engine.spec import presets
from tests.ui.fakes import INFO, file_of
from tests.ui.train.test_start_card import counted, plain
from ui import form
from ui.context import Context
from ui.train import own_recipes, recipe_values
from ui.train import recipes as train_recipes
from ui.train.fill_form import suited_spec
from ui.train.recipes import OWN_SETTINGS, RECOMMENDED, SET_BY_RECIPE


def plain_values(updates: dict[str, Any]) -> dict[str, Any]:
    """What the form holds after these updates."""
    return {path: plain(value) for path, value in updates.items() if path in form.FORM_PATHS}


@pytest.fixture
def file_values(values: dict[str, Any], ctx: Context, tmp_path: Path) -> dict[str, Any]:
    """The form with rows of the user's own, counted."""
    row = '{{"prompt": "Question {0}?", "completion": "Answer number {0}."}}'
    (tmp_path / "own.jsonl").write_text("\n".join(row.format(n) for n in range(120)))
    source = oneshot.add_dataset_files(ctx.engine.store, [(tmp_path / "own.jsonl", "own.jsonl")])
    values["data.source"] = source
    counted(ctx, values)
    return values


def test_a_recipe_sets_its_values_and_resets_the_others(
    ctx: Context, values: dict[str, Any]
) -> None:
    quick = plain_values(train_recipes.choose_recipe(ctx, "Quick try", **values))
    assert quick["optim.epochs"] == 1 and quick["method.rank"] == 8
    assert quick["optim.batch_size"] == suited_spec("sample:pirate").optim.batch_size


@pytest.mark.parametrize("recipe", presets.bundled_recipes(), ids=lambda recipe: recipe.name)
def test_every_recipe_can_be_chosen(
    ctx: Context, values: dict[str, Any], recipe: presets.Recipe
) -> None:
    samples = {"labels": "sample:reviews", "preferences": "sample:preferences"}
    values["data.source"] = samples.get(recipe.data, values["data.source"])
    counted(ctx, values)
    updates = train_recipes.choose_recipe(ctx, recipe.name, **values)
    assert updates.keys() == set(SET_BY_RECIPE)
    spec = form.read_spec(values | plain_values(updates))
    found = recipe_values.values_by_path(spec)
    assert all(found[path] == value for path, value in recipe.values.items())
    assert updates["group"] == recipe.group
    assert recipe.cost in updates["note"].replace("&#x27;", "'")


def test_recipes_are_offered_by_the_rows(ctx: Context, values: dict[str, Any]) -> None:
    offered = train_recipes.offer_recipes(ctx, RECOMMENDED, **values)
    assert "Preferences" not in dict(offered["choices"])
    values["data.source"] = "sample:preferences"
    offered = train_recipes.offer_recipes(ctx, "Preferences", **values)
    assert "Preferences" in dict(offered["choices"])
    assert "value" not in offered, "another may have been chosen meanwhile"
    values["data.source"] = "sample:reviews"
    offered = train_recipes.offer_recipes(ctx, "Preferences", **values)
    assert "Preferences" not in dict(offered["choices"])
    assert offered["value"] == OWN_SETTINGS


def test_no_recipe_changes_what_is_learned(ctx: Context, values: dict[str, Any]) -> None:
    assert "data.goal" not in SET_BY_RECIPE
    values["data.source"] = "sample:reviews"
    counted(ctx, values)
    before = plain_values(train_recipes.choose_recipe(ctx, RECOMMENDED, **values))
    quick = plain_values(train_recipes.choose_recipe(ctx, "Quick try", **values))
    after = train_recipes.choose_recipe(ctx, RECOMMENDED, **values | quick)
    assert plain_values(after) == before and before["method.rank"] == 8


def test_what_is_recommended_follows_the_model_and_says_why(
    ctx: Context, file_values: dict[str, Any]
) -> None:
    updates = train_recipes.choose_recipe(ctx, RECOMMENDED, **file_values)
    found, note = plain_values(updates), updates["note"]
    assert found["optim.learning_rate"] == 0.002 and found["optim.epochs"] == 6
    assert found["optim.batch_size"] * found["optim.accumulation"] == 8
    assert found["data.max_length"] == 16, "the longest row"
    assert "Why these values" in note and "smaller models bear larger steps" in note
    assert updates["group"] == "all"
    larger = {"hidden_size": 4096, "parameters": 7_000_000_000}
    ctx._models["pocket"] = INFO.model_copy(update=larger)
    found = plain_values(train_recipes.choose_recipe(ctx, RECOMMENDED, **file_values))
    assert found["optim.learning_rate"] == 0.0003


def test_the_sample_s_own_settings_are_recommended_for_the_pocket_model(
    ctx: Context, values: dict[str, Any]
) -> None:
    counted(ctx, values)
    found = plain_values(train_recipes.choose_recipe(ctx, RECOMMENDED, **values))
    assert found["optim.learning_rate"] == suited_spec("sample:pirate").optim.learning_rate


def test_following_leaves_the_data_tab_and_settings_by_hand_alone(
    ctx: Context, file_values: dict[str, Any]
) -> None:
    found = plain_values(train_recipes.follow_choices(ctx, RECOMMENDED, **file_values))
    assert "data.max_length" not in found and found["optim.epochs"] == 6
    assert train_recipes.follow_choices(ctx, OWN_SETTINGS, **file_values) == {}


def test_what_is_proposed_says_which_recipe_it_was_asked_for(
    ctx: Context, values: dict[str, Any]
) -> None:
    counted(ctx, values)
    offered, proposal = train_recipes.propose_updates(
        ctx, train_recipes.choose_recipe, "Quick try", **values
    )
    proposed = plain_values(dict(zip(SET_BY_RECIPE, proposal["updates"], strict=True)))
    assert proposal["recipe"] == "Quick try" and proposed["method.rank"] == 8
    assert "value" not in offered, "the page takes it or leaves it"
    assert {name for _, name in offered["choices"]} >= set(proposed["method.targets"])


def test_another_method_by_hand_brings_a_learning_rate_that_suits_it(
    ctx: Context, values: dict[str, Any]
) -> None:
    counted(ctx, values)
    values["method.kind"] = "full"
    updates = train_recipes.follow_method(ctx, OWN_SETTINGS, **values)
    assert updates.keys() == {"optim.learning_rate", "note"}
    assert updates["optim.learning_rate"] == 0.0002 and "follows the method" in updates["note"]
    values["method.kind"] = "qlora"
    assert train_recipes.follow_method(ctx, OWN_SETTINGS, **values) == {}


def test_a_method_chosen_before_the_model_is_read_brings_its_learning_rate_too(
    ctx: Context, values: dict[str, Any]
) -> None:
    values["method.kind"] = "full"
    assert ctx.known_model("pocket") is None
    assert train_recipes.follow_method(ctx, OWN_SETTINGS, **values)["optim.learning_rate"] == 0.0002


def test_own_recipes_are_saved_chosen_taken_and_deleted(
    ctx: Context, values: dict[str, Any]
) -> None:
    counted(ctx, values)
    values["method.rank"] = 24
    values["method.targets"] = ["q_proj", "v_proj"]
    chosen, name = own_recipes.save_recipe(ctx, "  Mine <b> ", **values)
    assert name == "" and chosen["choices"] == [("Mine <b>", chosen["value"])]
    kept = recipes.load_recipe(ctx.engine.store, chosen["value"])
    assert kept.group == "fewest"
    assert not {"data.source", "model.source", "data.fixes"} & set(kept.values)
    updates = own_recipes.choose_own_recipe(ctx, chosen["value"], **values)
    assert updates["method.rank"] == 24 and updates["group"] == "fewest"
    assert updates["recipe"] == OWN_SETTINGS
    assert plain(updates["method.targets"]) == ["q_proj", "v_proj"]
    file = file_of(ctx, own_recipes.recipe_file(ctx, chosen["value"]))
    assert file.read_text().startswith("name: Mine <b>")
    assert own_recipes.delete_recipe(ctx, chosen["value"])["choices"] == []
    with pytest.raises(RunError, match="not there any more"):
        own_recipes.choose_own_recipe(ctx, chosen["value"], **values)


def test_names_that_another_model_lacks_give_way(ctx: Context, values: dict[str, Any]) -> None:
    counted(ctx, values)
    text = "name: x\nsummary: ''\ncost: ''\nvalues: {method.targets: [c_attn]}"
    found = recipe_values.recipe_settings(ctx, recipes.parse_recipe(text, "x.yaml"), values)
    targets = recipe_values._targets_and_group(found, ctx.known_model("pocket"))
    assert targets == (INFO.groups["all"], "all")


def test_without_a_name_or_a_choice_it_says_what_to_do(
    ctx: Context, values: dict[str, Any]
) -> None:
    with pytest.raises(SpecError, match="name first"):
        own_recipes.save_recipe(ctx, " ", **values)
    for handler in (own_recipes.delete_recipe, own_recipes.recipe_file):
        with pytest.raises(SpecError, match="Choose a recipe"):
            handler(ctx, None)
    assert own_recipes.choose_own_recipe(ctx, None, **values) == {}


@pytest.mark.slow
def test_a_file_is_checked_before_it_is_kept(ctx: Context, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("name: From afar\nsummary: s\ncost: c\nvalues: {optim.epochs: 2}\n")
    with pytest.raises(DataError, match="not uploaded from this page"):
        own_recipes.add_recipe_file(ctx, str(good))
    ctx.uploads.note("", good)
    choices = own_recipes.add_recipe_file(ctx, str(good))["choices"]
    assert choices == [("From afar", "from-afar")]
    bad.write_text("name: x\nsummary: s\ncost: c\nvalues: {data.source: /etc/passwd}\n")
    ctx.uploads.note("", bad)
    with pytest.raises(SpecError, match="not part of a recipe"):
        own_recipes.add_recipe_file(ctx, str(bad))
