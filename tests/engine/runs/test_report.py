"""The report of a run and the hashes in it, without torch; a swapped base model is refused."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import yaml

from engine.coach import curves
from engine.errors import RunError
from engine.model import fingerprint
from engine.process import oneshot
from engine.runs import report
from engine.runs.engine import Engine
from engine.spec import presets
from engine.spec.run import make_spec
from engine.store import events as ev
from engine.store.run_dir import RunDir
from tests.conftest import wait_for
from tests.engine.store.test_run_view import checked, started, step
from ui import charts
from ui.runs import report as report_view

NASTY = "<script>alert('x')</script> ${7*7} \"quoted\""


@pytest.fixture
def run(home: Path) -> RunDir:
    """A run that has ended, with what a user could write into it."""
    engine = Engine(home, supervise=False)
    prepared = oneshot.prepare_rows(engine.store, make_spec({}).data)
    run = engine.store.create_run(
        make_spec({"name": NASTY}), prepared.train_file, prepared.held_out_file, prepared.summary()
    )
    events = [
        started(versions={"torch": "2.13.0"}, data_hash="d" * 64, model_hash="m" * 64, steps=4),
        checked(0, 4.0), ev.Sampled(step=0, prompt=NASTY, reply="a"),
        step(1, 4.0), step(2, 2.0), checked(2, 1.0), ev.Sampled(step=2, prompt=NASTY, reply="b"),
        step(3, 1.0), ev.Sampled(step=3, prompt=NASTY, reply="c"),
        step(4, math.nan), checked(4, 1.5), ev.Sampled(step=4, prompt=NASTY, reply=NASTY),
        ev.Saved(step=2, best=True),
        ev.Warned(text=NASTY), ev.Finished(step=4, seconds=1, memory_gb=1),
    ]  # fmt: skip
    for event in events:
        run.emit(event)
    return run


def test_a_report_holds_what_a_reader_needs(run: RunDir) -> None:
    found = report.make_report(run)
    assert found.state == "finished" and found.verdict.title and found.best_step == 2
    assert [(reply.step, reply.marks) for reply in found.samples[0].replies] == [
        (0, ("first",)),
        (2, ("best",)),
        (4, ("newest",)),
    ]
    assert [loss for _, loss in found.training] == [4.0, 2.0, 1.0], (
        "a loss that is no number is a gap"
    )
    assert found.versions == {"torch": "2.13.0"} and found.model_hash == "m" * 64
    report.write_report(run)
    kept = json.loads(
        (run.path / report.REPORT_FILE).read_text(encoding="utf-8"), parse_constant=pytest.fail
    )
    assert report.RunReport.model_validate(kept) == found


def test_a_run_that_was_extended_is_repeated_in_as_many_parts(run: RunDir) -> None:
    begun = run.view().started.epochs
    for epochs in (begun + 1, begun + 1.5):
        run.set_spec(make_spec({"optim": {"epochs": epochs}}))
        run.emit(ev.Extended(epochs=epochs))
    found = report.make_report(run)
    assert found.command.splitlines()[1:] == [
        "python3 start.py extend RUN 1",
        "python3 start.py extend RUN 0.5",
    ]
    assert make_spec(yaml.safe_load(found.spec)).optim.epochs == begun
    passes = next(setting for setting in found.settings if setting.label == "Passes")
    assert passes.value == f"{begun + 1.5:g} epochs, first {begun:g}"


def test_no_report_is_kept_while_a_run_waits(run: RunDir) -> None:
    run.queue_mark.write_text("train")
    report.write_report(run)
    assert not (run.path / report.REPORT_FILE).exists()


def test_the_file_needs_nothing_else_and_runs_nothing_of_the_users(run: RunDir) -> None:
    text = report_view.write_report_file(run).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "<svg" in text and "url(" not in text and "@import" not in text and "src=" not in text
    assert "prefers-color-scheme: dark" in text and "@media print" in text and "m" * 64 in text


def test_thinning_keeps_every_peak() -> None:
    values = [1.0] * 5000
    values[1234], values[4321], values[7] = 9.0, -3.0, math.nan
    thinned = curves.thin_curve(range(5000), values, 100)
    assert len(thinned) <= 200 and (1234, 9.0) in thinned and (4321, -3.0) in thinned
    assert [x for x, _ in thinned] == sorted({x for x, _ in thinned})
    assert curves.thin_curve([1, 2], [1.0, math.nan], 100) == [(1, 1.0)]
    assert curves.smooth_curve([2.0, 2.0, math.nan, 2.0]) == pytest.approx([2.0] * 4)


@pytest.mark.parametrize(
    "losses", [[], [(1, 0.0)], [(0, 1e-4), (9, 2e-4)], [(0, -5.0), (20000, 1e6)]]
)
def test_any_curve_can_be_drawn(losses: list[tuple[float, float]]) -> None:
    drawn = charts.loss_curves_svg(losses, losses, losses[:1], 0)
    assert "nan" not in drawn and (drawn.startswith("<svg") or not losses)


def test_ticks_are_round_and_hold_all() -> None:
    assert charts.axis_ticks(0, 9.2) == [0, 2, 4, 6, 8, 10]
    found = charts.axis_ticks(0.013, 0.094)
    assert found[0] <= 0.013 and found[-1] >= 0.094 and 3 <= len(found) <= 7


def test_a_hash_follows_every_byte_of_small_files_and_pieces_of_large_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(presets.POCKET_MODEL, copy)
    assert fingerprint.hash_model(copy) == fingerprint.hash_model(presets.POCKET_MODEL)
    (copy / "README.md").write_text("other words")
    assert fingerprint.hash_model(copy) == fingerprint.hash_model(presets.POCKET_MODEL)
    for limit in (fingerprint.WHOLE_BYTES, 0):
        monkeypatch.setattr(fingerprint, "WHOLE_BYTES", limit)
        before, file = fingerprint.hash_model(copy), copy / "model.safetensors"
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        assert fingerprint.hash_model(copy) != before
        fingerprint.require_same_base("", copy)  # an older run, which knows no hash
        with pytest.raises(RunError, match="made for another model"):
            fingerprint.require_same_base(before, copy)


def test_a_base_swapped_for_another_of_its_shape_is_refused(
    trained: tuple[Engine, RunDir], tmp_path: Path
) -> None:
    from engine.work.model.base_and_tuned import open_trained_run as result

    run = RunDir(
        shutil.copytree(
            trained[1].path, tmp_path / "runs" / "swapped", ignore=shutil.ignore_patterns("lock")
        )
    )
    base = tmp_path / "base"
    shutil.copytree(presets.POCKET_MODEL, base)
    run.spec_file.write_text(run.spec_file.read_text().replace("source: pocket", f"source: {base}"))
    assert result(run).folder == base, "the same files elsewhere are the same base"
    data = bytearray((base / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (base / "model.safetensors").write_bytes(data)
    with pytest.raises(RunError, match="made for another model"):
        result(run)


def test_a_finished_run_has_its_report(trained: tuple[Engine, RunDir]) -> None:
    run = trained[1]
    wait_for(run, lambda run: (run.path / report.REPORT_FILE).exists(), 10)
    kept = report.RunReport.model_validate_json(
        (run.path / report.REPORT_FILE).read_text(encoding="utf-8")
    )
    assert kept.state == "finished" and len(kept.data_hash) == len(kept.model_hash) == 64
    assert kept.versions.keys() >= {"python", "torch", "transformers", "peft", "trl"}
    assert kept.model_hash == fingerprint.hash_model(presets.POCKET_MODEL)
    assert kept.expected
    assert kept.samples
