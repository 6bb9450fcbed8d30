"""What one visitor may send: no parts that Gradio would build, and not without end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import gradio as gr
import httpx
import pytest

from tests.ui.access.conftest import Place, come_in
from tests.ui.access.site import API, UNTIDY, Stranger, file_data
from tests.ui.access.test_parts import Clock
from ui.access import event_body
from ui.access.claims import IDLE_PAGE, OpenPages
from ui.access.event_body import BODY_VALUES, StrangeBody, fits, parse_body
from ui.access.messages import Refused

pytestmark = UNTIDY
MB = 2**20


# --- values that Gradio would build, fetch or open ---


def component(kind: str, value: Any, **more: Any) -> dict[str, Any]:
    part = {"type": "component", "component": kind, "value": value, "text": "hello"}
    return part | {"constructor_args": {}, "props": {}} | more


HERE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
FAR = {"path": "http://127.0.0.1:9/x.png", "url": "http://127.0.0.1:9/x.png"}
PARTS = [
    component("html", "<b>x</b>"),
    component("image", FAR),
    component("file", [HERE]),
    component("gallery", [], constructor_args={"value": ["http://127.0.0.1:9/x.png"]}),
    component("timer", 1),
    {"type": "file", "file": HERE, "text": "hello"},
    {"type": "text", "text": "hello", "file": HERE},
    {"text": "hello", "component": "html"},
    {"type": None, "text": "hello"},
    {"type": "text", "text": ["hello"]},
    {"type": "text"},
    HERE,
    ["hello"],
    7,
]
TURNS = [
    *({"role": "user", "content": [part]} for part in PARTS),
    {"role": "user", "content": component("html", "x")},
    {"role": "user", "content": "hello", "metadata": {"title": "x"}},
    {"role": "user", "content": "hello", "options": [{"value": "x"}]},
    {"role": "user", "content": "hello", "file": HERE},
    {"role": ["user"], "content": "hello"},
    {"role": "user"},
    "hello",
]


@pytest.mark.parametrize("turn", TURNS, ids=repr)
def test_a_turn_that_holds_more_than_text_is_refused(demo_place: Place, turn: Any) -> None:
    """A part of another kind was built by Gradio with arguments that the visitor chose."""
    visitor, blocks = demo_place.second, demo_place.served.blocks
    number = demo_place.served.functions("send_message")[0]
    good = {"role": "user", "content": "hello"}
    for turns in ([turn], [good, turn]):
        data = [turns if isinstance(one, gr.Chatbot) else None for one in blocks.fns[number].inputs]
        assert visitor.join(number, data).status_code == 400


def test_a_chat_as_gradio_tells_the_page_comes_back() -> None:
    """The page sends a conversation back as it was told it, and so on."""
    chat, turns = gr.Chatbot(), [{"role": "user", "content": "hello"}]
    assert fits(chat, turns)
    for text in ("", "…", "a\nb", "<b>", "x" * 9000):
        told = chat.postprocess([*turns, {"role": "assistant", "content": text}]).model_dump()
        sent = json.loads(json.dumps(told))
        assert fits(chat, sent), sent
        turns = chat.preprocess(chat.data_model(root=sent))


def test_a_conversation_goes_on(demo_place: Place) -> None:
    """What a reply leaves in both panes goes back with the next message."""
    visitor, blocks = demo_place.first, demo_place.served.blocks
    fn = blocks.fns[demo_place.served.functions("send_message")[0]]
    given = {"compare-run": demo_place.ids["run"], "message": "hello"}
    panes: dict[str, Any] = {"base-pane": [], "tuned-pane": []}
    for count in (2, 4, 6):
        values = given | panes
        data = [values.get(one.elem_id, one.value) for one in fn.inputs]
        answer = visitor.call("send_message", *data)
        assert answer.ok, answer
        # The first of the messages is whole, the others are what has changed since.
        outputs = [json.loads(output) or {} for output in answer.text.splitlines()]
        told = next(output["data"] for output in outputs if output.get("data"))
        panes = {one.elem_id: value for one, value in zip(fn.outputs, told, strict=True)
                 if isinstance(one, gr.Chatbot)}  # fmt: skip
        assert [len(turns) for turns in panes.values()] == [count, count], told


def test_all_that_the_page_sends_is_looked_at(demo_place: Place) -> None:
    """A widget of another kind needs a test of its own before its events can work."""
    inputs = {
        type(one)
        for fn in demo_place.served.blocks.fns.values()
        for one in fn.inputs
        if fn.fn and not isinstance(one, gr.State)
    }
    known = tuple(kind for kinds in event_body.VALUES for kind in kinds)
    assert inputs and [one for one in inputs if not issubclass(one, known)] == []
    assert not fits(gr.Image(), FAR) and not fits(gr.JSON(), {}) and not fits(gr.Gallery(), [])


@pytest.mark.parametrize(
    "more",
    [
        {"meta": None, "also": HERE},
        {"also": {"path": "/etc/passwd"}},
        {"also": [HERE]},
        {"meta": {"_type": "gradio.FileData", "also": HERE}},
        {"meta": {"_type": "other"}},
        {"url": HERE},
    ],
    ids=repr,
)
def test_a_file_that_names_another_within_it_is_refused(demo_place: Place, more: Any) -> None:
    first = demo_place.first
    own = file_data(demo_place.ids["upload"])
    assert fits(gr.File(), own | {"size": 3, "url": "x", "is_stream": False, "mime_type": None})
    number = demo_place.served.functions("add_files")[0]
    for value in (own | more, [own | more], [own, own | more]):
        assert first.join(number, [value]).status_code == 400


# --- how much ---


@pytest.mark.parametrize(
    "write",
    [
        lambda count: [0] * count,
        lambda count: [[]] * count,
        lambda count: {str(at): 0 for at in range(count)},
        lambda count: [["a"] * 99] * (count // 100),
    ],
    ids=["numbers", "lists", "names", "nested"],
)
def test_values_without_end_are_refused(write: Callable[[int], Any]) -> None:
    assert parse_body(json.dumps({"data": write(BODY_VALUES - 2000)}).encode())
    with pytest.raises(StrangeBody):
        parse_body(json.dumps({"data": write(BODY_VALUES + 2000)}).encode())


def test_a_long_paste_comes_in_and_a_longer_one_does_not(demo_place: Place) -> None:
    answer = demo_place.first.call("add_pasted", "x" * (3 * MB))
    assert answer.status == 200 and "too much text to paste" in answer.text
    answer = demo_place.first.call("add_pasted", "x" * (4 * MB))
    assert answer.status == 413 and "too much at once" in answer.text


def test_others_are_answered_while_a_long_body_is_checked(
    demo_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def parse_slowly(raw: bytes) -> dict[str, Any]:
        if len(raw) > MB:
            begun.set()
            go_on.wait(20)
        return parse_body(raw)

    monkeypatch.setattr(event_body, "parse_body", parse_slowly)
    answers: list[int] = []
    number = demo_place.served.functions("add_pasted")[0]
    sender = come_in(demo_place.served)

    def send() -> None:
        answers.append(sender.join(number, ["x" * (2 * MB), 1, 2]).status_code)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        assert begun.wait(20)
        assert demo_place.second.http.get("/whoami").status_code == 200
        assert demo_place.second.ask("live", "poll_run", {}).status_code == 200
        assert not answers
    finally:
        go_on.set()
        thread.join(20)
    assert answers == [200]


def test_one_visitor_does_not_fill_the_queue(demo_place: Place) -> None:
    served, visitor, other = demo_place.served, come_in(demo_place.served), demo_place.second
    number, queue = served.functions("refresh_table")[0], served.blocks._queue
    assert visitor.call("refresh_table", None).ok
    waiting = queue.event_queue_per_concurrency_id[served.blocks.fns[number].concurrency_id]
    waiting.current_concurrency += 100  # nothing is begun
    try:
        joined = [visitor.join(number, [None, None]) for _ in range(32)]
        assert [one.status_code for one in joined] == [200] * 30 + [429] * 2
        assert "waiting already" in joined[-1].json()["error"]
        elsewhere = other.join(number, [None, None])
        assert elsewhere.status_code == 200, "others are let in"
        first = {"fn_index": number, "event_id": joined[0].json()["event_id"]}
        cancelled = visitor.http.post(
            f"{API}/cancel", json=first | {"session_hash": visitor.session}
        )
        assert cancelled.status_code == 200
        assert visitor.join(number, [None, None]).status_code == 200, "there is room again"
    finally:
        waiting.current_concurrency -= 100
    events = [one.json()["event_id"] for one in joined[1:30]]
    assert all(answer.ok for answer in visitor.collect(events).values())
    assert other.collect([elsewhere.json()["event_id"]])


def test_the_queue_of_all_has_an_end(demo_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    queue, number = demo_place.served.blocks._queue, demo_place.served.functions("refresh_table")[0]
    assert 0 < queue.max_size < 1000
    monkeypatch.setattr(queue, "max_size", 0)
    assert demo_place.second.join(number, [None, None]).status_code == 503


def test_only_what_does_not_wait_goes_past_the_queue(demo_place: Place) -> None:
    blocks, visitor = demo_place.served.blocks, demo_place.second
    past = {number for number, fn in blocks.fns.items() if fn.fn and not fn.queue}
    assert {blocks.fns[number].name for number in past} == {"send_or_stop"}

    def run(number: int, name: str = "predict") -> httpx.Response:
        data = visitor.complete(number, ())
        body = {"fn_index": number, "data": data, "event_data": {}, "session_hash": visitor.session}
        return visitor.http.post(f"{API}/run/{name}", json=body)

    assert {run(number).status_code for number in past} == {200}
    for name in ("refresh_table", "add_pasted", "send_message"):
        number = demo_place.served.functions(name)[0]
        assert run(number).status_code == 404 and run(number, name).status_code == 404


# --- how many pages ---


def test_the_pages_of_an_owner_have_an_end() -> None:
    clock = Clock()
    pages = OpenPages(3, clock)
    for name in "abc":
        pages.enter(name, "anna")
        clock.now += 60
    with pytest.raises(Refused, match="Too many pages"):
        pages.enter("d", "anna")
    pages.enter("d", "ben")
    pages.enter("a", "anna")  # is used, so that b is the oldest
    clock.now += IDLE_PAGE - 121
    with pytest.raises(Refused, match="Too many pages"):
        pages.enter("e", "anna")
    clock.now += 2
    pages.enter("e", "anna")
    with pytest.raises(Refused, match="Too many pages"):
        pages.enter("b", "anna")
    assert list(pages._pages) == ["c", "d", "a", "e"]


def test_the_pages_of_all_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.access.claims.MOST_PAGES", 4)
    clock = Clock()
    pages = OpenPages(float("inf"), clock)
    for name in "abcd":
        pages.enter(name, f"owner {name}")
    with pytest.raises(Refused, match="Too many pages"):
        pages.enter("e", "somebody")
    pages.enter("a", "owner a")
    clock.now += IDLE_PAGE
    pages.enter("e", "somebody")
    assert list(pages._pages) == ["c", "d", "a", "e"]


def test_one_visitor_does_not_push_out_the_pages_of_others(demo_place: Place) -> None:
    visitor = come_in(demo_place.served)

    def open_page(name: str) -> httpx.Response:
        visitor.session = name
        return visitor.ask("live", "poll_run", {})

    found = [open_page(f"page{number}{visitor.owner[-8:]}") for number in range(32)]
    assert [one.status_code for one in found] == [200] * 30 + [429] * 2
    assert "Too many pages are open" in found[-1].json()["error"]
    assert visitor.http.get(f"{API}/heartbeat/{visitor.session}").status_code == 429
    assert visitor.http.get(f"{API}/queue/data?session_hash=new").status_code == 429
    assert open_page(f"page0{visitor.owner[-8:]}").status_code == 200, "those that are open go on"
    assert Stranger(demo_place.served).enter().ask("live", "poll_run", {}).status_code == 200
