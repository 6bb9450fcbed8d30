"""Every error that Hone expects, in one tree:

    HoneError               shown to the user as it is: what is wrong, then what to do next
    ├── SpecError           a setting is out of bounds, or two settings contradict each other
    ├── DataError           a file or a row cannot be used
    ├── ModelError          a base model cannot be used
    └── RunError            a run cannot be started, stopped, continued, merged or found

Anything else is a bug of ours: it is logged whole and the page shows only where the log is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

LOG = logging.getLogger("hone")  # app.log


class HoneError(Exception):
    """A mistake that the user can correct; the message is one or two plain sentences.

    ``field`` is the path of the setting that would mend it, empty where there is none.
    """

    field = ""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field or self.field


class SpecError(HoneError):
    """One or more settings are wrong; all of them are named at once.

    ``fields``: each wrong setting's path, and the sentence about it.
    """

    def __init__(
        self, message: str, field: str = "", fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, field)
        self.fields = fields or {}


class DataError(HoneError):
    """Data that cannot be used; the message names the file, the row and the field."""

    field = "data.source"


class ModelError(HoneError):
    """A base model that cannot be used."""

    field = "model.source"


class RunError(HoneError):
    """Something that cannot be done with this run now."""
