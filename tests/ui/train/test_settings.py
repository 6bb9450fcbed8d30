"""The settings on the Train tab: which of them show; target modules by group, model and data."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.model.info import ALL_LINEAR
from engine.spec.run import RunSpec
from tests.ui.fakes import INFO
from tests.ui.train.test_start_card import plain
from ui.context import Context
from ui.train import settings
from ui.train.fill_form import ROW_FIELDS, choose_data, suited_spec


def test_what_does_not_apply_is_hidden_and_not_reset(ctx: Context, values: dict[str, Any]) -> None:
    def shown(kind: str) -> list[bool]:
        values["method.kind"] = kind
        boxes = settings.show_applicable(ctx, values).values()
        assert all("value" not in box for box in boxes)
        return [box["visible"] for box in boxes]

    assert shown("lora") == [True, True, False]
    assert shown("full") == [False, False, False]
    assert shown("qlora") == [True, True, False]


def test_the_head_is_offered_for_labels_alone(ctx: Context, values: dict[str, Any]) -> None:
    ctx.load_model("pocket")
    values["method.kind"] = "head"
    kinds = settings.offer_methods(ctx, **values)
    assert kinds["value"] == "lora" and "head" not in dict(map(reversed, kinds["choices"]))
    values["data.source"] = "sample:reviews"
    values["data.goal"] = "classify"
    kinds = settings.offer_methods(ctx, **values)
    assert "value" not in kinds and "head" in dict(map(reversed, kinds["choices"]))


def test_preferences_have_settings_of_their_own(ctx: Context, values: dict[str, Any]) -> None:
    values["data.source"] = "sample:preferences"
    assert settings.show_applicable(ctx, values)["preferring"]["visible"]


def test_groups_and_modules_follow_each_other(ctx: Context) -> None:
    assert settings.targets_of_group(ctx, "fewest", "pocket") == gr.skip()  # not read yet
    ctx.load_model("pocket")
    assert plain(settings.targets_of_group(ctx, "fewest", "pocket")) == ["q_proj", "v_proj"]
    assert settings.group_of_targets(ctx, ["v_proj", "q_proj"], "pocket") == "fewest"
    assert settings.group_of_targets(ctx, ["v_proj"], "pocket") == settings.OWN_CHOICE
    update = settings.targets_of_model(ctx, "pocket", "attention", ["all-linear"])
    assert update["value"] == ["q_proj", "k_proj", "v_proj", "o_proj"]


def test_names_of_the_model_before_stay_on_offer_unseen(ctx: Context) -> None:
    """A form in flight when the model changes holds them; Gradio refuses what is no choice."""
    ctx.load_model("pocket")
    other = INFO.modules[0].model_copy(update={"name": "c_attn"})
    ctx._models["/models/other"] = INFO.model_copy(
        update={"modules": (other,), "groups": {"all": ("c_attn",)}}
    )
    update = settings.targets_of_model(ctx, "/models/other", "all", ["q_proj"])
    assert update["value"] == ["c_attn"]
    labels = {name: label for label, name in update["choices"]}
    assert labels["c_attn"] and labels["q_proj"] == "" and ALL_LINEAR in labels


def test_a_sample_brings_its_settings_and_a_file_does_not(ctx: Context) -> None:
    shown = choose_data(ctx, "sample:json", "pocket")
    assert shown["data.max_length"] == suited_spec("sample:json").data.max_length
    assert not {"data.source", "model.source", "model.start"} & shown.keys()
    assert choose_data(ctx, "dataset:ab", "pocket").keys() == {
        *ROW_FIELDS,
        "settled",
        "chosen",
        "filled",
    }
    assert suited_spec("dataset:ab") == RunSpec()
