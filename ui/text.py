"""Numbers, times and states as the page shows them. Pure functions of values; knows nothing about widgets."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

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
}

ADDRESS = re.compile(r"https?://[\w.:/~-]*[\w/]", re.ASCII)


def escape_html(text: object) -> str:
    """Text for use inside HTML. Values reach gr.HTML only through ``${value}``, which does not run what it holds."""
    return html.escape(str(text))


def with_links(text: str) -> str:
    """Plain text whose web addresses can be followed; for words of our own, not for those of somebody's data."""
    return ADDRESS.sub(
        r'<a href="\g<0>" target="_blank" rel="noopener">\g<0></a>', escape_html(text)
    )


# --- small pieces of HTML, all text escaped here ---


def card(title: str, *body: str) -> str:
    """A box with a heading; the body is HTML."""
    return f'<section class="card"><h3>{escape_html(title)}</h3>{"".join(body)}</section>'


def line(text: str, tone: str = "", links: bool = False) -> str:
    """One paragraph of plain text; ``links`` makes its web addresses ones that can be followed."""
    return (
        f'<p class="line" data-tone="{tone}">{with_links(text) if links else escape_html(text)}</p>'
    )


def tile_strip(items: Iterable[tuple[str, str, str]]) -> str:
    """A strip of figures: label, value, what it is compared with."""
    cells = (
        f'<div class="tile"><span>{escape_html(label)}</span><b>{escape_html(value)}</b><small>{escape_html(note)}</small></div>'
        for label, value, note in items
    )
    return f'<section class="tiles">{"".join(cells)}</section>'


def table(headers: Sequence[str], rows: Iterable[str], kind: str = "plain") -> str:
    """A table that scrolls sideways by itself; the rows are HTML."""
    head = "".join(f'<th scope="col">{escape_html(name)}</th>' for name in headers)
    inner = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll" tabindex="0"><table class="{kind}">{inner}</table></div>'


def table_row(cells: Iterable[str]) -> str:
    """A row of plain text for a table."""
    return "<tr>" + "".join(f"<td>{escape_html(cell)}</td>" for cell in cells) + "</tr>"


def status_box(
    tone: str, title: str, text: str, links: bool = False, evidence: str = "", action: str = ""
) -> str:
    """The coloured sentence that stands first; ``links`` makes its web addresses ones that can be followed."""
    more = (("status-evidence", evidence), ("status-action", action))
    below = "".join(f'<p class="{kind}">{escape_html(words)}</p>' for kind, words in more if words)
    return (
        f'<section class="status" data-tone="{escape_html(tone)}" role="status"><span class="dot" aria-hidden="true"></span>'
        f"<div><h2>{escape_html(title)}</h2><p>{with_links(text) if links else escape_html(text)}</p>{below}</div></section>"
    )


def tab_intro(title: str, text: str) -> str:
    """A tab's heading, and what to do next in one line."""
    return f'<div class="intro"><h2>{escape_html(title)}</h2><p>{escape_html(text)}</p></div>'
