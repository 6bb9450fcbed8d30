"""Errors of handlers, as the page gets them."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from engine.store.run_dir import OWNERS
from ui.context import Context
from ui.handlers import bind
from ui.runs import card as run_card


def test_expected_errors_are_words(ctx: Context) -> None:
    with pytest.raises(gr.Error) as caught:
        bind(run_card.download_report, ctx)(None, "no-such-run")
    assert "There is no run" in caught.value.message and caught.value.print_exception is False


def test_a_bug_is_logged_with_an_id(ctx: Context, caplog: pytest.LogCaptureFixture) -> None:
    def broken(ctx: Context) -> None:
        raise ZeroDivisionError("secret detail")

    with pytest.raises(gr.Error) as caught:
        bind(broken, ctx)()
    assert "secret detail" not in caught.value.message and "app.log" in caught.value.message
    assert caplog.records[-1].message.split()[-1] in caught.value.message


def test_what_another_page_has_deleted_is_no_mistake(
    ctx: Context, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def read(ctx: Context, name: str) -> str:
        return (tmp_path / OWNERS / name).read_text()

    with pytest.raises(gr.Error) as caught:
        bind(read, ctx)(None, "gone/runs/meta.json")
    assert "was deleted meanwhile" in caught.value.message and not caplog.records
    (tmp_path / OWNERS / "here").mkdir(parents=True)
    with pytest.raises(gr.Error) as caught:
        bind(read, ctx)(None, "here/runs/meta.json")
    assert "mistake in Hone" in caught.value.message and caplog.records
