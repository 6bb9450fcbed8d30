"""What one owner may use: the engine refuses what is more, in a sentence that names the limit."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.data import datasets, ingest
from engine.data.upload import Upload
from engine.errors import DataError, HoneError, RunError, SpecError
from engine.process import oneshot
from engine.process.desk import MOST_MESSAGES
from engine.runs import quota, recipes
from engine.runs.engine import Engine
from engine.runs.plan import find_out
from engine.spec import run as specs
from engine.spec.limits import DEMO, LOCAL, TABLES, USERS, Limits
from engine.store import data_limits
from engine.store.files import PROJECT_FOLDER, bytes_below
from engine.store.run_dir import RunDir
from engine.store.workspace import Store
from engine.text import format_bytes
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend
from tests.ui.fakes import FakeDesk

PIRATE = specs.make_spec({"data": {"source": "sample:pirate"}})


def make_engine(home: Path, limits: Limits, **options: object) -> Engine:
    engine = Engine(home, FakeBackend(steps=5, seconds=0), limits=limits, **options)
    engine.desk = FakeDesk()  # type: ignore[assignment]
    return engine


@pytest.fixture
def demo(home: Path) -> Iterator[Engine]:
    """The demo as one visitor has it; nothing is worked on."""
    engine = make_engine(home, DEMO, supervise=False)
    yield engine.for_owner("ada")
    engine.close()


def write_rows(path: Path, count: int, text: str = "text") -> Path:
    rows = (json.dumps({"prompt": f"{text} {at}", "completion": f"a {at}"}) for at in range(count))
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_the_table_says_what_the_public_demo_takes() -> None:
    words = " ".join(DEMO.in_words)
    assert "5.0 MB and 2,000 rows" in words and "60 steps and 3 minutes" in words
    assert "1 job of yours, 8 of all users" in words and "200 MB" in words and "2 hours" in words
    assert LOCAL.in_words == () and not any("inf" in line for line in USERS.in_words)
    assert all(mode == limits.mode for mode, limits in TABLES.items())
    for limits in TABLES.values():  # they travel to a child as JSON
        assert Limits(*json.loads(json.dumps(limits))) == limits


# --- data ---


@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt", "json"])
def test_more_rows_than_are_taken_are_refused(demo: Engine, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"long.{kind}"
    lines = [f"row {at},answer {at}" for at in range(2001)]
    texts = {
        "csv": "question,answer\n" + "\n".join(lines),
        "txt": "\n\n".join(lines),
        "jsonl": "\n".join(json.dumps({"text": line}) for line in lines),
        "json": json.dumps([{"text": line} for line in lines]),
    }
    path.write_text(texts[kind])
    with pytest.raises(DataError, match=r"public demo takes up to 2,000 rows"):
        ingest.ingest_files(demo.store, [Upload(path, path.name)])
    assert not list(demo.store.datasets.glob("*"))
    source = ingest.ingest_files(demo.store, [Upload(write_rows(path, 2000), "fits.jsonl")])
    assert datasets.load_dataset(demo.store, source).rows == 2000


def test_a_process_that_reads_has_the_same_limits(demo: Engine, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", 2001)
    with pytest.raises(DataError, match=r"up to 2,000 rows"):
        oneshot.add_dataset_files(demo.store, [(file, "rows.jsonl")])


def test_larger_files_than_are_taken_are_refused_before_they_are_read(
    demo: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oneshot, "ask_oneshot", lambda *_, **__: pytest.fail("it was read"))
    files = [write_rows(tmp_path / f"{at}.jsonl", 1000, "x" * 1800) for at in range(3)]
    with pytest.raises(DataError, match=r"5.\d MB .* takes up to 5.0 MB"):
        oneshot.add_dataset_files(demo.store, [(file, file.name) for file in files])


def test_a_limit_of_ones_own_machine_is_named_as_hones(home: Path, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", 3)
    store = Store(home, limits=LOCAL._replace(upload_bytes=1))
    with pytest.raises(DataError, match=r"of data\. Hone takes up to"):
        data_limits.require_upload(store, [file])


def test_who_has_used_up_his_space_reads_what_to_do(home: Path, tmp_path: Path) -> None:
    first = write_rows(tmp_path / "first.jsonl", 1500)
    source = ingest.ingest_files(Store(home, "ada"), [Upload(first, "first.jsonl")])
    limit = 1.5 * bytes_below(Store(home, "ada").home)
    engine = make_engine(home, DEMO._replace(owner_bytes=limit), supervise=False)
    ada = engine.for_owner("ada")
    second = write_rows(tmp_path / "second.jsonl", 1500)
    with pytest.raises(HoneError, match=r"Your data and runs take .* Delete data or runs"):
        oneshot.add_dataset_files(ada.store, [(second, "second.jsonl")])
    ada.store.tmp.mkdir(parents=True)
    (ada.store.tmp / "rows.csv").write_bytes(bytes(int(limit)))
    spec = specs.make_spec({"data": {"source": source}})
    assert any("Your data and runs take" in one.text for one in ada.plan(spec).problems)
    engine.for_owner("bob").start(PIRATE)  # whose space is his own
    engine.close()


def test_the_space_of_the_administrator_is_his_own(home: Path) -> None:
    engine = make_engine(home, DEMO._replace(owner_bytes=2**20), supervise=False)
    for folder in (engine.store.models / "large", engine.for_owner("ada").store.datasets / "x"):
        folder.mkdir(parents=True)
        (folder / "rows.arrow").write_bytes(bytes(2**21))
    assert engine.plan(PIRATE, find_out(engine.store, PIRATE)).problems == ()
    engine.close()


def test_a_run_that_was_deleted_is_not_made_anew_by_a_look(demo: Engine) -> None:
    run = demo.start(PIRATE)
    demo.cancel(run.id)
    demo.delete(run.id)
    assert not run.alive and not run.queued and not run.path.exists()


@pytest.mark.slow
def test_what_can_be_made_again_is_removed_before_anything_is_refused(demo: Engine) -> None:
    for at in range(5):
        folder = demo.store.tokens / f"key-{at}"
        folder.mkdir(parents=True)
        (folder / "tokens.arrow").write_bytes(bytes(45_000_000))
        os.utime(folder, (1e9 + at, 1e9 + at))
    run = demo.start(PIRATE)
    assert {path.name for path in demo.store.tokens.iterdir()} == {"key-2", "key-3", "key-4"}
    assert run.train_file.is_file(), "what the plan has just prepared is still there"


def test_there_are_only_so_many_datasets_and_recipes(home: Path, tmp_path: Path) -> None:
    engine = make_engine(home, DEMO._replace(datasets=2, recipes=2), supervise=False)
    store = engine.for_owner("ada").store
    for at in range(3):
        file = write_rows(tmp_path / f"{at}.jsonl", 5, f"kind {at}")
        recipe = recipes.recipe_from_spec(PIRATE, f"recipe {at}")
        if at < 2:
            ingest.ingest_files(store, [Upload(file, file.name)])
            recipes.store_recipe(store, recipe)
            continue
        with pytest.raises(DataError, match="2 datasets"):
            ingest.ingest_files(store, [Upload(file, file.name)])
        with pytest.raises(RunError, match="2 recipes"):
            recipes.store_recipe(store, recipe)
    again = tmp_path / "0.jsonl"
    ingest.ingest_files(store, [Upload(again, again.name)])  # the same once more
    engine.close()


# --- runs ---


@pytest.mark.parametrize(
    ("optim", "rows"),
    [({}, 500), ({"batch_size": 1}, 2000), ({"epochs": 100.0}, 40), ({"accumulation": 3}, 1999)],
)
def test_a_run_takes_as_many_epochs_as_the_steps_allow(optim: dict[str, float], rows: int) -> None:
    spec = specs.make_spec({"optim": optim})
    short = quota.shortened_spec(spec, rows, DEMO)
    assert short.optim.steps(rows) == 60 < spec.optim.steps(rows)
    assert specs.make_spec(short.model_dump()) == short
    assert quota.shortened_spec(spec, rows, LOCAL) == spec == quota.shortened_spec(spec, 0, DEMO)
    (note,) = quota.limit_notes(spec, rows, None, DEMO)
    assert (
        "The public demo trains up to 60 steps a run" in note and f"{spec.optim.epochs:g}" in note
    )


def test_a_long_run_is_planned_and_started_short(demo: Engine) -> None:
    spec = specs.make_spec({"data": {"source": "sample:pirate"}, "optim": {"batch_size": 1}})
    plan = demo.plan(spec)
    assert plan.spec.optim.steps(plan.rows) == 60 and plan.asked == spec and not plan.problems
    run = demo.start(spec)
    assert run.spec.optim.epochs == plan.spec.optim.epochs < spec.optim.epochs


def test_one_job_of_each_waits_and_eight_in_all(demo: Engine) -> None:
    first = demo.start(PIRATE)
    with pytest.raises(HoneError, match=r"1 job of yours waits already\. The public demo takes"):
        demo.start(PIRATE)
    assert any("waits already" in one.text for one in demo.plan(PIRATE).problems)
    for at in range(7):
        demo.for_owner(f"visitor-{at}").start(PIRATE)
    with pytest.raises(SpecError, match="8 jobs of all users wait already"):
        demo.for_owner("late").start(PIRATE)
    demo.cancel(first.id)
    assert [run.id for run in demo.store.all_runs()] == [first.id], "nothing of a refused run stays"
    demo.resume(first.id)
    demo.for_owner("visitor-1").cancel(demo.for_owner("visitor-1").queue()[0].run.id)
    demo.for_owner("late").start(PIRATE)


def test_many_who_press_start_at_once_get_one_place(demo: Engine) -> None:
    plan, refused = demo.plan(PIRATE), []

    def press() -> None:
        try:
            demo.start_plan(plan)
        except RunError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=press) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5 and len(demo.queue()) == 1 == len(list(demo.store.all_runs()))


WAYS_IN: dict[str, Callable[[Engine, str], object]] = {
    "start": lambda engine, _: engine.start(PIRATE),
    "merge": lambda engine, run_id: engine.merge(run_id, "bf16"),
    "score": lambda engine, run_id: engine.score(run_id),
    "extend": lambda engine, run_id: engine.extend(run_id, 0.1),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_every_way_into_the_queue_keeps_to_it(demo: Engine, way: str) -> None:
    done = demo.start(PIRATE)
    FakeBackend(steps=5, seconds=0).work(done, "train")
    waits = demo.start(PIRATE)
    before = done.events_file.read_bytes(), done.spec_file.read_bytes()
    with pytest.raises(HoneError, match="waits already"):
        WAYS_IN[way](demo, done.id)
    assert (done.events_file.read_bytes(), done.spec_file.read_bytes()) == before
    assert [one.run.id for one in demo.queue()] == [waits.id]


def test_a_finished_run_gets_no_more_steps_than_a_new_one(demo: Engine) -> None:
    run, before = demo.start(PIRATE), demo.plan(PIRATE).spec.optim.epochs
    FakeBackend(steps=60, seconds=0).work(run, "train")
    with pytest.raises(RunError, match=r"up to 60 steps a run, and .* had 60"):
        demo.extend(run.id, 1)
    assert not run.queued and run.spec.optim.epochs == before


def test_an_owner_keeps_only_so_many_runs(home: Path) -> None:
    engine = make_engine(home, DEMO._replace(runs=2, waiting_each=math.inf), supervise=False)
    ada = engine.for_owner("ada")
    first, _ = ada.start(PIRATE), ada.start(PIRATE)
    with pytest.raises(SpecError, match=r"You have 2 runs.*Delete some on the Runs tab"):
        ada.start(PIRATE)
    ada.cancel(first.id)
    ada.delete(first.id)
    ada.start(PIRATE)
    engine.close()


def test_questions_that_nobody_would_read_are_refused(demo: Engine) -> None:
    prompts = ["x" * 30_000]
    spec = specs.make_spec({"sampling": {"prompts": prompts}})
    assert any("20,000 characters" in one.text for one in demo.plan(spec).problems)


# --- minutes ---


class Stubborn(FakeBackend):
    """A worker that does not look at the stop mark."""

    def work(self, run: RunDir, job: str) -> int:
        with run.lock.acquire(timeout=5):
            run.queue_mark.unlink()
            while run.end_request != "limit":
                time.sleep(0.02)
        return -9


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Limits:
    monkeypatch.setattr(quota, "LEAST_SECONDS", 0.0)
    return DEMO._replace(run_minutes=0.5 / 60)


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_stopped_and_kept(home: Path, soon: Limits) -> None:
    engine = make_engine(home, soon)
    engine.supervisor.backend = FakeBackend(steps=10_000, seconds=0.01)
    run = engine.for_owner("ada").start(PIRATE)
    wait_for(run, lambda run: run.view().ended is not None and idle(run), 20)
    assert run.state().value == "stopped" and run.has_result
    assert "The public demo allows no more for one run" in run.view().warnings[0]
    with pytest.raises(RunError, match="trains no longer than that"):
        run.emit(run.view().last.model_copy(update={"seconds": 60.0}))  # type: ignore[union-attr]
        engine.for_owner("ada").resume(run.id)
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("job", ["train", "merge-bf16"])
def test_who_does_not_obey_is_ended(
    home: Path, soon: Limits, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    """Only that it is asked for: how a process is ended is tested with real ones."""
    monkeypatch.setattr(quota, "end_now", lambda run, why: run.stop_mark.write_text(why))
    monkeypatch.setattr(quota, "GRACE_SECONDS", 0.3)
    engine = make_engine(home, soon, supervise=False)
    run = engine.for_owner("ada").start(PIRATE)
    run.queue_mark.write_text(job)
    with quota.limited_time(run, job, soon):
        assert Stubborn().work(run, job) == -9
    assert run.end_request == "limit" and bool(run.view().warnings) == (job == "train")
    engine.supervisor._explain_end(run, job, -9, no_memory=False)
    engine.close()


@pytest.mark.slow
def test_a_job_that_is_done_in_time_is_left_alone(home: Path, soon: Limits) -> None:
    engine = make_engine(home, soon, supervise=False)
    run = engine.start(PIRATE)
    with quota.limited_time(run, "train", soon):
        pass
    time.sleep(0.7)
    assert not run.stop_mark.exists() and not run.view().warnings
    engine.close()


# --- chats ---


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "a" * 2_000_000}],
        [{"role": "user", "content": "a" * 10_001}, {"role": "assistant", "content": "b" * 10_000}],
        [{"role": "user", "content": ""}] * (MOST_MESSAGES + 1),
        [{"role": "system", "content": "é " * 10_001}],
    ],
    ids=["one letter", "together", "many turns", "system"],
)
def test_a_long_conversation_is_refused_before_it_is_read_as_tokens(
    home: Path, messages: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(home, FakeBackend(), supervise=False, limits=DEMO)
    monkeypatch.setattr(engine.desk, "_stream", lambda *_, **__: pytest.fail("it was read"))
    ada = engine.for_owner("ada")
    run = ada.start(PIRATE)
    FakeBackend(steps=5, seconds=0).work(run, "train")
    short = [{"role": "user", "content": "Hello"}]
    for pair in ((messages, short), (short, messages)):
        with pytest.raises(RunError, match="takes up to 20,000 characters"):
            next(ada.desk.chat(run, *pair))
    engine.close()


# --- what the documents say ---


def test_the_document_has_the_same_table() -> None:
    text = (PROJECT_FOLDER / "docs" / "limits.md").read_text(encoding="utf-8")
    table = text.partition("<!-- table")[2].partition("<!-- /table")[0]
    rows = [line.strip("| ").split(" | ")[1:] for line in table.splitlines() if "| " in line][1:]
    size, plain = format_bytes, "{:,.0f}".format
    shown = {
        "upload_bytes": size, "dataset_rows": plain, "datasets": plain, "runs": plain,
        "recipes": plain, "run_steps": plain, "run_minutes": plain, "waiting_each": plain,
        "waiting_all": plain, "owner_bytes": size, "forget_hours": plain, "chat_characters": plain,
    }  # fmt: skip
    wanted = []
    for name, words in shown.items():
        values = (getattr(limits, name) for limits in TABLES.values())
        wanted.append(["–" if math.isinf(value) else words(value) for value in values])
    assert rows == wanted
