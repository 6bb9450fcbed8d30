"""Tiny runs of every kind and method, in 32 bits, for the oracle to read."""

from __future__ import annotations

import random
from typing import Any

from engine.data import ingest
from engine.data.rows import HELD_OUT, TRAIN
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.run import Shape
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.work.train.train import train
from tests.engine.tiny import WORDS, save_model

TRAINED, HELD = 16, 5  # rows
SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
HEAD_KINDS = ("one label", "several labels", "number")
KINDS: dict[str, dict[str, Any]] = {
    "chat": {"data": {"shape": Shape.CHAT, "roles": {"messages": "messages"}}},
    "text": {"data": {"shape": Shape.TEXT, "roles": {"text": "text"}}},
    "label in words": {"data": {"goal": "write"}},
    "one label": {"data": {"goal": "classify"}},
    "several labels": {"data": {"goal": "multilabel"}},
    "number": {"data": {"goal": "regress"}},
    "DPO": {"data": {"shape": Shape.PREFERENCE}, "method": {"preference": "dpo"}},
    "KTO": {"data": {"shape": Shape.FEEDBACK}, "method": {"preference": "kto"}},
    "ORPO": {"data": {"shape": Shape.PREFERENCE}, "method": {"preference": "orpo"}},
}
LABELLED = {"shape": Shape.LABEL, "roles": {"text": "text", "label": "label"}}
ROLES = {
    Shape.PREFERENCE: {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
    Shape.FEEDBACK: {"prompt": "prompt", "completion": "completion", "mark": "label"},
}
METHODS: dict[str, dict[str, Any]] = {
    "LoRA": {"kind": "lora", "rank": 4},
    "QLoRA": {"kind": "qlora", "rank": 4},
    "all weights": {"kind": "full"},
    "head": {"kind": "head"},
}


def make_run(engine: Engine, kind: str, method: str) -> RunDir:
    """A finished run."""
    base = "bert" if kind in HEAD_KINDS else "llama"
    folder = engine.store.home / base
    if not folder.is_dir():
        save_model(folder, base, vocab=320, **SIZE)
    draw = random.Random(kind)
    items = [(row_of(draw, kind), TRAIN) for _ in range(TRAINED)]
    items += [(row_of(draw, kind), HELD_OUT) for _ in range(HELD)]
    more = KINDS[kind]
    data = {"source": ingest.ingest_rows(engine.store, kind, items, []), "max_length": 48}
    data |= more["data"] if "shape" in more["data"] else LABELLED | more["data"]
    data.setdefault("roles", ROLES.get(data["shape"], {}))
    optim = {"epochs": 1, "batch_size": 4, "learning_rate": 5e-3, "warmup": 0}
    values = {
        "model": {"source": str(folder)},
        "data": data,
        "method": METHODS[method] | more.get("method", {}),
        "optim": optim | ({"learning_rate": 1e-3} if method == "all weights" else {}),
        "sampling": {"checks": 1, "max_new_tokens": 6},
        "place": {"device": "cpu", "precision": "fp32"},
    }
    run = engine.start(specs.make_spec(values))
    run.queue_mark.unlink()
    train(run)
    assert isinstance(run.view().ended, ev.Finished)
    return run


def row_of(draw: random.Random, kind: str) -> dict[str, Any]:
    """A row of this kind, as a user's file would hold it."""

    def words(most: int = 9) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(3, most)))

    if kind == "chat":
        turns = [("system", words())] * draw.randint(0, 1) + [("user", words())]
        turns += [("assistant", words()), ("user", words())] * draw.randint(0, 1)
        turns += [("assistant", words())]
        return {"messages": [{"role": role, "content": said} for role, said in turns]}
    labels: dict[str, Any] = {
        "several labels": draw.choice((["red"], ["blue", "red"], ["blue"])),
        "number": draw.randint(0, 9) * 12.5,
        "KTO": draw.random() < 0.6,
    }
    label = labels.get(kind, draw.choice(("good", "bad")))
    rows: dict[str, dict[str, Any]] = {
        "text": {"text": words(30)},
        "DPO": {"prompt": words(), "chosen": words(), "rejected": words()},
        "KTO": {"prompt": words(), "completion": words(), "label": label},
    }
    return rows.get("DPO" if kind == "ORPO" else kind, {"text": words(), "label": label})
