"""What is noticed in the data, each finding with the button that fixes it."""

from __future__ import annotations

from typing import get_args

import gradio as gr
from gradio.components import Component

from engine.data.quality.findings import Finding
from engine.spec.run import DataSpec, Fix
from engine.text import format_count
from ui import form
from ui.handlers import Updates
from ui.text import escape_html
from ui.theme import make_button, raw_html

FIX_KINDS: tuple[str, ...] = get_args(Fix)
LEVEL_TONES = {"stop": "bad", "warn": "warn", "info": "idle"}
ROW_NUMBERS_SHOWN = 8  # numbers of rows that a finding lists


class FixBox:
    """A finding with its button; hidden where nothing is found."""

    def __init__(self, kind: str) -> None:
        with gr.Row(visible=False, elem_classes="mend", equal_height=False) as self.group:
            self.text = raw_html()
            self.button = make_button(elem_id=f"fix-{kind}", width=200, scale=0)


class FindingWidgets:
    """Findings with a fix, each with its button, and those without one."""

    def __init__(self) -> None:
        self.applied = form.make_widget("data.fixes")
        self.fixes = {kind: FixBox(kind) for kind in FIX_KINDS}
        self.others = raw_html(elem_id="findings")
        boxes = [one for box in self.fixes.values() for one in (box.group, box.text, box.button)]
        self.shown: list[Component] = [*boxes, self.others]


def toggle_fix(kind: str, fixes: list[str]) -> list[str]:
    """Apply a fix, or undo it."""
    return [one for one in fixes if one != kind] if kind in fixes else [*fixes, kind]


# --- what is shown ---


def finding_updates(
    findings: FindingWidgets, found: list[Finding], spec: DataSpec, complete: bool
) -> Updates:
    """All findings; until they are complete, an applied fix that is missing stays as it is."""
    by_fix = {one.fix: one for one in found if one.fix}
    others = "".join(finding_card(one) for one in found if one.fix is None)
    shown = others and f'<section class="notes">{others}</section>'
    updates: Updates = {findings.others: shown}
    for kind, box in findings.fixes.items():
        one = by_fix.get(kind)  # type: ignore[call-overload]
        applied = kind in spec.fixes
        if one:
            updates |= {
                box.group: gr.update(visible=True),
                box.text: finding_card(one),
                box.button: gr.update(value="Undo" if one.done else one.button),
            }
        elif complete or not applied:
            updates |= {
                box.group: gr.update(visible=applied),
                box.text: "",
                box.button: gr.update(value="Undo"),
            }
    return updates


def finding_card(one: Finding) -> str:
    """One finding as HTML; its button stands beside it."""
    title = f"<h4>{escape_html(one.title)}</h4>"
    if one.done:
        done = f"<p>{escape_html(one.text if one.column else 'Fixed.')}</p>"
        return f'<section class="finding" data-tone="good">{title}{done}</section>'
    example = where = ""
    if one.example:
        example = f'<pre class="example" tabindex="0">{escape_html(one.example)}</pre>'
    if one.rows:
        numbers = ", ".join(map(format_count, one.rows[:ROW_NUMBERS_SHOWN]))
        word = "Row" if len(one.rows) == 1 else "Rows"
        more = "…" if len(one.rows) > ROW_NUMBERS_SHOWN else ""
        where = f"<small>{word} {numbers}{more}</small>"
    return (
        f'<section class="finding" data-tone="{LEVEL_TONES[one.level]}">{title}'
        f"<p>{escape_html(one.text)}</p>{example}{where}</section>"
    )
