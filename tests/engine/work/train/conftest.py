"""What several files of tests share: runs of tiny models, of which a whole one is trained once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from engine.store.run_dir import RunDir
from tests.engine.work.train.killed_runs import Runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    made = Runs(tmp_path_factory.mktemp("durable") / "workspace")
    yield made
    made.engine.close()


def work(run: RunDir) -> int:
    """The whole of a worker, but for its process."""
    from engine.work.__main__ import main  # it changes the environment

    run.stop_mark.unlink(missing_ok=True)
    run.queue_mark.write_text("train")
    return main([str(run.path), "train"])


def without_end(run: RunDir, lost: Callable[[str], bool] = lambda _: False) -> None:
    """Take the event Finished out of a run, and others that are ``lost``."""
    lines = run.events_file.read_text().splitlines(True)
    kept = [line for line in lines if '"finished"' not in line and not lost(line)]
    run.events_file.write_text("".join(kept))
