"""Datasets from the Hub, read by a child process from a stand-in on this machine."""

from __future__ import annotations

import datetime as dt
import errno
import gzip
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

from engine import hub as front
from engine.errors import DataError
from engine.store import ROOT
from tests.engine.hub_server import PARQUET_COPY, Hub, arrow, jsonl, parquet

# Asks arrive as JSON lines, for one child serves many tests: its imports take longer than they do.
CHILD = """
import json, shutil, sys, warnings
from pathlib import Path
from engine import hub
from engine.errors import DataError
warnings.simplefilter("error")
hub.PAUSES = (0.1, 0.2)
for line in sys.stdin:
    ask = json.loads(line)
    notes, told, got = [], [], []
    hub.SMALL = ask.pop("small", 2**24)
    if "fails" in ask:
        def fails(*args, code=ask.pop("fails")):
            raise OSError(code, "No space left on device")
            yield
        hub._stream = fails
    if "free" in ask:
        shutil.disk_usage = lambda path, free=ask.pop("free"): type("Usage", (), {"free": free})
    try:
        if ask.pop("look", False):
            answer = {"info": hub.look(**ask).model_dump()}
        else:
            cache = Path(ask.pop("cache"))
            for row in hub.rows(hub.HubSpec(**ask), cache, lambda *one: told.append(one), notes):
                got.append(row)
            answer = {"rows": got, "notes": notes, "told": told}
    except DataError as error:
        answer = {"error": str(error), "rows": got}
    print(json.dumps(answer | {"torch": "torch" in sys.modules}), flush=True)
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
    {"data_dir": "/etc"},
]
LABELS = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}, "text": {"dtype": "string", "_type": "Value"}}
CARD_LABELS = [{"name": "text", "dtype": "string"}, {"name": "label", "dtype": {"class_label": {"names": {"0": "neg", "1": "pos"}}}}]  # fmt: skip  # noqa: E501


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """The stand-in with one dataset of every sort."""
    hub = Hub()

    def add(name: str, files: dict[str, bytes], **how: Any) -> None:
        hub.add("datasets", name, files, **how)

    configs = [
        {"config_name": one, "default": one == "en",
         "data_files": [{"split": split, "path": f"{one}/{split}-*.parquet"} for split in ("train", "test")]}
        for one in ("en", "de")
    ]  # fmt: skip
    info = [{"config_name": "en", "splits": [{"name": "train", "num_bytes": 1, "num_examples": 5000}]}]
    texts = [f"{at:05d} " + "x" * 994 for at in range(5000)]
    add(
        "hone/tables",
        {
            "en/train-0.parquet": parquet({"text": texts[:3000]}, group=500),
            "en/train-1.parquet": parquet({"text": texts[3000:]}, group=500),
            "en/test-0.parquet": parquet({"text": ["one", "two"]}),
            "de/train-0.parquet": parquet({"text": ["eins", "zwei", "drei"]}),
            "de/test-0.parquet": parquet({"text": ["vier"]}),
        },
        card={"license": "cc-by-4.0", "configs": configs, "dataset_info": info},
    )
    add("hone/lines", {"train.jsonl": jsonl(NUMBERS), "test.jsonl": jsonl(NUMBERS[:4])})
    add("hone/list", {"train.json": json.dumps(NUMBERS, indent=1).encode(), "test.json": b'{"data": [{"a": 1}]}'})
    add("hone/zipped", {"train.jsonl.gz": gzip.compress(jsonl(NUMBERS))})
    add("hone/sheet", {"data.csv": b'id,text\n007,"a, b"\n008,NA\n'})
    add("hone/plain", {"train.txt": "one\ntwo \u2028 still two\n".encode()})
    hub.moved["old"] = "hone/lines"
    add("hone/arrow", {"train-0.arrow": arrow({"a": [1, 2]}), "train-1.arrow": arrow({"a": [3]}, stream=False)})
    add("hone/classes", {"train.parquet": parquet({"text": ["a", "b", "c"], "label": [1, 0, -1]}, LABELS)})
    add("hone/card", {"train.csv": b"text,label\ngood,1\nbad,0\n"}, card={"dataset_info": {"features": CARD_LABELS}})
    moment = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
    odd = {"at": [moment], "day": [moment.date()], "nan": [float("nan")], "tree": [{"a": [1, None]}], "photo": [b"\0"]}
    add("hone/odd", {"train.parquet": parquet(odd)})
    add("hone/photos", {"train.parquet": parquet({"photo": [b"\0"]})})
    add("hone/gated", {"train.jsonl": jsonl(NUMBERS)}, gated=True, card={"license": "other"})
    add("hone/private", {"train.jsonl": jsonl(NUMBERS)}, private=True)
    add("hone/program", {"program.py": PROGRAM, "train.jsonl": jsonl(NUMBERS)})
    add("hone/copied", {"copied.py": PROGRAM})
    copy = {"default/train/0000.parquet": parquet({"text": ["safe"]})}
    hub.repos["datasets", "hone/copied"].branches[PARQUET_COPY] = copy
    add("hone/pickles", {"train.pkl": b"\x80\x04.", "weights.bin": b"\0"})
    add("hone/archive", {"train.zip": b"PK\x05\x06" + b"\0" * 18})
    add("hone/cut", {"train.jsonl": jsonl(NUMBERS)}, cut={"train.jsonl": 700})
    add("hone/broken", {"train.parquet": b"PAR1 not really"})
    add("hone/torn", {"train.jsonl": b'{"a": 1}\n{"a": \n'})
    add("hone/mixed", {"train.parquet": parquet({"a": [1]}), "test.csv": b"a\n1\n"})
    for number, where in enumerate(OUTSIDE):
        add(f"hone/outside{number}", {"train.csv": b"a\n1\n"}, card={"configs": [{"config_name": "default", **where}]})
    card = {"configs": [{"config_name": "default", "data_files": "train.csv", "skiprows": 1}]}
    add("hone/options", {"train.csv": b"a\n1\n"}, card=card)
    with hub.running():
        yield hub


def start(url: str, home: Path, **more: str) -> subprocess.Popen[str]:
    env = front.environment(home / "cache") | {"HF_ENDPOINT": url, "HF_HOME": str(home), **more}
    command = [sys.executable, "-c", CHILD]
    return subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ask_child(child: subprocess.Popen[str], **what: Any) -> dict[str, Any]:
    assert child.stdin and child.stdout and child.stderr
    child.stdin.write(json.dumps(what) + "\n")
    child.stdin.flush()
    line = child.stdout.readline()
    assert line, child.stderr.read()
    answer: dict[str, Any] = json.loads(line)
    assert not answer["torch"]
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
            answer = ask_child(child, name=name, **({"cache": str(tmp_path)} | what if "look" not in what else what))
            assert child.stdin
            child.stdin.close()
            return answer

    yield ask


# What a dataset holds


def test_look_tells_configs_splits_licence_and_size(look: Ask, hub: Hub) -> None:
    before = len(hub.asked)
    info = look("hone/tables")["info"]
    assert info["splits"] == {"en": {"train": 5000, "test": None}, "de": {"train": None, "test": None}}
    assert (info["default"], info["licence"], info["gated"]) == ("en", "cc-by-4.0", False)
    assert info["size"] > 5_000_000
    assert not [one.line for one in hub.asked[before:] if "resolve" in one.line and one.line.endswith(".parquet")]


def test_look_at_a_closed_dataset_says_so(look: Ask) -> None:
    info = look("hone/gated")["info"]
    assert info["gated"] and info["licence"] == "other" and info["splits"] == {}


# Rows


def test_a_slice_of_parquet_costs_only_its_row_groups(ask: Ask, hub: Hub) -> None:
    before = hub.sent(".parquet")
    got = ask("hone/tables", first=3600, count=300, small=0)
    assert [row["text"][:5] for row in got["rows"]] == [f"{at:05d}" for at in range(3600, 3900)]
    assert hub.sent(".parquet") - before < 1_200_000  # of 5 MB


@pytest.mark.parametrize("small", [0, 2**20], ids=["streamed", "kept"])
@pytest.mark.parametrize("name", ["hone/lines", "hone/list", "hone/zipped", "old"])
def test_text_stays_text(ask: Ask, name: str, small: int) -> None:
    assert ask(name, first=10, count=5, small=small)["rows"] == NUMBERS[10:15]


def test_config_and_split(ask: Ask) -> None:
    assert ask("hone/tables", config="de", split="test")["rows"] == [{"text": "vier"}]
    assert ask("hone/list", split="test")["rows"] == [{"a": 1}]


def test_csv_cells_and_lines_of_text_stay_as_they_are(ask: Ask) -> None:
    assert ask("hone/sheet")["rows"] == [{"id": "007", "text": "a, b"}, {"id": "008", "text": "NA"}]
    assert ask("hone/plain")["rows"] == [{"text": "one"}, {"text": "two \u2028 still two"}]


def test_both_kinds_of_arrow_files(ask: Ask) -> None:
    assert ask("hone/arrow", first=1)["rows"] == [{"a": 2}, {"a": 3}]


def test_class_numbers_become_names(ask: Ask) -> None:
    got = ask("hone/classes")
    assert [row["label"] for row in got["rows"]] == ["pos", "neg", None]
    assert "neg, pos" in got["notes"][0]
    assert [row["label"] for row in ask("hone/card")["rows"]] == ["pos", "neg"]


def test_times_become_text_and_bytes_are_left_out(ask: Ask) -> None:
    got = ask("hone/odd")
    row = {"at": "2024-05-06T07:08:09+00:00", "day": "2024-05-06", "nan": None, "tree": {"a": [1, None]}}
    assert got["rows"] == [row]
    assert "photo" in got["notes"][0]
    assert "photo" in ask("hone/photos")["error"]


def test_a_whole_split_is_kept_and_its_progress_told(ask: Ask, hub: Hub) -> None:
    got = ask("hone/tables")
    assert len(got["rows"]) == 5000
    shares = [share for _, share in got["told"]]
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 5
    before = hub.sent(".parquet")
    assert ask("hone/tables", first=4999, count=1)["rows"][0]["text"].startswith("04999")
    assert hub.sent(".parquet") == before


def test_the_end_of_a_split(ask: Ask) -> None:
    assert "30 rows" in ask("hone/lines", first=30, count=5)["error"]
    got = ask("hone/lines", first=28, count=5)
    assert got["rows"] == NUMBERS[28:] and "2 were read" in got["notes"][0]
    assert "5,000 rows" in ask("hone/tables", first=9000, small=0)["error"]


# What is never run, opened or followed


def test_a_program_is_not_run_and_its_parquet_copy_is_read(ask: Ask) -> None:
    assert "runs no programs" in ask("hone/program")["error"]
    got = ask("hone/copied")
    assert got["rows"] == [{"text": "safe"}] and "not run" in got["notes"][0]
    assert not Path("/tmp/hone-was-here").exists()


@pytest.mark.parametrize("name", ["hone/pickles", "hone/archive"])
def test_pickles_and_archives_are_not_opened(ask: Ask, hub: Hub, name: str) -> None:
    before = len(hub.asked)
    assert "Parquet" in ask(name)["error"]
    assert not [one for one in hub.asked[before:] if one.line.startswith("GET") and one.line.endswith(".pkl")]


@pytest.mark.parametrize("number", range(len(OUTSIDE)))
def test_a_card_cannot_lead_outside(ask: Ask, number: int) -> None:
    assert "outside" in ask(f"hone/outside{number}")["error"]


def test_a_card_with_other_options_is_not_half_followed(ask: Ask) -> None:
    assert "skiprows" in ask("hone/options")["error"]


@pytest.mark.parametrize(
    "name", ["", "a/b/c", "../b", "/etc/passwd", "a/..", "https://x.org/a", "a b", ".", "a\\b", "a--b/c", "x" * 99]
)
def test_only_names_are_asked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a dataset's name"):
        front.rows(front.HubSpec(name=name), tmp_path, print)


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
        ({"name": "hone/torn"}, ["not valid JSON"]),
        ({"name": "hone/mixed"}, ["different kinds"]),
        ({"name": "hone/lines", "first": -1}, ["row 0 or later"]),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_what_cannot_be_read(ask: Ask, ask_for: dict[str, Any], words: list[str]) -> None:
    error = ask(**ask_for)["error"]
    assert not [word for word in words if word not in error], error
    assert "Traceback" not in error and len(error) < 400


@pytest.mark.parametrize("count", [None, 20], ids=["kept", "streamed"])
def test_half_a_file_is_never_taken_for_whole(ask: Ask, hub: Hub, tmp_path: Path, count: int | None) -> None:
    got = ask("hone/cut", count=count, small=0)
    assert "broke off" in got["error"] and not got["rows"]
    assert not list((tmp_path / "files").rglob("*.jsonl"))
    hub.repos["datasets", "hone/cut"].cut.clear()
    assert ask("hone/cut", count=count, small=2**20)["rows"] == NUMBERS[:count]
    hub.repos["datasets", "hone/cut"].cut["train.jsonl"] = 700


def test_a_full_disk_is_said_before_anything_comes(alone: Ask, hub: Hub) -> None:
    before = hub.sent(".jsonl")
    assert "disk is full" in alone(hub.url, "hone/lines", free=10)["error"]
    assert hub.sent(".jsonl") == before
    assert "disk is full" in alone(hub.url, "hone/lines", fails=errno.ENOSPC)["error"]


def test_a_break_inside_parquet_is_seen(ask: Ask, hub: Hub) -> None:
    cut = hub.repos["datasets", "hone/tables"].cut
    cut["en/train-1.parquet"] = 700_000
    assert "broke off" in ask("hone/tables", first=4000, count=100, small=0)["error"]
    cut.clear()


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


def test_the_child_is_online_and_silent_about_the_user(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    env = front.environment(Path("cache"))
    assert not {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"} & env.keys()
    assert env["HF_HUB_DISABLE_TELEMETRY"] == "1" and env["PATH"] == os.environ["PATH"]
    lines = [one.line for one in hub.asked]
    assert not [line for line in lines if "harness" in line or "telemetry" in line]
