"""The Data tab: bring data in, see what the model will see of it, mend what is wrong, split it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.data.schema import ROLES
from engine.spec.run import Shape
from ui import form
from ui.context import Context
from ui.data import add as data_add
from ui.data import editor, look
from ui.data.add import Adding
from ui.data.editor import Editor
from ui.handlers import QUIET, bind
from ui.text import tab_intro
from ui.theme import raw_html

REREAD_INFO = "The file is read again when you change this."
HEADER_CHOICES = [("Found by itself", ""), ("Yes", "yes"), ("No", "no")]
TEXT_UNITS = [
    ("Found by itself", ""),
    ("Paragraph", "paragraph"),
    ("Line", "line"),
    ("About 1,000 letters", "length"),
]


@dataclass(frozen=True)
class DataTab:
    """What the other tabs need, and the widgets that a look fills."""

    tab: gr.Tab
    fields: dict[str, Component]  # by path; the seed is on the Train tab
    adding: Adding
    facts: gr.HTML
    notes: gr.HTML  # findings that have no button
    agree: gr.Button  # the guessed columns are right
    fixes: dict[str, tuple[gr.Group, gr.HTML, gr.Button]]
    rows: gr.HTML
    index: gr.State
    worst: gr.State  # order -> row indices
    asked: gr.State  # the data that was chosen last, once the fields fit it
    spare: gr.State  # takes what a way of adding does not use
    order: gr.Dropdown
    chart: gr.Plot
    label_chart: gr.Plot
    editor: Editor
    roles: list[gr.Dropdown]
    reading: list[Component]  # encoding, header, split of a text
    back: gr.Button
    forth: gr.Button
    any: gr.Button
    next: gr.Button

    def outputs(self) -> list[Component]:
        """What ``look`` yields, in its order."""
        fixes = [one for parts in self.fixes.values() for one in parts]
        more = [
            self.rows,
            self.index,
            self.worst,
            self.order,
            self.chart,
            self.label_chart,
            self.fields["data.shape"],
        ]
        return [self.facts, self.notes, self.agree, *fixes, *more, *self.roles, *self.reading]

    @property
    def source(self) -> Component:
        return self.fields["data.source"]


def build(ctx: Context) -> DataTab:
    """Lay the tab out and wire what concerns it alone."""
    fields: dict[str, Component] = {}

    def add(*paths: str, **more: Any) -> None:
        for path in paths:
            fields[path] = form.make_widget(path, **more)

    with gr.Tab("Data", id="data") as tab:
        raw_html(
            tab_intro(
                "What should it learn?",
                "Choose a sample or add data of your own, check the rows, then go on.",
            )
        )
        with gr.Row(equal_height=False, elem_classes="page data"):
            with gr.Column(scale=0, min_width=340, elem_classes="side"):
                add("data.source", choices=data_add.dataset_choices(ctx))
                adding = data_add.build_adding(ctx)
                with gr.Accordion("How it is read", open=False, elem_id="reading"):
                    add("data.shape", "data.roles", "data.fixes")
                    roles = [
                        gr.Dropdown(
                            [],
                            label="Column",
                            info="Where it stands.",
                            visible=False,
                            elem_id=f"role-{number}",
                        )
                        for number in range(look.MOST_ROLES)
                    ]
                    reading = _reading_options()
                with gr.Accordion("What it learns from", open=False, elem_id="learning"):
                    add(
                        "data.goal", "data.learn", "data.max_length", "data.system", "data.template"
                    )
                with gr.Accordion("What is held out", open=False, elem_id="splitting"):
                    add("data.held_out")
                    add("data.held_out_source", choices=held_out_choices(ctx), value="")
                forward = gr.Button("Next: choose the model", variant="primary", size="md")
            with gr.Column(scale=1, min_width=320):
                facts = raw_html(elem_id="data-facts")
                fixes = {kind: _fix_box(kind) for kind in look.FIX_KINDS}
                notes = raw_html(elem_id="findings")
                confirm_columns = gr.Button(
                    "Yes, the columns are right", size="md", visible=False, elem_id="agree"
                )
                rows = raw_html(look.OPENING_TOKENIZER, elem_id="preview")
                with gr.Row(elem_classes="pager"):
                    back = gr.Button("Previous", size="md", min_width=90)
                    forth = gr.Button("Next rows", size="md", min_width=90)
                    any_row = gr.Button("Random", size="md", min_width=90)
                    order = gr.Dropdown(
                        look.order_choices(None, 0),
                        value="order",
                        label="Which rows",
                        container=False,
                        elem_id="order",
                    )
                rows_editor = editor.build_editor()
                with gr.Row(equal_height=False):
                    chart = gr.Plot(label="Lengths", visible=False, elem_id="lengths")
                    label_chart = gr.Plot(label="Labels", visible=False, elem_id="labels")
        index, worst, asked, spare = gr.State(0), gr.State({}), gr.State(""), gr.State()
    made = DataTab(
        tab, fields, adding, facts, notes, confirm_columns, fixes, rows, index, worst, asked, spare, order, chart, label_chart,
        rows_editor, roles, reading, back, forth, any_row, forward,
    )  # fmt: skip
    _wire_data(ctx, made)
    return made


def _reading_options() -> list[Component]:
    encoding = gr.Dropdown(
        data_add.encoding_choices(),
        value="",
        label="Letters (encoding)",
        info=REREAD_INFO,
        elem_id="encoding",
    )
    header = gr.Dropdown(
        HEADER_CHOICES,
        value="",
        label="The first line names the columns",
        info=REREAD_INFO,
        elem_id="header",
    )
    parts = gr.Dropdown(
        TEXT_UNITS, value="", label="One example is a", info=REREAD_INFO, elem_id="parts"
    )
    return [encoding, header, parts]


def _fix_box(kind: str) -> tuple[gr.Group, gr.HTML, gr.Button]:
    with gr.Row(visible=False, elem_classes="mend", equal_height=False) as group:
        shown = raw_html()
        button = gr.Button(size="md", scale=0, min_width=200, elem_id=f"fix-{kind}")
    return group, shown, button


def _wire_data(ctx: Context, tab: DataTab) -> None:
    added = [tab.source, tab.adding.upload, tab.adding.problem, tab.rows]
    adding = tab.adding
    adding.upload.upload(bind(data_add.add_files, ctx), adding.upload, added, **QUIET)
    adding.folder.upload(
        bind(data_add.add_files, ctx),
        adding.folder,
        [tab.source, adding.folder, *added[2:]],
        **QUIET,
    )
    adding.use_paste.click(
        bind(data_add.add_pasted, ctx),
        adding.paste,
        [tab.source, adding.paste, *added[2:]],
        **QUIET,
    )
    adding.hub_get.click(
        bind(data_add.add_hub_dataset, ctx),
        list(adding.hub),
        [tab.source, tab.spare, *added[2:]],
        **QUIET,
    )
    adding.upload.clear(bind(hide_problem), None, adding.problem, **QUIET)
    for widget in tab.reading:
        widget.input(
            bind(data_add.reread_dataset, ctx),
            [tab.source, *tab.reading],
            [tab.source, tab.spare, *added[2:]],
            **QUIET,
        )
    shape, roles = tab.fields["data.shape"], tab.fields["data.roles"]
    shape.input(bind(choose_shape, ctx), [tab.source, shape, roles], roles, **QUIET)
    for widget in tab.roles:
        widget.input(
            bind(choose_roles, ctx), [tab.source, shape, *tab.roles], [shape, roles], **QUIET
        )
    tab.agree.click(bind(confirm_columns, ctx), tab.source, [shape, roles], **QUIET)
    for kind, (_, _, button) in tab.fixes.items():
        button.click(
            bind(toggle_fix, kind), tab.fields["data.fixes"], tab.fields["data.fixes"], **QUIET
        )


# --- handlers ---


def held_out_choices(ctx: Context) -> list[tuple[str, str]]:
    return [form.SHARE_CHOICE, *data_add.dataset_choices(ctx)]


def hide_problem() -> Any:
    """The file was taken back, and what was wrong with it with it."""
    return gr.update(visible=False)


def refresh_datasets(ctx: Context) -> tuple[Any, Any]:
    """The lists again, with data that another page has added."""
    return gr.update(choices=data_add.dataset_choices(ctx)), gr.update(
        choices=held_out_choices(ctx)
    )


def toggle_fix(kind: str, fixes: list[str]) -> list[str]:
    """Apply a fix, or undo it."""
    return [one for one in fixes if one != kind] if kind in fixes else [*fixes, kind]


def choose_shape(ctx: Context, source: str, shape: str, roles: dict[str, str]) -> dict[str, str]:
    """Columns for another shape: those that were used before, in their order."""
    if not shape:
        return {}
    dataset = ctx.load_dataset(source)
    used = list((roles or dataset.roles).values())
    columns = [*used, *(column for column in dataset.columns if column not in used)]
    needed = list(ROLES[Shape(shape)])[:2]
    return dataset.roles if shape == dataset.shape else dict(zip(needed, columns, strict=False))


def choose_roles(
    ctx: Context, source: str, shape: str, *columns: str | None
) -> tuple[str, dict[str, str]]:
    """The columns as they were chosen one by one."""
    chosen = Shape(shape) if shape else ctx.load_dataset(source).shape
    return chosen.value, {
        role: column for role, column in zip(ROLES[chosen], columns, strict=False) if column
    }


def confirm_columns(ctx: Context, source: str) -> tuple[str, dict[str, str]]:
    """The guessed shape and columns, as the user's choice."""
    dataset = ctx.load_dataset(source)
    return dataset.shape.value, dataset.roles
