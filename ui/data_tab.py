"""The Data tab: bring data in, see what the model will see of it, mend what is wrong, split it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import gradio as gr
from gradio.components import Component

from engine import check
from engine.data import Dataset
from engine.desk import TokenReport
from engine.errors import HoneError
from engine.findings import Finding
from engine.prepare import Prepared
from engine.shapes import ROLES
from engine.spec import DataSpec, Fix, Shape
from ui import charts, data_add, data_view, form
from ui.context import Context
from ui.data_add import Adding
from ui.handlers import bind
from ui.text import card, intro, line
from ui.theme import html

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
    "As the model sees it", line("Opening the model's tokenizer. The first time takes about ten seconds.", "wait")
)
AGAIN = "The file is read again when you change this."
MORE = [("Found by itself", ""), ("Yes", "yes"), ("No", "no")]
PARTS = [("Found by itself", ""), ("Paragraph", "paragraph"), ("Line", "line"), ("About 1,000 letters", "length")]


@dataclass(frozen=True)
class DataTab:
    """What the other tabs need, and the widgets that a look fills."""

    tab: gr.Tab
    fields: dict[str, Component]  # by path; the seed is on the Train tab
    adding: Adding
    facts: gr.HTML
    notes: gr.HTML  # findings that have no button
    fixes: dict[str, tuple[gr.Group, gr.HTML, gr.Button]]
    rows: gr.HTML
    index: gr.State
    worst: gr.State  # order -> row indices
    order: gr.Dropdown
    chart: gr.Plot
    label_chart: gr.Plot
    editor: gr.Accordion
    roles: list[gr.Dropdown]
    reading: list[Component]  # encoding, header, split of a text
    back: gr.Button
    forth: gr.Button
    any: gr.Button
    next: gr.Button

    def outputs(self) -> list[Component]:
        """What ``look`` yields, in its order."""
        fixes = [one for parts in self.fixes.values() for one in parts]
        more = [self.rows, self.index, self.worst, self.order, self.chart, self.label_chart, self.fields["data.shape"]]
        return [self.facts, self.notes, *fixes, *more, *self.roles, *self.reading]

    @property
    def source(self) -> Component:
        return self.fields["data.source"]


def build(ctx: Context) -> DataTab:
    """Lay the tab out and wire what concerns it alone."""
    fields: dict[str, Component] = {}

    def add(*paths: str, **more: Any) -> None:
        for path in paths:
            fields[path] = form.widget(path, **more)

    with gr.Tab("Data", id="data") as tab:
        html(intro("What should it learn?", "Choose a sample or add data of your own, check the rows, then go on."))
        with gr.Row(equal_height=False, elem_classes="page"):
            with gr.Column(scale=0, min_width=340, elem_classes="side"):
                add("data.source", choices=data_add.choices(ctx))
                adding = data_add.build(ctx)
                with gr.Accordion("How it is read", open=False, elem_id="reading"):
                    add("data.shape", "data.roles", "data.fixes")
                    roles = [
                        gr.Dropdown(
                            [], label="Column", info="Where it stands.", visible=False, elem_id=f"role-{number}"
                        )
                        for number in range(MOST_ROLES)
                    ]
                    reading = _reading()
                with gr.Accordion("What it learns from", open=False, elem_id="learning"):
                    add("data.learn", "data.max_length", "data.system", "data.template")
                with gr.Accordion("What is held out", open=False, elem_id="splitting"):
                    add("data.held_out")
                    add("data.held_out_source", choices=held_choices(ctx), value="")
                forward = gr.Button("Next: choose the model", variant="primary", size="md")
            with gr.Column(scale=1, min_width=320):
                facts = html(elem_id="data-facts")
                fixes = {kind: _finding(kind) for kind in FIXES}
                notes = html(elem_id="findings")
                rows = html(WAITING, elem_id="preview")
                with gr.Row(elem_classes="pager"):
                    back = gr.Button("Previous", size="md", min_width=90)
                    forth = gr.Button("Next rows", size="md", min_width=90)
                    any_row = gr.Button("Random", size="md", min_width=90)
                    order = gr.Dropdown(
                        order_choices(None, 0),
                        value="order",
                        label="Which rows",
                        container=False,
                        elem_id="order",
                    )
                editor = gr.Accordion("Change rows, or take them as a file", open=False, elem_id="editor")
                with gr.Row(equal_height=False):
                    chart = gr.Plot(label="Lengths", visible=False, elem_id="lengths")
                    label_chart = gr.Plot(label="Labels", visible=False, elem_id="labels")
        index, worst = gr.State(0), gr.State({})
    made = DataTab(
        tab, fields, adding, facts, notes, fixes, rows, index, worst, order, chart, label_chart, editor, roles, reading,
        back, forth, any_row, forward,
    )  # fmt: skip
    _wire(ctx, made)
    return made


def _reading() -> list[Component]:
    encoding = gr.Dropdown(
        data_add.encoding_choices(), value="", label="Letters (encoding)", info=AGAIN, elem_id="encoding"
    )
    header = gr.Dropdown(MORE, value="", label="The first line names the columns", info=AGAIN, elem_id="header")
    parts = gr.Dropdown(PARTS, value="", label="One example is a", info=AGAIN, elem_id="parts")
    return [encoding, header, parts]


def _finding(kind: str) -> tuple[gr.Group, gr.HTML, gr.Button]:
    with gr.Row(visible=False, elem_classes="mend", equal_height=False) as group:
        shown = html()
        button = gr.Button(size="md", scale=0, min_width=200, elem_id=f"fix-{kind}")
    return group, shown, button


def _wire(ctx: Context, tab: DataTab) -> None:
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    added = [tab.source, tab.adding.upload, tab.adding.problem, tab.rows]
    adding = tab.adding
    adding.upload.upload(bind(data_add.add, ctx), adding.upload, added, **quiet)
    adding.folder.upload(bind(data_add.add, ctx), adding.folder, [tab.source, adding.folder, *added[2:]], **quiet)
    adding.use_paste.click(
        bind(data_add.add_pasted, ctx), adding.paste, [tab.source, adding.paste, *added[2:]], **quiet
    )
    adding.hub_get.click(bind(data_add.add_hub, ctx), list(adding.hub), [tab.source, gr.State(), *added[2:]], **quiet)
    adding.upload.clear(bind(forget), None, adding.problem, **quiet)
    for widget in tab.reading:
        widget.input(
            bind(data_add.read_again, ctx), [tab.source, *tab.reading], [tab.source, gr.State(), *added[2:]], **quiet
        )
    shape, roles = tab.fields["data.shape"], tab.fields["data.roles"]
    shape.input(bind(choose_shape, ctx), [tab.source, shape, roles], roles, **quiet)
    for widget in tab.roles:
        widget.input(bind(choose_roles, ctx), [tab.source, shape, *tab.roles], [shape, roles], **quiet)
    for kind, (_, _, button) in tab.fixes.items():
        button.click(bind(mend, kind), tab.fields["data.fixes"], tab.fields["data.fixes"], **quiet)


# --- handlers ---


def held_choices(ctx: Context) -> list[tuple[str, str]]:
    return [form.A_SHARE, *data_add.choices(ctx)]


def forget() -> Any:
    """The file was taken back, and what was wrong with it with it."""
    return gr.update(visible=False)


def refresh(ctx: Context) -> tuple[Any, Any]:
    """The lists again, with data that another page has added."""
    return gr.update(choices=data_add.choices(ctx)), gr.update(choices=held_choices(ctx))


def mend(kind: str, fixes: list[str]) -> list[str]:
    """Apply a fix, or undo it."""
    return [one for one in fixes if one != kind] if kind in fixes else [*fixes, kind]


def choose_shape(ctx: Context, source: str, shape: str, roles: dict[str, str]) -> dict[str, str]:
    """Columns for another shape: those that were used before, in their order."""
    if not shape:
        return {}
    dataset = ctx.dataset(source)
    used = list((roles or dataset.roles).values())
    columns = [*used, *(column for column in dataset.columns if column not in used)]
    needed = list(ROLES[Shape(shape)])[:2]
    return dataset.roles if shape == dataset.shape else dict(zip(needed, columns, strict=False))


def choose_roles(ctx: Context, source: str, shape: str, *columns: str | None) -> tuple[str, dict[str, str]]:
    """The columns as they were chosen one by one."""
    chosen = Shape(shape) if shape else ctx.dataset(source).shape
    return chosen.value, {role: column for role, column in zip(ROLES[chosen], columns, strict=False) if column}


def look(ctx: Context, model: str, *values: Any) -> Iterator[list[Any]]:
    """What is noticed in the rows at once, then the first rows, then the tokens: as each becomes known."""
    spec = form.data_spec(values)
    dataset = ctx.dataset(spec.source)
    prepared: Prepared | None = None
    work = data_add.telling(lambda tell: _prepare(ctx, spec, tell))
    for told in work:
        if isinstance(told, HoneError):
            yield shown(dataset, spec, None, data_view.problem("The columns do not fit", str(told)))
            return
        if told.startswith("\0"):
            prepared = ctx.prepared(spec)
        else:
            yield [card(dataset.name, line(told, "wait")), *(gr.skip() for _ in range(outputs_count() - 1))]
    assert prepared is not None
    yield shown(dataset, spec, prepared, WAITING)
    rows = page(ctx, model, prepared, spec, "order", {}, 0)
    yield shown(dataset, spec, prepared, rows)
    yield shown(dataset, spec, prepared, rows, report(ctx, model, prepared, spec))


def _prepare(ctx: Context, spec: DataSpec, tell: Any) -> str:
    ctx.prepared(spec, tell)
    return ""


def turn(
    ctx: Context, step: int, index: int, order: str, worst: dict[str, list[int]], model: str, *values: Any
) -> tuple[str, int]:
    """Other rows: the next, the previous, by chance (step 0), or the first of another order (step None)."""
    spec = form.data_spec(values)
    prepared = ctx.prepared(spec)
    total = len(_indices(prepared, order, worst))
    if step == 0:
        index = random.randrange(max(1, total))  # by chance: only what is looked at
    index = max(0, min(index + step * PAGE, (total - 1) // PAGE * PAGE if step else total - 1))
    return page(ctx, model, prepared, spec, order, worst, index), index


def reorder(ctx: Context, order: str, worst: dict[str, list[int]], model: str, *values: Any) -> tuple[str, int]:
    """The first rows of another order."""
    spec = form.data_spec(values)
    return page(ctx, model, ctx.prepared(spec), spec, order, worst, 0), 0


# --- what is shown ---


def report(ctx: Context, model: str, prepared: Prepared, spec: DataSpec) -> TokenReport | str:
    """Token counts, or in words why there are none now."""
    try:
        return ctx.engine.desk.measure(model, prepared.rows(), spec)
    except HoneError as error:
        return str(error)


def _indices(prepared: Prepared, order: str, worst: dict[str, list[int]]) -> range | list[int]:
    if order == "held":
        return range(prepared.held_out)
    return range(prepared.train) if order == "order" else worst.get(order, [])


def page(
    ctx: Context, model: str, prepared: Prepared, spec: DataSpec, order: str, worst: dict[str, list[int]], index: int
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
    return data_view.preview(seen, [rows.number(at) for at in picked], where, template)


def shown(
    dataset: Dataset, spec: DataSpec, prepared: Prepared | None, rows: str, tokens: TokenReport | str | None = None
) -> list[Any]:
    """Everything that a look fills, in the order of ``DataTab.outputs``."""
    if prepared is None:  # the columns do not fit: only what helps to choose others is shown
        blank = [gr.update(visible=False), "", gr.skip()] * len(FIXES)
        plots = [gr.update(visible=False)] * 2
        mapping = _mapping(dataset, spec.shape or dataset.shape, spec.roles)
        return [rows, "", *blank, "", 0, {}, gr.skip(), *plots, gr.skip(), *mapping, *_readings(dataset)]
    measured = tokens if isinstance(tokens, TokenReport) else None
    found = [*prepared.findings, *(check.token_findings(measured, spec) if measured else [])]
    worst = {"longest": measured.longest_rows, "cut": measured.cut_rows, "lost": measured.lost_rows} if measured else {}
    chart = gr.update(visible=False)
    if measured and measured.counts:
        chart = gr.update(value=charts.lengths(measured.edges, measured.counts, spec.max_length), visible=True)
    by_label = gr.update(visible=False)
    if prepared.labels:
        by_label = gr.update(value=charts.labels(prepared.labels), visible=True)
    return [
        data_view.facts(dataset, prepared, spec.max_length, tokens),
        data_view.notes([one for one in found if one.fix is None]),
        *_mending(found, spec, measured is not None),
        rows,
        0,
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
        if one is None and kind in spec.fixes and not whole:  # chosen; its figures come with the tokens
            updates += [gr.skip(), gr.skip(), gr.skip()]
        elif one is None:
            updates += [gr.update(visible=kind in spec.fixes), "", gr.update(value="Undo")]
        else:
            updates += [
                gr.update(visible=True),
                data_view.finding(one),
                gr.update(value="Undo" if one.done else one.button),
            ]
    return updates


def _mapping(dataset: Dataset, shape: Shape, roles: dict[str, str]) -> list[Any]:
    """The dropdowns of the shape's parts."""
    parts = list(ROLES[shape].items())
    columns = [("–", ""), *((column, column) for column in dataset.columns)]
    updates = [
        gr.update(label=label, choices=columns, value=roles.get(role, ""), visible=True) for role, label in parts
    ]
    return updates + [gr.update(visible=False)] * (MOST_ROLES - len(parts))


def _readings(dataset: Dataset) -> list[Any]:
    """How the files were read, where there is a choice."""
    text = dataset.kind in ("jsonl", "json", "csv", "txt", "labelled")
    encoding = str(dataset.options.get("encoding") or "")
    return [
        gr.update(visible=text, value=encoding if encoding in dict(map(reversed, data_add.encoding_choices())) else ""),
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
    return 2 + 3 * len(FIXES) + 7 + MOST_ROLES + 3
