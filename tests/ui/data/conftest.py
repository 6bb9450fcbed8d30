"""A Data tab, the values that its handlers get, and rows that are added as a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.spec.run import DataSpec, RunSpec
from tests.ui.fakes import fake_engine, lay_out
from ui import form
from ui.context import Context
from ui.data import add
from ui.data.intake import IntakeWidgets
from ui.data.pager import TALK
from ui.data.tab import DataTab
from ui.form import DataInputs
from ui.handlers import Values

MakeValues = Callable[..., Values]
Upload = Callable[..., list[Values]]
GOOD = [
    {"prompt": f"What is number {n} called?", "completion": f"It is called {n * 37}, of course."}
    for n in range(20)
]


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataTab]:
    """The tab by itself: widgets that the handlers name, on an engine that nobody asks."""
    engine = fake_engine(tmp_path_factory.mktemp("tab") / "workspace")
    yield lay_out(lambda: DataTab(Context(engine)))
    engine.close()


@pytest.fixture
def inputs(tab: DataTab) -> DataInputs:
    """Its fields, with those that are on other tabs."""
    return DataInputs(gr.Textbox(), {**tab.fields, "data.seed": gr.Number()})


@pytest.fixture
def intake(tab: DataTab) -> IntakeWidgets:
    """The widgets that adding data changes."""
    return IntakeWidgets(tab.source, gr.HTML(), tab.view.pager.rows)


@pytest.fixture
def make_values(tab: DataTab, inputs: DataInputs) -> Callable[..., Values]:
    """Makes the values of the fields, as the form holds them."""

    def make(**changes: Any) -> Values:
        spec = DataSpec(max_length=192).model_copy(update=changes)
        full = form.widget_values(RunSpec(data=spec), None)
        held = {inputs.fields[path]: full[path] for path in form.DATA_PATHS}
        # Nothing is opened, and the rows are shown as they are at first.
        view = tab.view
        own = {view.columns.opened: "", view.columns.filled: [], view.pager.form: TALK}
        own[view.source] = ""
        return {inputs.model: "pocket", **held, **own}

    return make


@pytest.fixture
def upload(ctx: Context, tmp_path: Path, intake: IntakeWidgets) -> Upload:
    """Adds rows as a file."""

    def steps(rows: list[Any], name: str = "mine.jsonl") -> list[Values]:
        file = tmp_path / name
        file.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows))
        ctx.uploads.note("", file)
        return list(add.add_files(ctx, intake, None, [str(file)]))

    return steps


@pytest.fixture
def source_of(upload: Upload, tab: DataTab) -> Callable[..., str]:
    """Adds rows as a file; its source."""

    def source(rows: list[Any], name: str = "mine.jsonl") -> str:
        return upload(rows, name)[-1][tab.source]["value"]

    return source
