"""States in words, small pieces of HTML with all text escaped, files of ``assets``; no widgets."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from engine.store.run_view import RunState

STATE_LABELS = {
    RunState.QUEUED: "Waiting",
    RunState.PREPARING: "Getting ready",
    RunState.TRAINING: "Training",
    RunState.STOPPED: "Stopped and kept",
    RunState.PAUSED: "Paused",
    RunState.CANCELLED: "Cancelled",
    RunState.FAILED: "Error",
    RunState.INTERRUPTED: "Interrupted",
    RunState.FINISHED: "Finished",
    RunState.IMPORTED: "Added",
}

WORSE = "Finished, worse than before"


def state_label(state: RunState, worse: bool) -> str:
    """A run's state in words; ``worse``: it came to nothing (RunView.got_worse)."""
    return WORSE if worse and state == RunState.FINISHED else STATE_LABELS[state]


Tile = tuple[str, str, str]  # a figure: label, value, what it is compared with
ASSETS = Path(__file__).parent / "assets"
WEB_ADDRESS = re.compile(r"https?://[\w.:/~-]*[\w/]", re.ASCII)


@cache
def read_asset(name: str) -> str:
    """The text of a file in ``assets``."""
    return (ASSETS / name).read_text(encoding="utf-8")


def logo() -> str:
    """Hone's logo as HTML, which a screen reader passes over."""
    return read_asset("logo.svg").replace("<svg ", '<svg aria-hidden="true" ')


def page_colours() -> list[str]:
    """The CSS variables of the page's colours: light, dark."""
    return re.findall(r"(?:^:root|^\.dark) \{(.*?)^\}", read_asset("app.css"), re.S | re.M)


def escape_html(text: object) -> str:
    """Text for use inside HTML."""
    return html.escape(str(text))


def with_links(text: str) -> str:
    """Plain text whose web addresses are links; for Hone's own words, not for anybody's data."""
    link = r'<a href="\g<0>" target="_blank" rel="noopener">\g<0></a>'
    return WEB_ADDRESS.sub(link, escape_html(text))


def card(title: str, *body: str) -> str:
    """A box with a heading; the body is HTML."""
    return f'<section class="card"><h3>{escape_html(title)}</h3>{"".join(body)}</section>'


def line(text: str, tone: str = "", links: bool = False) -> str:
    """A paragraph of plain text; ``links``: see ``with_links``."""
    inner = with_links(text) if links else escape_html(text)
    return f'<p class="line" data-tone="{tone}">{inner}</p>'


def small_button(event: str, name: str, label: str, about: str, disabled: bool = False) -> str:
    """A button within HTML that triggers ``event`` with ``name``; ``about`` is read aloud."""
    key, spoken = escape_html(name), escape_html(f"{label.rstrip('…')}: {about}")
    return (
        f'<button type="button" class="mini" data-do="{event}" data-name="{key}" '
        f'data-key="{event} {key}" aria-label="{spoken}"{" disabled" * disabled}>'
        f"{escape_html(label)}</button>"
    )


def go_button(tab: str, elem_id: str, label: str, fold: str = "") -> str:
    """A link within HTML that opens a tab, and a fold, and puts the cursor into a widget."""
    where = {"go": tab, "to": elem_id, "fold": fold}  # fields.js reads them
    data = " ".join(f'data-{name}="{escape_html(one)}"' for name, one in where.items())
    return f'<button type="button" class="go" {data}>{escape_html(label)}</button>'


def definition_row(term: str, html: str) -> str:
    """A term of a ``<dl>`` with its definition, which is HTML."""
    return f"<div><dt>{escape_html(term)}</dt><dd>{html}</dd></div>"


def tile_strip(items: Iterable[Tile]) -> str:
    """A strip of figures: label, value, what to compare it with."""
    cells = (
        f"<span>{escape_html(label)}</span><b>{escape_html(value)}</b>"
        f"<small>{escape_html(note)}</small>"
        for label, value, note in items
    )
    tiles = "".join(f'<div class="tile">{cell}</div>' for cell in cells)
    return f'<section class="tiles">{tiles}</section>'


def table(headers: Sequence[str], rows: Iterable[str], kind: str = "plain") -> str:
    """A table that scrolls sideways on its own; the rows are HTML."""
    head = "".join(f'<th scope="col">{escape_html(name)}</th>' for name in headers)
    inner = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll" tabindex="0"><table class="{kind}">{inner}</table></div>'


def status_box(
    tone: str, title: str, text: str, links: bool = False, details: Mapping[str, str] | None = None
) -> str:
    """The coloured box above everything else; ``details`` are more paragraphs, by their class."""
    inner = with_links(text) if links else escape_html(text)
    below = "".join(
        f'<p class="status-{name}">{escape_html(words)}</p>'
        for name, words in (details or {}).items()
        if words
    )
    return (
        f'<section class="status" data-tone="{escape_html(tone)}" role="status">'
        '<span class="dot" aria-hidden="true"></span>'
        f"<div><h2>{escape_html(title)}</h2><p>{inner}</p>{below}</div></section>"
    )
