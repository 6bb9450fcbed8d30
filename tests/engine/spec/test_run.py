"""RunSpec: bounds, all problems at once, and fields declared once."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from engine.errors import SpecError
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.spec_file import changed_spec, dump_spec_yaml, load_spec_yaml
from engine.store.files import PROJECT_FOLDER


def leaves(model: type[BaseModel] = specs.RunSpec, prefix: str = "") -> list[str]:
    found = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found += leaves(info.annotation, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


@pytest.mark.parametrize("path", leaves())
def test_every_field_has_a_label_and_help(path: str) -> None:
    info = specs.spec_field(path)
    assert info.title and info.description
    assert info.description.endswith(".")


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(SpecError) as error:
        specs.make_spec({"method": {"rank": 0}, "optim": {"epochs": -1, "speed": 3}})
    text = str(error.value)
    assert "Rank (method.rank): must be at least 1; it is 0." in text
    assert "Epochs (optim.epochs): must be more than 0.0; it is -1." in text
    assert "'optim.speed' is not a setting" in text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"method": {"alpha": "zero"}},
            "Alpha (method.alpha): must be a whole number; it is 'zero'.",
        ),
        ({"optim": {"epochs": None}}, "Epochs (optim.epochs): must be a number; nothing is given."),
        ({"optim": {"learning_rate": 2}}, "must be at most 1.0; it is 2."),
        ({"method": {"layers": "5-3"}}, "must be layers counted from 0"),
        ({"method": {"layers": "10000"}}, "must be layers counted from 0"),
        (
            {"method": {"kind": "qlora", "save": ["lm_head"]}},
            "does not work with 4-bit, 8-bit or bf16 weights",
        ),
        (
            {"method": {"save": ["lm_head"]}, "place": {"precision": "bf16"}},
            "does not work with 4-bit, 8-bit or bf16",
        ),
        ({"method": {"init": "loftq"}}, "cannot be LoftQ. PEFT computes it only on NVIDIA cards"),
        (
            {"method": {"targets": []}},
            "Target modules (method.targets): needs at least 1; it is [].",
        ),
        (
            {"optim": {"schedule": "wild"}},
            "must be one of 'cosine', 'linear' or 'constant'; it is 'wild'.",
        ),
        ({"optim": 3}, "optim"),
    ],
)
def test_problems_are_in_plain_words(values: dict, words: str) -> None:
    with pytest.raises(SpecError) as error:
        specs.make_spec(values)
    assert words in str(error.value)


def test_yaml_round_trip(tmp_path) -> None:
    spec = specs.make_spec(
        {"method": {"rank": 3, "targets": ["q_proj"]}, "sampling": {"prompts": ["Ahoy, ünïcode?"]}}
    )
    (tmp_path / "s.yaml").write_text(dump_spec_yaml(spec), encoding="utf-8")
    assert specs.make_spec(load_spec_yaml(tmp_path / "s.yaml")) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "a: [",
        "\x00",
        "name: 2024-13-45",
        "a: !!int ''",
        "a: !!bool foo",
        "[" * 5000,
    ],
)
def test_a_broken_spec_file_is_one_sentence(tmp_path, text: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"s\.yaml"):
        load_spec_yaml(tmp_path / "s.yaml")


def test_alpha_follows_rank_unless_set() -> None:
    assert specs.MethodSpec(rank=8).scale_alpha == 16
    assert specs.MethodSpec(rank=8, alpha=4).scale_alpha == 4


def test_all_linear_stands_alone() -> None:
    with pytest.raises(SpecError, match="all-linear"):
        specs.make_spec({"method": {"targets": ["all-linear", "q_proj"]}})


def test_every_yaml_under_presets_is_read() -> None:
    files = sorted((PROJECT_FOLDER / "presets").rglob("*.yaml"))
    recipes, samples = presets.bundled_recipes(), presets.bundled_samples()
    assert len(recipes) == sum(path.parent.name == "recipes" for path in files) >= 4
    assert len(samples) == sum(path.parent.name == "samples" for path in files) == 5
    for recipe in recipes:
        assert specs.make_spec(presets.nest_values(recipe.values))
    for sample in samples:
        assert specs.make_spec(sample.values).data.source == f"sample:{sample.id}"
        assert sample.train_file.is_file() and sample.held_out_file.is_file()


def test_settings_are_changed_as_yaml_and_checked() -> None:
    settings = ("optim.learning_rate=5e-4", "method.targets=[q_proj, v_proj]", "name=My run")
    spec = changed_spec(specs.RunSpec(), (*settings, "data.shape="))
    assert spec.optim.learning_rate == 5e-4
    assert spec.method.targets == ("q_proj", "v_proj")
    assert spec.name == "My run"
    assert spec.data == specs.RunSpec().data


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("optim.epochs", "Write it like optim.epochs=5"),
        ("optim.epochs.x=3", "Write it like optim.epochs=5"),
        ("optim.epochs=-1", "Epochs (optim.epochs): must be more than 0.0; it is -1."),
        ("optim.speed=3", "'optim.speed' is not a setting"),
        ("name=[", "cannot be read as YAML"),
        ("model.start=../../etc", "must be the id of a run"),
    ],
)
def test_a_change_that_cannot_be_is_said(setting: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        changed_spec(specs.RunSpec(), [setting])
    assert words in str(caught.value)
