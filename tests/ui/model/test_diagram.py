"""The drawing of a model says why a group holds other parts, and which parts can get no adapter."""

from __future__ import annotations

import pytest

from engine.errors import ModelError
from engine.spec.method import MethodSpec
from tests.ui.fakes import INFO
from ui.model.diagram import layer_diagram, toggle_target

NARROW = INFO.modules[-1].model_copy(
    update={"name": "gate", "path": "model.layers.*.mlp.gate", "refused": "too narrow"}
)


def test_a_known_model_has_nothing_to_explain() -> None:
    assert layer_diagram(INFO, MethodSpec())["reason"] == ""


def test_the_reason_of_a_group_is_shown() -> None:
    info = INFO.model_copy(update={"group_reason": "Hone does not know it."})
    assert layer_diagram(info, MethodSpec())["reason"] == "Hone does not know it."


def test_a_part_that_can_get_no_adapter_is_closed_and_says_why() -> None:
    info = INFO.model_copy(update={"modules": (*INFO.modules, NARROW)})
    shown = layer_diagram(info, MethodSpec())
    steps = [step for column in shown["columns"] for step in column["steps"]]
    boxes = {box["name"]: box for step in steps for box in step["boxes"]}
    gate = boxes["gate"]
    assert gate["closed"] and not gate["pressed"] and not gate["adapter"]
    assert gate["where"].endswith("no adapter, too narrow") and not boxes["q_proj"]["closed"]
    assert shown["reason"] == "No adapter can be added to gate (too narrow)."
    with pytest.raises(ModelError, match="too narrow"):
        toggle_target(info, ["q_proj"], "gate")
