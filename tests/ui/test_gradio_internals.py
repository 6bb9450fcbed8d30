"""What is kept of pages on the server: no descriptions of widgets, and nothing of closed pages."""

from __future__ import annotations

from datetime import datetime, timedelta

import gradio as gr
import pytest

from ui import gradio_internals
from ui.gradio_internals import PageStates


@pytest.fixture
def states() -> PageStates:
    with gr.Blocks() as blocks:
        gr.Textbox("a text")
        gr.State([1])
    found = PageStates()
    found.set_blocks(blocks)
    return found


def test_no_description_of_a_widget_is_kept(states: PageStates) -> None:
    page, widgets = states["one"], states.blocks.blocks.values()
    text = next(one for one in widgets if isinstance(one, gr.Textbox))
    number = next(one for one in widgets if isinstance(one, gr.State))
    page[number._id] = [2]
    page[text._id] = gr.Textbox("another")
    page._update_value_in_config(text._id, "more")
    page._update_config(text._id)
    assert not page.config_values and not list(page.components)
    assert page[number._id] == [2] and page[text._id].value == "another"
    assert states["two"][number._id] == [1], "another page has its own"


def test_a_closed_page_is_forgotten_and_one_that_came_back_is_not(states: PageStates) -> None:
    long_ago = datetime.now() - timedelta(seconds=gradio_internals.CLOSED_SECONDS + 1)
    for name in ("open", "closed", "just closed", "back"):
        states[name].is_closed = name != "open"
        if name != "just closed":
            states.time_last_used[name] = long_ago
    states.reopen("back")
    states.reopen("unknown")
    states.delete_all_expired_state()
    assert list(states.session_data) == ["open", "just closed", "back"]
    assert states.time_last_used.keys() == set(states.session_data)
