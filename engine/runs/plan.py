"""Plan: what a run would do, and everything that is wrong with it, before it is queued.

The page and the command line plan with the same functions, so they refuse the same runs in the
same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from engine import hardware
from engine.data.goal import decided_goal, with_decided_goal
from engine.data.prepared import Prepared
from engine.data.quality.token_report import TokenReport
from engine.errors import DataError, HoneError, Problem, Problems, SpecError
from engine.estimate import forecast
from engine.estimate.case import Case
from engine.estimate.duration import TimeRange, Workload
from engine.estimate.forecast import Forecast
from engine.estimate.lengths import Lengths, lengths_of_report
from engine.hardware import GB
from engine.model import local
from engine.model.check_method import check_method
from engine.model.info import ModelInfo
from engine.process import oneshot
from engine.process.desk import Desk
from engine.runs import quota, warm_start
from engine.spec.method import MethodSpec
from engine.spec.naming import EarlierRun
from engine.spec.objective import (
    LABEL_OBJECTIVES,
    head_outputs,
    resolve_preference_method,
    task_for_objective,
)
from engine.spec.run import HEAD_NEEDS_LABELS, RunSpec
from engine.store.data_limits import require_space
from engine.store.run_dir import DataSummary
from engine.store.workspace import Store
from engine.text import format_bytes

START_GB = 0.2  # what the checkpoints and the log of a small run take on the disk


class Known(NamedTuple):
    """What is known about a run's model and rows; a plan asks for no more than this."""

    problems: tuple[Problem, ...] = ()
    prepared: Prepared | None = None
    info: ModelInfo | None = None  # None until the model has been inspected
    tokens: TokenReport | None = None  # of these rows with these settings
    lengths: Lengths | None = None  # of these rows before any cut


class Plan(NamedTuple):
    """A run that could be started, as far as it is known."""

    spec: RunSpec
    problems: tuple[Problem, ...]
    prepared: Prepared | None = None
    rows: int = 0  # training rows with target tokens
    case: Case | None = None  # None until the model is known and fits the data
    forecast: Forecast | None = None  # weights, memory and disk; None where the method does not fit
    seconds: TimeRange | None = None  # None until it is known or measured
    asked: RunSpec | None = None  # the settings before the limits of the mode

    def require(self) -> None:
        """Raise SpecError that names all problems at once."""
        if self.problems:
            raise SpecError("\n".join(one.text for one in self.problems))

    @property
    def workload(self) -> Workload | None:
        """What the duration depends on; None where too little is known."""
        case, prepared = self.case, self.prepared
        if prepared is None or case is None or case.lengths is None:
            return None
        data = (self.rows, prepared.held_out, case.lengths)
        return Workload(case.info, self.spec, *data, case.preference, case.labels)


def find_out(store: Store, spec: RunSpec, desk: Desk | None = None) -> Known:
    """A run's rows and, if there is a desk to ask, its model and tokens; collects every problem."""
    problems, source = Problems(), spec.model.source
    prepared, info, tokens = None, None, None
    with problems.collect():
        local.checked_folder(source)
        if desk:
            info = desk.inspect_model(source)
    with problems.collect():
        prepared = oneshot.prepare_rows(store, spec.data)
    if desk and info and prepared and prepared.train:
        with problems.collect():
            data = with_decided_goal(spec.data, prepared, info.tasks)
            tokens = desk.count_tokens(source, prepared.train_rows(), data)
    return Known(tuple(problems.found), prepared, info, tokens, lengths_of_report(tokens))


def make_plan(store: Store, desk: Desk, spec: RunSpec, known: Known) -> Plan:
    """The plan from what is known; asks the desk only for a known model rebuilt for labels."""
    problems, info, prepared = Problems(known.problems), known.info, known.prepared
    rows = rows_with_targets(prepared, known.tokens) if prepared else 0
    if prepared and info:
        data = with_decided_goal(spec.data, prepared, info.tasks)
        spec = spec.model_copy(update={"data": data})
    asked, spec = spec, quota.shortened_spec(spec, rows, store.limits)
    if prepared:
        with problems.collect():
            prepared.require_usable()
            require_trainable_rows(spec, known.tokens)
    if prepared and spec.model.start:
        with problems.collect("model.start"):
            about = DataSummary(prepared.shape, tuple(prepared.labels), tuple(prepared.each_label))
            warm_start.require_compatible(store, spec, about)
    case = estimate = smallest = None
    if info and prepared and not problems.found:
        with problems.collect():
            case = make_case(store, desk, spec, known)
    unfit = method_problems(info, spec) if info else []
    problems.found += unfit
    if case and unfit:
        smallest = _smallest_forecast(case, spec)
    elif case:
        with problems.collect():
            estimate = smallest = forecast.forecast_run(case, spec)
    if case and smallest:
        problems.found += memory_problems(case, smallest)
    with problems.collect():
        disk = smallest.disk / GB if smallest else 0.0
        hardware.require_disk(store.root, max(START_GB, disk), "a run")
    with problems.collect():
        require_space(store, smallest.disk if smallest else 0.0)
    with problems.collect():
        quota.require_run_place(store)
    with problems.collect("sampling.prompts"):
        quota.require_short_prompts(spec)
    return Plan(spec, tuple(problems.found), prepared, rows, case, estimate, asked=asked)


def earlier_runs(store: Store) -> Iterator[EarlierRun]:
    """The owner's runs, newest first, as a new run's name is chosen by them."""
    for run in store.all_runs():
        with suppress(HoneError):  # one that is damaged has no name
            yield EarlierRun(run.id, run.name, run.meta["data"], lambda run=run: run.spec)  # type: ignore[misc]


def make_case(store: Store, desk: Desk, spec: RunSpec, known: Known) -> Case:
    """What memory and time depend on; raises HoneError where model and data do not go together."""
    info, prepared = known.info, known.prepared
    assert info and prepared
    goal = decided_goal(spec.data, prepared, info.tasks)
    if spec.method.kind == "head" and goal not in LABEL_OBJECTIVES:
        raise SpecError(HEAD_NEEDS_LABELS)
    if info.task != task_for_objective(goal):
        info = desk.inspect_model(spec.model.source, task_for_objective(goal))
    machine = hardware.choose_machine(spec.place, spec.method, store.root)
    preference = ""
    if goal == "prefer":
        preference = resolve_preference_method(spec.method, prepared.shape)
    return Case(
        info=info,
        goal=goal,
        rows=rows_with_targets(prepared, known.tokens),
        labels=len(head_outputs(goal, prepared.labels, prepared.each_label)),
        lengths=known.lengths,
        machine=machine,
        max_length=spec.data.max_length,
        preference=preference,
    )


def rows_with_targets(prepared: Prepared, tokens: TokenReport | None) -> int:
    """Training rows with target tokens; all of them until their tokens are counted."""
    if tokens is None or tokens.measured < tokens.rows:
        return prepared.train
    return prepared.train - tokens.lost - tokens.refused.rows


def require_trainable_rows(spec: RunSpec, tokens: TokenReport | None) -> None:
    """Raise DataError where rows have no certain loss mask and are not to be left out."""
    if tokens and tokens.refused.rows and "refused" not in spec.data.fixes:
        raise DataError(
            f"{tokens.refused.rows:,} of the rows cannot be learned with this model. "
            f"{tokens.refused.reason}"
        )


def method_problems(info: ModelInfo, spec: RunSpec) -> list[Problem]:
    """Where the length and the method do not fit the model."""
    problems, method = Problems(), spec.method
    with problems.collect("data.max_length"):
        info.check_length(spec.data.max_length)
    if not method.adapts:
        return problems.found
    with problems.collect("method.targets"):
        info.resolve_targets(method.targets)
    if problems.found:  # unknown targets must not hide what else is wrong
        method = method.model_copy(update={"targets": _existing_targets(info, method.targets)})
    with problems.collect("method.kind"):
        check_method(info, method)
    return problems.found


def _existing_targets(info: ModelInfo, targets: Iterable[str]) -> tuple[str, ...]:
    """The targets that this model has; all linear layers where it has none of them."""
    names = {module.name for module in info.adaptable}
    return tuple(name for name in targets if name in names) or ("all-linear",)


def _smallest_forecast(case: Case, spec: RunSpec) -> Forecast | None:
    """What the smallest method of this kind needs, for a method that does not fit the model."""
    method = MethodSpec(kind=spec.method.kind, rank=1)
    length = min(spec.data.max_length, case.info.context or spec.data.max_length)
    data = spec.data.model_copy(update={"max_length": length})
    try:
        return forecast.forecast_run(case, spec.model_copy(update={"method": method, "data": data}))
    except HoneError:  # nothing of this kind fits the model, which is named already
        return None


def memory_problems(case: Case, estimate: Forecast) -> Iterator[Problem]:
    """A smallest layout that needs more memory than this machine has, whatever else is closed."""
    machine = case.machine
    total = max(machine.free, hardware.total_memory_gb(machine.device) * GB)
    if estimate.fit is None and estimate.fit_needs > total:
        yield Problem(
            f"Memory: even one example at a time needs about {format_bytes(estimate.fit_needs)}, "
            f"and this {machine.name} has {format_bytes(total)} in all. {what_helps(estimate)}",
            "method.kind",
        )


def what_helps(estimate: Forecast) -> str:
    """What would make a run fit into memory, as a sentence."""
    if not estimate.helps:
        return "Take a smaller model."
    return f"What would help: {', or '.join(estimate.helps)}."
