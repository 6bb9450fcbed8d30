"""What the desk refuses before it starts a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import RunError
from engine.process.desk import Desk
from engine.spec.limits import DEMO
from engine.store.run_dir import RunDir
from engine.store.workspace import Store


@pytest.fixture
def desk(home: Path) -> Iterator[Desk]:
    """A desk whose device a run uses from the second time on that somebody asks."""
    answers = iter(["", "Another run is using this machine."])
    made = Desk(Store(home, limits=DEMO), lambda _: next(answers))
    yield made
    assert made._child is None, "nothing of this needs a worker"
    made.close()


def test_a_text_is_not_labelled_where_it_cannot_be(desk: Desk, tmp_path: Path) -> None:
    run = RunDir(tmp_path / "runs" / "new")
    with pytest.raises(RunError, match="up to 20,000 characters"):
        desk.classify(run, "x" * 20_001)
    with pytest.raises(RunError, match="has not saved anything yet"):
        desk.classify(run, "hello")
    with pytest.raises(RunError, match="is using this machine"):
        desk.classify(run, "hello")
