"""Run again with changes, extend, start from another run: what is refused and kept. No torch."""

from __future__ import annotations

import json

import pytest

from engine.__main__ import main as cli
from engine.coach import expected
from engine.errors import HoneError, RunError, SpecError
from engine.runs import warm_start
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.run import RunSpec
from engine.spec.spec_file import changed_spec, load_spec_yaml
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState, fold_events
from engine.text import format_time_range
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend

SPEC = specs.make_spec({"data": {"source": "sample:pirate"}, "optim": {"epochs": 2}})


@pytest.fixture
def engine(home):
    made = Engine(home, FakeBackend(steps=6, seconds=0.001))
    yield made
    made.close()


def done(engine: Engine, spec: RunSpec = SPEC) -> RunDir:
    run = engine.start(spec)
    wait_for(run, lambda run: run.view().ended is not None and idle(run))
    return run


def changed(spec: RunSpec, *settings: str) -> RunSpec:
    return changed_spec(spec, settings)


# --- again ---


@pytest.mark.slow
@pytest.mark.slow
def test_again_extend_and_queue_on_the_command_line(engine, home, capsys) -> None:
    run = done(engine)
    assert (
        cli(["again", run.id, "--set", "optim.epochs=1", "--set", "name=less", "--home", str(home)])
        == 0
    )
    (newest,) = (one for one in engine.store.all_runs() if one.id != run.id)
    assert newest.spec == changed(SPEC, "optim.epochs=1", "name=less")
    assert cli(["extend", run.id, "1", "--home", str(home)]) == 0
    assert run.spec.optim.epochs == 3 and run.state() == RunState.FINISHED
    assert cli(["extend", run.id, "98", "--home", str(home)]) == 2
    assert "Epochs (optim.epochs): must be at most 100.0; it is 101.0." in capsys.readouterr().err
    assert cli(["queue", "--home", str(home)]) == 0 and "Nothing waits" in capsys.readouterr().out
    assert cli(["move", run.id, "up", "--home", str(home)]) == 2
    assert "is no longer waiting" in capsys.readouterr().err


# --- more epochs ---


def test_a_finished_run_goes_on_for_more_epochs(engine) -> None:
    run = done(engine)
    before = run.view()
    assert before.total_steps == 6 and before.started.epochs == 2
    run.emit(ev.Estimated(trainable=10, memory_gb=0.5, seconds_low=1.0, seconds_high=1.4))
    engine.extend(run.id, 1)
    wait_for(
        run,
        lambda run: run.view().total_steps == 9 and run.state() == RunState.FINISHED and idle(run),
    )
    view = run.view()
    assert list(view.steps) == list(range(1, 10))
    assert view.attempt == 2
    assert view.started.resumed_from == 6
    assert view.last.epoch == pytest.approx(3) and view.first_loss == before.first_loss
    (time,) = [
        one for one in expected.check_estimates(view, RunState.FINISHED) if one.what == "Time"
    ]
    assert time.expected == format_time_range(1.5, 2.1)
    assert specs.make_spec(load_spec_yaml(run.spec_file)).optim.epochs == 3


def test_until_it_goes_on_it_is_not_at_its_end(home) -> None:
    engine = Engine(home, FakeBackend(), supervise=False)
    run = engine.start(SPEC)
    assert FakeBackend(steps=6, seconds=0).work(run, "train") == 0
    engine.extend(run.id, 0.5)
    assert run.state() == RunState.QUEUED and run.view().total_steps == 8
    engine.cancel(run.id)
    assert run.state() == RunState.STOPPED and run.state().can_continue
    assert [line.what for line in expected.check_estimates(run.view(), run.state())] == []


def test_the_estimated_schedule_is_stretched() -> None:
    started = ev.Started(
        pid=1, device="CPU", precision="fp32", trainable=1, total=2, steps=7, epochs=0.7, rows=8,
        held_out=2,
        tokens=9, learned=9, cut=0,
    )  # fmt: skip
    plan = ev.Estimated(trainable=1, memory_gb=1, seconds_low=10, seconds_high=20, checks_seconds=4)
    view = fold_events(
        [plan, started, ev.Finished(step=7, seconds=12, memory_gb=1), ev.Extended(epochs=1.4)]
    )
    assert (view.total_steps, view.started.epochs) == (14, 1.4)
    longer = view.estimated
    assert (longer.seconds_low, longer.seconds_high, longer.checks_seconds) == (20, 40, 8)
    assert view.state(alive=False, queued=False) == RunState.STOPPED


@pytest.mark.slow
def test_what_cannot_be_extended_is_said_and_nothing_changes(engine, home) -> None:
    run = done(engine)
    text = run.spec_file.read_text()
    for epochs in (0, -1, float("nan"), float("inf"), 98.5):
        with pytest.raises(SpecError):
            engine.extend(run.id, epochs)
    failed = Engine(home, FakeBackend(), supervise=False).start(SPEC)
    wait_for(failed, idle)
    engine.supervisor.backend.fail = "It broke."  # type: ignore[attr-defined]
    broken = done(engine)
    with pytest.raises(RunError, match=r"it is failed\. Continue it first"):
        engine.extend(broken.id, 1)
    for folder in run.checkpoints.iterdir():
        folder.rmdir()
    with pytest.raises(RunError, match=r"checkpoints of .* are gone"):
        engine.extend(run.id, 1)
    with pytest.raises(RunError, match="There is no run"):
        engine.extend("../../etc", 1)
    assert run.spec_file.read_text() == text and run.state() == RunState.FINISHED


# --- start from another ---


def test_the_other_run_s_adapter_is_kept_with_the_new_one(engine) -> None:
    other = done(engine)
    run = done(engine, warm_start.warm_start_spec(other))
    assert run.spec.model.start == other.id
    engine.delete(other.id)
    assert (run.start / "adapter_model.safetensors").read_bytes() == b"fake"
    assert warm_start.origin_name(run) == "Pirate" and warm_start.origin_name(other) == ""
    with pytest.raises(SpecError, match="is gone"):
        engine.start(run.spec)
    assert warm_start.warm_start_spec(run).model.start == run.id


def test_a_base_that_was_swapped_is_nothing_to_start_on(engine) -> None:
    other = done(engine)
    other.emit(
        other.view().started.model_copy(update={"model_hash": "of another", "resumed_from": 6})
    )
    with pytest.raises(SpecError, match="made for another model"):
        engine.start(warm_start.warm_start_spec(other))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("method.rank=4", "Rank (method.rank): it is 16 in that run and 4 here. Set the same."),
        ("method.alpha=3", "Alpha (method.alpha): it is 32 in that run and 3 here. Set the same."),
        ("method.kind=dora", "Method (method.kind): it is LoRA. Choose that one."),
        ("method.kind=full", "Method (method.kind): it is LoRA. Choose that one."),
        ("method.layers=0-2", "Layers (method.layers): it is empty in that run and 0-2 here."),
        (
            "method.rslora=true",
            "scaling (rsLoRA) (method.rslora): it is off in that run and on here.",
        ),
        (
            "method.ranks={q_proj: 4}",
            "Ranks of single modules (method.ranks): it is empty in that run and q_proj: 4 here.",
        ),
        ("data={source: sample:reviews, goal: classify}", "it learned to write answers or text"),
    ],
)
@pytest.mark.slow
def test_what_does_not_agree_is_named_with_what_to_set(engine, setting: str, words: str) -> None:
    other = done(engine)
    spec = changed(warm_start.warm_start_spec(other), setting)
    with pytest.raises(SpecError) as caught:
        engine.start(spec)
    assert "cannot start from 'Pirate'" in str(caught.value) and words in str(caught.value)
    assert len(list(engine.store.all_runs())) == 1


@pytest.mark.slow
def test_other_labels_and_other_modules_do_not_agree(engine) -> None:
    other = done(
        engine, specs.make_spec({"data": {"source": "sample:reviews", "goal": "classify"}})
    )
    spec = warm_start.warm_start_spec(other)
    assert done(engine, spec).state() == RunState.FINISHED
    about = json.loads(other.about_file.read_text())
    other.about_file.write_text(json.dumps(about | {"labels": ["a", "b", "c"]}))
    with pytest.raises(
        SpecError, match=r"Labels: it tells a, b, c apart\. These rows have others\."
    ):
        engine.start(spec)
    named = done(engine, changed(SPEC, "method.targets=[q_proj, v_proj]"))
    with pytest.raises(
        SpecError,
        match=r"Target modules \(method.targets\): it is q_proj, v_proj in that run and",
    ):
        engine.start(changed(warm_start.warm_start_spec(named), "method.targets=[q_proj]"))


def test_one_that_began_as_pissa_goes_on_as_what_it_became(engine) -> None:
    other = done(engine, changed(SPEC, "method.init=pissa"))
    file = other.adapter / "adapter_config.json"
    file.write_text(json.dumps({"r": 32, "lora_alpha": 64, "rank_pattern": {}}))
    method = warm_start.warm_start_spec(other).method
    assert (method.rank, method.alpha, method.init) == (32, 64, "zero")
    assert done(engine, warm_start.warm_start_spec(other)).state() == RunState.FINISHED
    with pytest.raises(SpecError, match="PiSSA and OLoRA would change"):
        changed(warm_start.warm_start_spec(other), "method.init=pissa")
    file.write_text(json.dumps({"r": 32, "lora_alpha": 45.25}))
    with pytest.raises(RunError, match="not a whole number"):
        warm_start.warm_start_spec(other)
    file.write_text("[")
    with pytest.raises(RunError, match="is damaged"):
        warm_start.warm_start_spec(other)


def test_a_run_without_a_result_is_nothing_to_start_from(engine) -> None:
    engine.supervisor.backend.fail = "It broke."  # type: ignore[attr-defined]
    broken = done(engine)
    for start, words in ((broken.id, "has not saved anything yet"), ("no-such-run", "is gone")):
        with pytest.raises(HoneError, match=words):
            engine.start(changed(SPEC, f"model.start={start}"))


def test_a_run_is_repeated_with_what_it_learned(engine) -> None:
    """Older versions left the goal to Automatic, which made no classifier of labels."""
    older = engine.start(specs.make_spec({"data": {"source": "sample:reviews"}}))
    assert older.spec.data.goal == "auto"
    assert warm_start.spec_to_repeat(older).data.goal == "auto", "it has learned nothing yet"
    wait_for(older, lambda run: run.view().ended is not None and idle(run))
    assert warm_start.spec_to_repeat(older).data.goal == "write"
    other = done(engine)
    assert warm_start.spec_to_repeat(other) == other.spec
