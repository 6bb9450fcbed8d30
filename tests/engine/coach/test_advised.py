"""A run that got worse is started again with what is advised, and nothing else is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.coach.advised import advised_rate_of, advised_spec
from engine.errors import RunError
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store import events as ev
from tests.engine.store.test_run_view import checked, started, step
from tests.fake_backend import FakeBackend

VALUES = {
    "name": "too fast",
    "method": {"rank": 8, "alpha": 999},
    "optim": {"learning_rate": 1.0, "epochs": 2},
}


def test_rate_and_alpha_are_replaced_and_the_rest_stays(home: Path) -> None:
    engine = Engine(home, FakeBackend(), supervise=False)
    run = engine.start(specs.make_spec(VALUES))
    with pytest.raises(RunError, match="no other learning rate"):
        advised_spec(run)
    run.emit(
        ev.Estimated(trainable=1, memory_gb=1, seconds_low=1, seconds_high=9, advised_rate=0.002)
    )
    run.emit(started())
    run.emit(checked(0, 1.0))
    run.emit(step(1).model_copy(update={"lr": 1.0}))
    run.emit(checked(1, 2.0))
    assert advised_rate_of(run.view()) == 0.002
    spec = advised_spec(run)
    assert spec.optim.learning_rate == 0.002 and spec.method.alpha is None and spec.name == ""
    assert spec.optim.epochs == 2 and spec.method.rank == 8
    engine.close()
