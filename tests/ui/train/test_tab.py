"""The Train tab: what is told before Start, which settings show, what the panel and the Runs tab tell afterwards."""

from __future__ import annotations

import gradio as gr
import pytest

from engine.coach import expected
from engine.data.quality.token_report import RefusedRows
from engine.errors import ModelError, SpecError
from engine.hardware import Machine
from engine.model import parameters
from engine.runs import report
from engine.runs.engine import Engine
from engine.spec.run import RunSpec
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState, RunView, fold_events
from engine.text import format_time_range, is_within_range, rounded_range
from tests.ui.fakes import INFO, FakeDesk
from ui import form
from ui.context import Context
from ui.model import tab
from ui.runs import report as report_view
from ui.runs import tab as runs_tab
from ui.train import live, settings
from ui.train import plan as train_facts
from ui.train import tab as train_tab

GB = 2**30


def setting(values: dict[str, Any], path: str, value: object) -> None:
    values[form.FORM_PATHS.index(path)] = plain(value)


def plain(shown: object) -> object:
    """A value as its widget would hold it, where it comes together with what is on offer."""
    return shown["value"] if isinstance(shown, dict) and "choices" in shown else shown


def told(ctx: Context, values: dict[str, Any]) -> str:
    """The last that is said beside Start."""
    return list(train_facts.show_plan(ctx, **values))[-1][0]


def counted(ctx: Context, values: dict[str, Any]) -> None:
    """Model and rows are known, as after a look at the Data tab."""
    spec = form.read_spec(values)
    ctx.load_model(spec.model.source)
    ctx.count_tokens(spec.model.source, ctx.prepare(spec.data), spec.data)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch):
    """Sets how many bytes of memory are free."""

    def free(size: float) -> None:
        machine = Machine("cpu", "fp32", False, size, 100 * GB)
        monkeypatch.setattr("engine.hardware.choose_machine", lambda *_: machine)

    free(20 * GB)
    return free


# --- before Start ---


def test_the_defaults_start(finished: RunDir) -> None:
    assert finished.spec.data.source == "sample:pirate" and finished.spec.model.source == "pocket"


def test_what_start_would_do_is_told_at_once(ctx: Context, values: dict[str, Any], room) -> None:
    words, alpha, *_ = next(train_facts.show_plan(ctx, **values))
    assert "Counting" in words and "You will train on" in words
    ctx.load_model("pocket")
    spec = form.read_spec(values)
    words, alpha, methods, *_ = next(train_facts.show_plan(ctx, **values))
    weights = parameters.count_parameters(INFO, spec.method).trainable
    assert f"{weights:,} of {INFO.parameters + weights:,} weights train" in words
    assert f"{spec.optim.steps(ctx.prepare(spec.data).train)} steps" in words
    assert "20.0 GB free" in words and "known once the rows are counted" in words
    assert alpha["placeholder"].startswith(str(2 * spec.method.rank))
    assert "Recommended: <b>LoRA</b>" in methods and "When to use which" in methods


def test_the_time_is_measured_once_and_then_known(
    ctx: Context, values: dict[str, Any], room
) -> None:
    counted(ctx, values)
    first, last = [words for words, *_ in train_facts.show_plan(ctx, **values)]
    assert "known once the run has begun" in first and "as measured on this machine" in last
    assert "as measured on this machine" in next(train_facts.show_plan(ctx, **values))[0]
    assert ctx.engine.desk.paced == 1  # type: ignore[attr-defined]


def test_earlier_runs_tell_the_time(
    ctx: Context, values: dict[str, Any], finished: RunDir, room
) -> None:
    counted(ctx, values)
    assert "as earlier runs took" in told(ctx, values)
    assert ctx.engine.desk.paced == 0  # type: ignore[attr-defined]


def test_nothing_is_measured_while_a_run_uses_the_machine(
    ctx: Context, values: dict[str, Any], room, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(ctx, values)
    monkeypatch.setattr(Engine, "live", lambda _: [object()])
    assert "known once the run has begun" in told(ctx, values)
    assert ctx.engine.desk.paced == 0  # type: ignore[attr-defined]


def test_what_does_not_fit_is_said_with_what_helps_and_can_be_started(
    ctx: Context, values: dict[str, Any], room
) -> None:
    counted(ctx, values)
    values["method.kind"] = "full"
    room(0.05 * GB)
    words = told(ctx, values)
    assert "will hardly fit" in words and "start it all the same" in words
    assert train_tab.start_run(ctx, **values)


def test_stepping_down_is_foretold(ctx: Context, values: dict[str, Any], room) -> None:
    counted(ctx, values)
    values["optim.batch_size"] = 512
    spec = form.read_spec(values)
    asked = ctx.plan(spec).forecast
    room(asked.needs - 1)
    words = told(ctx, values)
    assert "step down by itself" in words and "256 examples at once" in words


def test_a_mistake_in_the_form_is_told_beside_it(ctx: Context, values: dict[str, Any]) -> None:
    values["optim.epochs"] = -1
    assert "Epochs" in told(ctx, values)


def test_examples_longer_than_the_model_reads_are_said_at_once(
    ctx: Context, values: dict[str, Any]
) -> None:
    ctx.load_model("pocket")
    values["data.max_length"] = 513
    assert "reads at most 512 tokens" in told(ctx, values)
    with pytest.raises(SpecError):
        train_tab.start_run(ctx, **values)
    assert not list(ctx.engine.store.all_runs())


def test_a_method_that_does_not_fit_the_model_does_not_start(
    ctx: Context, values: dict[str, Any]
) -> None:
    ctx.load_model("pocket")
    values["method.layers"] = "0-99"
    assert "has 6 layers" in told(ctx, values)
    with pytest.raises(SpecError):
        train_tab.start_run(ctx, **values)


def test_a_model_that_cannot_be_opened_is_said_beside_start(
    ctx: Context, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("This folder is of an unknown architecture.")

    monkeypatch.setattr(FakeDesk, "inspect_model", refuse)
    assert "unknown architecture" in list(tab.describe_model(ctx, "pocket"))[-1]
    assert "unknown architecture" in told(ctx, values)
    update = settings.targets_of_model(ctx, "pocket", "all", ["q_proj"])
    assert update["value"] == [form.ALL_LINEAR] and "q_proj" in update["choices"]


# --- which settings show ---


def test_what_does_not_apply_is_hidden_and_not_reset(ctx: Context, values: dict[str, Any]) -> None:
    def shown(kind: str) -> list[bool]:
        values["method.kind"] = kind
        boxes = settings.arrange(ctx, **values)
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
    assert settings.arrange(ctx, **values)[2]["visible"]


def test_a_classifier_is_counted_with_its_labels(
    ctx: Context, values: dict[str, Any], room
) -> None:
    ctx.load_model("pocket")
    values["data.source"] = "sample:reviews"
    values["data.goal"] = "classify"
    words = told(ctx, values)
    assert "choose one of 2 labels" in words
    values["method.kind"] = "head"
    head = 2 * INFO.hidden_size
    assert f"{head:,} of {INFO.parameters + 2 * head:,} weights train" in told(ctx, values)


def test_groups_and_modules_follow_each_other(ctx: Context) -> None:
    assert settings.targets_of_group(ctx, "fewest", "pocket") == gr.skip()  # not read yet
    ctx.load_model("pocket")
    assert plain(settings.targets_of_group(ctx, "fewest", "pocket")) == ["q_proj", "v_proj"]
    assert settings.group_of_targets(ctx, ["v_proj", "q_proj"], "pocket") == "fewest"
    assert settings.group_of_targets(ctx, ["v_proj"], "pocket") == settings.OWN_CHOICE
    update = settings.targets_of_model(ctx, "pocket", "attention", ["all-linear"])
    assert update["value"] == ["q_proj", "k_proj", "v_proj", "o_proj"]


def test_names_of_the_model_before_stay_on_offer_unseen(ctx: Context) -> None:
    """A form that is on its way when the model changes holds them, and Gradio refuses what is not on offer."""
    ctx.load_model("pocket")
    other = INFO.modules[0].model_copy(update={"name": "c_attn"})
    ctx._models["/models/other"] = INFO.model_copy(
        update={"modules": (other,), "groups": {"all": ("c_attn",)}}
    )
    update = settings.targets_of_model(ctx, "/models/other", "all", ["q_proj"])
    assert update["value"] == ["c_attn"]
    labels = {name: label for label, name in update["choices"]}
    assert labels["c_attn"] and labels["q_proj"] == "" and form.ALL_LINEAR in labels


def test_a_sample_brings_its_settings_and_a_file_does_not(ctx: Context) -> None:
    own = form.FORM_PATHS[2:]
    shown = dict(zip(own, choose_data(ctx, "sample:json", "pocket"), strict=False))
    assert shown["data.max_length"] == suited_spec("sample:json").data.max_length
    kept = dict(zip(own, choose_data(ctx, "dataset:ab", "pocket"), strict=False))
    assert {path for path, value in kept.items() if value != gr.skip()} == set(ROW_FIELDS)
    assert suited_spec("dataset:ab") == RunSpec()


def test_rows_that_must_not_be_learned_are_said(
    ctx: Context, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = RefusedRows(rows=7, reason="The template hides them. <b>")
    measure = FakeDesk.count_tokens
    monkeypatch.setattr(
        FakeDesk, "count_tokens", lambda *of: measure(*of).model_copy(update={"refused": refused})
    )
    counted(ctx, values)
    assert "7 of the rows" in told(ctx, values) and "&lt;b&gt;" in told(ctx, values)
    with pytest.raises(SpecError, match="7 of the rows cannot be learned with this model"):
        train_tab.start_run(ctx, **values)


# --- while it runs, and after ---


def started(trainable: int = 10) -> ev.Started:
    return ev.Started(
        pid=1, device="CPU", precision="fp32", trainable=trainable, total=100, steps=2, epochs=1, rows=8, held_out=2,
        tokens=800, learned=300, cut=0,
    )  # fmt: skip


def foretold(memory_gb: float = 1.0) -> ev.Estimated:
    return ev.Estimated(trainable=10, memory_gb=memory_gb, seconds_low=40, seconds_high=80)


def step(number: int = 1) -> ev.Step:
    return ev.Step(step=number, epoch=1, loss=1, lr=1e-3, tokens=100, seconds=57.3, memory_gb=1.1)


def test_foretold_and_real_stand_side_by_side() -> None:
    view = fold_events([foretold(), started(), step()])
    assert expected.outcome(view, RunState.FINISHED) == [
        ("Weights that train", "10", "10", True),
        ("Memory at the peak", "1.0 GB", "1.1 GB", True),
        ("Time", "40 to 80 s", "57 s", True),
    ]
    assert len(expected.outcome(view, RunState.STOPPED)) == 2, (
        "a run that ended early says nothing of the time"
    )
    assert expected.outcome(RunView(), RunState.FINISHED) == []
    told = expected.outcome(
        fold_events(
            [
                foretold(),
                started(),
                step(),
                ev.Finished(step=2, seconds=57.3, memory_gb=1, checks_seconds=20),
            ]
        ),
        RunState.FINISHED,
    )
    assert told[-1] == ("Of it in checks and samples", "up to 30 s", "20 s (35 %)", True)
    view = fold_events([foretold(3.0), started(11), step()])
    assert [one.good for one in expected.outcome(view, RunState.FINISHED)] == [False, False, True]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(3.2, 7.6, "3 to 8 s"), (41, 79, "40 to 80 s"), (80, 200, "1.3 to 3.5 min"), (57, 57, "57 s"),
     (26, 88, "25 to 90 s"), (400, 900, "6 to 15 min"), (6000, 9000, "1.6 to 2.5 h"), (2, 40, "2 to 40 s"),
     (100, 5000, "1.6 to 84 min")],
)  # fmt: skip
def test_a_range_of_time_is_round(low: float, high: float, words: str) -> None:
    assert format_time_range(low, high) == words
    least, most = rounded_range(low, high)
    assert least <= low and high <= most, "all of it is told"


@pytest.mark.parametrize(("seconds", "good"), [(5.9, False), (6, True), (13, True), (13.1, False)])
def test_a_time_is_judged_by_the_range_that_was_told(seconds: float, good: bool) -> None:
    assert (
        format_time_range(6.4, 12.6) == "6 to 13 s" and is_within_range(seconds, 6.4, 12.6) == good
    )


def test_the_panel_tells_of_stepping_down_and_of_what_was_foretold(
    ctx: Context, finished: RunDir
) -> None:
    down = ev.SteppedDown(
        batch=4, accumulation=4, checkpointing=False, why="16 examples at once need more. <b>"
    )
    for event in (down, foretold(), step(21)):
        finished.emit(event)
    answer = live.poll_run(ctx, {"run": finished.id})
    assert "It goes on with 4 examples at once, 4 batches added up" in answer["warnings"][0]
    assert [name for name, *_ in answer["outcome"]] == [
        "Weights that train",
        "Memory at the peak",
        "Time",
    ]
    assert ["Batch", "4 × 4"] in [entry[:2] for entry in answer["settings"]]
    shown = report_view.report_page(report.make_report(finished))
    assert "Expected and real" in shown and "4 examples at once" in shown and "<b>" not in shown


def test_proving_is_said_while_it_lasts(ctx: Context, finished: RunDir) -> None:
    proving = ev.Proving(batch=8, accumulation=2, checkpointing=False, length=190)
    sentence = live.coach_sentence(
        fold_events([ev.Phase(text="Proving."), proving]), RunState.PREPARING, False
    )
    assert "190 tokens" in sentence["text"] and "8 examples at once" in sentence["text"]


def test_accuracy_is_shown_where_it_is_measured() -> None:
    checks = [
        ev.Evaluated(step=0, loss=0.7, seconds=0),
        ev.Evaluated(step=2, loss=0.4, seconds=3, accuracy=0.92),
    ]
    view = fold_events([started(), *checks])
    assert "right on 92 %" in live_parts.held_out_figure(view)[1]
    assert (
        "It is right on 92 % of them."
        in live.coach_sentence(view, RunState.TRAINING, False)["text"]
    )


def test_runs_are_listed_with_their_method(ctx: Context, finished: RunDir) -> None:
    assert "LoRA 16" in runs_tab.refresh_table(ctx, "")
