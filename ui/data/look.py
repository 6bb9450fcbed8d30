"""Looking at data: what is noticed, the rows as the model sees them, the figures; one answer fills the whole tab."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, get_args

import gradio as gr

from engine.data import report as data_report
from engine.data.datasets import Dataset
from engine.data.prepare import Prepared
from engine.data.quality.findings import Finding
from engine.data.quality.token_report import TokenReport
from engine.data.schema import ROLES
from engine.errors import HoneError
from engine.spec.run import DataSpec, Fix, Shape
from ui import charts, form
from ui.context import Context
from ui.data import add, preview
from ui.text import card, line

PAGE = 3  # rows of the preview shown together
FIXES: tuple[str, ...] = get_args(Fix)
MOST_ROLES = max(map(len, ROLES.values()))
ORDERS = {
    "order": "In order",
    "longest": "Longest first",
    "cut": "Cut off",
    "lost": "Nothing to learn",
    "held": "Held out",
}
WAITING = card(
    "As the model sees it",
    line("Opening the model's tokenizer. The first time takes about ten seconds.", "wait"),
)


def look(ctx: Context, model: str, *values: Any) -> Iterator[list[Any]]:
    """What is noticed in the rows at once, then the first rows, then the tokens: as each becomes known."""
    spec = form.data_spec(values)
    dataset = ctx.dataset(spec.source)
    try:
        for told in add.telling(lambda tell: ctx.prepared(spec, tell)):
            if isinstance(told, add.Done):
                prepared = told.value
            else:
                yield [
                    card(dataset.name, line(told, "wait")),
                    *(gr.skip() for _ in range(outputs_count() - 1)),
                ]
    except HoneError as error:
        yield shown(dataset, spec, None, preview.problem("The columns do not fit", str(error)))
        return
    yield shown(dataset, spec, prepared, WAITING)
    yield shown(dataset, spec, prepared, page(ctx, model, prepared, spec, "order", {}, 0))
    # The rows stay: while the tokens were counted, somebody may have turned to others.
    yield shown(dataset, spec, prepared, None, report(ctx, model, prepared, spec))


def turn(
    ctx: Context,
    step: int,
    index: int,
    order: str,
    worst: dict[str, list[int]],
    model: str,
    *values: Any,
) -> tuple[str, int]:
    """Other rows: the next, the previous, or by chance (step 0)."""
    spec = form.data_spec(values)
    prepared = ctx.prepared(spec)
    total = len(_indices(prepared, order, worst))
    if step == 0:
        index = random.randrange(max(1, total))  # by chance: only what is looked at
    index = max(0, min(index + step * PAGE, (total - 1) // PAGE * PAGE if step else total - 1))
    return page(ctx, model, prepared, spec, order, worst, index), index


def reorder(
    ctx: Context, order: str, worst: dict[str, list[int]], model: str, *values: Any
) -> tuple[str, int]:
    """The first rows of another order."""
    spec = form.data_spec(values)
    return page(ctx, model, ctx.prepared(spec), spec, order, worst, 0), 0


# --- what is shown ---


def report(ctx: Context, model: str, prepared: Prepared, spec: DataSpec) -> TokenReport | str:
    """Token counts, or in words why there are none now."""
    try:
        return ctx.measure(model, prepared, spec)
    except HoneError as error:
        return str(error)


def _indices(prepared: Prepared, order: str, worst: dict[str, list[int]]) -> range | list[int]:
    if order == "held":
        return range(prepared.held_out)
    return range(prepared.train) if order == "order" else worst.get(order, [])


def page(
    ctx: Context,
    model: str,
    prepared: Prepared,
    spec: DataSpec,
    order: str,
    worst: dict[str, list[int]],
    index: int,
) -> str:
    """Some rows as the model will see them, or in words why not."""
    chosen = _indices(prepared, order, worst)
    rows = prepared.held_rows() if order == "held" else prepared.rows()
    picked = [at for at in chosen[index : index + PAGE] if at < len(rows)]
    if not picked:
        return card("As the model sees it", line("There are no such rows."))
    try:
        seen = ctx.engine.desk.preview(model, [rows[at] for at in picked], spec)
        template = "" if spec.template == "model" else f"Chat format: {form.WORDS[spec.template]}."
    except HoneError as error:
        return card("As the model sees it", line(str(error), "warn"))
    where = f"{ORDERS[order]}: {index + 1:,} to {index + len(picked):,} of {len(chosen):,}."
    return preview.preview(seen, [rows.number(at) for at in picked], where, template)


def shown(
    dataset: Dataset,
    spec: DataSpec,
    prepared: Prepared | None,
    rows: str | None,
    tokens: TokenReport | str | None = None,
) -> list[Any]:
    """Everything that a look fills, in the order of ``DataTab.outputs``; without rows those that are shown stay."""
    if prepared is None:  # the columns do not fit: only what helps to choose others is shown
        blank = [gr.update(visible=False), "", gr.skip()] * len(FIXES)
        plots = [gr.update(visible=False)] * 2
        mapping = _mapping(dataset, spec.shape or dataset.shape, spec.roles)
        return [
            rows,
            "",
            gr.update(visible=False),
            *blank,
            "",
            0,
            {},
            gr.skip(),
            *plots,
            gr.skip(),
            *mapping,
            *_readings(dataset),
        ]
    measured = tokens if isinstance(tokens, TokenReport) else None
    found = [*prepared.findings, *(data_report.token_findings(measured, spec) if measured else [])]
    worst = (
        {"longest": measured.longest_rows, "cut": measured.cut_rows, "lost": measured.lost_rows}
        if measured
        else {}
    )
    chart = gr.update(visible=False)
    if measured and measured.counts:
        chart = gr.update(
            value=charts.lengths(measured.edges, measured.counts, spec.max_length), visible=True
        )
    by_label = gr.update(visible=False)
    if prepared.labels:
        by_label = gr.update(value=charts.labels(prepared.labels), visible=True)
    return [
        preview.facts(dataset, prepared, spec.max_length, tokens),
        preview.notes([one for one in found if one.fix is None]),
        gr.update(visible=any(one.kind == "unsure" for one in found)),
        *_mending(found, spec, measured is not None),
        gr.skip() if rows is None else rows,
        gr.skip() if rows is None else 0,
        worst,
        gr.update(choices=order_choices(measured, prepared.held_out)),
        chart,
        by_label,
        gr.skip(),
        *_mapping(dataset, prepared.shape, prepared.roles),
        *_readings(dataset),
    ]


def _mending(found: list[Finding], spec: DataSpec, whole: bool) -> list[Any]:
    """Group, words and button of each fix."""
    by_fix = {one.fix: one for one in found if one.fix}
    updates: list[Any] = []
    for kind in FIXES:
        one = by_fix.get(kind)  # type: ignore[call-overload]
        if (
            one is None and kind in spec.fixes and not whole
        ):  # chosen; its figures come with the tokens
            updates += [gr.skip(), gr.skip(), gr.skip()]
        elif one is None:
            updates += [gr.update(visible=kind in spec.fixes), "", gr.update(value="Undo")]
        else:
            updates += [
                gr.update(visible=True),
                preview.finding(one),
                gr.update(value="Undo" if one.done else one.button),
            ]
    return updates


def _mapping(dataset: Dataset, shape: Shape, roles: dict[str, str]) -> list[Any]:
    """The dropdowns of the shape's parts."""
    parts = list(ROLES[shape].items())
    columns = [("–", ""), *((column, column) for column in dataset.columns)]
    updates = [
        gr.update(label=label, choices=columns, value=roles.get(role, ""), visible=True)
        for role, label in parts
    ]
    return updates + [gr.update(visible=False)] * (MOST_ROLES - len(parts))


def _readings(dataset: Dataset) -> list[Any]:
    """How the files were read, where there is a choice."""
    text = dataset.kind in ("jsonl", "json", "csv", "txt", "labelled")
    encoding = str(dataset.options.get("encoding") or "")
    return [
        gr.update(
            visible=text,
            value=encoding if encoding in dict(map(reversed, add.encoding_choices())) else "",
        ),
        gr.update(
            visible=dataset.kind in ("csv", "xlsx"),
            value={True: "yes", False: "no"}.get(dataset.options.get("header"), ""),
        ),  # type: ignore[arg-type]
        gr.update(visible=dataset.kind == "txt", value=str(dataset.options.get("parts") or "")),
    ]


def order_choices(tokens: TokenReport | None, held: int) -> list[tuple[str, str]]:
    """The orders in which rows can be looked at; only those that have rows."""
    there = {"order": True, "held": held > 0}
    if tokens:
        there |= {"longest": True, "cut": bool(tokens.cut_rows), "lost": bool(tokens.lost_rows)}
    return [(label, order) for order, label in ORDERS.items() if there.get(order)]


def outputs_count() -> int:
    return 3 + 3 * len(FIXES) + 7 + MOST_ROLES + 3
