"""The report of a run: what it was, how it went, and how to repeat it, as one value that is also kept as a file."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from engine.coach import coach, curves, scores
from engine.coach import expected as outcome
from engine.coach.rules import Tone
from engine.runs import warm_start
from engine.spec import run as specs
from engine.spec.batch import first
from engine.spec.method import in_words
from engine.spec.run import RunSpec
from engine.store import events as ev
from engine.store.files import write_json
from engine.store.run_dir import RunDir
from engine.store.run_view import RunView
from engine.text import count_of

BUCKETS = 300  # of the training curve as it is kept
FILE = "report.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Verdict(_Part):
    """The coach's last word."""

    tone: Tone
    title: str
    text: str
    evidence: str = ""
    action: str = ""


class Setting(_Part):
    """One setting in words."""

    label: str
    value: str
    note: str = ""


class Reply(_Part):
    """What the model said after a step."""

    step: int
    text: str
    marks: tuple[str, ...]  # of first, best, newest


class Asked(_Part):
    """One question and the replies that tell most."""

    prompt: str
    replies: tuple[Reply, ...]


class Expected(_Part):
    """One figure that was foretold, and what came."""

    what: str
    expected: str
    real: str
    good: bool


class Report(_Part):
    """All of it. Times are seconds since 1970, curves are (step, loss)."""

    v: int = 1
    run: str
    name: str
    note: str
    state: str
    created: float
    ended: float | None
    verdict: Verdict
    settings: tuple[Setting, ...]
    training: tuple[tuple[float, float], ...] = Field(
        (), description="lowest and highest of each stretch"
    )
    smooth: tuple[tuple[float, float], ...] = ()
    held_out: tuple[tuple[float, float], ...] = ()
    best_step: int | None
    samples: tuple[Asked, ...]
    score: tuple[str, ...]  # in sentences
    merged: tuple[str, ...]
    expected: tuple[Expected, ...]
    warnings: tuple[str, ...]
    versions: dict[str, str]
    data_hash: str
    model_hash: str
    command: str
    spec: str  # as YAML


def report(run: RunDir) -> Report:
    """A run's report as of now."""
    view, spec, meta = run.view(), run.spec, run.meta
    state = run.state(view)
    began, said = view.started, coach.say(view, state)
    return Report(
        run=run.id,
        name=meta["name"],
        note=meta["note"],
        state=state.value,
        created=meta["created"],
        ended=view.ended.time if view.ended else None,
        verdict=Verdict(**said._asdict()),
        settings=tuple(settings(run, view)),
        training=tuple(curves.thin(view.steps, view.losses, BUCKETS)),
        smooth=tuple(
            curves.thin(view.steps, curves.smooth(view.losses, view.total_steps), BUCKETS)
        ),
        held_out=tuple(
            (float(one.step), one.loss) for one in view.checks if math.isfinite(one.loss)
        ),
        best_step=view.kept.step if view.kept else None,
        samples=tuple(asked(view)),
        score=tuple(scores.sentences(view.scored)) if view.scored else (),
        merged=tuple(map(_merged, view.merged.values())),
        expected=tuple(Expected(**one._asdict()) for one in outcome.outcome(view, state)),
        warnings=(*map(coach.stepped, view.stepped), *view.warnings),
        versions=began.versions if began else {},
        data_hash=began.data_hash if began else "",
        model_hash=began.model_hash if began else "",
        command="\n".join(repeat(spec, view)),
        spec=specs.dump_yaml(_first(spec, view)),
    )


def repeat(spec: RunSpec, view: RunView) -> list[str]:
    """The commands that make such a run: trained for so long, and then for longer, it does not learn as at one go."""
    more = [after - before for before, after in pairwise(_passes(spec, view))]
    return [
        "python3 start.py train spec.yaml",
        *(f"python3 start.py extend RUN {epochs:g}" for epochs in more),
    ]


def _first(spec: RunSpec, view: RunView) -> RunSpec:
    """The settings that it began with."""
    return spec.model_copy(
        update={"optim": spec.optim.model_copy(update={"epochs": _passes(spec, view)[0]})}
    )


def _passes(spec: RunSpec, view: RunView) -> list[float]:
    """The epochs that it was to have, from its start to its last extension."""
    return [*view.epochs_before, view.started.epochs if view.started else spec.optim.epochs]


def write(run: RunDir) -> None:
    """Keep the report in the run's folder; nothing while the run goes on."""
    if not run.state().live:
        write_json(run.path / FILE, report(run).model_dump(mode="json"))


def settings(run: RunDir, view: RunView) -> list[Setting]:
    """What a run was started with, in words."""
    spec, began = run.spec, view.started
    rows = f"{began.rows:,} to learn from, {began.held_out:,} held out" if began else ""
    if spec.data.fixes:
        rows += f"; mended: {', '.join(spec.data.fixes)}"
    share = f" ({100 * began.trainable / began.total:.2g} %)" if began and began.total else ""
    trains = f"{began.trainable:,} weights train{share}" if began else ""
    fit = view.fit or first(spec.optim)
    batch = f"{fit.batch}" + (f" × {fit.accumulation}" if fit.accumulation > 1 else "")
    again = "; computed again instead of kept" if fit.checkpointing else ""
    why = dict(began.reasons) if began else {}
    row = f"; {why['batch']}" if "batch" in why else ""
    loss = f"; loss {why['loss']}" if "loss" in why else ""
    passes = _passes(spec, view)[-1]
    epochs = f"{passes:g} epoch" + ("" if passes == 1 else "s")
    if view.epochs_before:
        epochs += f", first {view.epochs_before[0]:g}"
    begins = (
        f"starts from the result of {warm_start.name_of(run) or spec.model.start}"
        if spec.model.start
        else ""
    )
    found = (
        ("Base model", Path(spec.model.source).name, begins),
        ("Data", run.meta["data"], rows),
        ("Method", in_words(spec.method), trains),
        ("Passes", epochs, count_of(view.total_steps, "step") if began else ""),
        ("Batch", batch, f"examples of up to {spec.data.max_length} tokens{row}{again}"),
        (
            "Learning rate",
            f"{spec.optim.learning_rate:g}",
            f"{spec.optim.schedule}, seed {spec.data.seed}",
        ),
        (
            "Runs on",
            f"{began.device}, {began.precision}" if began else "–",
            why.get("precision", "") + loss,
        ),
    )
    return [Setting(label=label, value=value, note=note) for label, value, note in found]


def asked(view: RunView) -> list[Asked]:
    """Of each question the first reply, that of the best version and the newest."""
    best = view.kept.step if view.kept else None
    found: dict[str, list[ev.Sampled]] = {}
    for sample in view.samples:
        found.setdefault(sample.prompt, []).append(sample)
    return [
        Asked(
            prompt=prompt,
            replies=tuple(_reply(one, said, best) for one in said if _marks(one, said, best)),
        )
        for prompt, said in found.items()
    ]


def _reply(one: ev.Sampled, said: list[ev.Sampled], best: int | None) -> Reply:
    return Reply(step=one.step, text=one.reply, marks=_marks(one, said, best))


def _marks(one: ev.Sampled, said: list[ev.Sampled], best: int | None) -> tuple[str, ...]:
    told = {"first": one is said[0], "best": one.step == best, "newest": one is said[-1]}
    return tuple(name for name, holds in told.items() if holds)


def _merged(done: ev.Merged) -> str:
    if not done.ok:
        return f"Merged in {done.precision}: refused. {done.text}".strip()
    agree = (
        f" {done.agree} of {done.prompts} replies are the same as with the adapter."
        if done.prompts
        else ""
    )
    return f"Merged in {done.precision}, and checked.{agree}"
