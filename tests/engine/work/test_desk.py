"""The real desk worker: chat with the base and the tuned pocket model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from engine.errors import ModelError, RunError
from engine.process.allowance import Allowance
from engine.process.desk import Desk
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.run import DataSpec, PlaceSpec
from engine.store.workspace import Store
from engine.work.encode.questions import prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model.generate import Decoding, greedy_replies, stream_pair
from engine.work.model.load import choose_device, load_adapter, load_model
from tests.conftest import SMALL, idle, wait_for


def impatient(desk: Desk, **allowances: Allowance) -> None:
    """Have a desk's process, from now on, with these allowances."""
    desk.preview_rows("pocket", [{"text": "a"}], DataSpec())
    failures = desk._child.failures
    desk._child.failures = failures._replace(allowances={**failures.allowances, **allowances})


def test_a_desk_that_hangs_does_not_keep_a_run_waiting(trained) -> None:
    desk, ask = trained[0].desk, [{"role": "user", "content": "What is a cat?"}]
    impatient(desk, free_memory=Allowance(silence=15, patience=1))
    assert list(desk.chat(trained[1], ask, ask, max_new_tokens=2))
    hung = desk._child
    os.kill(hung._process.pid, signal.SIGSTOP)
    began = time.monotonic()
    desk.free_memory()
    assert not hung.alive and time.monotonic() - began < 8
    assert desk.preview_rows("pocket", [{"text": "a"}], DataSpec())


def test_a_run_does_not_wait_for_a_desk_without_weights(trained, home) -> None:
    """Whatever the desk does just now, such as counting the tokens of many rows."""
    desk = Desk(Store(home))
    desk.preview_rows("pocket", [{"text": "a"}], DataSpec())
    os.kill(desk._child._process.pid, signal.SIGSTOP)
    began = time.monotonic()
    desk.free_memory()
    assert time.monotonic() - began < 0.5 and desk._child.alive
    os.kill(desk._child._process.pid, signal.SIGCONT)
    desk.close()


def test_a_desk_that_hangs_is_ended_and_what_others_asked_is_not_lost(trained) -> None:
    """Two visitors ask; the process of both is suspended in the middle of the first answer."""
    engine, run = trained
    ask, found = [{"role": "user", "content": "What is a cat?"}], []
    impatient(engine.desk, chat=Allowance(silence=60, patience=1.5))
    hung = engine.desk._child
    stream = engine.desk.chat(run, ask, ask, temperature=1.0, max_new_tokens=2000)
    next(stream)
    os.kill(hung._process.pid, signal.SIGSTOP)
    other = threading.Thread(
        target=lambda: found.append(engine.desk.inspect_model("pocket").layers)
    )
    engine.desk._infos.clear()  # else it is known already
    other.start()
    began = time.monotonic()
    with pytest.raises(RunError, match="took too long, so the process that holds the model"):
        list(stream)
    assert time.monotonic() - began < 5 and not hung.alive
    other.join(60)
    assert found == [engine.desk.inspect_model("pocket").layers], "it was asked again"


def spoilt(folder: Path, template: str = "", expression: str = "") -> str:
    """The pocket model with another chat template, or another way to part words."""
    shutil.copytree(presets.POCKET_MODEL, folder)
    if template:
        (folder / "chat_template.jinja").write_text(template)
    if expression:
        file = folder / "tokenizer.json"
        split = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated"}
        parts = json.loads(file.read_text()) | {"pre_tokenizer": split | {"invert": False}}
        file.write_text(json.dumps(parts))
    return str(folder)


BOMBS = {
    "nested loops": (
        {"template": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}"
         "{% endfor %}"},
        "chat template takes too long",
    ),
    "a growing text": (
        {"template": "{% set ns = namespace(s='aaaa') %}{% for i in range(99) %}"
         "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}"},
        "chat template takes too much memory",
    ),
    "a regular expression": ({"expression": "(a+)+$|\\s+|\\w"}, "tokenizer of this model fails"),
    "another": ({"expression": "(a|aa|aaa|a?b)+#|\\s+|\\w"}, "tokenizer of this model fails"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_model_that_is_a_bomb_ends_soon_and_the_next_question_is_answered_at_once(
    trained, tmp_path: Path, name: str
) -> None:
    desk, (spoil, words) = trained[0].desk, BOMBS[name]
    model = spoilt(tmp_path / "bomb", **spoil)
    row = {"messages": [{"role": "user", "content": "a" * 60 + "!"},
                        {"role": "assistant", "content": "Hello"}]}  # fmt: skip
    desk.preview_rows("pocket", [{"text": "a"}], DataSpec())
    child, began = desk._child, time.monotonic()
    with pytest.raises(ModelError, match=words):
        desk.preview_rows(model, [row], DataSpec())
    assert time.monotonic() - began < 20
    assert psutil.Process(child._process.pid).memory_info().rss < 1.5 * 2**30
    began = time.monotonic()
    assert desk.preview_rows("pocket", [row], DataSpec())[0].tokens
    assert desk._child is child and time.monotonic() - began < 5


def test_a_question_beyond_its_allowance_ends_the_desk_and_the_next_gets_a_new_one(
    trained, tmp_path: Path
) -> None:
    """Where nothing inside the process stops it, the app does."""
    desk = trained[0].desk
    impatient(desk, preview_rows=Allowance(silence=0.5))
    child = desk._child
    bomb = spoilt(tmp_path / "bomb", template=BOMBS["nested loops"][0]["template"])
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    with pytest.raises(RunError, match="took too long, so the process that holds the model"):
        desk.preview_rows(bomb, [{"messages": chat}], DataSpec())
    assert not child.alive and desk._child is not child, "the new one is on its way already"
    assert desk.preview_rows("pocket", [{"messages": chat}], DataSpec())[0].tokens


def test_chat_streams_both_and_stops(trained) -> None:
    engine, run = trained
    ask = [{"role": "user", "content": "What is a cat?"}]
    parts = list(engine.desk.chat(run, ask, ask, max_new_tokens=40))
    base, tuned = parts[-1]
    assert len(parts) > 1 and base and tuned and base != tuned
    stream = engine.desk.chat(run, ask, ask, temperature=1.0, max_new_tokens=400)
    next(stream)
    stream.close()
    began = time.monotonic()
    assert engine.desk.inspect_model("pocket").layers > 0
    list(engine.desk.chat(run, ask, ask, max_new_tokens=1))
    assert time.monotonic() - began < 5, "the stopped reply no longer occupies the desk"


def test_base_reply_equals_the_bare_base_model(trained) -> None:
    """The mixed batch's base row is the base, token for token (in fp32)."""
    _, run = trained
    tokenizer = load_tokenizer(presets.POCKET_MODEL)
    place = choose_device(PlaceSpec(precision="fp32"))
    ask = prompt_ids(tokenizer, [{"role": "user", "content": "What is a cat?"}], False)
    bare = greedy_replies(load_model(presets.POCKET_MODEL, place), tokenizer, [ask], 24)[0]
    tuned_model = load_adapter(load_model(presets.POCKET_MODEL, place), run.adapter)
    tuned = greedy_replies(tuned_model, tokenizer, [ask], 24)[0]
    heard: list[list[str]] = []
    stream_pair(tuned_model, tokenizer, (ask, ask), Decoding(24), heard.append)
    assert [text.strip() for text in heard[-1]] == [bare, tuned]


def test_chat_is_refused_while_a_run_uses_the_machine(trained) -> None:
    engine, run = trained
    other = engine.start(specs.make_spec(SMALL))
    wait_for(other, lambda run: run.alive)
    with pytest.raises(RunError, match="is using this machine now"):
        next(engine.desk.chat(run, [], []))
    engine.cancel(other.id)
    wait_for(other, idle)
