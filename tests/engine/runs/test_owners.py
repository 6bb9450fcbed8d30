"""Two owners of one workspace: whatever one asks for with the other's ids does not exist."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.data import datasets, edit, ingest
from engine.data.readers.table import ReadOptions
from engine.data.upload import Upload
from engine.errors import HoneError, RunError
from engine.process import oneshot
from engine.runs import deletion, plan, recipes, warm_start
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.limits import USERS
from engine.spec.run import DataSpec, Shape
from engine.store.run_dir import DataSummary, RunDir
from engine.store.workspace import OWNER_PATTERN, Store
from tests.fake_backend import FakeBackend
from tests.ui.fakes import FakeDesk

SECRET = "Xylophone"  # stands in everything that the first owner has


class Theirs(NamedTuple):
    """What another owner has, and the engine of one who wants it."""

    engine: Engine  # of the one who asks
    run: RunDir  # finished
    waiting: RunDir
    source: str  # of a dataset
    recipe: str

    @property
    def store(self) -> Store:
        return self.engine.store


def make_theirs(home: Path) -> Theirs:
    root = Engine(home, FakeBackend(steps=5, seconds=0), supervise=False, limits=USERS)
    root.desk = FakeDesk()  # type: ignore[assignment]
    first = root.for_owner("first")
    file = home.parent / f"{SECRET}.jsonl"
    rows = (f'{{"prompt": "{SECRET} {at}?", "completion": "Answer {at}."}}\n' for at in range(12))
    file.write_text("".join(rows))
    source = ingest.ingest_files(first.store, [Upload(file, file.name)])
    spec = specs.make_spec({"name": SECRET, "data": {"source": source}})
    done, waiting = first.start(spec), first.start(spec)
    FakeBackend(steps=5, seconds=0).work(done, "train")
    recipe = recipes.store_recipe(first.store, recipes.recipe_from_spec(spec, SECRET))
    return Theirs(root.for_owner("second"), done, waiting, source, recipe)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Theirs:
    """For tests that change nothing."""
    return make_theirs(tmp_path_factory.mktemp("owners") / "workspace")


@pytest.fixture
def fresh(home: Path) -> Theirs:
    return make_theirs(home)


def fingerprint(folder: Path) -> str:
    """Names and contents of all files; the locks that a look takes aside."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in ("lock", "seen"):
            found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


def spec_with(source: str, start: str = "") -> specs.RunSpec:
    return specs.make_spec({"data": {"source": source}, "model": {"start": start}})


Ask = Callable[[Theirs], Any]
# Every public method of the engine: those that take an id refuse another's, the others do not
# tell of it.
ENGINE: dict[str, Ask] = {
    "plan": lambda t: t.engine.plan(spec_with("sample:pirate", t.run.id), known(t)).require(),
    "estimate_time": lambda t: t.engine.estimate_time(t.engine.plan(spec_with("sample:pirate"))),
    "start": lambda t: t.engine.start(spec_with(t.source)),
    "start_plan": lambda t: t.engine.start_plan(t.engine.plan(spec_with(t.source))),
    "stop": lambda t: t.engine.stop(t.waiting.id),
    "cancel": lambda t: t.engine.cancel(t.waiting.id),
    "pause": lambda t: t.engine.pause(t.waiting.id),
    "end_now": lambda t: t.engine.end_now(t.waiting.id),
    "resume": lambda t: t.engine.resume(t.run.id),
    "extend": lambda t: t.engine.extend(t.run.id, 1),
    "merge": lambda t: t.engine.merge(t.run.id, "bf16"),
    "score": lambda t: t.engine.score(t.run.id),
    "delete": lambda t: t.engine.delete(t.run.id),
    "queue": lambda t: t.engine.queue(),
    "count_waiting": lambda t: t.engine.count_waiting(),
    "move": lambda t: t.engine.move(t.waiting.id, "first"),
    "remove_from_queue": lambda t: t.engine.remove_from_queue(t.waiting.id),
    "live": lambda t: t.engine.live(),
    "endable_run": lambda t: t.engine.endable_run(),
    "working_now": lambda t: t.engine.working_now(),
    "stages": lambda t: t.engine.stages(t.run.id),
}
STORE: dict[str, Ask] = {
    "create_run": lambda t: list(t.store.all_runs()),
    "run": lambda t: t.store.run(t.run.id),
    "run_to_end": lambda t: t.store.run_to_end(t.run.id),
    "all_runs": lambda t: list(t.store.all_runs()),
    "delete_run": lambda t: t.store.delete_run(t.run.id),
    "recipe_file": lambda t: t.store.recipe_file(t.recipe).exists(),
    "touch_owner": lambda t: t.store.touch_owner(),
    "last_seen": lambda t: t.store.last_seen() > 0,
    "remove_owner": lambda t: t.store.remove_owner(),
    "own_paths": lambda t: None,
    "own_folders": lambda t: t.store.own_folders(),
}
# For the engine's own work; nothing that is shown to somebody may come from them (see below).
OF_ALL_OWNERS = {
    "for_owner",
    "close",
    "keep_spare",
    "every_run",
    "all_owners",
    "all_homes",
    "remove_leftovers",
}
FUNCTIONS: dict[str, Ask] = {
    "load_dataset": lambda t: datasets.load_dataset(t.store, t.source),
    "list_datasets": lambda t: datasets.list_datasets(t.store),
    "prepare_rows": lambda t: oneshot.prepare_rows(t.store, DataSpec(source=t.source)),
    "held out": lambda t: oneshot.prepare_rows(t.store, DataSpec(held_out_source=t.source)),
    "reread": lambda t: oneshot.reread_dataset_files(t.store, t.source, ReadOptions()),
    "save_edited_rows": lambda t: edit.save_edited_rows(t.store, rows_of(t), {}, [], t.source),
    "find_out": lambda t: plan.find_out(t.store, spec_with(t.source)),
    "origin_run": lambda t: warm_start.origin_run(t.store, t.run.id),
    "require_compatible": lambda t: warm_start.require_compatible(
        t.store, spec_with("sample:pirate", t.run.id), DataSummary(Shape.CHAT)
    ),
    "saved_recipes": lambda t: recipes.saved_recipes(t.store),
    "load_recipe": lambda t: recipes.load_recipe(t.store, t.recipe),
    "remove_recipe": lambda t: recipes.remove_recipe(t.store, t.recipe),
    "find_use": lambda t: deletion.find_use(t.store, t.source),
    "delete_dataset": lambda t: deletion.delete_dataset(t.engine, t.source, with_runs=True),
    "count_belongings": lambda t: deletion.count_belongings(t.store),
    "delete_everything": lambda t: deletion.delete_everything(t.engine),
}
TELLS_NOTHING = {
    "estimate_time", "queue", "count_waiting", "live", "endable_run", "working_now", "create_run",
    "all_runs", "recipe_file", "touch_owner", "last_seen", "remove_owner", "own_paths",
    "own_folders",
    "list_datasets", "saved_recipes", "find_out", "remove_recipe",
    "count_belongings", "delete_everything",
}  # fmt: skip


def known(theirs: Theirs) -> plan.Known:
    return plan.find_out(theirs.store, spec_with("sample:pirate"))


def rows_of(theirs: Theirs) -> Any:
    return oneshot.prepare_rows(theirs.store, DataSpec())


def public_methods(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}


def test_every_public_method_is_tried() -> None:
    assert public_methods(Engine) <= ENGINE.keys() | OF_ALL_OWNERS
    assert public_methods(Store) <= STORE.keys() | OF_ALL_OWNERS


@pytest.mark.parametrize("name", [*ENGINE, *STORE, *FUNCTIONS])
def test_with_the_ids_of_another_nothing_is_found_and_nothing_changed(
    theirs: Theirs, name: str
) -> None:
    ask = (ENGINE | STORE | FUNCTIONS)[name]
    before = fingerprint(theirs.run.home)
    if name in TELLS_NOTHING:
        answer = repr(ask(theirs))
    else:
        with pytest.raises(HoneError) as refused:
            ask(theirs)
        answer = str(refused.value)
    assert SECRET not in answer and str(theirs.run.home) not in answer
    assert "/owners/first" not in answer
    assert fingerprint(theirs.run.home) == before
    assert theirs.waiting.queued == "train" and not theirs.run.queued


def test_the_page_and_the_commands_never_look_over_all_owners() -> None:
    root = Path(__file__).resolve().parents[3]
    shown = [*(root / "ui").rglob("*.py"), *(root / "engine" / "cli").glob("*.py")]
    assert len(shown) > 30
    words = ("every_run", "all_homes", "all_owners(", "waiting_jobs")
    named = [(path.name, word) for path in shown for word in words if word in path.read_text()]
    assert not named


def test_the_owner_of_the_workspace_sees_the_queue_and_may_end_but_not_read(fresh: Theirs) -> None:
    admin, theirs = fresh.engine.for_owner(""), fresh
    (waits,) = admin.queue()
    assert waits.run.id == theirs.waiting.id and waits.run.name == f"{SECRET} 2"
    assert not list(admin.store.all_runs()) and not admin.live()
    for refused in (admin.resume, admin.score, admin.delete, admin.store.run):
        with pytest.raises(RunError, match="There is no run"):
            refused(theirs.run.id)
    with pytest.raises(RunError, match="There is no run"):
        admin.move(theirs.waiting.id, "first")
    admin.remove_from_queue(theirs.waiting.id)
    assert theirs.waiting.state().value == "cancelled" and not admin.queue()


@pytest.mark.parametrize("name", ["..", "a/b", "A", "x" * 41, " ", "../first", "first\n", "é", "."])
def test_an_owner_is_a_name_and_never_a_path(home: Path, name: str) -> None:
    with pytest.raises(RunError, match="There is no user"):
        Store(home).for_owner(name)
    assert not OWNER_PATTERN.fullmatch(name)


def test_an_owner_has_no_folder_until_there_is_a_file(fresh: Theirs, home: Path) -> None:
    theirs = fresh
    theirs.store.touch_owner()
    assert not list(theirs.store.all_runs()) and len(datasets.list_datasets(theirs.store)) > 2
    assert recipes.saved_recipes(theirs.store) == {} and not theirs.store.home.exists()
    run = theirs.engine.start(spec_with("sample:pirate"))
    assert run.owner == "second" and run.path.is_relative_to(home / "owners" / "second")
    assert run.root == home.resolve() and theirs.run.owner == "first"


def test_a_workspace_in_a_folder_that_is_called_owners_has_one_owner(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "owners" / "me", FakeBackend(), supervise=False)
    run = engine.start(spec_with("sample:pirate"))
    assert run.owner == "" and run.root == engine.store.root
    engine.close()
