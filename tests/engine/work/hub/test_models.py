"""Base models of a stand-in for the Hub: found, looked at, and refused."""

from __future__ import annotations

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ModelError
from engine.model import hub as hub_models
from engine.process.hub import download_model, search_models
from engine.process.hub import look_up_model as look_up
from engine.store.workspace import Store
from tests.engine.work.hub.hub_child import WRONG_NAMES, Ask, Child
from tests.engine.work.hub.hub_models import SHARDS, UNFIT, WEIGHTS
from tests.engine.work.hub.hub_server import Hub


@pytest.fixture
def find(child: Child, store: Store) -> Ask:
    fields = {"query": "", "task": "", "licence": "", "largest": None}
    return lambda **what: child.ask(store, "search_models", **fields | what)


def names(answer: dict[str, Any]) -> list[str]:
    return [one["name"] for one in answer["done"]]


# Finding


def test_the_most_downloaded_come_first(find: Ask) -> None:
    assert names(find(query="hone/"))[:4] == ["hone/small", "hone/large", "hone/half", "hone/gated"]
    assert names(find())[:2] == ["hone/small", "hone/large"]


def test_the_description_of_a_model(find: Ask, hub: Hub) -> None:
    found = find(query="HALF")["done"][0]
    assert found["problem"] == "" and found["safetensors"] and found["gated"] == ""
    assert (found["downloads"], found["licence"], found["task"]) == (700, "mit", "text-generation")
    assert (found["parameters"], found["bytes"]) == (500_000_000, 2_000_000_000)
    assert len(found["revision"]) == 40
    assert find(query="gated")["done"][0]["gated"] == "manual"


def test_filters(find: Ask) -> None:
    assert names(find(task="fill-mask")) == ["hone/encoder"]
    assert names(find(licence="apache-2.0")) == ["hone/small", "hone/encoder"]
    assert names(find(query="hone/", largest=500_000_000)) == [
        "hone/small",
        "hone/half",
        "hone/gated",
        "hone/encoder",
    ]
    assert "hone/half" not in names(find(query="hone/", largest=499_999_999))
    assert not names(find(query="nothing like it"))


@pytest.mark.parametrize("kind", UNFIT)
def test_what_cannot_be_used_says_why(find: Ask, look: Ask, get: Ask, hub: Hub, kind: str) -> None:
    words = UNFIT[kind][2]
    found = find(query=f"unfit/{kind}")["done"][0]
    assert not [word for word in words if word not in found["problem"]], found["problem"]
    begun = len(hub.asked)
    page = look(f"unfit/{kind}")["done"]
    assert page["model"]["problem"] == found["problem"] and page["folder"] is None
    assert found["problem"] in get(f"unfit/{kind}")["error"]
    assert not [one.line for one in hub.asked[begun:] if "resolve" in one.line]


# Looking


def test_look_brings_the_small_files_alone(look: Ask, hub: Hub, store: Store) -> None:
    begun = len(hub.asked)
    page = look("hone/large", free=12345)["done"]
    folder = Path(page["folder"])
    assert folder.name == "hone--large" and folder.is_relative_to(store.models / hub_models.CONFIGS)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors.index.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    model = page["model"]
    assert sum(map(len, SHARDS)) < model["bytes"] < sum(map(len, SHARDS)) + 1000
    assert (model["licence"], model["parameters"]) == ("hone-terms (its own)", 7_000_000_000)
    assert (page["todo"], page["here"], page["free"], page["downloaded"]) == ("", 0, 12345, False)
    asked = [one.line for one in hub.asked[begun:] if ".safetensors" in one.line]
    assert not [line for line in asked if "index" not in line]
    came = len(hub.asked)
    assert look("hone/large")["done"]["folder"] == str(folder), "they are kept by their commit"
    assert not [one.line for one in hub.asked[came:] if "resolve" in one.line]


def test_an_old_name_leads_to_the_new_one(look: Ask) -> None:
    page = look("small")["done"]
    assert page["model"]["name"] == "hone/small" and Path(page["folder"]).name == "hone--small"


def test_a_gated_model_says_what_to_do(look: Ask) -> None:
    page = look("hone/gated")["done"]
    assert (page["model"]["gated"], page["model"]["licence"]) == ("manual", "gemma")
    assert page["folder"] is None
    for words in ("Accept them on", "/hone/gated", "HF_TOKEN", "may take days"):
        assert words in page["todo"]
    assert sum(map(len, SHARDS)) < page["model"]["bytes"]
    assert "HF_TOKEN" not in look("hone/gated", token="hf_stranger")["done"]["todo"]
    page = look("hone/gated", token="hf_member")["done"]
    assert page["todo"] == "" and page["folder"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hone/own-code", ["auto_map", "never runs code"]),
        ("hone/packed-inside", ["packed as bitsandbytes", "made from"]),
        ("hone/outside", ["points outside the folder", "Do not use"]),
        ("hone/lacking", ["model-00003-of-00003", "not there"]),
        ("hone/broken", ["config.json", "damaged"]),
    ],
)
def test_what_the_small_files_say_is_seen_before_the_weights(  # noqa: PLR0913  fixtures
    look: Ask, get: Ask, store: Store, hub: Hub, name: str, words: list[str]
) -> None:
    page = look(name)["done"]
    problem = page["model"]["problem"]
    assert not [word for word in words if word not in problem], problem
    assert page["folder"] is None
    begun = len(hub.asked)
    assert get(name)["error"] == f"'{name}' cannot be used. {problem}"
    assert not [one.line for one in hub.asked[begun:] if one.line.endswith(".safetensors")]
    assert not hub_models.list_downloaded(store) or not hub_models.list_downloaded(store)[0].whole


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hone/nothing", ["no model 'hone/nothing'", "HF_TOKEN", "/models"]),
        ("hone/private", ["no model 'hone/private'", "HF_TOKEN"]),
        ("hone/listed-outside", ["leads out of its folder", "Do not use it"]),
    ],
)
def test_what_cannot_be_looked_at(
    look: Ask, get: Ask, store: Store, name: str, words: list[str]
) -> None:
    for answer in (look(name), get(name)):
        assert answer["kind"] == "ModelError"
        assert not [word for word in words if word not in answer["error"]], answer["error"]
    assert not hub_models.list_downloaded(store) or not hub_models.list_downloaded(store)[0].whole


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_only_names_are_asked_for(look: Ask, store: Store, hub: Hub, name: str) -> None:
    begun = len(hub.asked)
    for ask in (look_up, download_model):
        with pytest.raises(ModelError, match="is not a model's name"):
            ask(store, name)
    assert "is not a model's name" in look(name)["error"]
    assert len(hub.asked) == begun


# Failures


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_said_at_once(find: Ask, look: Ask, hub: Hub, status: int) -> None:
    hub.failing = {"/api/models": status, "/api/models/hone/small": status}
    try:
        for answer in (find(), look("hone/small")):
            assert f"({status})" in answer["error"] and "Wait" in answer["error"]
            assert answer["seconds"] < 5
    finally:
        hub.failing = {}


def test_a_wrong_token_is_said(find: Ask, look: Ask) -> None:
    for answer in (find(token="hf_wrong"), look("hone/small", token="hf_wrong")):
        assert "refused your token" in answer["error"]
    assert look("hone/private", token="hf_member")["done"]["folder"]


def test_no_answer_is_said_within_five_seconds(find: Ask, look: Ask) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for answer in (find(endpoint=url), look("hone/small", endpoint=url)):  # nobody listens
            assert "cannot be reached" in answer["error"] and answer["seconds"] < 5
        silent.listen()
        answer = look("hone/small", endpoint=url)
        assert "cannot be reached" in answer["error"] and answer["seconds"] < 5


def test_a_page_to_log_in_is_not_the_hub(find: Ask, look: Ask) -> None:
    class Portal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "15")
            self.end_headers()
            self.wfile.write(b"<p>Log in</p>\r\n")

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as portal:
        threading.Thread(target=portal.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{portal.server_port}"
        for answer in (find(endpoint=url), look("hone/small", endpoint=url)):
            assert "is not the Hub" in answer["error"], answer
        portal.shutdown()


# The app's side of it


def test_through_a_process_of_its_own(app: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = search_models(app, "half", task="text-generation")
    assert [one.name for one in found] == ["hone/half"] and found[0].bytes == 2_000_000_000
    page = look_up(app, "hone/half")
    assert page.folder and (page.folder / "config.json").is_file() and page.free > 0
    assert page.model.bytes and len(WEIGHTS) < page.model.bytes < len(WEIGHTS) + 1000
    begun = time.monotonic()
    with pytest.raises(ModelError, match="no model 'hone/nothing'"):
        look_up(app, "hone/nothing")
    assert time.monotonic() - begun < 5
