"""Duration estimates: arithmetic, sources of the speed, and the machine found without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine import hardware
from engine.estimate import duration
from engine.estimate.duration import BatchShape
from engine.estimate.lengths import Lengths, lengths_of_report
from engine.process import oneshot
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.method import MethodSpec
from engine.spec.run import PlaceSpec, RunSpec, SamplingSpec
from engine.store import events as ev
from engine.store.run_dir import RunDir
from tests.engine.estimate.test_recommend import SHORT, model


def job(**values: Any) -> duration.Workload:
    return duration.Workload(model(), specs.make_spec(values), 700, 60, SHORT)


def middle(found: duration.TimeRange) -> float:
    return (found.low + found.high) / 2


def test_the_arithmetic_of_each_method() -> None:
    info = model()
    body = sum(m.weights for m in info.modules) + info.vocab_size * info.hidden_size
    forward = 2 * body + 4 * 100 * info.hidden_size * info.layers
    each = {
        kind: duration.flops_per_token(info, MethodSpec(kind=kind), 100)
        for kind in ("full", "head", "lora", "dora")
    }
    assert each["full"] == 2 * forward + 2 * body
    assert each["head"] == forward
    assert 2 * forward < each["lora"] < each["full"]
    assert (
        duration.flops_per_token(
            info, MethodSpec(kind="full"), 100, how=duration.Pass(checkpointing=True)
        )
        == 3 * forward + 2 * body
    )


def test_twice_the_passes_take_twice_as_long_and_half_the_speed_too() -> None:
    pace = duration.MeasuredSpeed(flops=1e9, token_seconds=0.0)
    once = duration.estimate_from_measurement(pace, job(optim={"epochs": 4}), 8, False)
    twice = duration.estimate_from_measurement(pace, job(optim={"epochs": 8}), 8, False)
    assert 1.8 < middle(twice) / middle(once) < 2
    assert once.low < once.high and once.source == "measured"
    fast = duration.estimate_from_measurement(
        pace.model_copy(update={"flops": 2e9}), job(optim={"epochs": 4}), 8, False
    )
    assert 0.5 <= middle(fast) / middle(once) < 0.6


def test_the_first_check_tells_what_all_of_them_add() -> None:
    estimated = ev.Estimated(trainable=1, memory_gb=1, seconds_low=75, seconds_high=140)
    once = duration.replace_check_time(estimated, 3, 5)
    assert (once.seconds_low, once.seconds_high, once.checks_seconds) == (75 + 7.5, 140 + 15, 15)
    # A run that was killed before its first checkpoint makes that check again.
    assert duration.replace_check_time(once, 3, 5) == once
    assert duration.replace_check_time(duration.replace_check_time(estimated, 9, 5), 3, 5) == once
    # What would take more than its share is left out, but for the first and the last.
    assert duration.replace_check_time(estimated, 20, 100).checks_seconds == 30 + 2 * 20


@pytest.mark.parametrize(
    ("steps", "wanted", "early", "made"),
    [
        (1, 10, [], 2), (7, 100, [], 8), (14, 10, [], 15), (25, 10, [], 14), (264, 10, [], 12),
        (490, 10, [], 11), (600, 10, [30], 12), (2640, 10, [33, 66, 132], 14),
    ],
)  # fmt: skip
def test_checks_are_counted_as_a_run_makes_them(
    steps: int, wanted: int, early: list[int], made: int
) -> None:
    from engine.work.train.callback import CheckSchedule

    every = SamplingSpec(checks=wanted).steps_between_checks(steps)
    schedule = CheckSchedule(every, 300, None)
    at = {0, steps, *filter(schedule.is_due, range(1, steps + 1))}
    assert schedule.early == early and {*early} < at
    assert duration.count_checks(steps, every) == len(at) == made


def test_checks_that_cost_too_much_are_not_all_counted() -> None:
    pace = duration.MeasuredSpeed(flops=1e12, token_seconds=1.0)
    slow = duration.estimate_from_measurement(
        pace, job(optim={"epochs": 4}, sampling={"max_new_tokens": 100, "checks": 50}), 8, False
    )
    few = duration.estimate_from_measurement(
        pace, job(optim={"epochs": 4}, sampling={"max_new_tokens": 100, "checks": 3}), 8, False
    )
    assert slow == few


def test_rows_without_padding_and_answers_that_are_short_take_less() -> None:
    mixed = Lengths((0, 100, 200, 300), (10, 10, 10), 300)
    longer = job(optim={"epochs": 4})._replace(lengths=mixed)
    pace = duration.MeasuredSpeed(flops=1e9, token_seconds=0.0)
    padded, packed = (
        duration.estimate_from_measurement(
            pace.model_copy(update={"packed": one}), longer, 8, False
        )
        for one in (False, True)
    )
    assert middle(packed) / middle(padded) == pytest.approx(
        mixed.mean(256) / mixed.mean_padded(8, 256), rel=0.05
    )
    few = longer._replace(lengths=mixed._replace(target_share=0.1))
    assert middle(
        duration.estimate_from_measurement(pace.model_copy(update={"packed": True}), few, 8, False)
    ) < middle(packed)
    assert duration.estimate_from_measurement(pace, few, 8, False) == padded, (
        "with padding the head is computed for every token"
    )


def test_an_earlier_run_predicts_its_own_duration(trained: tuple[Engine, RunDir]) -> None:
    engine, run = trained
    info, spec, view = engine.desk.inspect_model("pocket"), run.spec, run.view()
    assert view.started and view.last
    shown = duration.speed_of_run(info, spec, view)
    assert shown
    prepared = oneshot.prepare_rows(engine.store, spec.data)
    report = engine.desk.count_tokens("pocket", prepared.train_rows(), spec.data)
    found = lengths_of_report(report)
    assert found
    asked = duration.Workload(info, spec, view.started.rows, view.started.held_out, found)
    estimated = duration.estimate_from_past(shown, asked, False)
    assert estimated.low < 1.3 * view.last.seconds and estimated.high > 0.7 * view.last.seconds


def test_a_run_that_took_no_steps_tells_nothing(trained: tuple[Engine, RunDir]) -> None:
    assert duration.speed_of_run(model(), RunSpec(), trained[1].view().__class__()) is None
    assert duration.median_speed([]) is None
    runs = [
        duration.PastSpeed(1.0, 5.0),
        duration.PastSpeed(3.0, 1.0),
        duration.PastSpeed(2.0, 2.0),
    ]
    assert duration.median_speed(runs) == duration.PastSpeed(2.0, 2.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lora", "full", "dora", "qlora"])
def test_the_desk_measures_in_a_moment(trained: tuple[Engine, RunDir], kind: Any) -> None:
    engine, _ = trained
    machine = hardware.choose_machine(PlaceSpec(), MethodSpec(kind=kind), engine.store.home)
    found = engine.desk.measure_speed(
        "pocket", "write", MethodSpec(kind=kind, rank=256), machine, BatchShape(8, 64, True)
    )
    assert found.flops > 1e9 and 0 < found.token_seconds < 1 and found.packed
    if kind == "lora":
        padded = engine.desk.measure_speed(
            "pocket", "write", MethodSpec(kind=kind), machine, BatchShape(8, 64, False)
        )
        assert padded.flops > 1e9 and not padded.packed


def test_a_classifier_is_measured_too(trained: tuple[Engine, RunDir]) -> None:
    engine, _ = trained
    machine = hardware.choose_machine(PlaceSpec(), MethodSpec(), engine.store.home)
    found = engine.desk.measure_speed(
        "pocket", "classify", MethodSpec(), machine, BatchShape(1, 32, False)
    )
    assert found.flops > 1e8 and found.token_seconds == 0


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["auto", "bf16", "fp32"])
@pytest.mark.parametrize("kind", ["lora", "qlora", "head", "full"])
@pytest.mark.parametrize("bias", ["none", "all"])
def test_the_worker_chooses_the_same_place(
    precision: Any, kind: Any, bias: Any, tmp_path: Path
) -> None:
    from engine.work.model.load import choose_device

    spec, method = PlaceSpec(precision=precision), MethodSpec(kind=kind, bias=bias)
    here, there = hardware.choose_machine(spec, method, tmp_path), choose_device(spec, method)
    assert (here.device, here.precision, here.autocast) == (
        there.device.type,
        there.precision,
        there.autocast,
    )
    assert here.free > 0 and here.disk > 0
