"""What the tests of the Hub share: a stand-in with repositories of every sort, and a child."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.workspace import Store
from tests.engine.work.hub.hub_child import Ask, Child
from tests.engine.work.hub.hub_datasets import fill_datasets
from tests.engine.work.hub.hub_models import about, files, fill_models, sharded
from tests.engine.work.hub.hub_repo import Repo
from tests.engine.work.hub.hub_server import Hub


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    hub = Hub()
    fill_models(hub)
    fill_datasets(hub)
    with hub.running():
        yield hub


@pytest.fixture(scope="module")
def child(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    child = Child(hub.url, tmp_path_factory.mktemp("home"))
    yield child
    child.close()


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


@pytest.fixture
def look(child: Child, store: Store) -> Ask:
    """Ask what a model is."""
    return lambda name, **more: child.ask(store, "describe_model", name=name, **more)


@pytest.fixture
def get(child: Child, store: Store) -> Ask:
    """Download a model."""
    return lambda name, revision="", **more: child.ask(
        store, "download_model", name=name, revision=revision, **more
    )


@pytest.fixture
def two(hub: Hub) -> Iterator[Repo]:
    """A model in two shards, whose behaviour a test may change."""
    repo = hub.add("models", "hone/two", files(sharded()), more=about(1, 100), large=".safetensors")
    yield repo
    del hub.repos["models", "hone/two"]


@pytest.fixture
def app(store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The app's own side, which asks in a new process each time."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(store.home))
    return store
