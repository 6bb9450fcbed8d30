"""States in words, and small pieces of HTML with all text escaped. Knows nothing about widgets."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence

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

Tile = tuple[str, str, str]  # a figure: label, value, what it is compared with
WEB_ADDRESS = re.compile(r"https?://[\w.:/~-]*[\w/]", re.ASCII)


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
