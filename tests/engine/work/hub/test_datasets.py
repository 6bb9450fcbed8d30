"""Datasets from the Hub, read by a child process from a stand-in on this machine."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.process.oneshot import online_environment
from engine.store.files import PROJECT_FOLDER
from engine.work.hub.dataset_card import card_configs
from tests.engine.work.hub.hub_server import PARQUET_COPY, Hub, jsonl, parquet

# Asks arrive as JSON lines, for one child serves many tests: its imports take longer than they do.
CHILD = """
import json, shutil, sys, time, warnings
from pathlib import Path
from engine.errors import DataError
from engine.data.hub import HubSpec
from engine.work.hub import dataset_rows, datasets
warnings.simplefilter("error")
time.sleep = lambda seconds: None
for line in sys.stdin:
    ask = json.loads(line)
    notes, told, got = [], [], []
    dataset_rows.LARGEST_DOWNLOAD = ask.pop("largest", 2**33)
    if "fails" in ask:
        def fails(*args, code=ask.pop("fails"), **more):
            raise OSError(code, "No space left on device")
        dataset_rows.hf_hub_download = fails
    if "free" in ask:
        shutil.disk_usage = lambda path, free=ask.pop("free"): type("Usage", (), {"free": free})
    try:
        if ask.pop("look", False):
            answer = {"info": datasets.describe_hub_dataset(**ask).model_dump()}
        else:
            cache = Path(ask.pop("cache"))
            slice, note = HubSpec(**ask), lambda *one: told.append(one)
            for row in dataset_rows.read_slice(slice, cache, note, notes):
                bad = isinstance(row, dataset_rows.BadRow)
                got.append({"bad": row.problem} if bad else row)
            answer = {"rows": got, "notes": notes, "told": told}
    except DataError as error:
        answer = {"error": str(error), "rows": got}
    heavy = sorted({"torch", "datasets"} & sys.modules.keys())
    print(json.dumps(answer | {"heavy": heavy}), flush=True)
"""
Ask = Callable[..., dict[str, Any]]
NUMBERS = [{"text": f"row {at}", "when": "2024-01-01", "code": "007"} for at in range(30)]
PROGRAM = b"import pathlib\npathlib.Path('/tmp/hone-was-here').write_text('run')\n"
OUTSIDE: list[dict[str, Any]] = [
    {"data_files": "/etc/passwd"},
    {"data_files": "../../x.csv"},
    {"data_files": "https://example.org/x.csv"},
    {"data_files": "zip://a.csv::b.zip"},
    {"data_files": "hf://datasets/hone/private/train.jsonl"},
    {"data_files": [{"split": "train", "path": ["file:///etc/passwd", "/**/passwd"]}]},
    {"data_dir": "/etc"},
    {"data_dir": "../.."},
]
ODD: list[dict[str, Any]] = [
    {"configs": "x"},
    {"configs": [{"config_name": ["a"]}]},
    {"configs": [{"data_files": 3}]},
    {"configs": [{"data_files": "**/" * 3000}]},
    {"dataset_info": [{"features": "ab"}]},
]
CLASSES = {"class_label": {"names": {"0": "neg", "1": "pos"}}}
LABELS = {
    "dataset_info": {
        "features": [{"name": "text", "dtype": "string"}, {"name": "label", "dtype": CLASSES}]
    }
}
TAGS = {
    "dataset_info": [
        {"features": [{"name": "tags", "sequence": {"class_label": {"names": ["O", "B"]}}}]}
    ]
}


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """The stand-in with one dataset of every sort."""
    hub = Hub()

    def add(name: str, files: dict[str, bytes], **how: Any) -> None:
        hub.add("datasets", name, files, **how)

    configs = [
        {"config_name": one, "default": one == "en",
         "data_files": [
            {"split": split, "path": f"{one}/{split}-*.parquet"} for split in ("train", "test")]}
        for one in ("en", "de")
    ]  # fmt: skip
    info = [
        {"config_name": "en", "splits": [{"name": "train", "num_bytes": 1, "num_examples": 5000}]}
    ]
    texts = [f"{at:05d} " + "x" * 994 for at in range(5000)]
    add(
        "hone/tables",
        {
            "en/train-0.parquet": parquet({"text": texts[:3000]}),
            "en/train-1.parquet": parquet({"text": texts[3000:]}),
            "en/test-0.parquet": parquet({"text": ["one", "two"]}),
            "de/train-0.parquet": parquet({"text": ["eins", "zwei", "drei"]}),
            "de/test-0.parquet": parquet({"text": ["vier"]}),
        },
        card={"license": "cc-by-4.0", "configs": configs, "dataset_info": info},
    )
    add("hone/lines", {"train.jsonl": jsonl(NUMBERS), "test.jsonl": jsonl(NUMBERS[:4])})
    add(
        "hone/list",
        {
            "train.json": json.dumps(NUMBERS, indent=1).encode(),
            "test.json": b'{"data": [{"a": 1}]}',
        },
    )
    add("hone/sheet", {"data.csv": b'id,text\n007,"a, b"\n008,NA\n'})
    add("hone/plain", {"train.txt": "one\ntwo \u2028 still two\n".encode()})
    hub.moved["old"] = "hone/lines"
    add(
        "hone/classes",
        {"train.parquet": parquet({"text": ["a", "b", "c"], "label": [1, 0, -1]})},
        card=LABELS,
    )
    add("hone/classes-csv", {"train.csv": b"text,label\ngood,1\nbad,0\nfair,pos\n"}, card=LABELS)
    add("hone/tags", {"train.jsonl": jsonl([{"tags": [0, 1, 0]}])}, card=TAGS)
    moment = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
    photo = {"bytes": b"\0", "path": "a.png"}  # as ``datasets`` writes an image
    odd = {
        "at": [moment],
        "day": [moment.date()],
        "nan": [float("nan")],
        "tree": [{"a": [1, 2]}],
        "photo": [photo],
    }
    add("hone/odd", {"train.parquet": parquet(odd)})
    add("hone/gated", {"train.jsonl": jsonl(NUMBERS)}, gated=True, card={"license": "other"})
    add("hone/private", {"train.jsonl": jsonl(NUMBERS)}, private=True)
    add("hone/program", {"program.py": PROGRAM, "train.jsonl": jsonl(NUMBERS)})
    add("hone/copied", {"copied.py": PROGRAM})
    copy = {"default/train/0000.parquet": parquet({"text": ["safe"]})}
    hub.repos["datasets", "hone/copied"].branches[PARQUET_COPY] = copy
    add("hone/pickles", {"train.pkl": b"\x80\x04.", "weights.bin": b"\0"})
    add("hone/archive", {"train.zip": b"PK\x05\x06" + b"\0" * 18})
    add("hone/zipped", {"train.jsonl.gz": b"\x1f\x8b", "train.arrow": b"ARROW1"})
    add("hone/cut", {"train.jsonl": jsonl(NUMBERS)}, cut={"train.jsonl": 700})
    add("hone/broken", {"train.parquet": b"PAR1 not really"})
    add(
        "hone/mixed",
        {"train.parquet": parquet({"a": [1]}), "train.csv": b"a\n2\n", "test.csv": b"a\n3\n"},
    )
    add(
        "hone/shards",
        {f"train-{at}.jsonl": jsonl(NUMBERS[at * 10 : at * 10 + 10]) for at in range(3)},
    )
    add(
        "hone/bad",
        {"train-0.jsonl": b'{"a": 1}\n{"a": oops}\n{"a": 3}\n', "train-1.jsonl": b'{"a": 4}\n'},
    )
    for number, where in enumerate(OUTSIDE):
        add(
            f"hone/outside{number}",
            {"train.csv": b"a\n1\n"},
            card={"configs": [{"config_name": "default", **where}]},
        )
    for number, card in enumerate(ODD):
        add(f"hone/odd-card{number}", {"train.csv": b"a\n1\n"}, card=card)
    card = {"configs": [{"config_name": "default", "data_files": "train.csv", "skiprows": 1}]}
    add("hone/options", {"train.csv": b"a\n1\n"}, card=card)
    with hub.running():
        yield hub


def start(url: str, home: Path, **more: str) -> subprocess.Popen[str]:
    env = online_environment(home / "cache") | {"HF_ENDPOINT": url, "HF_HOME": str(home), **more}
    command = [sys.executable, "-c", CHILD]
    return subprocess.Popen(
        command,
        cwd=PROJECT_FOLDER,
        env=env,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ask_child(child: subprocess.Popen[str], **what: Any) -> dict[str, Any]:
    assert child.stdin and child.stdout and child.stderr
    child.stdin.write(json.dumps(what) + "\n")
    child.stdin.flush()
    line = child.stdout.readline()
    assert line, child.stderr.read()
    answer: dict[str, Any] = json.loads(line)
    assert not answer["heavy"]
    return answer


@pytest.fixture(scope="module")
def child(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    with start(hub.url, tmp_path_factory.mktemp("home")) as child:
        yield child
        assert child.stdin
        child.stdin.close()


@pytest.fixture
def ask(child: subprocess.Popen[str], tmp_path: Path) -> Ask:
    return lambda name, **what: ask_child(child, name=name, cache=str(tmp_path), **what)


@pytest.fixture
def look(child: subprocess.Popen[str]) -> Ask:
    return lambda name: ask_child(child, look=True, name=name)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """One ask of a child of its own, for what is decided by the environment."""

    def ask(url: str, name: str, env: dict[str, str] | None = None, **what: Any) -> dict[str, Any]:
        with start(url, tmp_path, **(env or {})) as child:
            answer = ask_child(
                child,
                name=name,
                **({"cache": str(tmp_path)} | what if "look" not in what else what),
            )
            assert child.stdin
            child.stdin.close()
            return answer

    yield ask


# What a dataset holds


def test_look_tells_configs_splits_licence_and_size(look: Ask, hub: Hub) -> None:
    before = len(hub.asked)
    info = look("hone/tables")["info"]
    assert info["splits"] == {
        "en": {"train": 5000, "test": None},
        "de": {"train": None, "test": None},
    }
    assert (info["default"], info["licence"], info["gated"]) == ("en", "cc-by-4.0", False)
    assert info["size"] > 5_000_000
    assert not [
        one.line
        for one in hub.asked[before:]
        if "resolve" in one.line and one.line.endswith(".parquet")
    ]


def test_look_at_a_closed_dataset_says_so(look: Ask) -> None:
    info = look("hone/gated")["info"]
    assert (
        info["gated"]
        and info["licence"] == "other"
        and info["splits"] == {"default": {"train": None}}
    )


# Rows


def test_no_more_files_come_than_the_slice_needs(ask: Ask, hub: Hub) -> None:
    before = [hub.sent(f"train-{at}.jsonl") for at in range(3)]
    assert ask("hone/shards", first=8, count=5)["rows"] == NUMBERS[8:13]
    came = [hub.sent(f"train-{at}.jsonl") - before[at] for at in range(3)]
    assert came[0] and came[1] and not came[2]


@pytest.mark.parametrize("name", ["hone/lines", "hone/list", "hone/shards", "old"])
def test_text_stays_text(ask: Ask, name: str) -> None:
    assert ask(name, first=10, count=5)["rows"] == NUMBERS[10:15]


def test_config_and_split(ask: Ask) -> None:
    assert ask("hone/tables", config="de", split="test")["rows"] == [{"text": "vier"}]
    assert ask("hone/list", split="test")["rows"] == [{"a": 1}]


def test_csv_cells_and_lines_of_text_stay_as_they_are(ask: Ask) -> None:
    assert ask("hone/sheet")["rows"] == [{"id": "007", "text": "a, b"}, {"id": "008", "text": "NA"}]
    assert ask("hone/plain")["rows"] == [{"text": "one"}, {"text": "two \u2028 still two"}]


def test_class_numbers_become_names(ask: Ask) -> None:
    got = ask("hone/classes")
    assert [row["label"] for row in got["rows"]] == ["pos", "neg", None]
    assert "'label'" in got["notes"][0] and "neg, pos" in got["notes"][0]
    assert [row["label"] for row in ask("hone/classes-csv")["rows"]] == ["pos", "neg", "pos"]
    assert ask("hone/tags")["rows"] == [{"tags": ["O", "B", "O"]}]


def test_times_become_text_and_images_are_left_out(ask: Ask) -> None:
    got = ask("hone/odd")
    row = {
        "at": "2024-05-06T07:08:09+00:00",
        "day": "2024-05-06",
        "nan": None,
        "tree": {"a": [1, 2]},
    }
    assert got["rows"] == [row]
    assert "photo" in got["notes"][0]


def test_a_bad_row_is_named_with_its_file_and_the_others_are_read(ask: Ask) -> None:
    rows = ask("hone/bad")["rows"]
    assert [row for row in rows if "bad" not in row] == [{"a": 1}, {"a": 3}, {"a": 4}]
    assert rows[1]["bad"].startswith("'train-0.jsonl': Line 2 is not valid JSON")


def test_one_kind_of_file_is_read_per_split(ask: Ask) -> None:
    got = ask("hone/mixed")
    assert got["rows"] == [{"a": 1}] and "not train.csv" in got["notes"][0]
    assert ask("hone/mixed", split="test")["rows"] == [{"a": "3"}]


def test_what_came_is_kept_and_its_progress_reported(ask: Ask, hub: Hub) -> None:
    got = ask("hone/tables")
    assert len(got["rows"]) == 5000
    shares = [share for _, share in got["told"]]
    assert shares == sorted(shares) and shares[-1] == 1.0 and 0.5 in shares
    before = hub.sent(".parquet")
    assert ask("hone/tables", first=4999, count=1)["rows"][0]["text"].startswith("04999")
    assert hub.sent(".parquet") == before


def test_the_end_of_a_split(ask: Ask) -> None:
    assert "30 rows" in ask("hone/lines", first=30, count=5)["error"]
    got = ask("hone/lines", first=28, count=5)
    assert got["rows"] == NUMBERS[28:] and "2 were read" in got["notes"][-1]
    assert "5,000 rows" in ask("hone/tables", first=9000)["error"]


def test_what_is_too_large_is_refused_and_a_slice_of_it_is_not(ask: Ask, hub: Hub) -> None:
    before = hub.sent(".jsonl")
    limit = len(jsonl(NUMBERS[:20]))
    assert "a slice" in ask("hone/shards", largest=limit)["error"]
    assert hub.sent(".jsonl") == before
    assert ask("hone/shards", largest=limit, count=15)["rows"] == NUMBERS[:15]
    assert "a slice" in ask("hone/shards", largest=limit, count=25)["error"]


# Which files a split has


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (
            [
                "data/train-00000-of-00001.parquet",
                "data/my_split-00000-of-00001-ab.parquet",
                "x.csv",
            ],
            "train my_split",
        ),
        (["train/a.csv", "eval/b.csv", "c.csv"], "train test"),
        (["sub/my-train.csv", "dev_1.csv", "notes.csv"], "train validation"),
        (["a.csv", "constrain.csv", "config.json", ".x/b.csv", "__y__/c.csv"], "train"),
    ],
    ids=["shards", "folders", "names", "all"],
)
def test_names_tell_the_splits_where_the_card_is_silent(files: list[str], splits: str) -> None:
    found = card_configs({}, files)["default"].splits
    assert sorted(found) == sorted(splits.split())
    assert not [
        path
        for paths in found.values()
        for path in paths
        if path in ("x.csv", "c.csv", "notes.csv")
    ]


@pytest.mark.parametrize(
    ("data_files", "train"),
    [
        ("*.csv", ["a.csv"]),
        ("**/*.csv", ["a.csv", "de/b.csv", "de/deep/c.csv"]),
        ("./de/*", ["de/b.csv"]),
        (["a.csv", "de/**"], ["a.csv", "de/b.csv", "de/deep/c.csv"]),
        ({"train": "de/?.csv", "test": ["a.csv"]}, ["de/b.csv"]),
        ([{"split": "train", "path": ["de/deep/*", "a.*"]}], ["a.csv", "de/deep/c.csv"]),
        ("/".join(["**"] * 40) + "/no.csv", []),
    ],
    ids=str,
)
def test_patterns_of_a_card(data_files: Any, train: list[str]) -> None:
    card = {"configs": [{"config_name": "one", "data_files": data_files}]}
    deep = "/".join(["x"] * 200) + "/d.txt"
    found = card_configs(card, ["a.csv", "de/b.csv", "de/deep/c.csv", deep])["one"].splits
    assert found.get("train", []) == train


def test_a_card_may_name_a_folder(ask: Ask) -> None:
    card = {"configs": [{"config_name": "one", "data_dir": "./de", "data_files": "*.csv"}]}
    assert card_configs(card, ["a.csv", "de/b.csv"])["one"].splits == {"train": ["de/b.csv"]}


# What is never run, opened or followed


def test_a_program_is_not_run_and_its_parquet_copy_is_read(ask: Ask) -> None:
    assert "runs no programs" in ask("hone/program")["error"]
    got = ask("hone/copied")
    assert got["rows"] == [{"text": "safe"}] and "not run" in got["notes"][0]
    assert not Path("/tmp/hone-was-here").exists()


@pytest.mark.parametrize("name", ["hone/pickles", "hone/archive", "hone/zipped"])
def test_pickles_and_archives_are_not_opened(ask: Ask, hub: Hub, name: str) -> None:
    before = len(hub.asked)
    assert "Parquet" in ask(name)["error"]
    assert not [one for one in hub.asked[before:] if "resolve" in one.line]


@pytest.mark.parametrize("number", range(len(OUTSIDE)))
def test_a_card_cannot_lead_outside(ask: Ask, number: int) -> None:
    got = ask(f"hone/outside{number}")
    assert "names files that are not in it" in got["error"] and not got["rows"]


@pytest.mark.parametrize("number", range(len(ODD)))
def test_a_card_without_sense_is_said(look: Ask, number: int) -> None:
    assert "does not say plainly" in look(f"hone/odd-card{number}")["error"]


def test_options_of_a_card_that_are_not_followed_are_named(ask: Ask) -> None:
    assert "skiprows" in ask("hone/options")["notes"][0]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b/c",
        "../b",
        "/etc/passwd",
        "a/..",
        "https://x.org/a",
        "a b",
        ".",
        "a\\b",
        "a--b/c",
        "x" * 99,
    ],
)
def test_only_names_are_asked_for(ask: Ask, hub: Hub, name: str) -> None:
    before = len(hub.asked)
    assert "is not a dataset's name" in ask(name)["error"]
    assert len(hub.asked) == before


# Failures


@pytest.mark.parametrize(
    ("ask_for", "words"),
    [
        ({"name": "hone/nothing"}, ["no dataset 'hone/nothing'", "HF_TOKEN"]),
        ({"name": "hone/private"}, ["no dataset 'hone/private'", "HF_TOKEN"]),
        ({"name": "hone/gated"}, ["gated", "/datasets/hone/gated", "HF_TOKEN"]),
        ({"name": "hone/tables", "config": "fr"}, ["no config 'fr'", "en, de"]),
        ({"name": "hone/tables", "split": "dev"}, ["no split 'dev'", "train, test"]),
        ({"name": "hone/broken"}, ["damaged"]),
        ({"name": "hone/lines", "first": -1}, ["row 0 or later"]),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_what_cannot_be_read(ask: Ask, ask_for: dict[str, Any], words: list[str]) -> None:
    error = ask(**ask_for)["error"]
    assert not [word for word in words if word not in error], error
    assert "Traceback" not in error and len(error) < 400


def test_half_a_file_is_never_taken_for_whole(ask: Ask, hub: Hub, tmp_path: Path) -> None:
    got = ask("hone/cut")
    assert "broke off" in got["error"] and not got["rows"]
    assert not list(tmp_path.rglob("*.jsonl")) and not list(tmp_path.rglob("*.incomplete"))
    hub.repos["datasets", "hone/cut"].cut.clear()
    assert ask("hone/cut")["rows"] == NUMBERS
    hub.repos["datasets", "hone/cut"].cut["train.jsonl"] = 700


def test_a_full_disk_is_said_before_anything_comes(alone: Ask, hub: Hub) -> None:
    before = hub.sent(".jsonl")
    assert "disk is full" in alone(hub.url, "hone/lines", free=10)["error"]
    assert hub.sent(".jsonl") == before
    assert "disk is full" in alone(hub.url, "hone/lines", fails=errno.ENOSPC)["error"]


def test_a_token_opens_what_its_owner_may_read(alone: Ask, hub: Hub) -> None:
    assert "terms" in alone(hub.url, "hone/gated", {"HF_TOKEN": "hf_stranger"})["error"]
    assert alone(hub.url, "hone/gated", {"HF_TOKEN": "hf_member"})["rows"] == NUMBERS
    assert "refused your token" in alone(hub.url, "hone/lines", {"HF_TOKEN": "hf_wrong"})["error"]


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_closed_port_is_said_at_once(alone: Ask) -> None:
    begun = time.monotonic()
    assert "cannot be reached" in alone(closed_port(), "hone/lines")["error"]
    assert time.monotonic() - begun < 5


def test_a_silent_server_is_said_within_five_seconds(alone: Ask) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with_imports = time.monotonic()
        assert "cannot be reached" in alone(url, "hone/lines")["error"]
        assert time.monotonic() - with_imports < 9


def test_the_child_is_online_and_silent_about_the_user(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    env = online_environment(Path("cache"))
    assert not {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"} & env.keys()
    assert env["HF_HUB_DISABLE_TELEMETRY"] == "1" and env["PATH"] == os.environ["PATH"]
    lines = [one.line for one in hub.asked]
    assert not [line for line in lines if "harness" in line or "telemetry" in line]
