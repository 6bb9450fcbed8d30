"""Records the curves that the coach is tried on: real runs of the pocket model, healthy ones and
ones made bad.

``python -m benchmarks.curves HOME [NAME ...]`` trains what ``tests/curves/recipes.yaml`` names and
is missing beside it (all of it takes an hour on two cores), and keeps the figures of each run's
events.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from engine.errors import HoneError
from engine.process import oneshot
from engine.runs.engine import Engine
from engine.spec import presets
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.event_log import read_events
from engine.store.files import PROJECT_FOLDER
from engine.store.run_dir import RunDir

CURVES = PROJECT_FOLDER / "tests" / "curves"
Row = dict[str, Any]


class Recipe(BaseModel):
    """One run to record."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    label: str  # the coach's sign for what is the matter with it; healthy where nothing is
    part: str
    made: str  # how, in words
    sample: str
    after: str = ""  # another recipe, whose merged result is the base model
    values: dict[str, Any] = {}  # dotted path -> value, over those of the sample
    rows: str = ""  # what is done to the training rows, one after another
    held: str = ""  # to the held-out rows


def recipes() -> list[Recipe]:
    """All of them."""
    return [
        Recipe.model_validate(one)
        for one in yaml.safe_load((CURVES / "recipes.yaml").read_text(encoding="utf-8"))
    ]


# --- what is done to rows ---


def shuffled(rows: list[Row], chance: random.Random, column: str) -> list[Row]:
    """Every row gets the answer of another."""
    answers = [row[column] for row in rows]
    chance.shuffle(answers)
    return [row | {column: answer} for row, answer in zip(rows, answers, strict=True)]


def swapped(rows: list[Row], chance: random.Random) -> list[Row]:
    """Better and worse change places in half of the pairs."""
    return [
        row | {"chosen": row["rejected"], "rejected": row["chosen"]}
        if chance.random() < 0.5
        else row
        for row in rows
    ]


def marked(rows: list[Row], chance: random.Random) -> list[Row]:
    """Pairs as single answers with a mark."""
    sides = ("chosen", "rejected")
    both = [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for row in rows
        for side in sides
    ]
    chance.shuffle(both)
    return both


def leaked(rows: list[Row], chance: random.Random) -> list[Row]:
    """The answer stands in the question."""
    return [_with_answer(row) for row in rows]


def _with_answer(row: Row) -> Row:
    if "messages" in row:
        ask, answer = row["messages"][:2]
        return {"messages": [ask | {"content": f"Say {answer['content']}"}, answer]}
    if "instruction" in row:
        return row | {"input": row["output"], "instruction": "Say"}
    return row | {"prompt": f"Say {row['completion']}"}


def digits(rows: list[Row], chance: random.Random, length: str, count: str) -> list[Row]:
    """Random digits: once their share is known, nothing is left to learn."""
    return [
        {
            "prompt": "Some digits.",
            "completion": " ".join(chance.choices("0123456789", k=int(length))),
        }
        for _ in range(int(count))
    ]


def first(rows: list[Row], chance: random.Random, count: str) -> list[Row]:
    return rows[: int(count)]


CHANGES: dict[str, Callable[..., list[Row]]] = {
    one.__name__: one for one in (shuffled, swapped, marked, leaked, digits, first)
}


def changed(rows: list[Row], how: str, chance: random.Random) -> list[Row]:
    """The rows after all that ``how`` names."""
    for words in how.split(";") if how else []:
        name, *more = words.split()
        rows = CHANGES[name](rows, chance, *more)
    return rows


# --- recording ---


def spec_of(engine: Engine, recipe: Recipe) -> specs.RunSpec:
    """The sample's settings with the recipe's, on rows that may have been changed."""
    sample = next(one for one in presets.bundled_samples() if one.id == recipe.sample)
    values = json.loads(json.dumps(sample.values))
    values.setdefault("sampling", {})["max_new_tokens"] = (
        4  # replies cost time, and no rule reads them
    )
    for path, value in recipe.values.items():
        part, _, name = path.partition(".")
        values.setdefault(part, {})[name] = value
    if recipe.after:
        values["model"]["source"] = str(merged(engine, recipe.after))
    if recipe.rows or recipe.held:
        chance = random.Random(recipe.name)
        parts = (
            ("source", sample.train_file, recipe.rows),
            ("held_out_source", sample.held_out_file, recipe.held),
        )
        for field, file, how in parts:
            rows = changed(
                [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()],
                how,
                chance,
            )
            if rows:
                values["data"][field] = _add(engine, f"{recipe.name}-{field}", rows)
            else:
                values["data"]["held_out"] = 0.0
    return specs.make_spec({**values, "name": recipe.name})


def _add(engine: Engine, name: str, rows: list[Row]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        return oneshot.add_dataset_files(engine.store, [(path, path.name)])


def trained(engine: Engine, recipe: Recipe) -> RunDir:
    """The recipe's run, which may be there from before; returns when it has ended."""
    known = (run for run in engine.store.all_runs() if run.meta["name"] == recipe.name)
    run = next(known, None) or engine.start(spec_of(engine, recipe))
    wait(run)
    return run


def wait(run: RunDir) -> None:
    while run.queued or run.alive:
        time.sleep(0.3)


def merged(engine: Engine, name: str) -> Path:
    """The model that another recipe's run has made."""
    run = trained(engine, next(one for one in recipes() if one.name == name))
    if not run.merged("fp32").is_dir():
        engine.merge(run.id, "fp32")
        wait(run)
    return run.merged("fp32")


def record(engine: Engine, recipe: Recipe) -> str:
    """Train it and keep its figures; how it went, in a line."""
    run = trained(engine, recipe)
    events = read_events(run.events_file)[0]
    began = next(one for one in events if isinstance(one, ev.Started))
    steps = [one for one in events if isinstance(one, ev.Step)]
    checks = [one for one in events if isinstance(one, ev.Evaluated)]
    here = {"v", "time", "pid", "reasons", "device", "precision"}
    kept = {
        "started": began.model_dump(exclude=here, exclude_defaults=True),
        "step": [one.step for one in steps],
        "loss": [round(one.loss, 4) for one in steps],
        "lr": [float(f"{one.lr:.3g}") for one in steps],
        "grad": [
            float(f"{one.grad_norm:.3g}") if one.grad_norm is not None else None for one in steps
        ],
        "check": [[one.step, round(one.loss, 4), one.accuracy] for one in checks],
    }
    (CURVES / f"{recipe.name}.json").write_text(
        json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    held = f"{checks[0].loss:.3f} to {checks[-1].loss:.3f}" if checks else ""
    return f"{recipe.name:24} {recipe.label:11} {run.state().value:9} {held}"


def main(home: Path, names: list[str]) -> int:
    """Record what is missing, or what is named."""
    engine = Engine(home)
    for recipe in recipes():
        if recipe.name in names if names else not (CURVES / f"{recipe.name}.json").exists():
            try:
                print(record(engine, recipe), flush=True)
            except (HoneError, StopIteration) as error:
                print(f"{recipe.name}: {error}", flush=True)
    engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
