"""A run that an older version began goes on with this one; tests/fixtures/older.py made it."""

from __future__ import annotations

import json
import shutil

import pytest

from engine.runs.engine import Engine
from engine.store.files import PROJECT_FOLDER
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for

OLDER = PROJECT_FOLDER / "tests" / "fixtures" / "older"


def test_a_checkpoint_of_an_older_version_goes_on_with_the_same_losses(home) -> None:
    engine = Engine(home)
    model = shutil.copytree(OLDER / "model", engine.store.models / "older")
    folder = shutil.copytree(OLDER / "run", engine.store.runs / "older")
    spec = folder / "spec.yaml"
    lines = spec.read_text().splitlines()
    spec.write_text(
        "\n".join(f"  source: {model}" if line.endswith("/model") else line for line in lines)
    )
    run = engine.store.run("older")
    assert run.is_readable and run.state() == RunState.INTERRUPTED
    engine.resume("older")
    wait_for(run, lambda run: run.view().ended is not None and idle(run), 120)
    engine.close()
    assert run.state() == RunState.FINISHED, run.log.read_text()[-2000:]
    view = run.view()
    assert view.started.resumed_from == 9, "in the middle of the second of four epochs"
    # Another layout of the batches rounds otherwise; another order of examples is far outside.
    assert list(view.losses) == pytest.approx(
        json.loads((OLDER / "losses.json").read_text()), rel=1e-4
    )
    assert not view.warnings
