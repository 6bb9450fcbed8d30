"""Two visitors of one Hone, of whom the first has all that one can have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import idle, wait_for
from tests.ui.access.site import Served, Stranger, file_data, serving
from ui.access import accounts
from ui.access.accounts import add_account

SECRET = "zebra"  # in every name and row of the first visitor
WORDS = ("red", "green", "blue", "black", "white", "brown", "grey", "pink", "old", "new", "dry")
ROWS = "prompt,completion\n" + "".join(
    f"How is the {word} {SECRET} of {WORDS[n - 3]} days?,It is {WORDS[n - 5]} and {n} years old.\n"
    for n, word in enumerate(WORDS)
)
PASSWORDS = {"boss": "a password for the boss", "anna": "a password for anna",
             "ben": "a password for ben"}  # fmt: skip


class Place(NamedTuple):
    """A page with two visitors, and all that the first one has."""

    served: Served
    first: Stranger
    second: Stranger
    ids: dict[str, str]
    folder: Path
    boss: Place | None = None  # the same for the administrator, where there is one

    def digest(self) -> str:
        """A hash of all files of the first visitor, but for the mark of his visits."""
        kept = [self.folder / name for name in ("runs", "recipes", "tmp/own")]
        kept += [path for path in self.folder.glob("datasets/*") if path.name[0] != "."]
        files = sorted(path for folder in kept for path in folder.rglob("*") if path.is_file())
        parts = [
            path.relative_to(self.folder).as_posix().encode() + path.read_bytes()
            for path in files
            if path.name not in ("seen", "lock") and "locks" not in path.parts
        ]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()


@pytest.fixture(scope="session")
def demo_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two visitors of a public demo."""
    with serving(tmp_path_factory.mktemp("demo") / "workspace", "--demo") as served:
        first, second = come_in(served), come_in(served)
        yield make_things(Place(served, first, second, {}, Path()), first.owner)


@pytest.fixture(scope="session")
def users_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two users, and an administrator, who works in the workspace itself."""
    home = tmp_path_factory.mktemp("users") / "workspace"
    file = home.parent / "users.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "COST", 10)
        for name, password in PASSWORDS.items():
            add_account(file, name, password, admin=name == "boss")
    with serving(home, "--users", str(file)) as served:
        first, second, boss = (come_in(served, name) for name in ("anna", "ben", "boss"))
        theirs = make_things(Place(served, boss, second, {}, Path()), "")
        yield make_things(Place(served, first, second, {}, Path()), "anna")._replace(boss=theirs)


def come_in(served: Served, name: str = "") -> Stranger:
    visitor = Stranger(served)
    if name:
        assert visitor.log_in(name, PASSWORDS[name]).status_code == 303
    return visitor.enter()


def make_things(place: Place, owner: str) -> Place:
    """The first visitor adds data, trains on it, saves a recipe, downloads and leaves an upload."""
    served, first = place.served, place.first
    upload = first.upload(f"{SECRET}.csv", ROWS.encode()).json()[0]
    added = first.call("add_files", [file_data(upload)])
    dataset = re.search(r"dataset:[0-9a-f]{16}", added.text)
    assert dataset, added
    engine = served.ctx.engine.for_owner(owner)
    run = engine.store.run(start_run(first, dataset.group()))
    wait_for(run, lambda run: run.view().ended is not None and idle(run), 30)
    run.set_meta(name=f"{SECRET} run", note=f"{SECRET} note")
    form = form_values(served, "save_recipe", {})
    saved = first.call("save_recipe", f"{SECRET} recipe", *form)
    assert saved.ok, saved
    ids = {"run": run.id, "dataset": dataset.group(), "recipe": f"{SECRET}-recipe"}
    ids["upload"] = first.upload("left.csv", ROWS.encode()).json()[0]
    for which in range(2):  # as the page does when a tab is opened
        assert first.call("refresh_runs", which=which).ok
    link = first.call("zip_adapter", run.id)
    assert link.ok, link
    ids["download"] = re.search(r"download/run/[\w./-]+", link.text).group()
    assert first.http.get("/" + ids["download"]).status_code == 200
    return place._replace(ids=ids, folder=engine.store.home)


def form_values(served: Served, name: str, changes: dict[str, Any]) -> list[Any]:
    """What the form holds once the page is opened, for an event that takes all of it."""
    inputs = served.blocks.fns[served.functions(name)[0]].inputs
    named = {"restored": 1} | {
        f"field-{path.replace('.', '-')}": value for path, value in changes.items()
    }
    fields = [
        one
        for one in inputs
        if one.elem_id in (None, "recipe", "group", "restored") or one.elem_id.startswith("field-")
    ]
    return [named.get(one.elem_id, one.value) for one in fields]


def start_run(visitor: Stranger, dataset: str) -> str:
    opened = visitor.call("open_page")  # as the page does
    assert opened.ok, opened
    for name in ("follow_form", "start_run"):  # what the page does not show cannot be started
        values = form_values(visitor.served, name, {"data.source": dataset})
        assert name == "start_run" or visitor.call(name, *values).ok
    started = visitor.call("start_run", *values)
    found = re.search(r"\d{8}-\d{6}-[a-z0-9-]+", started.text)
    assert found, started
    return found.group()
