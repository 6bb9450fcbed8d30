"""Chat templates are strangers' programs: each ends soon, in little memory, with a sentence."""

from __future__ import annotations

import resource
import signal
import threading
import time
from pathlib import Path

import pytest

from engine.errors import DataError, ModelError
from engine.spec.run import DataSpec
from engine.work.encode import render_limits
from engine.work.encode.preview import preview_row, token_report
from engine.work.encode.template import render_chat, render_traced
from engine.work.encode.tokenizer import load_tokenizer
from tests.engine.tiny import save_tokenizer

# Hypothesis counts the collector's time: an alarm that rings in there is lost, and rings again.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there"}]
LONG_LOOPS = {
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "macros": "{% macro a(n) %}{% if n %}{{ a(n - 1) }}{{ a(n - 1) }}{% endif %}{% endmacro %}"
    "{{ a(60) }}",
    "a power": "{% set n = 9 %}{{ n ** (n ** n) }}",
    "sorting": "{% for i in range(99999) %}{{ range(99999)|sort|length }}{% endfor %}",
    "a constant": "{{ 9 ** (9 ** 9) }}",
    "its own length": "{% set ns = namespace(n=2) %}{% for i in range(99999) %}"
    "{% set ns.n = ns.n * ns.n %}{% endfor %}",
}
LARGE = {
    "growth": "{% set ns = namespace(s='aaaa') %}{% for i in range(99) %}"
    "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "times": "{{ 'a' * 10000000000 }}",
    "a width": "{{ '%9999999999d' % 1 }}",
    "in the middle": "{{ 'x'|center(9999999999) }}",
    "replacing": "{% set ns = namespace(s='aa') %}{% for i in range(99) %}"
    "{% set ns.s = ns.s|replace('a', 'aaaa') %}{% endfor %}{{ ns.s }}",
    "lists": "{{ range(99999)|list * 99999 }}",
}
ENDLESS = {
    "itself": "{% macro a(n) %}{{ a(n + 1) }}{% endmacro %}{{ a(0) }}",
    "nesting": "{% if 1 %}" * 5000 + "x" + "{% endif %}" * 5000,
    "brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
}
CASES = [
    *((name, source, "takes too long") for name, source in LONG_LOOPS.items()),
    *((name, source, "too much memory") for name, source in LARGE.items()),
    *((name, source, "calls itself without end") for name, source in ENDLESS.items()),
    ("words", "{% for i in range(99999) %}{{ 'abcdefghijklmnop' }}{% endfor %}", "characters for"),
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return load_tokenizer(folder)


@pytest.mark.parametrize(
    ("source", "words"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_template_without_end_is_refused(monkeypatch, tokenizer, source: str, words: str) -> None:
    monkeypatch.setattr(render_limits, "RENDER_SECONDS", 0.3 if "too long" in words else 6)
    monkeypatch.setattr(render_limits, "RENDER_MEMORY", 64 * 2**20)
    tokenizer.chat_template = source
    before, limits = signal.getsignal(signal.SIGPROF), resource.getrlimit(resource.RLIMIT_DATA)
    began = time.monotonic()
    with pytest.raises(ModelError, match=words) as caught:
        preview_row(tokenizer, {"messages": CHAT}, DataSpec())
    assert time.monotonic() - began < 15 and str(caught.value).endswith("or another model.")
    assert signal.getsignal(signal.SIGPROF) == before
    assert resource.getrlimit(resource.RLIMIT_DATA) == limits, "all is as it was"


def test_one_row_is_enough_for_all_of_them(monkeypatch, tokenizer) -> None:
    monkeypatch.setattr(render_limits, "RENDER_SECONDS", 0.3)
    tokenizer.chat_template, rows = LONG_LOOPS["loops"], [{"messages": CHAT}] * 1000
    began = time.monotonic()
    with pytest.raises(ModelError, match="takes too long"):
        token_report(tokenizer, rows, list(range(1000)), 1000, DataSpec(), lambda _: None)
    assert time.monotonic() - began < 15


def test_what_a_template_raises_is_still_about_the_row(tokenizer) -> None:
    tokenizer.chat_template = "{{ raise_exception('No system prompt, please') }}"
    with pytest.raises(DataError, match="No system prompt, please"):
        render_chat(tokenizer, CHAT, None)


def test_a_long_conversation_is_no_bomb(tokenizer) -> None:
    tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    chat = [CHAT[at % 2] | {"content": "word " * 100} for at in range(3000)]
    rendered = render_traced(tokenizer, chat, None)
    assert len(rendered.text) > 1_000_000 and rendered.traced and len(rendered.pieces) == 3000


def test_a_template_is_limited_in_other_threads_as_far_as_it_can_be(tokenizer) -> None:
    """Signals reach the main thread alone; memory is the whole process's."""
    found: list[Exception] = []

    def render() -> None:
        try:
            render_chat(tokenizer, CHAT, None)
        except ModelError as error:
            found.append(error)

    tokenizer.chat_template = LARGE["times"]
    thread = threading.Thread(target=render)
    thread.start()
    thread.join()
    assert len(found) == 1
