"""The command line: help, mistakes and output; what the commands do is tested beside the engine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from engine.__main__ import COMMANDS, main
from engine.data import ingest
from engine.data.upload import Upload
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store import events as ev
from engine.store import heartbeat
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend
from tests.hung_backend import Hangs

SPEC = specs.make_spec({"data": {"source": "sample:pirate"}})


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_every_command_has_plain_help(
    command: str, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, asked]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: python -m engine {command}")
    assert "--home" in said and "--json" in said
    assert not set("╭│╰") & set(said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Missing command"),
        (["fly"], "No such command 'fly'"),
        (["show"], "Missing argument 'RUN'"),
        (["reply", "last"], "Missing option '--prompt'"),
        (
            ["move", "last", "aside"],
            "Invalid value for 'WHERE': 'aside' is not one of 'up', 'down', 'first'.",
        ),
        (
            ["merge", "last", "--precision", "fp16"],
            "Invalid value for '--precision': 'fp16' is not one of 'fp32', 'bf16'.",
        ),
        (
            ["inspect", "pocket", "--method", "adapter"],
            "Invalid value for '--method': 'adapter' is not one of 'lora', 'qlora', 'lora8', "
            "'dora', 'head', 'full'.",
        ),
        (
            ["inspect", "pocket", "--rank", "many"],
            "Invalid value for '--rank': it must be a whole number, not 'many'.",
        ),
        (
            ["extend", "last", "abc"],
            "Invalid value for 'EPOCHS': it must be a number, not 'abc'.",
        ),
    ],
)
def test_a_wrong_call_is_said_without_a_traceback(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error and "Usage: python -m engine" in error and "Traceback" not in error


def test_runs_and_show_as_sentences_and_as_json(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine(home, FakeBackend(steps=5, seconds=0.001))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().ended is not None and idle(run))
    engine.close()
    assert main(["show", "last", "--home", str(home), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["run"] == run.id and shown["state"] == "finished"
    assert (shown["step"], shown["steps"], shown["best_step"]) == (5, 5, 5)
    assert list(shown) == [
        "run", "name", "state", "model", "data", "coach", "step", "steps", "held_out_loss_before",
        "held_out_loss_best", "best_step", "caution", "seconds", "trainable", "memory_gb",
        "expected", "merged", "score",
    ]  # fmt: skip
    assert main(["runs", "--home", str(home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [shown]
    assert main(["show", run.id, "--home", str(home)]) == 0
    assert "state: finished" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_is_paused_and_taken_up_again_on_the_command_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine(home, FakeBackend(steps=60))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().step >= 2)
    assert main(["pause", run.id, "--home", str(home)]) == 0
    assert "is paused" in capsys.readouterr().out and run.state() == RunState.PAUSED
    wait_for(run, idle)
    step = run.view().step
    assert main(["continue", run.id, "--home", str(home)]) == 0
    assert run.state() == RunState.FINISHED and run.view().started.resumed_from == step
    assert main(["pause", run.id, "--home", str(home)]) == 2
    assert "is not running" in capsys.readouterr().err
    engine.close()


def test_a_run_that_hangs_is_said_and_ended_on_the_command_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine(home, Hangs())
    run = engine.start(SPEC)
    wait_for(run, lambda run: heartbeat.read_sign(run.path), 20)
    assert main(["show", run.id, "--home", str(home)]) == 0
    assert "No sign of life for 40 s" in capsys.readouterr().out
    assert main(["stop", run.id, "--now", "--home", str(home)]) == 0
    assert "is interrupted" in capsys.readouterr().out
    wait_for(run, idle)
    engine.close()


class KilledMerge:
    """A merge worker that the system kills."""

    def work(self, run: RunDir, job: str) -> int:
        run.emit(ev.Merging(precision="fp32"))
        run.queue_mark.unlink()
        return -9


def test_merge_waits_for_the_reason_why_its_worker_ended(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Engine(home, supervise=False).start(SPEC)
    assert FakeBackend(steps=5, seconds=0).work(run, "train") == 0
    monkeypatch.setattr("engine.runs.engine.ProcessBackend", lambda *_: KilledMerge())
    monkeypatch.setattr("engine.process.exit_status.ended_for_memory", lambda *_: time.sleep(0.5))
    assert main(["merge", run.id, "--home", str(home)]) == 1
    assert capsys.readouterr().err == "The merge was ended by the system. Try again.\n"


def test_leaving_says_what_goes_on(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Engine) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "queue", interrupt)
    assert main(["queue", "--home", str(home)]) == 130
    assert "A worker that has started keeps running" in capsys.readouterr().err


def test_data_runs_and_everything_are_listed_and_deleted(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, where = Engine(home, FakeBackend(), supervise=False), ["--home", str(home)]
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(f'{{"prompt": "q {at}", "completion": "a"}}\n' for at in range(9)))
    source = ingest.ingest_files(engine.store, [Upload(file, file.name)])
    data = {"data": {"source": source}}
    kept, gone, extra = (engine.start(specs.make_spec(data)) for _ in range(3))
    for run in (kept, gone, extra):
        engine.cancel(run.id)
    assert main(["data", *where, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["data"] == source and row["rows"] == 9 and len(row["runs"]) == 3
    assert main(["delete-data", source, *where]) == 2 and main(["delete-all", *where]) == 2
    said = capsys.readouterr().err
    assert "Nothing was deleted: add --yes" in said and "They stay; --with-runs" in said
    assert main(["delete", gone.id, *where, "--yes"]) == 0 and not gone.path.exists()
    assert main(["delete-data", source, *where, "--yes", "--with-runs"]) == 0
    assert not kept.path.exists() and main(["delete-data", source, *where, "--yes"]) == 2
    assert "no dataset" in capsys.readouterr().err
    last = engine.start(SPEC)
    assert main(["delete-all", *where, "--yes"]) == 0 and not last.path.exists()
    assert "Deleted 1 run, 0 datasets and 0 recipes" in capsys.readouterr().out
