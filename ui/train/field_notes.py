"""What is wrong or unwise in a setting, for the page to show beside its field (``fields.js``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from engine.errors import Problem
from engine.estimate.unwise import unwise_values
from engine.runs.plan import Plan
from ui import form

SUBJECT = re.compile(r"^[^:]*\([\w.]+\): ")  # "Learning rate (optim.learning_rate): " stands above


def notes_of(problems: Iterable[Problem], plan: Plan | None = None) -> str:
    """JSON: tone and text by the id of a widget; what is wrong comes before what is unwise."""
    unwise = unwise_values(plan.spec, plan.case) if plan and plan.case else {}
    found = {path: ("warn", text) for path, text in unwise.items()}
    for one in problems:
        path = ".".join(one.field.split(".")[:2])  # of an item of a list, the list
        if path in form.FORM_PATHS:
            found[path] = ("bad", _sentence(one.text))
    return json.dumps({form.widget_id(path): note for path, note in found.items()})


def _sentence(text: str) -> str:
    """A problem without the name of its setting, as a sentence of its own."""
    rest = SUBJECT.sub("", text)
    return rest[:1].upper() + rest[1:]
