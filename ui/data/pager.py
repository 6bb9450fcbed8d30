"""Paging through the rows in one of several orders: as conversations, or as the model's tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from engine.data.prepared import Prepared
from engine.data.quality.token_report import TokenReport
from engine.data.rows import Row
from engine.errors import HoneError
from engine.model import local
from engine.spec.objective import LABEL_OBJECTIVES
from engine.spec.run import DataSpec
from ui import form
from ui.context import Context
from ui.data import conversation, preview
from ui.form import DataInputs
from ui.handlers import LATEST, QUIET, Updates, Values, bind
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
TALK, TOKENS = "talk", "tokens"
FORMS = [("As a conversation", TALK), ("As the model sees it (tokens)", TOKENS)]


class Pager:
    """The rows on show, and what turns to others."""

    def __init__(self) -> None:
        self.form = gr.Radio(
            FORMS,
            value=TALK,
            label="How to show the rows",
            info="Who says what, or the pieces of words that the model works with.",
            show_label=False,
            container=False,
            elem_id="rows-form",
        )
        self.rows = raw_html(elem_id="preview")
        with gr.Row(elem_classes="pager"):
            self.back = make_button("Previous", width=90)
            self.forth = make_button("Next rows", width=90)
            self.random = make_button("Random", width=90)
            self.order = gr.Dropdown(
                order_choices({}, 0),
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


class Tokenizer(NamedTuple):
    """The model whose tokenizer is used; if that is not the chosen one, why: "since …"."""

    model: str
    borrowed: str = ""


def tokenizer_at_hand(ctx: Context, model: str) -> Tokenizer:
    """The chosen model's own tokenizer, or the pocket model's where it cannot be used here."""
    if not ctx.why_unusable(model):
        return Tokenizer(model)
    name = local.hub_name(model)
    why = "downloaded" if name else "usable here"
    return Tokenizer("pocket", f"since {name or Path(model).name} is not {why}")


def wire_pager(ctx: Context, pager: Pager, inputs: DataInputs) -> None:
    """The buttons turn pages; another order begins at its first row; another form stays there."""
    values = inputs.widgets | {pager.form, pager.index, pager.worst, pager.order}
    shown = [pager.rows, pager.index]
    for name, step in PAGE_STEPS.items():
        turn = bind(turn_page, ctx, pager, inputs, step)
        getattr(pager, name).click(turn, values, shown, **QUIET)
    pager.order.input(bind(change_order, ctx, pager, inputs), values, shown, **QUIET)
    pager.form.input(bind(change_form, ctx, pager, inputs), values, pager.rows, **LATEST)


# --- handlers ---


def turn_page(ctx: Context, pager: Pager, inputs: DataInputs, step: int, values: Values) -> Updates:
    """Show the next rows, the previous ones, or random ones (step 0)."""
    spec = inputs.data_spec(values)
    order = _chosen_order(ctx, pager, spec, values)
    total = len(order.indices)
    if step:
        last = (total - 1) // ROWS_PER_PAGE * ROWS_PER_PAGE
        index = max(0, min(values[pager.index] + step * ROWS_PER_PAGE, last))
    else:
        index = random.randrange(max(1, total))
    rows = rows_card(ctx, values[inputs.model], spec, order, index, values[pager.form])
    return {pager.rows: rows, pager.index: index}


def _chosen_order(ctx: Context, pager: Pager, spec: DataSpec, values: Values) -> RowOrder:
    return RowOrder(values[pager.order], ctx.prepare(spec), values[pager.worst])


def change_order(ctx: Context, pager: Pager, inputs: DataInputs, values: Values) -> Updates:
    """Show the first rows of another order."""
    return turn_page(ctx, pager, inputs, -1, values | {pager.index: 0})


def change_form(
    ctx: Context, pager: Pager, inputs: DataInputs, values: Values
) -> Iterator[Updates]:
    """Show the same rows as conversations, or as tokens."""
    spec, form_of_rows = inputs.data_spec(values), values[pager.form]
    if form_of_rows == TOKENS:
        yield {pager.rows: OPENING_TOKENIZER}
    order = _chosen_order(ctx, pager, spec, values)
    shown = rows_card(ctx, values[inputs.model], spec, order, values[pager.index], form_of_rows)
    yield {pager.rows: shown}


# --- what is shown ---


def rows_card(  # noqa: PLR0913  which rows, of which data, as which model sees them, in which form
    ctx: Context, model: str, spec: DataSpec, order: RowOrder, index: int, form_of_rows: str
) -> str:
    """Some rows in the chosen form, or why they cannot be shown."""
    prepared, chosen = order.prepared, order.indices
    rows = prepared.held_out_rows() if order.name == HELD_OUT else prepared.train_rows()
    picked = [at for at in chosen[index : index + ROWS_PER_PAGE] if at < len(rows)]
    tokens = form_of_rows == TOKENS
    if not picked:
        return card(
            preview.TITLE if tokens else conversation.TITLE, line("There are no such rows.")
        )
    numbers = [rows.row_number(at) for at in picked]
    found = [rows[at] for at in picked]
    decided = ctx.decided_spec(model, prepared, spec)
    where = f"{ORDERS[order.name]}: {index + 1:,} to {index + len(picked):,} of {len(chosen):,}."
    if not tokens:
        return conversation.rows_card(found, numbers, prepared.shape, decided, where)
    return _token_card(ctx, model, found, numbers, decided, where)


def _token_card(  # noqa: PLR0913  as rows_card
    ctx: Context, model: str, rows: list[Row], numbers: list[int], spec: DataSpec, where: str
) -> str:
    """Rows as the tokens of the model, or of the one whose tokenizer is at hand."""
    if spec.template != "model" and spec.goal not in LABEL_OBJECTIVES:
        where += f" Chat format: {form.CHOICE_LABELS[spec.template]}."
    try:
        ctx.check_model(model)
        used = tokenizer_at_hand(ctx, model)
        seen = ctx.engine.desk.preview_rows(used.model, rows, spec)
    except HoneError as error:
        return card(preview.TITLE, line(str(error), "warn"))
    return preview.preview_card(seen, numbers, where, used.borrowed)


def worst_rows(tokens: TokenReport | None, borrowed: bool = False) -> dict[str, list[int]]:
    """The rows of the orders that only counted tokens can tell.

    A ``borrowed`` tokenizer does not tell what another one cuts.
    """
    if tokens is None:
        return {}
    if borrowed:
        return {"longest": tokens.longest_rows}
    return {"longest": tokens.longest_rows, "cut": tokens.cut_rows, "lost": tokens.lost_rows}


def order_choices(worst: Mapping[str, list[int]], held_out: int) -> list[tuple[str, str]]:
    """(label, order) of the orders that have rows; ``worst``: see ``worst_rows``."""
    offered: dict[str, Any] = {"order": True, HELD_OUT: held_out > 0, **worst}
    return [(label, order) for order, label in ORDERS.items() if offered.get(order)]
