"""Errors of handlers, as the page gets them."""

from __future__ import annotations

import gradio as gr
import pytest

from ui.context import Context
from ui.handlers import bind
from ui.runs import tab as runs_tab


def test_expected_errors_are_words(ctx: Context) -> None:
    with pytest.raises(gr.Error) as caught:
        bind(runs_tab.download_report, ctx)(None, "no-such-run")
    assert "There is no run" in caught.value.message and caught.value.print_exception is False


def test_a_bug_is_logged_with_an_id(ctx: Context, caplog: pytest.LogCaptureFixture) -> None:
    def broken(ctx: Context) -> None:
        raise ZeroDivisionError("secret detail")

    with pytest.raises(gr.Error) as caught:
        bind(broken, ctx)()
    assert "secret detail" not in caught.value.message and "app.log" in caught.value.message
    assert caplog.records[-1].message.split()[-1] in caught.value.message
