"""Two visitors of one Hone: whatever the second sends, nothing of the first is shown or changed.

Every handler of the page is called with the first one's ids in every place, through plain HTTP.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.ui.access.conftest import SECRET, Place
from tests.ui.access.site import API, UNTIDY, call_all, file_data, run_aside
from ui.access.visitor import Visitor

pytestmark = UNTIDY


@pytest.fixture(params=["demo_place", "users_place", "boss"])
def place(request: Any) -> Place:
    """In a demo, among users, and beside an administrator."""
    if request.param == "boss":
        found: Place = request.getfixturevalue("users_place")
        assert found.boss
        return found.boss
    return request.getfixturevalue(request.param)


# --- every handler ---


def odd_input(place: Place, block: Any, value: str = "") -> Any:
    """What is the first visitor's, in a widget that can hold it: ``value``, or what suits it."""
    ids, name = place.ids, block.elem_id or ""
    if isinstance(block, gr.File):
        return [file_data(ids["upload"])]
    if isinstance(block, gr.UploadButton):
        return file_data(ids["upload"])
    if isinstance(block, gr.Textbox | gr.HTML | gr.Dropdown | gr.Radio):
        suited = {"field-data-source": "dataset", "own-recipe": "recipe"}.get(name, "run")
        return value or ids[suited]
    return block.value if not isinstance(block, gr.State) and not callable(block.value) else None


def tells(place: Place, text: str) -> bool:
    """Whether a text tells anything of what is the first visitor's, but for the ids that it was
    sent."""
    for sent in place.ids.values():
        text = text.replace(sent, "")
    return SECRET in text


@pytest.mark.parametrize("place", ["demo_place", "users_place"], indirect=True)
def test_every_handler_refuses_another_s_ids(place: Place) -> None:
    served, ids, before = place.served, place.ids, place.digest()
    event = {"name": ids["run"], "run": ids["run"], "text": ""}
    calls = [
        (number, [odd_input(place, block) for block in fn.inputs], event)
        for number, fn in served.blocks.fns.items()
        if fn.fn
    ]
    assert len(calls) > 100
    answers = call_all(place.second, calls)
    assert len(answers) == len(calls)
    names = [served.blocks.fns[number].name for number, answer in answers
             if tells(place, answer.text)]  # fmt: skip
    assert not names
    assert place.digest() == before
    mistakes = [answer.text for _, answer in answers if "mistake in Hone" in answer.text]
    assert not mistakes, mistakes[:3]


def test_every_handler_by_itself_refuses_another_s_ids(place: Place) -> None:
    """Beneath the checks of Gradio, which knows what a page was offered, states included."""
    blocks, ids, before = place.served.blocks, place.ids, place.digest()
    owner = "ben" if place.served.ctx.engine.store.limits.mode == "users" else place.second.owner
    state = SimpleNamespace(visitor=Visitor(owner, owner))
    request, shown = gr.Request(request=SimpleNamespace(state=state)), []

    async def run(number: int, value: str) -> str:
        fn = blocks.fns[number]
        event = gr.EventData(None, {"name": value, "run": value, "text": ""})
        inputs = [owned_input(place, block, value) for block in fn.inputs]
        try:
            found = await blocks.call_function(fn, inputs, requests=request, event_data=event)
            said = str(found["prediction"])
            while found["iterator"]:
                found = await blocks.call_function(
                    fn, inputs, iterator=found["iterator"], requests=request
                )
                said += str(found["prediction"])
        except gr.Error as error:
            said = str(error)
        return said

    async def run_all() -> None:
        for number, fn in blocks.fns.items():
            for value in (ids["run"], ids["dataset"], ids["recipe"]) if fn.fn else ():
                said = await run(number, value)
                if tells(place, said):
                    shown.append((fn.name, value, said[:300]))

    run_aside(run_all())
    assert not shown, shown[:3]
    assert place.digest() == before


def owned_input(place: Place, block: Any, value: str) -> Any:
    """The same as a handler gets it."""
    if isinstance(block, gr.File):
        return [place.ids["upload"]]
    if isinstance(block, gr.UploadButton):
        return place.ids["upload"]
    if isinstance(block, gr.State) and isinstance(block.value, str):
        return value
    if isinstance(block, gr.State):
        return block.value
    return odd_input(place, block, value)


# --- everything else that has an address ---


def probes(place: Place) -> list[tuple[str, str]]:
    """What the second visitor may ask for, in the hope to get at what is the first one's."""
    ids, home = place.ids, place.served.home
    owner = place.folder.name
    run, adapter = ids["run"], f"{ids['run']}-adapter.zip"
    names = (
        adapter,
        f"../{adapter}",
        "..",
        "spec.yaml",
        "../spec.yaml",
        f"{run}.html",
        ".",
        "%2e%2e",
    )
    paths = [
        *(f"/download/run/{run}/{name}" for name in names),
        f"/{ids['download']}", f"/download/run/../{owner}/runs/{run}/{adapter}",
        f"/download/run/..%2f..%2f{owner}%2fruns%2f{run}/{adapter}",
        f"/download/run/{run}%2fexport/{adapter}", f"/download//run/{run}/{adapter}",
        f"/download/recipe/{ids['recipe']}", f"/download/recipe/../{owner}/{ids['recipe']}",
        f"/download/file/{adapter}", "/download/file/..", "/download/", "/download/run",
        "/download/x/y/z",
    ]  # fmt: skip
    inside = [path for path in place.folder.rglob("*") if path.is_file()]
    assert len(inside) > 10
    paths += [f"{API}/file={ids['upload']}", f"{API}/file={place.served.ctx.uploads.folder}"]
    for path in [*inside, home / "session.key", home / "app.log"]:
        relative = path.relative_to(home)
        paths += [f"{API}/file={path}", f"/file={path}", f"{API}/file/{path}", f"/{relative}"]
        paths += [f"/download/file/{path.name}", f"/download/run/{run}/{path.name}"]
        paths += [f"/assets/{path}", f"{API}/proxy={path}", f"/static/{path}"]
    return [("GET", path) for path in paths]


def test_two_hundred_probes_get_at_nothing(place: Place) -> None:
    asked = probes(place)
    assert len(asked) >= 200
    before = place.digest()
    got = []
    for method, path in asked:
        answer = place.second.http.request(method, path)
        if answer.status_code != 404 or SECRET in answer.text:
            got.append((path, answer.status_code))
    assert not got and place.digest() == before
    assert place.first.http.get("/" + place.ids["download"]).status_code == 200


def test_sessions_events_and_uploads_are_their_owner_s(place: Place) -> None:
    first, second = place.first, place.second
    number = place.served.functions("refresh_table")[0]
    event = first.join(number, [None, None]).json()["event_id"]
    taken = {"session_hash": first.session}
    tries = [
        second.http.get(f"{API}/queue/data?session_hash={first.session}"),
        second.http.get(f"{API}/heartbeat/{first.session}"),
        second.join(number, [None, None], **taken),
        second.ask("live", "poll_run", {"run": place.ids["run"]}, **taken),
        second.http.post(f"{API}/cancel", json={"fn_index": number, "event_id": event, **taken}),
        second.http.post(
            f"{API}/cancel",
            json={"fn_index": number, "event_id": event, "session_hash": second.session},
        ),
    ]
    assert [one.status_code for one in tries] == [403] * len(tries)
    assert first.collect([event])[event].ok
    first.http.post(f"{API}/upload?upload_id=abc", files={"files": ("a.csv", b"a,b")})
    assert second.http.get(f"{API}/upload_progress?upload_id=abc").status_code == 403
    assert (
        second.http.post(f"{API}/upload?upload_id=abc", files={"files": ("a", b"")}).status_code
        == 403
    )


def test_a_poll_shows_nothing_of_another_s_run(place: Place) -> None:
    own = place.first.ask("live", "poll_run", {"run": place.ids["run"]}).json()
    assert own["run"] == place.ids["run"] and SECRET in own["name"]
    for cursor in ({"run": place.ids["run"], "log": True}, {}, {"run": "../" + place.ids["run"]}):
        shown = place.second.ask("live", "poll_run", cursor)
        assert shown.json()["run"] == "" and SECRET not in shown.text


def test_both_may_add_the_same_file(place: Place) -> None:
    same = b"prompt,completion\n" + b"".join(b"Say %d.,%d.\n" % (n, n) for n in range(9))
    paths = {visitor.upload("same.csv", same).json()[0] for visitor in (place.first, place.second)}
    for visitor in (place.first, place.second):
        assert visitor.call("add_files", [file_data(path) for path in paths]).ok
    assert not any(Path(path).exists() for path in paths)


def test_the_page_as_it_is_served_names_nobody(place: Place) -> None:
    nobodys = place.second.http.get("/config").text + place.second.http.get("/").text
    assert SECRET not in nobodys and place.ids["run"] not in nobodys
