"""Runs of tiny models that learn labels or numbers, and the rows that they learn from."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from engine.data import ingest
from engine.data.rows import HELD_OUT, TRAIN
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.run import Shape
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model import classifier
from engine.work.model.base_and_tuned import open_trained_run
from engine.work.train.train import train
from tests.engine.tiny import WORDS, save_model

PLAIN = [word for word in WORDS if word not in ("good", "happy", "bad", "sad", "red", "blue")]


def sentence(draw: random.Random, *marks: str) -> str:
    """Random words with some that matter among them."""
    words = [draw.choice(PLAIN) for _ in range(draw.randint(3, 9))]
    for mark in marks:
        words.insert(draw.randint(0, len(words)), mark)
    return " ".join(words)


def judged(count: int = 200) -> list[dict[str, Any]]:
    """Texts with one of two labels."""
    draw = random.Random(1)
    words = {"plus": ("good", "happy"), "minus": ("bad", "sad")}
    return [
        {"text": sentence(draw, draw.choice(words[label])), "label": label}
        for label in (draw.choice(("plus", "minus")) for _ in range(count))
    ]


def coloured(count: int = 200) -> list[dict[str, Any]]:
    """Texts with all of the labels that fit, as lists."""
    draw = random.Random(2)
    drawn = [[colour for colour in ("red", "blue") if draw.random() < 0.5] for _ in range(count)]
    return [{"text": sentence(draw, *colours), "label": [*colours, "words"]} for colours in drawn]


def priced(count: int = 200) -> list[dict[str, Any]]:
    """Texts with a number far from zero."""
    draw = random.Random(3)
    return [
        {"text": sentence(draw, *["good"] * n), "label": 1000.5 + 250 * n}
        for n in (draw.randint(0, 5) for _ in range(count))
    ]


def make(
    home: Path, rows: list[dict[str, Any]], kind: str = "bert", held: int = 0, **more: Any
) -> RunDir:
    """A run that waits, of a tiny model; the last ``held`` rows are its held-out part."""
    folder = home / kind
    if not folder.is_dir():
        save_model(folder, kind)
    engine = Engine(home / "workspace", supervise=False)
    parts = [TRAIN] * (len(rows) - held) + [HELD_OUT] * held if held else [TRAIN] * len(rows)
    items = list(zip(rows, parts, strict=True))
    data = {"source": ingest.ingest_rows(engine.store, "rows", items, []), "shape": Shape.LABEL}
    data |= {"roles": {"text": "text", "label": "label"}, "goal": "classify"}
    values: dict[str, Any] = {
        "model": {"source": str(folder)},
        "data": data | {"max_length": 64, "held_out": 0.25},
        "method": {"rank": 8},
        "optim": {"epochs": 6, "batch_size": 16, "learning_rate": 5e-3},
        "sampling": {"checks": 2},
        # Some processors compute in bf16, where a check and a score may differ by a row.
        "place": {"precision": "fp32"},
    }
    values = {key: value | more.get(key, {}) for key, value in values.items()}
    return engine.start(specs.make_spec(values))


def learn(home: Path, rows: list[dict[str, Any]], kind: str = "bert", **more: Any) -> RunDir:
    """A finished run."""
    run = make(home, rows, kind, **more)
    train(run)
    assert isinstance(run.view().ended, ev.Finished)
    return run


def replies(run: RunDir, *texts: str) -> list[list[str]]:
    """What base and tuned model say of each text."""
    trained = open_trained_run(run)
    model = trained.load_models(trained.device_setup())
    tokenizer = load_tokenizer(trained.folder)
    return [classifier.describe_both_outputs(model, tokenizer, trained, text) for text in texts]
