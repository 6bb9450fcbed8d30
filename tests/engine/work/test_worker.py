"""Real workers on the pocket model: training, stop, kill and continue, merge, export."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import psutil
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.model import parameters
from engine.process import oneshot
from engine.runs.engine import Engine
from engine.runs.export import snippets, zips
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.run_view import RunState
from engine.work import merge, merge_check
from engine.work.train.checkpoint_check import step_of
from tests.conftest import SMALL, idle, wait_for


def test_a_small_run_learns_and_leaves_everything_it_should(trained) -> None:
    _, run = trained
    view = run.view()
    assert view.step == view.total_steps == run.spec.optim.steps(view.started.rows)
    assert view.best.loss < view.first_loss
    assert {sample.step for sample in view.samples} >= {0, view.total_steps}
    assert (run.adapter / "adapter_model.safetensors").stat().st_size > 0
    assert view.started.learned < view.started.tokens, "only the answers are learned"
    assert view.last.memory_gb > 0 and view.last.seconds > 0
    assert "precision" in view.started.reasons


def test_the_estimate_is_what_came(trained) -> None:
    """The counts of the config are those of PEFT on the loaded model (test_parameters has more)."""
    engine, run = trained
    view, info = run.view(), engine.desk.inspect_model("pocket")
    estimated = parameters.count_parameters(info, run.spec.method)
    assert view.started.trainable == estimated.trainable == view.estimated.trainable
    assert view.started.total == estimated.total == info.parameters + estimated.trainable
    assert view.proved[0] == (16, 1, False) and view.proved[1].seconds > 0
    assert 0 < view.estimated.checks_seconds < view.estimated.seconds_high
    assert 0 < view.estimated.seconds_low < view.estimated.seconds_high
    assert view.estimated.memory_gb == pytest.approx(sum(view.estimated.parts.values()))


def test_the_last_step_is_checked_even_where_the_checks_do_not_fall_on_it(home) -> None:
    engine = Engine(home)
    values = SMALL | {"optim": SMALL["optim"] | {"epochs": 0.2}, "sampling": {"checks": 4}}
    run = engine.start(specs.make_spec(values))
    wait_for(run, lambda run: run.view().ended is not None and idle(run), 120)
    view = run.view()
    assert view.total_steps == 9 and [check.step for check in view.checks] == [0, 2, 4, 6, 8, 9]
    assert view.saved[-1].step == 9 and view.saved[-1].best == (view.best.step == 9)
    engine.close()


def test_a_model_and_data_that_nobody_made_for_hone(home, shared_data) -> None:
    """A real Llama of 260,000 weights without a chat template learns to continue plain text."""
    engine = Engine(home)
    file = shared_data / "datasets" / "mlx_wikisql_text" / "train.jsonl"
    source = oneshot.add_dataset_files(engine.store, [(file, "wikisql.jsonl")])
    values = {
        "model": {"source": str(shared_data / "models" / "stories260K")},
        "data": {"source": source, "max_length": 256},
        "method": {"rank": 16},
        "optim": {"epochs": 1, "learning_rate": 5e-3},
        "sampling": {"checks": 2, "max_new_tokens": 4},
    }
    run = engine.start(specs.make_spec(values))
    wait_for(run, lambda run: run.view().ended is not None and idle(run), 240)
    assert run.view().first_loss > 5 and run.view().best.loss < 2
    engine.merge(run.id, "fp32")
    wait_for(run, lambda run: idle(run) and "fp32" in run.view().merged)
    assert run.view().merged["fp32"].ok
    engine.close()


def test_examples_longer_than_the_model_reads_are_refused(home) -> None:
    engine = Engine(home)
    run = engine.start(specs.make_spec({"data": {"source": "sample:pirate", "max_length": 1024}}))
    wait_for(run, idle)
    assert run.state() == RunState.FAILED
    assert "reads at most 512 tokens at once; it is 1024" in run.view().ended.text
    engine.close()


@pytest.fixture
def long_run(home):
    """A run that takes long enough to be disturbed."""
    engine = Engine(home)
    values = SMALL | {
        "optim": SMALL["optim"] | {"epochs": 0.3, "batch_size": 4},
        "sampling": {"checks": 6, "max_new_tokens": 4},
    }
    run = engine.start(specs.make_spec(values))
    wait_for(run, lambda run: run.view().step >= 2)
    yield engine, run
    if run.alive:
        engine.cancel(run.id)
        wait_for(run, idle)
    engine.close()


def test_stop_keeps_a_usable_run_and_continue_finishes_it(long_run) -> None:
    engine, run = long_run
    engine.stop(run.id)
    wait_for(run, idle)
    view = run.view()
    assert run.state() == RunState.STOPPED
    # The kept version is measured and saved.
    assert view.checks[-1].step == view.saved[-1].step == view.step
    assert (run.adapter / "adapter_model.safetensors").is_file()
    step = view.step
    engine.resume(run.id)
    wait_for(run, lambda run: idle(run) and run.state() == RunState.FINISHED, 240)
    after = run.view()
    assert after.started.resumed_from == step
    assert list(after.steps) == list(range(1, after.total_steps + 1)), "no step twice, none missing"


@pytest.mark.usefixtures("kills_apart")
def test_kill_9_of_the_worker_is_seen_within_5_seconds_and_continue_finishes(long_run) -> None:
    engine, run = long_run
    wait_for(run, lambda run: run.view().saved)
    if psutil.POSIX:
        # The page comes first.
        assert psutil.Process(run.view().started.pid).nice() > psutil.Process().nice()
    os.kill(run.view().started.pid, signal.SIGKILL)
    killed = time.monotonic()
    wait_for(run, lambda run: run.state() == RunState.INTERRUPTED, 5)
    wait_for(run, lambda run: run.view().warnings, 5)
    assert time.monotonic() - killed < 5
    assert "killed by the system (signal 9)" in run.view().warnings[-1]
    # A checkpoint that was cut off while being written is passed over.
    newest = max(run.checkpoints.glob("checkpoint-*"), key=step_of)
    shutil.copytree(newest, run.checkpoints / "checkpoint-99999")
    (run.checkpoints / "checkpoint-99999" / "optimizer.pt").write_bytes(b"half")
    engine.resume(run.id)
    wait_for(run, lambda run: idle(run) and run.state() == RunState.FINISHED, 240)
    assert 0 < run.view().started.resumed_from < 99999


def test_cancel_saves_nothing_of_its_last_steps(long_run) -> None:
    engine, run = long_run
    engine.cancel(run.id)
    wait_for(run, idle)
    view = run.view()
    assert run.state() == RunState.CANCELLED
    assert not view.saved or view.saved[-1].step <= view.step


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_merge_is_checked_and_loads_as_a_plain_model(trained, precision: str) -> None:
    engine, run = trained
    engine.merge(run.id, precision)
    wait_for(run, lambda run: idle(run) and precision in run.view().merged)
    done = run.view().merged[precision]
    assert done.ok and done.share <= done.tolerance and done.prompts == 8
    if precision == "fp32":
        assert done.agree == 8
    assert run.state() == RunState.FINISHED
    AutoTokenizer.from_pretrained(run.merged(precision))
    model = AutoModelForCausalLM.from_pretrained(run.merged(precision))
    assert model.num_parameters() == engine.desk.inspect_model("pocket").parameters
    with zipfile.ZipFile(zips.merged_zip(run, precision)) as archive:
        assert any(name.endswith("model.safetensors") for name in archive.namelist())
        assert archive.testzip() is None


def test_a_merge_beyond_tolerance_is_refused_and_removed(trained, monkeypatch) -> None:
    _, run = trained
    monkeypatch.setitem(merge_check.LOGIT_TOLERANCE, "fp32", -1.0)
    shutil.rmtree(run.merged("fp32"), ignore_errors=True)
    before = run.events_file.read_bytes()
    merge.merge_run(run, "fp32")
    done = run.view().merged["fp32"]
    assert not done.ok and "removed" in done.text
    assert not run.merged("fp32").exists() and not (run.path / "merged" / ".fp32").exists()
    run.events_file.write_bytes(before)


def test_nothing_left_to_learn_is_one_plain_message(home) -> None:
    engine = Engine(home)
    values = SMALL | {"data": {"source": "sample:pirate", "max_length": 16}, "name": "x"}
    values |= {"optim": SMALL["optim"] | {"epochs": 0.1}}
    run = engine.start(specs.make_spec(values))
    wait_for(run, idle)
    view = run.view()
    if run.state() == RunState.FAILED:
        assert "Raise the longest example" in view.ended.text
    else:
        assert any("lose their whole answer" in text for text in view.warnings)
    engine.close()


def test_the_shown_python_lines_run(trained, tmp_path) -> None:
    _, run = trained
    script = tmp_path / "load.py"
    script.write_text(snippets.python_lines(run))
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()


def test_a_full_disk_while_it_trains_is_a_plain_message(trained, monkeypatch, tmp_path) -> None:
    from engine.work import __main__ as worker  # it changes the environment

    _, run = trained
    copy = type(run)(shutil.copytree(run.path, tmp_path / "ws" / "runs" / run.id))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "ws" / "locks").mkdir()
    copy.queue_mark.write_text("train")
    monkeypatch.setattr(worker, "_dispatch", full)
    assert worker.main([str(copy.path), "train"]) == 1
    ended = copy.view().ended
    assert isinstance(ended, ev.Paused) and "disk" in ended.why and "press Continue" in ended.why
