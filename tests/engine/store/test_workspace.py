"""The workspace: runs are whole or absent, ids from outside never become paths."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import FileLock

from engine.data import datasets, ingest
from engine.data.rows import RowWriter, read_rows, row_to_json
from engine.errors import RunError
from engine.spec import run as specs
from engine.store.files import PROJECT_FOLDER
from engine.store.run_dir import RunDir
from engine.store.workspace import Store


def write_rows(path, rows) -> None:
    with RowWriter(path) as writer:
        for row in rows:
            writer.add(row_to_json(row))


def test_rows_survive_line_separators_and_odd_characters(tmp_path) -> None:
    rows = [{"text": "a\u2028b\u0085c\nd"}, {"text": "Größe 🦜"}]
    write_rows(tmp_path / "rows.arrow", rows)
    found = read_rows(tmp_path / "rows.arrow")
    assert (
        list(found) == rows and found[-1] == rows[1] and found[:1] == rows[:1] and len(found) == 2
    )


def make_run(home, **values) -> RunDir:
    store = Store(home)
    write_rows(home / "train.arrow", [{"text": "a"}])
    write_rows(home / "held.arrow", [])
    return store.create_run(
        specs.make_spec(values),
        home / "train.arrow",
        home / "held.arrow",
        {"name": "n", "shape": "x"},
    )


def test_a_run_is_found_renamed_and_deleted(home) -> None:
    store = Store(home)
    run = make_run(home, name="Ahoy / ../x")
    assert list(read_rows(run.train_file)) == [{"text": "a"}]
    assert len(read_rows(run.held_out_file)) == 0
    assert [found.id for found in store.all_runs()] == [run.id]
    assert ".." not in run.id and "/" not in run.id
    run.set_meta(name="<b>new</b>", note="n")
    assert store.run(run.id).meta["name"] == "<b>new</b>"
    store.delete_run(run.id)
    assert list(store.all_runs()) == []
    assert not run.path.exists()


@pytest.mark.parametrize(
    "run_id", ["", "..", "../runs", "a/b", "nope", "x" * 500, "a\x00b", "C:\\x"]
)
def test_ids_from_outside_are_refused(home, run_id: str) -> None:
    with pytest.raises(RunError, match="no run"):
        Store(home).run(run_id)


def test_the_lock_of_another_process_is_the_truth_about_alive(home) -> None:
    run = make_run(home)
    assert not run.alive
    code = (
        "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); "
        "lock.acquire(); print('held', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(run.path / "lock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=PROJECT_FOLDER) as holder:
        assert holder.stdout and holder.stdout.readline().strip() == b"held"
        assert run.alive and run.alive
        with pytest.raises(RunError, match="Stop it first"):
            Store(home).delete_run(run.id)
        holder.kill()
    assert not run.alive


def test_a_probe_of_another_process_is_not_taken_for_a_worker(home) -> None:
    run = make_run(home)
    blink = FileLock(run.path / "lock", thread_local=False)
    blink.acquire()
    threading.Timer(0.005, blink.release).start()
    assert not run.alive


def test_a_sample_that_is_asked_for_twice_at_once_is_made_once(home, monkeypatch) -> None:
    """Opening a page does so: rows, settings and facts are asked for at the same moment."""
    store, made, add = Store(home), [], ingest.ingest_files

    def slow(*given, **options) -> str:
        made.append(add(*given, **options))
        time.sleep(0.3)
        return made[-1]

    monkeypatch.setattr(ingest, "ingest_files", slow)
    with ThreadPoolExecutor(4) as pool:
        asked = []
        for _ in range(4):
            asked.append(pool.submit(datasets.load_dataset, store, "sample:pirate"))
            time.sleep(0.1)
        found = [one.result() for one in asked]
    assert len(made) == 1 and all(one == found[0] for one in found)
