"""The user's own recipes: saved, read back, and refused in plain words where they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import HoneError, RunError, SpecError
from engine.runs import recipes
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.run import RunSpec
from engine.store.workspace import Store

GOOD = "name: Mine\nsummary: s\ncost: c\nvalues:\n  optim.epochs: 2\n  method.rank: 8\n"


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


@pytest.mark.parametrize("recipe", presets.bundled_recipes(), ids=lambda recipe: recipe.name)
def test_what_ships_is_a_recipe_like_any_other(recipe: presets.Recipe) -> None:
    assert (
        recipes.parse_recipe(recipes.dump_recipe(recipe), "x.yaml").values.keys()
        == recipe.values.keys()
    )
    assert recipe.summary.endswith(".") and recipe.cost.endswith(".")
    assert specs.make_spec(presets.nest_values(recipe.values))


def test_there_are_recipes_for_every_kind_of_rows() -> None:
    names = {recipe.name: recipe.data for recipe in presets.bundled_recipes()}
    assert len(list((presets.PRESETS_FOLDER / "recipes").glob("*.yaml"))) == len(names) == 6
    assert names["Balanced"] == "any" and names["Preferences"] == "preferences"


def test_settings_come_back_as_they_were_saved(store: Store) -> None:
    values = {
        "method": {"rank": 24, "alpha": 12, "ranks": {"q_proj": 4}},
        "optim": {"learning_rate": 2e-4},
    }
    spec = specs.make_spec(values | {"data": {"max_length": 512}, "place": {"precision": "fp32"}})
    key = recipes.store_recipe(store, recipes.recipe_from_spec(spec, "Zwei Wörter!"))
    found = specs.make_spec(presets.nest_values(recipes.load_recipe(store, key).values))
    assert (found.method, found.optim, found.data.max_length) == (spec.method, spec.optim, 512)
    assert recipes.saved_recipes(store)[key].name == "Zwei Wörter!"


def test_the_same_name_replaces_and_a_like_one_does_not(store: Store) -> None:
    first = recipes.store_recipe(store, recipes.recipe_from_spec(RunSpec(), "Mine"))
    assert recipes.store_recipe(store, recipes.recipe_from_spec(RunSpec(), "Mine")) == first
    assert recipes.store_recipe(store, recipes.recipe_from_spec(RunSpec(), "mine")) != first
    assert len(recipes.saved_recipes(store)) == 2
    recipes.remove_recipe(store, first)
    assert next(iter(recipes.saved_recipes(store).values())).name == "mine"


@pytest.mark.parametrize("name", ["日本語", "../../etc", "   ...   ", "a" * 60])
def test_any_name_gives_a_file_in_the_folder(store: Store, name: str) -> None:
    key = recipes.store_recipe(
        store, recipes.parse_recipe(GOOD, "x").model_copy(update={"name": name})
    )
    assert [path.stem for path in store.recipes.iterdir()] == [key]


@pytest.mark.parametrize("key", ["../x", "", "A", "x/y", None])
def test_no_id_leaves_the_folder(store: Store, key: str) -> None:
    for do in (recipes.load_recipe, recipes.remove_recipe):
        with pytest.raises(RunError):
            do(store, key)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optim.epochs: 2", "optim.epochs: -1"),
        ("optim.epochs: 2", "optim.epochs: .nan"),
        ("optim.epochs: 2", "optim.speed: 2"),
        ("optim.epochs: 2", "data.source: sample:pirate"),
        ("optim.epochs: 2", "model.source: /etc"),
        ("optim.epochs: 2", "place.device: cuda"),
        ("optim.epochs: 2", "sampling.prompts: [a]"),
        ("optim.epochs: 2", "1: 2"),
        ("optim.epochs: 2", "optim.epochs: [[1]]"),
        ("summary: s", "summary: s\npath: /etc/passwd"),
        ("name: Mine", "title: Mine"),
        ("name: Mine", "name: ''"),
        ("name: Mine", "name: " + "x" * 61),
        ("values:", "values: 3\nothers:"),
        ("summary: s", "summary: !!python/object/apply:os.system ['true']"),
        ("summary: s", "summary: ["),
        ("optim.epochs: 2", "optim.epochs: &a 2\n  optim.warmup: *a"),
    ],
)
def test_what_is_no_recipe_is_refused_in_words(change: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        recipes.parse_recipe(GOOD.replace(change, words), "bad.yaml")
    assert len(str(caught.value)) < 500 and "Traceback" not in str(caught.value)


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        recipes.parse_recipe(GOOD.replace("2", "-1").replace("8", "999"), "bad.yaml")
    assert "Epochs" in str(caught.value) and "Rank" in str(caught.value)
    with pytest.raises(SpecError) as caught:
        recipes.parse_recipe(GOOD + "  a.b: 1\n  c.d: 2\n", "bad.yaml")
    assert "'a.b'" in str(caught.value) and "'c.d'" in str(caught.value)


def test_files_that_are_none_are_left_out_and_said(store: Store, tmp_path: Path) -> None:
    (store.recipes / "broken.yaml").write_bytes(b"\xff\xfe")
    (store.recipes / "other.yaml").write_text("a: 1")
    assert recipes.saved_recipes(store) == {}
    (tmp_path / "x.yaml").write_bytes(b"\x00\xff")
    for path in (tmp_path / "x.yaml", tmp_path / "none.yaml"):
        with pytest.raises(SpecError, match="not a text file"):
            recipes.read_recipe_file(path, path.name)
    (tmp_path / "long.yaml").write_text("a: " + "x" * 100_000)
    with pytest.raises(SpecError, match="too long"):
        recipes.read_recipe_file(tmp_path / "long.yaml", "long.yaml")


def test_no_more_than_the_limit(store: Store) -> None:
    store.limits = store.limits._replace(recipes=2)
    for name in ("a", "b"):
        recipes.store_recipe(store, recipes.recipe_from_spec(RunSpec(), name))
    with pytest.raises(HoneError, match="Delete some"):
        recipes.store_recipe(store, recipes.recipe_from_spec(RunSpec(), "c"))
    recipes.store_recipe(store, recipes.recipe_from_spec(RunSpec(), "b"))


def test_what_is_learned_is_no_part_of_a_recipe() -> None:
    """It is chosen with the data. Recipes of older versions held it and can still be read."""
    older = GOOD + "  data.goal: classify\n"
    assert recipes.parse_recipe(older, "x").values == recipes.parse_recipe(GOOD, "x").values
    kept = recipes.recipe_from_spec(specs.make_spec({"data": {"goal": "write"}}), "Mine")
    assert "data.goal" not in kept.values
