"""The widgets that decide what a model sees of the data, and their values in an event."""

from __future__ import annotations

from dataclasses import dataclass

from gradio.components import Component

from engine.spec.run import DataSpec
from ui import form
from ui.handlers import Values


@dataclass(frozen=True)
class DataInputs:
    """The chosen model, and every field of the data by its path."""

    model: Component
    fields: dict[str, Component]

    @property
    def widgets(self) -> set[Component]:
        return {self.model, *self.fields.values()}

    def data_spec(self, values: Values) -> DataSpec:
        """The data settings as the form holds them; raises SpecError."""
        return form.read_data_spec({path: values[self.fields[path]] for path in form.DATA_PATHS})
