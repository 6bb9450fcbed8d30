"""Downloaded models: listed, removed, and downloaded by the app's own side."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.model import hub as hub_models
from engine.process.hub import download_model
from engine.spec import run as specs
from engine.store.run_dir import RunDir
from engine.store.workspace import Store
from tests.engine.work.hub.hub_child import Ask, incoming_folder
from tests.engine.work.hub.hub_models import TWO, about, files, safetensors
from tests.engine.work.hub.hub_repo import Repo
from tests.engine.work.hub.hub_server import Hub

BIG = safetensors(5, 2_048_000, "layer.0")


# Listed and removed


def test_what_broke_off_can_be_removed(get: Ask, store: Store, two: Repo) -> None:
    two.cut = {TWO[1]: 100}
    assert "error" in get("hone/two")
    hub_models.remove_model(store, "hone--two")
    assert hub_models.list_downloaded(store) == []
    assert not list(incoming_folder(store).parent.iterdir())


def run_on(store: Store, folder: Path) -> RunDir:
    rows = store.home / "rows.arrow"
    rows.touch()
    spec = specs.make_spec(
        {"name": "mine", "model": {"source": str(folder)}, "data": {"source": "sample:pirate"}}
    )
    return store.create_run(spec, rows, rows, {"name": "rows"})


def test_a_model_in_use_is_not_removed(get: Ask, store: Store) -> None:
    folder = Path(get("hone/small")["done"])
    get("hone/encoder")
    run = run_on(store, folder)
    assert [one.id for one in hub_models.runs_using(store, "hone--small")] == [run.id]
    assert hub_models.runs_using(store, "hone--encoder") == []
    with run.lock, pytest.raises(ModelError, match="The run mine uses this model"):
        hub_models.remove_model(store, "hone--small")
    run.queue_mark.write_text("train")
    with pytest.raises(ModelError, match="The run mine uses this model"):
        hub_models.remove_model(store, "hone--small")
    assert (folder / "model.safetensors").is_file()
    hub_models.remove_model(store, "hone--encoder")
    assert [one.name for one in hub_models.list_downloaded(store)] == ["hone/small"]
    run.queue_mark.unlink()
    hub_models.remove_model(store, "hone--small")
    assert not folder.exists() and hub_models.list_downloaded(store) == []


@pytest.mark.parametrize(
    "folder", ["", ".", "..", "../runs", "/etc", "a/b", ".incoming", ".configs", "a\\b", "x" * 999]
)
def test_only_models_are_removed(get: Ask, store: Store, folder: str) -> None:
    assert get("hone/small")["done"]
    with pytest.raises(ModelError, match="no downloaded model"):
        hub_models.remove_model(store, folder)
    assert (store.models / "hone--small" / "model.safetensors").is_file() and store.runs.is_dir()


def test_a_link_is_no_downloaded_model(get: Ask, store: Store, tmp_path: Path) -> None:
    assert get("hone/small")["done"]
    elsewhere = tmp_path / "hone--small"
    (store.models / "hone--small").rename(elsewhere)
    (store.models / "hone--small").symlink_to(elsewhere)
    with pytest.raises(ModelError, match="no downloaded model"):
        hub_models.remove_model(store, "hone--small")
    assert (elsewhere / "model.safetensors").is_file()


# The app's side of it


def test_a_download_can_be_stopped_and_goes_on(app: Store, hub: Hub) -> None:
    big = files({"model.safetensors": BIG})
    repo = hub.add("models", "hone/slow", big, more=about(1, 100), large=".safetensors", slow=0.15)
    reports: list[hub_models.DownloadProgress] = []
    stop, seen = threading.Event(), []

    def on_progress(progress: hub_models.DownloadProgress) -> None:
        reports.append(progress)
        if progress.speed and not stop.is_set():
            seen.append(hub_models.list_downloaded(app)[0].coming)
            stop.set()

    begun = time.monotonic()
    with pytest.raises(ModelError, match=r"was stopped\. What came is kept"):
        download_model(app, "hone/slow", on_progress, stop)
    assert time.monotonic() - begun < 5
    assert seen == [True] and 0 < reports[-1].done < reports[-1].total
    assert f"model.safetensors: {reports[-1].done / 1e6:.1f} of 2.0 MB (" in reports[-1].in_words()
    assert reports[-1].in_words().endswith("left")
    (found,) = hub_models.list_downloaded(app)
    assert not found.coming and not found.whole and 0 < found.bytes < len(BIG)
    repo.slow = 0.0
    here = (incoming_folder(app, "hone--slow") / "model.safetensors.part").stat().st_size
    assert download_model(app, "hone/slow", stop=threading.Event()) == app.models / "hone--slow"
    assert (app.models / "hone--slow" / "model.safetensors").read_bytes() == BIG
    (last,) = [one for one in hub.asked if "/cdn/" in one.line and "hone/slow" in one.line][1:]
    assert last.headers["range"] == f"bytes={here}-"


def test_an_error_keeps_its_kind_on_its_way(app: Store) -> None:
    with pytest.raises(ModelError, match="GGUF"):
        download_model(app, "unfit/gguf")
