"""How long reading takes and how much memory: real files one by one, or a gigabyte of made-up rows.

python -m benchmarks.data FOLDER      a table of every file below a folder
python -m benchmarks.data --gigabyte  JSONL and Parquet of 1 GB each: first rows, indexing, memory
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from engine.data import datasets, ingest
from engine.data.prepare import prepare_dataset
from engine.data.upload import Upload
from engine.errors import DataError
from engine.process import oneshot
from engine.spec.run import DataSpec
from engine.store.files import PROJECT_FOLDER
from engine.store.workspace import Store

MB = 2**20
GIGABYTE = 10**9  # bytes


def one(path: Path) -> dict[str, object]:
    """A file taken in and prepared in this process: shape, rows, seconds, and the process's peak
    memory.
    """
    with tempfile.TemporaryDirectory() as home:
        store, began = Store(Path(home)), time.perf_counter()
        try:
            dataset = datasets.load_dataset(
                store, ingest.ingest_files(store, [Upload(path, path.name)])
            )
            prepare_dataset(store, DataSpec(source=dataset.source))
            answer: dict[str, object] = {"shape": dataset.shape.value, "rows": dataset.rows}
        except DataError as error:
            answer = {"shape": f"not examples: {error}", "rows": 0}
        seconds = time.perf_counter() - began
    return answer | {
        "seconds": seconds,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def table(folder: Path) -> None:
    """Each file in a process of its own, so that one's memory is not another's."""
    print("| file | MB | shape | rows | seconds | peak MB |\n|---|---|---|---|---|---|")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        words = [sys.executable, "-m", "benchmarks.data", "--one", str(path)]
        done = subprocess.run(words, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        print(
            f"| {path.relative_to(folder)} | {path.stat().st_size / MB:.2f} | "
            f"{found['shape'][:70]} | "
            f"{found['rows']:,} | {found['seconds']:.2f} | {found['peak']:.0f} |",
            flush=True,
        )


def make(folder: Path) -> list[Path]:
    """JSONL and Parquet of the same made-up rows, a gigabyte each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = random.Random(1)
    words = [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 10)))
        for _ in range(20_000)
    ]
    paths, size, batch = [folder / "big.jsonl", folder / "big.parquet"], 0, []
    schema = pa.schema([("prompt", pa.string()), ("completion", pa.string())])
    with (
        paths[0].open("w") as lines,
        pq.ParquetWriter(paths[1], schema, compression="none") as writer,
    ):
        while size < GIGABYTE:
            prompt, answer = (
                " ".join(chance.choices(words, k=chance.randint(*k))) for k in ((10, 60), (20, 250))
            )
            batch.append({"prompt": prompt, "completion": answer})
            size += lines.write(json.dumps(batch[-1]) + "\n")
            if len(batch) == 20_000:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema))
    return paths


def gigabyte() -> None:
    """First rows, indexing and preparing, as the page does them; the app's own growth and its
    helper's peak.
    """
    with tempfile.TemporaryDirectory() as folder:
        for path in make(Path(folder)):
            app = psutil.Process()
            before, store = app.memory_info().rss, Store(Path(folder) / f"home-{path.suffix}")
            began = time.perf_counter()
            rows = ingest.peek_rows(Upload(path, path.name), 3)
            first = time.perf_counter() - began
            peak = watch(app)
            began = time.perf_counter()
            source = oneshot.add_dataset_files(store, [(path, path.name)])
            indexed, helper = time.perf_counter() - began, peak()
            peak = watch(app)
            began = time.perf_counter()
            prepared = oneshot.prepare_rows(store, DataSpec(source=source))
            ready = time.perf_counter() - began
            shown = prepared.train_rows()[prepared.train - 1]
            grown = (app.memory_info().rss - before) / MB
            print(
                f"{path.name}: {path.stat().st_size / 1e9:.2f} GB, "
                f"{datasets.load_dataset(store, source).rows:,} rows. "
                f"First {len(rows)} rows after {first:.2f} s; indexed in {indexed:.0f} s "
                f"(peak {helper:.0f} MB beside the app); "
                f"checked and split in {ready:.0f} s (peak {peak():.0f} MB). "
                f"The app grew by {grown:.0f} MB; "
                f"the last row has {len(shown['completion'])} letters.",
                flush=True,
            )


def watch(app: psutil.Process):  # type: ignore[no-untyped-def]
    """Follow the own memory of the app's child processes; calling the result ends it and gives the
    peak in MB.
    """
    most, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            for child in app.children():
                try:
                    used = child.memory_info()
                    most[0] = max(
                        most[0], used.rss - getattr(used, "shared", 0)
                    )  # mapped files are not its own
                except psutil.Error:
                    continue

    threading.Thread(target=look, daemon=True).start()

    def end() -> float:
        ended.set()
        return most[0] / MB

    return end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--gigabyte", action="store_true")
    parser.add_argument("--one", type=Path)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one)))
    elif options.gigabyte:
        gigabyte()
    elif options.folder:
        table(options.folder)
    else:
        parser.error("give a folder, or --gigabyte")


if __name__ == "__main__":
    main()
