"""The real desk worker: chat with the base and the tuned pocket model."""

from __future__ import annotations

import time

import pytest

from engine.errors import RunError
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.run import DataSpec, PlaceSpec
from engine.work.encode.questions import prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model.generate import Decoding, greedy_replies, stream_pair
from engine.work.model.load import choose_device, load_adapter, load_model
from tests.conftest import SMALL, idle, wait_for


def test_a_desk_that_hangs_does_not_keep_a_run_waiting(trained, monkeypatch) -> None:
    engine, _ = trained
    engine.desk.inspect_model("pocket")
    engine.desk.preview_rows("pocket", [{"text": "a"}], DataSpec())
    hung = engine.desk._child

    def silent(op: str, **_: object) -> None:
        raise RunError("The model did not answer for three minutes.")

    with monkeypatch.context() as patch:
        patch.setattr(engine.desk, "_ask", silent)
        engine.desk.free_memory()
    assert not hung.alive
    assert engine.desk.preview_rows("pocket", [{"text": "a"}], DataSpec())


def test_chat_streams_both_and_stops(trained) -> None:
    engine, run = trained
    ask = [{"role": "user", "content": "What is a cat?"}]
    parts = list(engine.chat(run.id, ask, ask, max_new_tokens=40))
    base, tuned = parts[-1]
    assert len(parts) > 1 and base and tuned and base != tuned
    stream = engine.chat(run.id, ask, ask, temperature=1.0, max_new_tokens=400)
    next(stream)
    stream.close()
    began = time.monotonic()
    assert engine.desk.inspect_model("pocket").layers > 0
    list(engine.chat(run.id, ask, ask, max_new_tokens=1))
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
        next(engine.chat(run.id, [], []))
    engine.cancel(other.id)
    wait_for(other, idle)
