"""Odd values for every handler of the page, through plain HTTP: a plain sentence, or nothing."""

from __future__ import annotations

import random
from typing import Any

import gradio as gr
import pytest

from tests.ui.access.conftest import Place
from tests.ui.access.site import API, UNTIDY, call_all

pytestmark = UNTIDY
ODD = (None, [], {}, 1e308, -1, True, "", "../..", ["a", None], {"path": "/etc/passwd"})
ODD_TEXTS = ("", " ", "../..", "\0", "x" * 60_000, "dataset:../..", "hub:a/b", "<b>", "\u202e", "1")
ODD_NUMBERS = (-1, 0, 0.5, 2**62, -(2**62), 1e18, 7)
ODD_FLAGS = (True, False)
ODD_TURNS = ([], [{"role": "x", "content": ""}], [{"role": "user", "content": [{"text": "a"}]}])


def fitting(block: Any, dice: random.Random) -> Any:
    """An odd value that a widget of this kind could have."""
    if isinstance(block, gr.State | gr.File | gr.UploadButton):
        return None
    kinds: tuple[tuple[Any, tuple[Any, ...]], ...] = (
        (gr.Number | gr.Slider | gr.Timer, ODD_NUMBERS),
        (gr.Checkbox, ODD_FLAGS),
        (gr.Chatbot, ODD_TURNS),
        (gr.CheckboxGroup, ([], ["all-linear"], ["q_proj", "q_proj"])),
        (gr.Dropdown | gr.Radio, (block.value, None, "")),
    )
    values = next((values for kind, values in kinds if isinstance(block, kind)), ODD_TEXTS)
    return dice.choice(values)


def test_no_handler_takes_odd_values_for_a_mistake_of_hone_s(
    demo_place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    served, visitor, dice = demo_place.served, demo_place.second, random.Random(16)
    functions = {number: fn for number, fn in served.blocks.fns.items() if fn.fn}
    calls = []
    for number, fn in functions.items():
        calls.append((number, [fitting(one, dice) for one in fn.inputs], {}))
        calls.append((number, [None for _ in fn.inputs], {"name": None, "run": 1, "text": []}))
        values = dice.sample(ODD, 2)
        calls += [(number, [value for _ in fn.inputs], dice.choice(ODD)) for value in values]
        calls.append((number, [], None))
    answers = call_all(visitor, calls)
    assert len(answers) == len(calls)
    mistakes = {functions[number].name: answer.text for number, answer in answers
                if "mistake in Hone" in answer.text or "Traceback" in answer.text}  # fmt: skip
    assert not mistakes, list(mistakes.items())[:3]
    assert not [one for one in caplog.records if one.name == "hone"]
    assert {answer.status for _, answer in answers} <= {200, 400}


CURSORS = ({"run": ["x"]}, {"run": "..", "index": "x"}, {"index": -5, "attempt": {}, "samples": []})


@pytest.mark.parametrize("value", [*ODD, *CURSORS], ids=repr)
def test_no_server_function_does(
    demo_place: Place, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answer = demo_place.first.ask("live", "poll_run", value)
    assert answer.status_code == 200 and "mistake in Hone" not in answer.text
    assert not [one for one in caplog.records if one.name == "hone"]


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b"1", b'{"data": NaN}', b'{"data": 1e999}', b"[" * 100_000,
     b'{"session_hash": null}', b'{"session_hash": 1}', b'{"session_hash": "../.."}',
     b'{"session_hash": "abc", "fn_index": 1e3, "data": []}',
     b'{"session_hash": "abc", "fn_index": -1, "data": []}',
     b'{"session_hash": "abc", "fn_index": true, "data": []}',
     b'{"session_hash": "abc", "fn_index": 99999, "data": []}',
     b'{"session_hash": "abc", "fn_index": 0, "data": {}}',
     b'{"session_hash": "abc", "fn_index": 0, "data": [], "batched": true}',
     b'{"session_hash": "abc", "fn_index": 0, "data": ["\\ud800"]}',
     b'{"session_hash": "abc", "component_id": "1", "fn_name": "poll_run", "data": 1}',
     b'{"session_hash": "abc", "component_id": 1, "fn_name": "__init__", "data": 1}',
     b'{"session_hash": "abc", "component_id": 1, "fn_name": ["poll_run"]}',
     b"\xff\xfe", b"9" * 5000],
    ids=lambda body: repr(body[:50]),
)  # fmt: skip
def test_a_body_that_no_page_sends_is_refused(
    demo_place: Place, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Content-Type": "application/json"}
    for path in ("queue/join", "run/predict", "component_server/", "cancel"):
        answer = demo_place.first.http.post(f"{API}/{path}", content=body, headers=headers)
        # An event that is not his cannot be cancelled, whatever else is said of it.
        assert answer.status_code == 400 or (answer.status_code, path) == (403, "cancel")
        assert "Reload" in answer.json()["error"]
    assert not [one for one in caplog.records if one.name == "hone"]


def test_a_body_that_is_far_too_long_is_not_read(demo_place: Place) -> None:
    answer = demo_place.first.http.post(f"{API}/queue/join", content=b" " * (33 * 2**20))
    assert answer.status_code == 413 and "too much at once" in answer.text
