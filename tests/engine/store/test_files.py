"""Files and folders are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.store.files import paths_in, publish_folder, remove_whole, whole_folder


def test_a_folder_is_there_whole(tmp_path: Path) -> None:
    target = tmp_path / "kept" / "one"
    with whole_folder(target) as draft:
        (draft / "file").write_text("all")
        assert not target.exists()
    assert (target / "file").read_text() == "all" and list(target.parent.iterdir()) == [target]


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no room"), whole_folder(tmp_path / "one") as draft:
        (draft / "file").write_text("half")
        raise OSError("no room")
    assert not list(tmp_path.iterdir())


def test_the_first_of_two_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "one"
    with whole_folder(target) as draft:
        (draft / "file").write_text("second")
        target.mkdir()
        (target / "file").write_text("first")
    assert (target / "file").read_text() == "first" and list(tmp_path.iterdir()) == [target]


def test_a_name_that_cannot_be_given_is_an_error(tmp_path: Path) -> None:
    (draft := tmp_path / "draft").mkdir()
    (target := tmp_path / "one").write_text("a file")
    with pytest.raises(OSError):
        publish_folder(draft, target)


def test_a_removed_folder_is_gone(tmp_path: Path) -> None:
    (tmp_path / "one" / "inner").mkdir(parents=True)
    remove_whole(tmp_path / "one")
    assert not list(tmp_path.iterdir())
    remove_whole(tmp_path / "one")  # as another page does that is a moment later


def test_a_folder_that_goes_while_it_is_listed_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    assert paths_in(tmp_path) == [tmp_path / "one"] and paths_in(tmp_path / "none") == []

    def gone(folder: object) -> None:
        raise FileNotFoundError(folder)

    monkeypatch.setattr(os, "scandir", gone)
    assert paths_in(tmp_path) == []
