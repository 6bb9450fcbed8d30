"""Base models downloaded from the Hub: whole or not at all, and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filelock import FileLock

from engine.errors import ModelError
from engine.model import hub as hub_models
from engine.model import local, safety
from engine.process.hub import download_model
from engine.store.workspace import Store
from engine.work.hub.fetch import DownloadMeter
from tests.engine.work.hub.hub_child import Ask, incoming_folder
from tests.engine.work.hub.hub_models import OTHERS, SHARDS, TWO, WEIGHTS, files, safetensors
from tests.engine.work.hub.hub_repo import Repo
from tests.engine.work.hub.hub_server import Hub

# Whole


def test_a_model_comes_with_what_it_needs_and_no_more(get: Ask, store: Store, hub: Hub) -> None:
    begun = len(hub.asked)
    answer = get("hone/small")
    folder = store.models / "hone--small"
    assert answer["done"] == str(folder)
    assert {path.name for path in folder.iterdir()} == {*files(), "hone.json"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    safety.check_model_folder(folder)
    asked = [one.line for one in hub.asked[begun:]]
    assert not [line for line in asked for other in OTHERS if line.endswith(f"/{other}")]
    assert local.list_models([store.models])[1:] == [(str(folder), "hone--small")]
    note = json.loads((folder / "hone.json").read_text())
    assert (note["repo"], note["licence"]) == ("hone/small", "apache-2.0")
    assert note["bytes"] == sum(map(len, files().values()))
    assert len(note["revision"]) == 40 and note["date"].startswith("20")
    assert not list((store.models / hub_models.INCOMING).iterdir())
    begun = len(hub.asked)
    assert download_model(store, "hone/small") == folder, "it is here, and no network is needed"
    assert len(hub.asked) == begun


def test_shards_come_and_their_progress_is_reported(get: Ask, store: Store, two: Repo) -> None:
    answer = get("hone/two")
    assert [(Path(answer["done"]) / name).read_bytes() for name in TWO] == SHARDS
    reports = [hub_models.DownloadProgress(**part) for part in answer["progress"]]
    first, last = reports[0], reports[-1]
    assert (first.step, first.percent) == ("Asking the Hub for 'hone/two'", None)
    assert (last.in_words(), last.percent) == ("Checking 'hone/two'", None)
    second = next(one for one in reports if TWO[1] in one.step)
    assert second.in_words() == f"Downloading {TWO[1]}: 0.2 of 0.4 MB (50%)"


def test_the_commit_that_was_looked_at_comes(get: Ask, store: Store, two: Repo) -> None:
    seen = two.find("main")
    two.branches["old"] = two.branches["main"]
    two.branches["main"] = files({"model.safetensors": b"newer"})
    assert seen
    old = two.find("old")
    assert old and get("hone/two", revision=old[0])["done"]
    assert hub_models.list_downloaded(store)[0].origin.revision == old[0]
    with pytest.raises(ModelError, match="not a commit"):
        download_model(store, "hone/half", revision="../main")


def test_the_token_is_for_the_hub_alone(get: Ask, hub: Hub) -> None:
    begun = len(hub.asked)
    assert "gated" in get("hone/gated")["error"]
    assert get("hone/gated", token="hf_member")["done"]
    asked = hub.asked[begun:]
    assert any("authorization" in one.headers for one in asked if "/resolve/" in one.line)
    large = [one for one in asked if "/cdn/" in one.line]
    assert large and not [one for one in large if "authorization" in one.headers]


# Half


def test_it_goes_on_where_it_broke_off(get: Ask, store: Store, hub: Hub, two: Repo) -> None:
    two.cut = {TWO[1]: 150_000}
    before = hub.sent(TWO[0]), hub.sent(TWO[1])
    answer = get("hone/two")
    assert "broke off" in answer["error"] and "kept" in answer["error"]
    assert answer["kind"] == "ModelError"
    assert not (store.models / "hone--two").exists() and len(local.list_models([store.models])) == 1
    assert (incoming_folder(store) / f"{TWO[1]}.part").stat().st_size == 150_000
    (found,) = hub_models.list_downloaded(store)
    assert (found.name, found.folder) == ("hone/two", "hone--two")
    assert (found.whole, found.coming) == (False, False)
    assert 350_000 < found.bytes < found.origin.bytes
    two.cut = {}
    assert get("hone/two")["done"]
    assert [(store.models / "hone--two" / name).read_bytes() for name in TWO] == SHARDS
    assert (hub.sent(TWO[0]) - before[0], hub.sent(TWO[1]) - before[1]) == (200_000, 200_000), (
        "no byte came twice"
    )
    assert hub_models.list_downloaded(store)[0].whole


def test_a_connection_that_breaks_again_and_again_gets_there(get: Ask, hub: Hub, two: Repo) -> None:
    class Moving(dict[str, int]):
        def __getitem__(self, name: str) -> int:
            self.at = getattr(self, "at", 0) + 60_000
            return self.at

    two.cut = Moving({TWO[0]: 0})
    assert get("hone/two")["done"]


def test_a_file_that_changed_meanwhile_comes_anew_and_the_others_do_not(
    get: Ask, store: Store, hub: Hub, two: Repo
) -> None:
    two.cut = {TWO[1]: 150_000}
    assert "error" in get("hone/two")
    newer = safetensors(4, 200_000, "layer.1")
    two.branches["main"] = {**two.branches["main"], TWO[1]: newer}
    two.cut, before = {}, hub.sent(TWO[0])
    (incoming_folder(store) / "stray.bin").write_bytes(b"x")
    assert get("hone/two")["done"]
    folder = store.models / "hone--two"
    assert (folder / TWO[1]).read_bytes() == newer and not (folder / "stray.bin").exists()
    assert hub.sent(TWO[0]) == before


@pytest.mark.parametrize("name", ["config.json", TWO[0]])
def test_what_came_damaged_is_thrown_away(get: Ask, store: Store, two: Repo, name: str) -> None:
    two.cut = {name: 10}
    assert "broke off" in get("hone/two")["error"]
    part = incoming_folder(store) / f"{name}.part"
    part.write_bytes(b"?" * 10)
    two.cut = {}
    assert "came damaged" in get("hone/two")["error"]
    assert not part.exists() and not (store.models / "hone--two").exists()
    assert get("hone/two")["done"]


def test_a_server_that_knows_no_ranges_begins_again(
    get: Ask, two: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.cut = {TWO[0]: 1000}
    assert "error" in get("hone/two")
    two.cut = {}
    monkeypatch.setattr("tests.engine.work.hub.hub_server.re.fullmatch", lambda *_: None)
    assert get("hone/two")["done"]


@pytest.mark.parametrize("status", [429, 503, 403, 404])
def test_a_hub_that_fails_in_the_middle(
    get: Ask, store: Store, hub: Hub, two: Repo, status: int
) -> None:
    hub.failing = {TWO[1]: status}
    try:
        answer = get("hone/two")
        assert f"({status})" in answer["error"] and (incoming_folder(store) / TWO[0]).is_file()
    finally:
        hub.failing = {}
    assert get("hone/two")["done"]


def test_room_on_the_disk_is_asked_for_before_the_weights(
    get: Ask, store: Store, hub: Hub, two: Repo
) -> None:
    before = hub.sent(".safetensors")
    error = get("hone/two", free=256_300_000)["error"]
    assert "0.4 MB more" in error and str(store.models) in error and "256 MB are free" in error
    assert hub.sent(".safetensors") == before
    two.cut = {TWO[1]: 0}
    assert "broke off" in get("hone/two", free=256_500_000)["error"]
    two.cut = {}
    assert get("hone/two", free=256_300_000)["done"], "only what is missing counts"


def test_a_folder_of_the_users_own_is_left_alone(get: Ask, store: Store, two: Repo) -> None:
    own = store.models / "hone--two"
    own.mkdir()
    (own / "mine").touch()
    assert "Rename it" in get("hone/two")["error"]
    assert hub_models.list_downloaded(store) == []
    with pytest.raises(ModelError, match="no downloaded model"):
        hub_models.remove_model(store, "hone--two")
    assert (own / "mine").exists()


def test_one_download_of_a_model_at_a_time(get: Ask, store: Store, two: Repo) -> None:
    two.cut = {TWO[1]: 0}
    assert "error" in get("hone/two")
    with FileLock(store.locks / "model-hone--two"):
        assert "being downloaded just now" in get("hone/two")["error"]
        assert hub_models.list_downloaded(store)[0].coming
        with pytest.raises(ModelError, match="being downloaded just now"):
            hub_models.remove_model(store, "hone--two")


# Words


def test_progress_is_put_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[hub_models.DownloadProgress] = []
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("engine.work.hub.fetch.time.monotonic", lambda: float(next(clock)))
    meter = DownloadMeter(4_000_000_000, 1_000_000_000, reports.append)
    meter.begin_file("model.safetensors")
    meter.add_bytes(500_000_000)
    assert [one.percent for one in reports] == [25, 38]
    assert [one.in_words() for one in reports] == [
        "Downloading model.safetensors: 1.00 of 4.00 GB (25%)",
        "Downloading model.safetensors: 1.50 of 4.00 GB (38%), 50.0 MB/s, 50 s left",
    ]
    for _ in range(3):
        meter.add_bytes(0)
    assert reports[-1].in_words() == "Downloading model.safetensors: 1.50 of 4.00 GB (38%)", (
        "nothing moves: no time is promised"
    )
