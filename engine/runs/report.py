"""The report of a run: its settings, how it went and how to repeat it; also kept as a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from pydantic import BaseModel

from engine.coach import coach, curves, scores
from engine.coach.caution import score_caution
from engine.coach.expected import EstimateCheck, check_estimates
from engine.coach.message import CoachMessage
from engine.runs import warm_start
from engine.spec.batch import initial_layout
from engine.spec.method import describe_method
from engine.spec.naming import model_name
from engine.spec.run import RunSpec
from engine.spec.spec_file import dump_spec_yaml
from engine.store import events as ev
from engine.store.files import write_json
from engine.store.run_dir import RunDir
from engine.store.run_view import RunView
from engine.text import count_of

CURVE_BUCKETS = 300  # points of a curve that is kept
REPORT_FILE = "report.json"


class _ReportPart(BaseModel, frozen=True, extra="ignore"):
    """A part of the report, as the file holds it."""


class ReportSetting(_ReportPart):
    label: str
    value: str
    note: str = ""


class SampledReply(_ReportPart):
    """What the model said after a step."""

    step: int
    text: str
    marks: tuple[str, ...]  # among first, best, newest


class SampledPrompt(_ReportPart):
    """A question, and its first, best and newest reply."""

    prompt: str
    replies: tuple[SampledReply, ...]


class RunReport(_ReportPart):
    """The whole report. Times are seconds since 1970, curves are (step, loss)."""

    v: int = 1
    run: str
    name: str
    note: str
    state: str
    worse: bool = False  # it finished, and came to nothing (engine.store.run_view)
    created: float
    ended: float | None
    verdict: CoachMessage
    settings: tuple[ReportSetting, ...]
    training: tuple[tuple[float, float], ...] = ()  # lowest and highest of each stretch
    smooth: tuple[tuple[float, float], ...] = ()
    held_out: tuple[tuple[float, float], ...] = ()
    best_step: int | None
    samples: tuple[SampledPrompt, ...]
    score: tuple[str, ...]  # in sentences
    caution: str = ""  # beside every figure of held-out rows
    merged: tuple[str, ...]
    expected: tuple[EstimateCheck, ...]
    warnings: tuple[str, ...]
    versions: dict[str, str]
    data_hash: str
    model_hash: str
    command: str
    spec: str  # as YAML, as before any extension


def make_report(run: RunDir) -> RunReport:
    """The report of a run as it is now."""
    view, spec, meta = run.view(), run.spec, run.meta
    state = run.state(view)
    began, said = view.started, coach.describe_run(view, state)
    smooth = curves.smooth_curve(view.losses, view.total_steps)
    held_out = [(float(one.step), one.loss) for one in view.checks if math.isfinite(one.loss)]
    first = spec.optim.model_copy(update={"epochs": _epochs_planned(spec, view)[0]})
    return RunReport(
        run=run.id,
        name=meta["name"],
        note=meta["note"],
        state=state.value,
        worse=view.got_worse,
        created=meta["created"],
        ended=view.ended.time if view.ended else None,
        verdict=said,
        settings=tuple(report_settings(run, view)),
        training=tuple(curves.thin_curve(view.steps, view.losses, CURVE_BUCKETS)),
        smooth=tuple(curves.thin_curve(view.steps, smooth, CURVE_BUCKETS)),
        held_out=tuple(held_out),
        best_step=view.kept.step if view.kept else None,
        samples=tuple(sampled_prompts(view)),
        score=tuple(scores.score_sentences(view.scored)) if view.scored else (),
        caution=score_caution(run),
        merged=tuple(map(_describe_merge, view.merged.values())),
        expected=tuple(check_estimates(view, state)),
        warnings=(*map(coach.describe_step_down, view.stepped), *view.warnings),
        versions=began.versions if began else {},
        data_hash=began.data_hash if began else "",
        model_hash=view.model_hash,
        command="" if view.imported else "\n".join(repeat_commands(spec, view)),
        spec=dump_spec_yaml(spec.model_copy(update={"optim": first})),
    )


def repeat_commands(spec: RunSpec, view: RunView) -> list[str]:
    """The commands that repeat a run; extending it is not the same as training longer at once."""
    more = [after - before for before, after in pairwise(_epochs_planned(spec, view))]
    return [
        "python3 start.py train spec.yaml",
        *(f"python3 start.py extend RUN {epochs:g}" for epochs in more),
    ]


def _epochs_planned(spec: RunSpec, view: RunView) -> list[float]:
    """The epochs planned at the start and after each extension."""
    return [*view.epochs_before, view.started.epochs if view.started else spec.optim.epochs]


def write_report(run: RunDir) -> None:
    """Keep the report in the run's folder; does nothing while the run goes on."""
    if not run.state().live:
        write_json(run.path / REPORT_FILE, make_report(run).model_dump(mode="json"))


def report_settings(run: RunDir, view: RunView) -> list[ReportSetting]:
    """What a run was started with, in words."""
    if view.imported:
        return _imported_settings(run, view.imported)
    spec, began = run.spec, view.started
    layout, length = view.layout or initial_layout(spec.optim), spec.data.max_length
    reasons = began.reasons if began else {}
    why = {name: f"; {text}" for name, text in reasons.items()}
    origin = ""
    if spec.model.start:
        origin = f"starts from the result of {warm_start.origin_name(run) or spec.model.start}"
    batch = f"{layout.batch}"
    if layout.accumulation > 1:
        batch += f" × {layout.accumulation}"
    again = "; with gradient checkpointing" if layout.checkpointing else ""
    fixes = f"; fixed: {', '.join(spec.data.fixes)}" if spec.data.fixes else ""
    loss = f"; loss {reasons['loss']}" if "loss" in reasons else ""
    rows, trains, steps, device = "", "", "", "–"
    learning = f"{spec.optim.schedule}, seed {spec.data.seed}"
    if began:
        rows = f"{began.rows:,} to learn from, {began.held_out:,} held out"
        share = f" ({100 * began.trainable / began.total:.2g} %)" if began.total else ""
        trains = f"{began.trainable:,} weights train{share}"
        steps = count_of(view.total_steps, "step")
        device = f"{began.device}, {began.precision}"
    found = (
        ("Base model", model_name(spec.model.source), origin),
        ("Data", run.meta["data"], rows + fixes),
        ("Method", describe_method(spec.method), trains),
        ("Passes", _epochs_in_words(spec, view), steps),
        ("Batch", batch, f"examples of up to {length} tokens{why.get('batch', '')}{again}"),
        ("Learning rate", f"{spec.optim.learning_rate:g}", learning),
        ("Runs on", device, reasons.get("precision", "") + loss),
    )
    return [ReportSetting(label=label, value=value, note=note) for label, value, note in found]


def _imported_settings(run: RunDir, origin: ev.Imported) -> list[ReportSetting]:
    """What the files of a foreign adapter say."""
    spec = run.spec
    named = f"its own config names {origin.base_name}" if origin.base_name else ""
    program = f"PEFT {origin.made_with}" if origin.made_with else "another program"
    found = (
        ("Base model", model_name(spec.model.source), named),
        ("Method", describe_method(spec.method), f"on {', '.join(spec.method.targets)}"),
        ("Made with", program, ""),
        ("Data to score it on", run.meta["data"] or "none", ""),
    )
    return [ReportSetting(label=label, value=value, note=note) for label, value, note in found]


def _epochs_in_words(spec: RunSpec, view: RunView) -> str:
    epochs = _epochs_planned(spec, view)[-1]
    words = f"{epochs:g} epoch" if epochs == 1 else f"{epochs:g} epochs"
    return f"{words}, first {view.epochs_before[0]:g}" if view.epochs_before else words


def sampled_prompts(view: RunView) -> list[SampledPrompt]:
    """The questions asked during the run, each with its first, best and newest reply."""
    best = view.kept.step if view.kept else None
    found: dict[str, list[ev.Sampled]] = {}
    for sample in view.samples:
        found.setdefault(sample.prompt, []).append(sample)
    return [
        SampledPrompt(prompt=prompt, replies=tuple(_marked_replies(samples, best)))
        for prompt, samples in found.items()
    ]


def _marked_replies(samples: list[ev.Sampled], best: int | None) -> Iterator[SampledReply]:
    for sample in samples:
        marks = {
            "first": sample is samples[0],
            "best": sample.step == best,
            "newest": sample is samples[-1],
        }
        if any(marks.values()):
            names = tuple(name for name, holds in marks.items() if holds)
            yield SampledReply(step=sample.step, text=sample.reply, marks=names)


def _describe_merge(done: ev.Merged) -> str:
    if not done.ok:
        return f"Merged in {done.precision}: refused. {done.text}".strip()
    text = f"Merged in {done.precision}, and checked."
    if not done.prompts:
        return text
    return f"{text} {done.agree} of {done.prompts} replies are the same as with the adapter."
