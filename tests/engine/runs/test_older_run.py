"""Runs and a workspace that older versions made: they open, continue with the same losses, export.

``tests/fixtures/older.py`` says how the run was made. ``tests/fixtures/older_workspace`` is from
commit a7446e1, before the code was put into packages: its dataset, its model, a run that was
killed in its second epoch, and the same run finished and merged.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from engine.data.datasets import load_dataset
from engine.runs.engine import Engine
from engine.runs.export import zips
from engine.runs.report import make_report
from engine.store.files import PROJECT_FOLDER
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for

pytestmark = pytest.mark.slow
FIXTURES = PROJECT_FOLDER / "tests" / "fixtures"
OLDER = FIXTURES / "older"


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


@pytest.fixture
def workspace(home) -> Iterator[tuple[Engine, dict[str, Any]]]:
    """A copy of the older workspace at its new place."""
    shutil.copytree(FIXTURES / "older_workspace", home)
    for file in (home / "made.json", *home.glob("runs/*/spec.yaml"), *home.glob("runs/*/*.json")):
        file.write_text(file.read_text().replace("@HOME@", str(home)))
    engine = Engine(home)
    yield engine, json.loads((home / "made.json").read_text())
    engine.close()


def test_an_older_workspace_opens_and_exports(workspace) -> None:
    engine, made = workspace
    whole, killed = engine.store.run(made["whole"]), engine.store.run(made["killed"])
    assert whole.state() == RunState.FINISHED and killed.state() == RunState.INTERRUPTED
    assert list(whole.view().losses) == made["losses"]
    assert whole.view().merged["fp32"].ok
    dataset = load_dataset(engine.store, whole.spec.data.source)
    assert dataset.rows == 28
    report = make_report(whole)
    assert report.model_hash and report.settings
    for archive, holds in (
        (zips.adapter_zip(whole), "adapter_model.safetensors"),
        (zips.merged_zip(whole, "fp32"), "model.safetensors"),
    ):
        with zipfile.ZipFile(archive) as opened:
            assert opened.testzip() is None
            assert any(name.endswith(holds) for name in opened.namelist())


def test_an_older_run_continues_and_merges(workspace) -> None:
    engine, made = workspace
    killed, whole = engine.store.run(made["killed"]), engine.store.run(made["whole"])
    engine.resume(killed.id)
    wait_for(killed, lambda run: run.view().ended is not None and idle(run), 120)
    assert killed.state() == RunState.FINISHED, killed.log.read_text()[-2000:]
    assert killed.view().started.resumed_from == 9
    # Equal to the last bit on the machine that made it; another processor rounds otherwise.
    assert list(killed.view().losses) == pytest.approx(made["losses"], rel=1e-4)
    engine.merge(whole.id, "bf16")
    wait_for(whole, lambda run: idle(run) and "bf16" in run.view().merged, 120)
    assert whole.view().merged["bf16"].ok
