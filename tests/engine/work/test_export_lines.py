"""The Export tab's lines of Python ask with the very tokens that Hone asks with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.data.ingest import ingest_rows
from engine.data.messages import make_message, with_system
from engine.data.rows import TRAIN
from engine.runs.engine import Engine
from engine.runs.export import snippets
from engine.spec import run as specs
from engine.store.files import write_json
from engine.store.run_dir import RunDir
from engine.work.encode.questions import prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model.asking import ASKING_FILE, HELLO, find_asking
from tests.engine.tiny import WORDS
from tests.engine.work.odd_models import (
    CHATML,
    CLOSED,
    GEMMA,
    HEADINGS,
    INST,
    LLAMA3,
    PARTS,
    PHI,
    THINKING,
    make_tokenizer,
    save_odd_model,
)

LOADS = ("model", "reply", "print")  # lines that need weights


def saved(tmp_path: Path, rows: list[dict[str, Any]], tokenizer: Any, **data: Any) -> RunDir:
    """A run whose result has all but weights."""
    folder = save_odd_model(tmp_path / "model", tokenizer)
    engine = Engine(tmp_path / "workspace", supervise=False)
    source = ingest_rows(engine.store, "rows", [(row, TRAIN) for row in rows], [])
    spec = {"model": {"source": str(folder)}, "data": {"source": source, "held_out": 0.0} | data}
    run = engine.start(specs.make_spec(spec))
    plain_text = "text" in rows[0] and "label" not in rows[0]
    used = load_tokenizer(folder, run.spec.data.template)
    asking = find_asking(used, run.spec.data, plain_text)
    used.save_pretrained(run.adapter)
    write_json(run.adapter / ASKING_FILE, asking._asdict())
    return run


def asked_by_lines(run: RunDir) -> list[int]:
    """The question's tokens as the lines make them."""
    names: dict[str, Any] = {}
    lines = [line for line in snippets.python_lines(run).split("\n") if not line.startswith(LOADS)]
    exec("\n".join(lines), names)
    return names["ids"]["input_ids"][0].tolist()


def asked_by_hone(run: RunDir, plain_text: bool) -> list[int]:
    tokenizer = load_tokenizer(Path(run.spec.model.source), run.spec.data.template)
    chat = [make_message("user", HELLO)]
    system = "" if plain_text else run.spec.data.system
    return prompt_ids(tokenizer, with_system(chat, system), plain_text)


CHAT = [{"prompt": f"see {one}", "completion": f"go {one}"} for one in WORDS]
LABELS = [{"text": f"see {one}", "label": ("good", "bad")[at % 2]} for at, one in enumerate(WORDS)]
PAIRS = [{"prompt": f"see {one}", "chosen": "good", "rejected": "bad"} for one in WORDS]
TEXTS = [{"text": f"the cat sat on a mat and {one}"} for one in WORDS]


@pytest.mark.parametrize(
    "template", [CHATML, LLAMA3, GEMMA, PHI, INST, THINKING, PARTS, HEADINGS, CLOSED, ""]
)
def test_a_question_in_each_template(tmp_path, template) -> None:
    run = saved(tmp_path, CHAT, make_tokenizer(template, "<s> $A"))
    asked = asked_by_lines(run)
    assert asked == asked_by_hone(run, plain_text=False)
    assert asked.count(1) <= 1, "begun twice"


@pytest.mark.parametrize(
    ("rows", "data"),
    [
        (CHAT, {"system": "Be good.\n  And 'kind' \"too\"."}),
        (CHAT, {"template": "llama3", "system": "you"}),
        (CHAT, {"template": "alpaca"}),
        (LABELS, {}),
        (PAIRS, {}),
    ],
    ids=["system", "own template with system", "own template", "labels as words", "preferences"],
)
def test_a_question_of_each_kind_of_run(tmp_path, rows, data) -> None:
    run = saved(tmp_path, rows, make_tokenizer(CHATML, "<s> $A"), **data)
    assert asked_by_lines(run) == asked_by_hone(run, plain_text=False)


@pytest.mark.parametrize("adds", ["", "<s> $A", "<s> $A </s>", "$A </s>"])
def test_a_text_to_be_continued(tmp_path, adds) -> None:
    run = saved(tmp_path, TEXTS, make_tokenizer(CHATML, adds))
    asked = asked_by_lines(run)
    assert asked == asked_by_hone(run, plain_text=True)
    assert asked.count(1) == adds.count("<s>") and not asked.count(2)


def test_words_that_end_a_reply_are_in_the_lines(tmp_path) -> None:
    lines = snippets.python_lines(saved(tmp_path, CHAT, make_tokenizer(CLOSED)))
    assert "stop_strings=['[END]'], tokenizer=tokenizer" in lines


def test_a_result_of_an_earlier_version_takes_the_base_models_tokenizer(tmp_path) -> None:
    run = saved(tmp_path, CHAT, make_tokenizer(INST, "<s> $A"), system="Be good.")
    for file in run.adapter.iterdir():
        if file.name != "chat_template.jinja":
            file.unlink()
    assert asked_by_lines(run) == asked_by_hone(run, plain_text=False)
