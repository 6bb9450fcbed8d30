"""The start card in words: what would be trained, what it needs, what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from engine.errors import Problem
from engine.estimate.case import Case
from engine.estimate.duration import TimeRange
from engine.estimate.methods import MethodOption, explain_method
from engine.estimate.unwise import unwise_values
from engine.runs import quota
from engine.runs.plan import Plan
from engine.spec.limits import Limits
from engine.spec.method import METHODS
from engine.spec.run import spec_field
from engine.text import count_of, format_bytes, format_count, format_share, format_time_range
from ui.form import FORM_PATHS, widget_id
from ui.text import definition_row, escape_html, go_button, line
from ui.train.memory_card import memory_verdict
from ui.train.places import folds_of, tab_of

TASKS_IN_WORDS = {
    "classify": "choose one of {} labels",
    "multilabel": "choose several of {} labels",
    "regress": "give a number",
    "prefer": "prefer better answers",
}
SUBJECT = re.compile(r"^[^:]*\([\w.]+\): ")  # "Learning rate (optim.learning_rate): " stands above
PATH = re.compile(r" \(\w+\.\w+\)")  # of a setting, which the command line needs
TAB_NAMES = {"data": "Data", "model": "Model"}


def card_head(data: str, rows: str, model: str) -> str:
    """What Start trains: the data, how much of it, and the model; links lead to the tabs."""
    if not data:
        return '<div class="start-head"><h2>Train</h2></div>'
    about = f"<p>{escape_html(rows)}</p>" if rows else ""
    on = go_button("model", widget_id("model.source"), model)
    what = go_button("data", widget_id("data.source"), data)
    return f'<div class="start-head"><h2>Train {what} on {on}</h2>{about}</div>'


class Moment(NamedTuple):
    """What matters of this machine at the moment."""

    busy: bool  # a run is at work
    ready: int  # bytes of the worker that waits for the next run; 0 where there is none


def plan_facts(plan: Plan, limits: Limits, now: Moment) -> str:
    """All estimates, each with the figure that it is compared with; problems before them."""
    assert plan.case and plan.forecast
    estimate, machine = plan.forecast, plan.case.machine
    items = {
        "Learns": weights_in_words(plan),
        "Memory": f"about {format_bytes(estimate.fit_needs)}; {format_bytes(machine.free)} free",
        "Time": time_in_words(plan.seconds, plan.case, now.busy),
        "Disk": f"about {format_bytes(estimate.disk)}; {format_bytes(machine.disk)} free",
    }
    if now.ready:
        size = format_bytes(now.ready)
        items["Start"] = f"at once: a process with the libraries is waiting ({size} of memory)"
    if plan.case.goal in TASKS_IN_WORDS:
        items = {"Task": TASKS_IN_WORDS[plan.case.goal].format(plan.case.labels)} | items
    # A percent sign stays on the line of its number.
    cells = ((name, escape_html(text).replace(" %", "&nbsp;%")) for name, text in items.items())
    rows = "".join(definition_row(name, text) for name, text in cells)
    warnings = "".join(line(text, tone) for text, tone in plan_warnings(plan))
    asked = quota.limit_notes(plan.asked or plan.spec, plan.rows, plan.seconds, limits)
    notes = "".join(map(line, asked))
    above = problem_lines(plan.problems) + unwise_lines(plan)
    return f'{above}{notes}<dl class="facts">{rows}</dl>{warnings}'


def sum_line(plan: Plan) -> str:
    """Weights and memory in one line, in sight of rank and target modules."""
    assert plan.forecast
    return line(
        f"{weights_in_words(plan)}, about {format_bytes(plan.forecast.fit_needs)} of memory."
    )


def weights_in_words(plan: Plan) -> str:
    """How many weights train, of how many."""
    assert plan.forecast
    trained, total = plan.forecast.counted.trainable, plan.forecast.counted.total
    share = format_share(trained, total)
    return f"{format_count(trained)} of {format_count(total)} weights ({share})"


def problem_lines(problems: Iterable[Problem]) -> str:
    """Why the run cannot start, each with a link to where that can be mended."""
    return "".join(_problem_line(one) for one in problems)


def _problem_line(problem: Problem) -> str:
    where = _link_to(problem.field) if problem.field else ""
    text = escape_html(PATH.sub("", problem.text))
    return f'<p class="line" data-tone="bad">{text} {where}</p>'


def _link_to(path: str) -> str:
    tab = tab_of(path)
    label = f"Go to the {TAB_NAMES[tab]} tab" if tab in TAB_NAMES else "Show the setting"
    return go_button(tab, widget_id(path), label, folds_of(path))


def unwise_lines(plan: Plan) -> str:
    """What is allowed and hardly ever right; beside their fields, too, which may be folded away."""
    assert plan.case
    return "".join(
        f'<p class="line" data-tone="warn"><b>{escape_html(spec_field(path).title or path)}:</b> '
        f"{escape_html(text)} {_link_to(path)}</p>"
        for path, text in unwise_values(plan.spec, plan.case).items()
    )


def rows_line(plan: Plan) -> str:
    """How many rows are trained on, in how many steps."""
    assert plan.prepared
    steps = count_of(plan.spec.optim.steps(plan.rows), "step")
    batch = count_of(plan.spec.optim.effective_batch, "row")
    rows = f"{format_count(plan.rows)} of {count_of(plan.prepared.total, 'row')}"
    return f"{rows}, in {steps} of {batch}"


def time_in_words(seconds: TimeRange | None, case: Case, busy: bool) -> str:
    """How long it takes, and how that is known; ``busy``: a run is at work."""
    if seconds is None and case.lengths is None:
        return "known once the rows are counted"
    if seconds is None:
        return "measured when this machine is free" if busy else "known once the run has started"
    source = "from earlier runs" if seconds.source == "past" else "measured on this machine"
    return f"about {format_time_range(seconds.low, seconds.high)}, {source}"


def plan_warnings(plan: Plan) -> Iterator[tuple[str, str]]:
    """(text, tone) of what is tight in memory or large on the disk, and what happens then."""
    assert plan.case and plan.forecast
    if plan.problems:
        return
    tone, title, text = memory_verdict(plan.forecast, plan.case)
    if tone == "bad":
        text += " You can start it anyway; if memory runs out, it tells you."
    if tone != "good":
        yield f"{title}. {text}", tone
    if plan.spec.method.kind == "full" and plan.case.info.parameters > 1e9:
        size = format_bytes(4 * plan.case.info.parameters)
        yield f"Each checkpoint is a whole model of {size}.", "warn"


def method_advice(options: Sequence[MethodOption], case: Case) -> str:
    """The recommended method with its reason, and when to use which."""
    best = next(option for option in options if option.recommended)
    why = escape_html(explain_method(case, best))
    rows = "".join(_method_item(option) for option in options)
    note = (
        f"{format_bytes(case.machine.free)} is free. "
        "The figures are for one example at a time; larger batches need more."
    )
    return (
        f'<p class="line">Recommended: <b>{escape_html(METHODS[best.kind].name)}</b>. {why}</p>'
        '<details class="why"><summary>When to use which method</summary>'
        f"<ul>{rows}</ul>{line(note)}</details>"
    )


def _method_item(option: MethodOption) -> str:
    unfit = "" if option.fits else ", which does not fit here"
    mark = ' <span class="chip">recommended</span>' if option.recommended else ""
    text = f"{option.why} Needs at least {format_bytes(option.needs)} of memory{unfit}."
    return f"<li><b>{escape_html(METHODS[option.kind].name)}</b>{mark}<br>{escape_html(text)}</li>"


# --- beside the fields ---


def notes_of(problems: Iterable[Problem], plan: Plan | None = None) -> str:
    """JSON: tone and text by the id of a widget; what is wrong comes before what is unwise."""
    unwise = unwise_values(plan.spec, plan.case) if plan and plan.case else {}
    found = {path: ("warn", text) for path, text in unwise.items()}
    for one in problems:
        path = ".".join(one.field.split(".")[:2])  # of an item of a list, the list
        if path in FORM_PATHS:
            found[path] = ("bad", _sentence(one.text))
    return json.dumps({widget_id(path): note for path, note in found.items()})


def _sentence(text: str) -> str:
    """A problem without the name of its setting, as a sentence of its own."""
    rest = SUBJECT.sub("", text)
    return rest[:1].upper() + rest[1:]
