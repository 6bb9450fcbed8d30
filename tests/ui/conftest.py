"""A page on a made-up engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.store.run_dir import RunDir
from tests.conftest import wait_for
from tests.ui.fakes import fake_engine, shown
from ui import form
from ui.context import Context
from ui.train import tab
from ui.train.fill_form import suited_spec


@pytest.fixture
def ctx(home: Path) -> Iterator[Context]:
    engine = fake_engine(home)
    yield Context(engine)
    engine.close()


@pytest.fixture
def values() -> dict[str, Any]:
    """What the form holds when the page opens."""
    return form.widget_values(suited_spec("sample:pirate"), None)


@pytest.fixture
def finished(ctx: Context, values: dict[str, Any]) -> RunDir:
    """A run that has ended."""
    run = ctx.engine.store.run(tab.start_run(ctx, *shown(values), **values))
    wait_for(
        run, lambda run: run.state().value == "finished" and not run.queued and not run.alive, 20
    )
    return run
