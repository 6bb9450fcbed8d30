"""Paging through the rows as the model sees them, in one of several orders."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.data.prepared import Prepared
from engine.data.quality.token_report import TokenReport
from engine.errors import HoneError
from engine.spec.run import DataSpec
from ui import form
from ui.context import Context
from ui.data import preview
from ui.form import DataInputs
from ui.handlers import QUIET, Updates, Values, bind
from ui.text import card, line
from ui.theme import make_button, raw_html

ROWS_PER_PAGE = 3
HELD_OUT = "held"
ORDERS = {
    "order": "In order",
    "longest": "Longest first",
    "cut": "Cut off",
    "lost": "Nothing to learn",
    HELD_OUT: "Held out",
}
OPENING_TOKENIZER = card(
    preview.TITLE,
    line("Opening the model's tokenizer. The first time takes about ten seconds.", "wait"),
)
PAGE_STEPS = {"back": -1, "forth": 1, "random": 0}


class Pager:
    """The rows on show, and what turns to others."""

    def __init__(self) -> None:
        self.rows = raw_html(OPENING_TOKENIZER, elem_id="preview")
        with gr.Row(elem_classes="pager"):
            self.back = make_button("Previous", width=90)
            self.forth = make_button("Next rows", width=90)
            self.random = make_button("Random", width=90)
            self.order = gr.Dropdown(
                order_choices(None, 0),
                value="order",
                label="Which rows",
                container=False,
                elem_id="order",
            )
        self.index = gr.State(0)  # of the first row on show, within its order
        self.worst = gr.State({})  # order -> indices of its rows
        self.shown: list[Component] = [self.rows, self.index, self.worst, self.order]


@dataclass(frozen=True)
class RowOrder:
    """Prepared rows in one order: indices among the rows for training, or among those held out."""

    name: str
    prepared: Prepared
    worst: dict[str, list[int]]

    @property
    def indices(self) -> Sequence[int]:
        if self.name == HELD_OUT:
            return range(self.prepared.held_out)
        if self.name == "order":
            return range(self.prepared.train)
        return self.worst.get(self.name, [])


def wire_pager(ctx: Context, pager: Pager, inputs: DataInputs) -> None:
    """The buttons turn pages; another order begins at its first row."""
    values = inputs.widgets | {pager.index, pager.worst, pager.order}
    shown = [pager.rows, pager.index]
    for name, step in PAGE_STEPS.items():
        turn = bind(turn_page, ctx, pager, inputs, step)
        getattr(pager, name).click(turn, values, shown, **QUIET)
    pager.order.input(bind(change_order, ctx, pager, inputs), values, shown, **QUIET)


# --- handlers ---


def turn_page(ctx: Context, pager: Pager, inputs: DataInputs, step: int, values: Values) -> Updates:
    """Show the next rows, the previous ones, or random ones (step 0)."""
    spec = inputs.data_spec(values)
    order = RowOrder(values[pager.order], ctx.prepare(spec), values[pager.worst])
    total = len(order.indices)
    if step:
        last = (total - 1) // ROWS_PER_PAGE * ROWS_PER_PAGE
        index = max(0, min(values[pager.index] + step * ROWS_PER_PAGE, last))
    else:
        index = random.randrange(max(1, total))
    rows = rows_card(ctx, values[inputs.model], spec, order, index)
    return {pager.rows: rows, pager.index: index}


def change_order(ctx: Context, pager: Pager, inputs: DataInputs, values: Values) -> Updates:
    """Show the first rows of another order."""
    return turn_page(ctx, pager, inputs, -1, values | {pager.index: 0})


# --- what is shown ---


def rows_card(ctx: Context, model: str, spec: DataSpec, order: RowOrder, index: int) -> str:
    """Some rows as the model will see them, or why they cannot be shown."""
    prepared, chosen = order.prepared, order.indices
    rows = prepared.held_out_rows() if order.name == HELD_OUT else prepared.train_rows()
    picked = [at for at in chosen[index : index + ROWS_PER_PAGE] if at < len(rows)]
    if not picked:
        return card(preview.TITLE, line("There are no such rows."))
    try:
        ctx.check_model(model)
        seen = ctx.engine.desk.preview_rows(model, [rows[at] for at in picked], spec)
    except HoneError as error:
        return card(preview.TITLE, line(str(error), "warn"))
    where = f"{ORDERS[order.name]}: {index + 1:,} to {index + len(picked):,} of {len(chosen):,}."
    if spec.template != "model":
        where += f" Chat format: {form.CHOICE_LABELS[spec.template]}."
    return preview.preview_card(seen, [rows.row_number(at) for at in picked], where)


def worst_rows(tokens: TokenReport | None) -> dict[str, list[int]]:
    """The rows of the orders that only counted tokens can tell."""
    if tokens is None:
        return {}
    return {"longest": tokens.longest_rows, "cut": tokens.cut_rows, "lost": tokens.lost_rows}


def order_choices(tokens: TokenReport | None, held_out: int) -> list[tuple[str, str]]:
    """(label, order) of the orders that have rows."""
    offered: dict[str, Any] = {"order": True, HELD_OUT: held_out > 0} | worst_rows(tokens)
    return [(label, order) for order, label in ORDERS.items() if offered.get(order)]
