"""A workspace is its user's alone: folders 0700, files 0600, also one of an older version."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runs import recipes
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store.files import PROJECT_FOLDER, keep_private
from engine.store.run_dir import RunDir
from engine.store.workspace import Store
from tests.fake_backend import FakeBackend

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")


def open_to_others(folder: Path) -> list[Path]:
    """What others may read, in a folder and below; a link has no rights of its own."""
    there = [folder, *folder.rglob("*")]
    return [path for path in there if not path.is_symlink() and path.stat().st_mode & 0o077]


def test_all_that_a_run_leaves_is_private(trained: tuple[Engine, RunDir]) -> None:
    engine, run = trained
    assert run.adapter.is_dir() and any(run.checkpoints.iterdir()) and run.log.is_file()
    made = [path for path in engine.store.root.iterdir() if path.is_dir()]
    assert {path.name for path in made} >= {"runs", "datasets", "prepared", "tokens"}
    assert not [path for folder in made for path in open_to_others(folder)]


@pytest.mark.parametrize("owner", ["", "ada"])
def test_all_that_an_engine_writes_is_private(home: Path, owner: str) -> None:
    before = os.umask(0o022)
    try:
        keep_private()
        engine = Engine(home, FakeBackend(steps=3, seconds=0), supervise=False)
        own = engine.for_owner(owner)
        run = own.start(specs.make_spec({}))
        FakeBackend(steps=3, seconds=0).work(run, "train")
        recipes.store_recipe(own.store, recipes.recipe_from_spec(run.spec, "mine"))
    finally:
        os.umask(before)
    assert not open_to_others(home)


@pytest.mark.slow
def test_a_command_is_private_whatever_it_was_started_with(home: Path) -> None:
    words = [sys.executable, "-m", "engine", "data", "--home", str(home)]
    subprocess.run(words, cwd=PROJECT_FOLDER, check=True, umask=0o022, capture_output=True)
    assert (home / "runs").is_dir() and not open_to_others(home)


def test_an_older_workspace_is_closed_and_what_is_not_ours_is_left(
    home: Path, tmp_path: Path
) -> None:
    before = os.umask(0o022)
    try:
        shared = tmp_path / "models on another disk"
        shared.mkdir()
        Store(home)
        (home / "models").rmdir()
        (home / "models").symlink_to(shared)
        for name in ("queue.json", "desk.log", "holiday.jpg"):
            (home / name).write_text("x")
        home.chmod(0o755)
    finally:
        os.umask(before)
    assert len(open_to_others(home)) > 6
    Engine(home, supervise=False)
    left = {path.name for path in open_to_others(home)}
    assert left == {"holiday.jpg", home.name}, "it may stand in a folder that has other things"
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
