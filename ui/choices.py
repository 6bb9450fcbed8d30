"""What somebody has chosen on the page, kept with his files: data, model, settings, and the run.

A reload, a restart and his other pages find it again. A page that is opened, or that comes to the
front after another has changed something, is given all of it at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.store.files import write_json
from engine.store.workspace import Store
from ui import form
from ui.form import TARGET_GROUPS

OWN_CHOICE = "own"  # target modules chosen one by one


class FormChoices(NamedTuple):
    """What the widgets of the form hold."""

    values: Mapping[str, Any] = {}  # by path, as the widgets hold them
    recipe: str = ""
    group: str = "all"


class Choices(NamedTuple):
    """All that is kept for an owner; ``version`` grows with each change."""

    version: int = 0
    form: FormChoices | None = None  # None until something was chosen
    watched: str = ""  # the run on the Train tab; empty: the one that works, else the newest
    taken: str = ""  # the run on Compare and Export; empty: the newest that has a result


def read_choices(store: Store) -> Choices:
    """What is kept; what cannot be read, or is of another version of Hone, is left out."""
    try:
        found = json.loads(store.choices_file.read_text(encoding="utf-8"))
        values = {path: found["form"][path] for path in form.FORM_PATHS if path in found["form"]}
        recipe, group = found["recipe"], found["group"]
        version, runs = found["version"], (found["watched"], found["taken"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return Choices()
    texts = (*runs, recipe, group)
    if not isinstance(version, int) or not all(isinstance(one, str) for one in texts):
        return Choices()
    if not values or not all(form.is_widget_value(*one) for one in values.items()):
        return Choices(version, None, *runs)
    group = group if group in (*TARGET_GROUPS, OWN_CHOICE) else "all"
    return Choices(version, FormChoices(values, recipe, group), *runs)


def change_choices(store: Store, **changes: Any) -> Choices:
    """Keep these fields of ``Choices``; nothing is written where they are kept already."""
    before = read_choices(store)
    after = before._replace(**changes)
    if after == before:
        return before
    after = after._replace(version=before.version + 1)
    kept = after.form or FormChoices()
    store.home.mkdir(0o700, parents=True, exist_ok=True)
    write_json(
        store.choices_file,
        {
            "version": after.version,
            "form": dict(kept.values),
            "recipe": kept.recipe,
            "group": kept.group,
            "watched": after.watched,
            "taken": after.taken,
        },
    )
    return after


def keep_choices(store: Store, restored: int, kept: FormChoices | None, now: FormChoices) -> bool:
    """Keep what a page's form holds, unless it is still opening or has kept it already.

    Compared with what the page has kept itself: another page may have chosen something else since.
    """
    if not restored or now == kept:
        return False
    change_choices(store, form=now)
    return True
