"""A Data tab, and the values that its handlers get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest

from engine.spec.run import DataSpec, RunSpec
from tests.ui.fakes import fake_engine, lay_out
from ui import form
from ui.context import LOCAL, Context
from ui.data.inputs import DataInputs
from ui.data.intake import IntakeWidgets
from ui.data.tab import DataTab
from ui.handlers import Values


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataTab]:
    """The tab by itself: widgets that the handlers name, on an engine that nobody asks."""
    engine = fake_engine(tmp_path_factory.mktemp("tab") / "workspace")
    yield lay_out(lambda: DataTab(Context(engine, LOCAL)))
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
def make_values(inputs: DataInputs) -> Callable[..., Values]:
    """Makes the values of the fields, as the form holds them."""

    def make(**changes: Any) -> Values:
        spec = DataSpec(max_length=192).model_copy(update=changes)
        full = form.widget_values(RunSpec(data=spec), None)
        held = {inputs.fields[path]: full[path] for path in form.DATA_PATHS}
        return {inputs.model: "pocket", **held}

    return make
