"""Every setting is declared once and has a widget with help."""

from __future__ import annotations

import gradio as gr
import pytest

from engine.errors import SpecError
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.run import RunSpec
from tests.ui.fakes import INFO
from ui import form


def declared() -> list[str]:
    """The dotted path of every field that a user may set."""
    fields = RunSpec.model_fields.items()
    parts = {part: field.annotation for part, field in fields if part != "name"}
    names = (f"{part}.{name}" for part, model in parts.items() for name in model.model_fields)
    return ["name", *names]


def test_the_form_has_every_field() -> None:
    assert sorted(form.FORM_PATHS) == sorted(declared())


@pytest.mark.parametrize("path", form.FORM_PATHS)
def test_a_widget_says_what_its_field_says(path: str) -> None:
    field = specs.spec_field(path)
    # Sources are found on this machine, not declared.
    choices = {"choices": [field.default]} if path.endswith(".source") else {}
    widget = form.make_widget(path, **choices)
    assert field.title and field.description
    if path not in form.STATE_PATHS:  # set by buttons and lists, which have words of their own
        assert widget.label == field.title
        assert widget.info == field.description


def test_sliders_have_the_bounds_of_their_fields() -> None:
    rank = form.make_widget("method.rank")
    assert isinstance(rank, gr.Slider)
    assert (rank.minimum, rank.maximum, rank.step) == (1, 256, 1)


@pytest.mark.parametrize("name", [sample.id for sample in presets.bundled_samples()] + [""])
def test_filling_and_collecting_gives_the_same_spec(name: str) -> None:
    found = [sample for sample in presets.bundled_samples() if sample.id == name]
    spec = specs.make_spec(found[0].values) if found else RunSpec()
    assert form.read_spec(form.widget_values(spec, None)) == spec


@pytest.mark.parametrize("recipe", presets.bundled_recipes(), ids=lambda recipe: recipe.name)
def test_a_recipe_survives_the_form(recipe: presets.Recipe) -> None:
    spec = specs.make_spec(presets.nest_values(recipe.values))
    assert form.read_spec(form.widget_values(spec, None)) == spec


def test_all_linear_is_shown_as_the_names_that_the_model_has() -> None:
    shown = form.widget_values(RunSpec(), INFO)
    assert shown["method.targets"] == [module.name for module in INFO.modules]


def test_an_empty_alpha_follows_the_rank() -> None:
    values = form.widget_values(RunSpec(), None) | {"method.alpha": " ", "method.rank": 4}
    assert form.read_spec(values).method.scale_alpha == 8
    assert form.read_spec(values | {"method.alpha": "12"}).method.alpha == 12


def test_questions_are_one_a_line() -> None:
    values = form.widget_values(RunSpec(), None)
    values["sampling.prompts"] = "Who are you?\n\n  What is red?  \n"
    assert form.read_spec(values).sampling.prompts == ("Who are you?", "What is red?")


def test_all_mistakes_are_named_at_once() -> None:
    values = form.widget_values(RunSpec(), None)
    values |= {"method.alpha": "much", "optim.epochs": None, "optim.batch_size": 0}
    with pytest.raises(SpecError) as caught:
        form.read_spec(values)
    for title in ("Alpha", "Epochs", "Batch size"):
        assert title in str(caught.value)
