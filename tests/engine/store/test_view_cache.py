"""Views that grow with their event files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store import events as ev
from engine.store import view_cache
from engine.store.event_log import append_event, read_events
from tests.engine.store.test_run_view import checked, started, step


def test_a_view_is_read_on_from_where_it_was_and_stays_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, views, asked = tmp_path / "events.jsonl", view_cache.ViewCache(), []
    read = read_events
    monkeypatch.setattr(
        view_cache, "read_events", lambda path, *rest: asked.append(rest[0]) or read(path, *rest)
    )
    assert not views.view(file).steps
    for event in (started(), step(1), step(2)):
        append_event(file, event)
    before = views.view(file)
    append_event(file, step(3))
    append_event(file, checked(3, 1.0))
    assert list(views.view(file).steps) == [1, 2, 3]
    assert list(before.steps) == [1, 2] and not before.checks
    assert asked[-1] > 0


def test_a_file_in_the_place_of_another_is_read_anew(tmp_path: Path) -> None:
    file, views = tmp_path / "events.jsonl", view_cache.ViewCache()
    for number in range(1, 4):
        append_event(file, step(number))
    assert len(views.view(file).steps) == 3
    file.unlink()
    for number in range(1, 9):
        append_event(file, step(number + 100))
    assert views.view(file).steps[0] == 101 and len(views.view(file).steps) == 8
    file.unlink()
    assert not views.view(file).steps


def test_a_long_file_comes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_cache, "READ_BYTES", 150)
    file = tmp_path / "events.jsonl"
    for number in range(1, 20):
        append_event(file, step(number))
        append_event(file, ev.Warned(text="long " * 100))
    with file.open("ab") as half:
        half.write(b'{"v":1,"kind":"st')
    view = view_cache.ViewCache().view(file)
    assert list(view.steps) == list(range(1, 20)) and len(view.warnings) == 19


def test_what_is_held_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_cache, "STEPS_HELD", 5)
    views = view_cache.ViewCache()
    for name in "abc":
        for number in range(1, 4):
            append_event(tmp_path / name, step(number))
        assert len(views.view(tmp_path / name).steps) == 3
    assert list(views._known) == [tmp_path / "c"]
