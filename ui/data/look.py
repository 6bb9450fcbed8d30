"""Looking at data: what is asked and noticed, then the first rows, then the token counts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import gradio as gr
from gradio.components import Component

from engine.data import report as data_report
from engine.data.datasets import Dataset
from engine.data.goal import ANY_TASK
from engine.data.prepared import Prepared
from engine.errors import HoneError
from engine.spec.run import DataSpec
from ui import charts
from ui.context import Context
from ui.data import pager as paging
from ui.data import preview
from ui.data.columns import ColumnWidgets, Read, column_updates
from ui.data.editor import Editor
from ui.data.findings import FindingWidgets, finding_updates
from ui.data.intake import Done, run_with_progress
from ui.data.pager import Pager, RowOrder, Tokenizer, rows_card, tokenizer_at_hand
from ui.data.preview import NOT_YET, Counted
from ui.data.questions import (
    GoalWidgets,
    QuestionWidgets,
    goal_updates,
    question_updates,
    without_asked,
)
from ui.data.reading import ReadingWidgets, option_updates
from ui.form import DataInputs
from ui.handlers import HIDDEN, Updates, Values
from ui.text import card, line
from ui.theme import raw_html

READING_ROWS = "Reading the rows."  # until their reader says more
AT_FIRST = f'<section class="card">{line(READING_ROWS, "wait")}</section>'


class DataView:
    """The widgets that ask about a dataset and show it, and the editor of its rows."""

    def __init__(self, reading: ReadingWidgets) -> None:
        self.reading = reading
        self.columns = ColumnWidgets()
        self.goal = GoalWidgets()
        self.questions = QuestionWidgets()
        self.facts = raw_html(AT_FIRST, elem_id="data-facts")
        self.findings = FindingWidgets()
        self.questions.build_again()
        self.pager = Pager()
        self.editor = Editor()
        self.source = gr.State("")  # of the data on show
        with gr.Row(equal_height=False):
            self.lengths = raw_html(visible=False, elem_id="lengths")
            self.labels = raw_html(visible=False, elem_id="labels")
        own: list[Component] = [self.source, self.facts, self.lengths, self.labels]
        parts = (self.columns, self.goal, self.findings, self.questions, self.pager, reading)
        self.shown = own + [widget for part in parts for widget in part.shown]


def show_data(
    ctx: Context, view: DataView, inputs: DataInputs, values: Values
) -> Iterator[Updates]:
    """What is asked and noticed with the first rows, then the token counts, as each is known."""
    spec = inputs.data_spec(values)
    dataset, shown_so_far = ctx.load_dataset(spec.source), ""
    try:
        for report in run_with_progress(partial(ctx.prepare, spec)):
            if isinstance(report, Done):
                prepared: Prepared = report.value
            else:
                told = report or shown_so_far or READING_ROWS
                waits = {view.facts: card(dataset.name, line(told, "wait"))}
                if not shown_so_far and values[view.source] != spec.source:
                    waits = nothing_shown(view) | waits  # another data's rows
                yield {view.facts: gr.skip()} if told == shown_so_far else waits
                shown_so_far = told
    except HoneError as error:
        yield misfit_updates(view, dataset, spec, str(error), values)
        return
    pager, model, form = view.pager, values[inputs.model], values[view.pager.form]
    tokenizer = tokenizer_at_hand(ctx, model)
    decided = ctx.decided_spec(model, prepared, spec)
    known = Counted(ctx.known_tokens(tokenizer.model, prepared, decided), "", tokenizer.borrowed)
    shown = dataset_updates(view, dataset, decided, prepared, known)
    info = ctx.known_model(model)
    shown |= goal_updates(view.goal, prepared, decided, info.tasks if info else ANY_TASK)
    read = Read(prepared.shape, prepared.roles)
    shown |= column_updates(view.columns, dataset, decided, read, values)
    shown |= {pager.index: 0, view.source: spec.source}
    if known.report is None and form == paging.TOKENS:
        yield shown | {pager.rows: paging.OPENING_TOKENIZER}
        shown = {}
    first = rows_card(ctx, model, spec, RowOrder("order", prepared, {}), 0, form)
    yield shown | {pager.rows: first}
    if known.report is None:
        # The rows stay: the user may have turned the page while the tokens were counted.
        counted = count_tokens(ctx, tokenizer, prepared, decided)
        yield dataset_updates(view, dataset, decided, prepared, counted)


def count_tokens(ctx: Context, tokenizer: Tokenizer, prepared: Prepared, spec: DataSpec) -> Counted:
    """The tokens of the rows, or why they cannot be counted now."""
    try:
        found = ctx.count_tokens(tokenizer.model, prepared, spec)
        return Counted(found, "", tokenizer.borrowed)
    except HoneError as error:
        return Counted(None, str(error), tokenizer.borrowed)


# --- what is shown ---


def misfit_updates(
    view: DataView, dataset: Dataset, spec: DataSpec, problem: str, values: Values
) -> Updates:
    """The columns do not fit: nothing but what helps to choose others."""
    read = Read(spec.shape or dataset.shape, spec.roles, problem)
    columns = column_updates(view.columns, dataset, spec, read, values)
    shown = nothing_shown(view) | columns | option_updates(view.reading, dataset)
    return shown | {view.source: spec.source}


def nothing_shown(view: DataView) -> Updates:
    """Neither rows nor anything about them."""
    return {
        view.source: "",
        view.facts: "",
        view.pager.rows: "",
        view.pager.index: 0,
        view.pager.worst: {},
        view.lengths: HIDDEN,
        view.labels: HIDDEN,
        view.goal.group: HIDDEN,
        view.columns.head: "",
        view.columns.body: HIDDEN,
        **finding_updates(view.findings, [], DataSpec(), complete=True),
        **question_updates(view.questions, [], DataSpec()),
    }


def dataset_updates(
    view: DataView, dataset: Dataset, spec: DataSpec, prepared: Prepared, tokens: Counted = NOT_YET
) -> Updates:
    """All but the rows and what is asked about columns and goal."""
    # What another tokenizer makes of the rows says nothing about this model.
    own = tokens.report if not tokens.borrowed else None
    found = list(prepared.findings)
    if own:
        found += data_report.token_findings(own, spec)
    worst = paging.worst_rows(tokens.report, bool(tokens.borrowed))
    return {
        view.facts: preview.facts_cards(dataset, prepared, spec, tokens),
        view.pager.worst: worst,
        view.pager.order: gr.update(choices=paging.order_choices(worst, prepared.held_out)),
        view.lengths: _length_card(tokens, spec.max_length),
        view.labels: _label_card(prepared),
        **question_updates(view.questions, found, spec),
        **finding_updates(view.findings, without_asked(found), spec, complete=own is not None),
        **option_updates(view.reading, dataset),
    }


def _length_card(tokens: Counted, limit: int) -> object:
    report = tokens.report
    if report is None or not report.counts:
        return HIDDEN
    title = "Lengths, by the pocket model's tokenizer" if tokens.borrowed else "Lengths"
    drawn = charts.length_chart(report.edges, report.counts, limit)
    return gr.update(value=card(title, drawn), visible=True)


def _label_card(prepared: Prepared) -> object:
    if not prepared.labels:
        return gr.update(visible=False)
    drawn = charts.label_chart(prepared.each_label or prepared.labels)
    return gr.update(value=card("Labels", drawn), visible=True)
