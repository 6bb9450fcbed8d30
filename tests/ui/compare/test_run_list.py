"""Compare and Export show one run: the newest, until the user chooses another."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from engine.errors import RunError
from engine.store.run_dir import RunDir
from ui.compare import run_list
from ui.compare.tab import follow_runs
from ui.context import Context


@pytest.fixture
def two(ctx: Context, finished: RunDir) -> tuple[str, str]:
    """An older run and a newer one, both with a result."""
    newer = finished.path.with_name("99990101-000000-newer-abcd")
    shutil.copytree(finished.path, newer)
    RunDir(newer).set_meta(name="newer <b>")
    return finished.id, newer.name


def shown(ctx: Context) -> Any:
    return run_list.refresh_runs(ctx)["value"]


def test_the_newest_is_shown_until_another_is_chosen(ctx: Context, two: tuple[str, str]) -> None:
    older, newer = two
    assert shown(ctx) == newer
    run_list.take_run(ctx, older)
    assert shown(ctx) == older, "on both tabs, and after a reload"
    note = run_list.newer_note(ctx, older)
    assert "“newer &lt;b&gt;” is newer" in note and f'data-name="{newer}"' in note
    run_list.take_run(ctx, newer)
    assert shown(ctx) == newer and run_list.newer_note(ctx, newer) == ""
    ctx.engine.delete(newer)
    assert shown(ctx) == older, "who looked at the newest follows"
    with pytest.raises(RunError):
        run_list.take_run(ctx, "../../etc")


def test_a_conversation_is_not_taken_away(ctx: Context, two: tuple[str, str]) -> None:
    older, newer = two
    assert follow_runs(ctx, older, [], "")["value"] == newer
    assert follow_runs(ctx, older, [{"role": "user", "content": "Hi"}], "")["value"] == older
    assert follow_runs(ctx, older, [], "<p>It chooses red</p>")["value"] == older
