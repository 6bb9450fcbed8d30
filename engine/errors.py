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
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

LOG = logging.getLogger("hone")  # app.log
NAMED_FIELD = re.compile(r"\(([a-z]+\.[a-z_]+)\): ")  # "Rank (method.rank): it is 16 …"


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


# --- several at once ---


class Problem(NamedTuple):
    """Why a run cannot start."""

    text: str
    field: str = ""  # path of the setting that would mend it


class Problems:
    """Collects what is wrong instead of stopping at the first."""

    def __init__(self, found: Iterable[Problem] = ()) -> None:
        self.found = list(found)

    @contextmanager
    def collect(self, field: str = "") -> Iterator[None]:
        """Add a HoneError that is raised within; ``field``: the setting that would mend it."""
        try:
            yield
        except HoneError as error:
            self.found += problems_of(error, field)


def problems_of(error: HoneError, field: str = "") -> list[Problem]:
    """What an error says; a SpecError may name several problems, one a line."""
    if isinstance(error, SpecError) and error.fields:
        return [Problem(text, path) for path, text in error.fields.items()]
    if isinstance(error, SpecError):
        lines = str(error).split("\n")
        return [Problem(text, _named_field(text) or field or error.field) for text in lines]
    return [Problem(str(error), field or error.field)]


def _named_field(text: str) -> str:
    """The setting that a sentence names behind its title; empty where it names none."""
    found = NAMED_FIELD.search(text)
    return found[1] if found else ""
