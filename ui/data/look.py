"""Looking at data: first what is noticed, then the first rows, then the token counts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import gradio as gr
from gradio.components import Component

from engine.data import report as data_report
from engine.data.datasets import Dataset
from engine.data.prepared import Prepared
from engine.data.quality.token_report import TokenReport
from engine.errors import HoneError
from engine.spec.run import DataSpec
from ui import charts
from ui.context import Context
from ui.data import preview
from ui.data.editor import Editor
from ui.data.findings import FindingWidgets, finding_updates
from ui.data.intake import Done, run_with_progress
from ui.data.pager import OPENING_TOKENIZER, Pager, RowOrder, order_choices, rows_card, worst_rows
from ui.data.questions import (
    QuestionWidgets,
    question_updates,
    reading_updates,
    without_asked,
)
from ui.data.reading import ReadingWidgets, column_updates, option_updates
from ui.form import DataInputs
from ui.handlers import Updates, Values
from ui.text import card, line, status_box
from ui.theme import raw_html


class DataView:
    """The widgets that show a dataset, and the editor of its rows."""

    def __init__(self, reading: ReadingWidgets) -> None:
        self.reading = reading
        self.questions = QuestionWidgets()
        self.facts = raw_html(elem_id="data-facts")
        self.findings = FindingWidgets()
        self.questions.build_again()
        self.pager = Pager()
        self.editor = Editor()
        with gr.Row(equal_height=False):
            self.lengths = raw_html(visible=False, elem_id="lengths")
            self.labels = raw_html(visible=False, elem_id="labels")
        own = [self.facts, self.lengths, self.labels]
        own += [*self.findings.shown, *self.questions.shown]
        self.shown: list[Component] = own + self.pager.shown + reading.shown


def show_data(
    ctx: Context, view: DataView, inputs: DataInputs, values: Values
) -> Iterator[Updates]:
    """What is noticed, then the first rows, then the token counts, as each becomes known."""
    spec = inputs.data_spec(values)
    dataset = ctx.load_dataset(spec.source)
    try:
        for report in run_with_progress(partial(ctx.prepare, spec)):
            if isinstance(report, Done):
                prepared: Prepared = report.value
            else:
                waits = card(dataset.name, line(report, "wait"))
                yield {view.facts: waits if report else gr.skip()}
    except HoneError as error:
        yield misfit_updates(view, dataset, spec, str(error))
        return
    pager, model = view.pager, values[inputs.model]
    known = ctx.known_tokens(model, prepared, spec)
    shown = dataset_updates(view, dataset, spec, prepared, known)
    if known is None:
        yield shown | {pager.rows: OPENING_TOKENIZER, pager.index: 0}
        shown = {}
    first = rows_card(ctx, model, spec, RowOrder("order", prepared, {}), 0)
    readings = reading_updates(ctx, view.questions, model, spec, prepared.findings)
    yield shown | {pager.rows: first, pager.index: 0, **readings}
    if known is None:
        # The rows stay: the user may have turned the page while the tokens were counted.
        tokens = count_tokens(ctx, model, prepared, spec)
        yield dataset_updates(view, dataset, spec, prepared, tokens)


def count_tokens(ctx: Context, model: str, prepared: Prepared, spec: DataSpec) -> TokenReport | str:
    """Token counts, or the sentence why there are none now."""
    try:
        return ctx.count_tokens(model, prepared, spec)
    except HoneError as error:
        return str(error)


# --- what is shown ---


def misfit_updates(view: DataView, dataset: Dataset, spec: DataSpec, problem: str) -> Updates:
    """The columns do not fit: nothing but what helps to choose others."""
    hidden = gr.update(visible=False)
    return {
        view.facts: status_box("bad", "The columns do not fit", problem),
        view.pager.rows: "",
        view.pager.index: 0,
        view.pager.worst: {},
        view.lengths: hidden,
        view.labels: hidden,
        **finding_updates(view.findings, [], DataSpec(), complete=True),
        **question_updates(view.questions, [], DataSpec()),
        **column_updates(view.reading, dataset, spec.shape or dataset.shape, spec.roles),
        **option_updates(view.reading, dataset),
    }


def dataset_updates(
    view: DataView,
    dataset: Dataset,
    spec: DataSpec,
    prepared: Prepared,
    tokens: TokenReport | str | None,
) -> Updates:
    """All but the rows. ``tokens`` is None until they are counted, a sentence if they cannot be."""
    counted = tokens if isinstance(tokens, TokenReport) else None
    found = list(prepared.findings)
    if counted:
        found += data_report.token_findings(counted, spec)
    orders = order_choices(counted, prepared.held_out)
    return {
        view.facts: preview.facts_cards(dataset, prepared, spec.max_length, tokens),
        view.pager.worst: worst_rows(counted),
        view.pager.order: gr.update(choices=orders),
        view.lengths: _length_card(counted, spec.max_length),
        view.labels: _label_card(prepared),
        **question_updates(view.questions, found, spec),
        **finding_updates(view.findings, without_asked(found), spec, complete=counted is not None),
        **column_updates(view.reading, dataset, prepared.shape, prepared.roles),
        **option_updates(view.reading, dataset),
    }


def _length_card(tokens: TokenReport | None, limit: int) -> object:
    if tokens is None or not tokens.counts:
        return gr.update(visible=False)
    drawn = charts.length_chart(tokens.edges, tokens.counts, limit)
    return gr.update(value=card("Lengths", drawn), visible=True)


def _label_card(prepared: Prepared) -> object:
    if not prepared.labels:
        return gr.update(visible=False)
    drawn = charts.label_chart(prepared.each_label or prepared.labels)
    return gr.update(value=card("Labels", drawn), visible=True)
