"""Datasets from the Hub, read by a child process from a stand-in on this machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from engine.process.environment import online_environment
from engine.store.workspace import Store
from tests.engine.work.hub.hub_child import WRONG_NAMES, Ask, Child
from tests.engine.work.hub.hub_datasets import NUMBERS, ODD, OUTSIDE
from tests.engine.work.hub.hub_repo import jsonl
from tests.engine.work.hub.hub_server import Hub


@pytest.fixture
def ask(child: Child, store: Store) -> Ask:
    """Read a slice."""
    return lambda name, **more: child.ask(store, "read_slice", name=name, **more)


@pytest.fixture
def describe(child: Child, store: Store) -> Ask:
    return lambda name: child.ask(store, "describe_dataset", name=name)


# What a dataset holds


def test_look_tells_configs_splits_licence_and_size(describe: Ask, hub: Hub) -> None:
    before = len(hub.asked)
    info = describe("hone/tables")["done"]
    without_rows = {"train": None, "test": None}
    assert info["splits"] == {"en": without_rows | {"train": 5000}, "de": without_rows}
    assert (info["default"], info["licence"], info["gated"]) == ("en", "cc-by-4.0", False)
    assert info["size"] > 5_000_000
    asked = [one.line for one in hub.asked[before:] if "resolve" in one.line]
    assert not [line for line in asked if line.endswith(".parquet")]


def test_look_at_a_closed_dataset_says_so(describe: Ask) -> None:
    info = describe("hone/gated")["done"]
    assert info["gated"] and info["licence"] == "other"
    assert info["splits"] == {"default": {"train": None}}


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
    shares = [share for _, share in got["progress"]]
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
    assert "a slice" in ask("hone/shards", largest_download=limit)["error"]
    assert hub.sent(".jsonl") == before
    assert ask("hone/shards", largest_download=limit, count=15)["rows"] == NUMBERS[:15]
    assert "a slice" in ask("hone/shards", largest_download=limit, count=25)["error"]


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
def test_a_card_without_sense_is_said(describe: Ask, number: int) -> None:
    assert "does not say plainly" in describe(f"hone/odd-card{number}")["error"]


def test_options_of_a_card_that_are_not_followed_are_named(ask: Ask) -> None:
    assert "skiprows" in ask("hone/options")["notes"][0]


@pytest.mark.parametrize("name", WRONG_NAMES)
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


def test_a_full_disk_is_said_before_anything_comes(ask: Ask, hub: Hub) -> None:
    before = hub.sent(".jsonl")
    assert "disk is full" in ask("hone/lines", free=10)["error"]
    assert hub.sent(".jsonl") == before
    assert "disk is full" in ask("hone/lines", disk_full=True)["error"]


def test_a_token_opens_what_its_owner_may_read(ask: Ask) -> None:
    assert "terms" in ask("hone/gated", token="hf_stranger")["error"]
    assert ask("hone/gated", token="hf_member")["rows"] == NUMBERS
    assert "refused your token" in ask("hone/lines", token="hf_wrong")["error"]


def test_no_answer_is_said_within_five_seconds(ask: Ask) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        nobody_listens = ask("hone/lines", endpoint=url)
        silent.listen()
        for answer in (nobody_listens, ask("hone/lines", endpoint=url)):
            assert "cannot be reached" in answer["error"] and answer["seconds"] < 5


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
