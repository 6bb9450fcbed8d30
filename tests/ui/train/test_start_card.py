"""What Start would do, shown below it: rows, weights, memory, time, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.quality.token_report import RefusedRows
from engine.errors import ModelError, SpecError
from engine.hardware import Machine, computes_in_bf16
from engine.model import parameters
from engine.model.info import ALL_LINEAR
from engine.process import oneshot
from engine.runs.engine import Engine
from engine.store.run_dir import RunDir
from tests.engine.data.made_rows import make_rows
from tests.ui.fakes import INFO, FakeDesk, shown
from ui import form
from ui.context import Context
from ui.model import tab
from ui.train import settings, start_card
from ui.train import tab as train_tab

GB = 2**30


def plain(shown: object) -> object:
    """A value as its widget would hold it, where it comes together with what is on offer."""
    return shown["value"] if isinstance(shown, dict) and "choices" in shown else shown


def shown_plan(ctx: Context, values: dict[str, Any]) -> str:
    """What is shown below Start in the end."""
    return list(start_card.show_plan(ctx, **values))[-1]["facts"]


def counted(ctx: Context, values: dict[str, Any]) -> None:
    """Model and rows are known, as after a look at the Data tab."""
    spec = form.read_spec(values)
    ctx.load_model(spec.model.source)
    ctx.count_tokens(spec.model.source, ctx.prepare(spec.data), spec.data)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch):
    """Sets how many bytes of memory are free."""

    def free(size: float) -> None:
        machine = Machine("cpu", "fp32", False, size, 100 * GB, computes_in_bf16("cpu"))
        monkeypatch.setattr("engine.hardware.choose_machine", lambda *_: machine)

    free(20 * GB)
    return free


def test_the_defaults_start(finished: RunDir) -> None:
    assert finished.spec.data.source == "sample:pirate" and finished.spec.model.source == "pocket"


def test_what_start_would_do_is_shown_at_once(ctx: Context, values: dict[str, Any], room) -> None:
    before = next(start_card.show_plan(ctx, **values))
    assert "Reading the model" in before["facts"] and "Pirate" in before["head"]
    assert before["start"] == start_card.DISABLED, "it is not known whether it would work"
    ctx.load_model("pocket")
    spec = form.read_spec(values)
    shown = next(start_card.show_plan(ctx, **values))
    words, alpha, methods = shown["facts"], shown["method.alpha"], shown["methods"]
    weights = parameters.count_parameters(INFO, spec.method).trainable
    assert f"{weights:,} of {INFO.parameters + weights:,} weights" in words
    assert f"{spec.optim.steps(ctx.prepare(spec.data).train)} steps" in shown["head"]
    assert shown["start"] == start_card.ENABLED and shown["named"] == ("sample:pirate", "pocket")
    assert "20.0 GB free" in words and "known once the rows are counted" in words
    assert alpha["placeholder"].startswith(str(2 * spec.method.rank))
    assert "Recommended: <b>LoRA</b>" in methods and "When to use which" in methods


def test_the_time_is_measured_once_and_then_known(
    ctx: Context, values: dict[str, Any], room
) -> None:
    counted(ctx, values)
    first, last = [shown["facts"] for shown in start_card.show_plan(ctx, **values)]
    assert "known once the run has started" in first and "measured on this machine" in last
    assert "measured on this machine" in next(start_card.show_plan(ctx, **values))["facts"]
    assert ctx.engine.desk.paced == 1  # type: ignore[attr-defined]


def test_earlier_runs_tell_the_time(
    ctx: Context, values: dict[str, Any], finished: RunDir, room
) -> None:
    counted(ctx, values)
    assert "from earlier runs" in shown_plan(ctx, values)
    assert ctx.engine.desk.paced == 0  # type: ignore[attr-defined]


def test_nothing_is_measured_while_a_run_uses_the_machine(
    ctx: Context, values: dict[str, Any], room, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(ctx, values)
    monkeypatch.setattr(Engine, "count_waiting", lambda _: 1)
    assert "known once the run has started" in shown_plan(ctx, values)
    monkeypatch.setattr(Engine, "working_now", lambda _: "tickets")
    assert "measured when this machine is free" in shown_plan(ctx, values)
    assert ctx.engine.desk.paced == 0  # type: ignore[attr-defined]


def test_what_does_not_fit_is_said_with_what_helps_and_can_be_started(
    ctx: Context, values: dict[str, Any], room
) -> None:
    counted(ctx, values)
    values["method.kind"] = "full"
    room(0.05 * GB)
    words = shown_plan(ctx, values)
    assert "probably does not fit" in words and "start it anyway" in words
    assert train_tab.start_run(ctx, *shown(values), **values)


def test_the_method_is_advised_for_the_rows_that_are_chosen_even_if_some_are_unusable(
    ctx: Context, values: dict[str, Any], room, tmp_path: Path
) -> None:
    counted(ctx, values)
    assert "for 700 rows" in next(start_card.show_plan(ctx, **values))["methods"]
    rows = [*map(json.dumps, make_rows(100)), '{"prompt": "Only asked."}']
    (tmp_path / "own.jsonl").write_text("\n".join(rows))
    files = [(tmp_path / "own.jsonl", "own.jsonl")]
    values |= {"data.source": oneshot.add_dataset_files(ctx.engine.store, files)}
    shown = list(start_card.show_plan(ctx, **values))[-1]
    assert "1 row of 101 cannot be used" in shown["facts"]
    assert shown["start"] == start_card.DISABLED and "700 rows" not in str(shown)


def test_stepping_down_is_estimated(ctx: Context, values: dict[str, Any], room) -> None:
    counted(ctx, values)
    values["optim.batch_size"] = 512
    spec = form.read_spec(values)
    asked = ctx.plan(spec).forecast
    room(asked.needs - 1)
    words = shown_plan(ctx, values)
    assert "Hone steps down to" in words and "256 examples at once" in words


def test_a_mistake_in_the_form_is_shown_beside_it(ctx: Context, values: dict[str, Any]) -> None:
    values["optim.epochs"] = -1
    assert "Epochs" in shown_plan(ctx, values)


def test_examples_longer_than_the_model_reads_are_said_at_once(
    ctx: Context, values: dict[str, Any]
) -> None:
    ctx.load_model("pocket")
    values["data.max_length"] = 513
    assert "reads at most 512 tokens" in shown_plan(ctx, values)
    with pytest.raises(SpecError):
        train_tab.start_run(ctx, *shown(values), **values)
    assert not list(ctx.engine.store.all_runs())


def test_a_method_that_does_not_fit_the_model_does_not_start(
    ctx: Context, values: dict[str, Any]
) -> None:
    ctx.load_model("pocket")
    values["method.layers"] = "0-99"
    assert "has 6 layers" in shown_plan(ctx, values)
    with pytest.raises(SpecError):
        train_tab.start_run(ctx, *shown(values), **values)


def test_a_model_that_cannot_be_opened_is_said_beside_start(
    ctx: Context, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("This folder is of an unknown architecture.")

    monkeypatch.setattr(FakeDesk, "inspect_model", refuse)
    assert "unknown architecture" in list(tab.show_chosen_model(ctx, "pocket"))[-1]
    assert "unknown architecture" in shown_plan(ctx, values)
    update = settings.targets_of_model(ctx, "pocket", "all", ["q_proj"])
    assert update["value"] == [ALL_LINEAR] and "q_proj" in update["choices"]


def test_a_classifier_is_counted_with_its_labels(
    ctx: Context, values: dict[str, Any], room
) -> None:
    ctx.load_model("pocket")
    values["data.source"] = "sample:reviews"
    values["data.goal"] = "classify"
    words = shown_plan(ctx, values)
    assert "choose one of 2 labels" in words
    values["method.kind"] = "head"
    head = 2 * INFO.hidden_size
    assert f"{head:,} of {INFO.parameters + 2 * head:,} weights" in shown_plan(ctx, values)


def test_rows_that_must_not_be_learned_are_said(
    ctx: Context, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = RefusedRows(rows=7, reason="The template hides them. <b>")
    measure = FakeDesk.count_tokens
    monkeypatch.setattr(
        FakeDesk, "count_tokens", lambda *of: measure(*of).model_copy(update={"refused": refused})
    )
    counted(ctx, values)
    assert "7 of the rows" in shown_plan(ctx, values) and "&lt;b&gt;" in shown_plan(ctx, values)
    with pytest.raises(SpecError, match="7 of the rows cannot be learned with this model"):
        train_tab.start_run(ctx, *shown(values), **values)
