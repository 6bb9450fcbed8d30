"""Numbers, times and states as the page shows them. Pure functions of values; knows nothing about widgets."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterable, Sequence

from engine.store.run_view import State
from engine.text import plural as plural

STATES = {
    State.QUEUED: "Waiting",
    State.PREPARING: "Getting ready",
    State.TRAINING: "Training",
    State.STOPPED: "Stopped and kept",
    State.PAUSED: "Paused",
    State.CANCELLED: "Cancelled",
    State.FAILED: "Error",
    State.INTERRUPTED: "Interrupted",
    State.FINISHED: "Finished",
}

ADDRESS = re.compile(r"https?://[\w.:/~-]*[\w/]", re.ASCII)


def safe(text: object) -> str:
    """Text for use inside HTML. Values reach gr.HTML only through ``${value}``, which does not run what it holds."""
    return html.escape(str(text))


def linked(text: str) -> str:
    """Plain text whose web addresses can be followed; for words of our own, not for those of somebody's data."""
    return ADDRESS.sub(r'<a href="\g<0>" target="_blank" rel="noopener">\g<0></a>', safe(text))


def count(number: int) -> str:
    """294912 as 294,912."""
    return f"{number:,}"


def short(number: float) -> str:
    """A large number in three digits: 3.4 M."""
    for size, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def share(part: float, whole: float) -> str:
    """A share in percent, with a decimal where it is small."""
    percent = 100 * part / whole if whole else 0.0
    return (
        f"{percent:.0f} %"
        if percent >= 10
        else f"{percent:.1f} %"
        if percent >= 1
        else f"{percent:.2g} %"
    )


def megabytes(size: float) -> str:
    """A size given in bytes."""
    mb = size / 2**20
    if mb < 0.1:
        return f"{size / 1024:.0f} kB"
    return f"{mb / 1024:.1f} GB" if mb >= 1024 else f"{mb:.0f} MB" if mb >= 10 else f"{mb:.1f} MB"


def duration(seconds: float) -> str:
    """75 as 75 s, 600 as 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def when(seconds: float) -> str:
    """A time of this machine's clock: 24 Nov, 08:55."""
    return time.strftime("%d %b, %H:%M", time.localtime(seconds))


# --- small pieces of HTML, all text escaped here ---


def card(title: str, *body: str) -> str:
    """A box with a heading; the body is HTML."""
    return f'<section class="card"><h3>{safe(title)}</h3>{"".join(body)}</section>'


def line(text: str, tone: str = "", links: bool = False) -> str:
    """One paragraph of plain text; ``links`` makes its web addresses ones that can be followed."""
    return f'<p class="line" data-tone="{tone}">{linked(text) if links else safe(text)}</p>'


def tiles(items: Iterable[tuple[str, str, str]]) -> str:
    """A strip of figures: label, value, what it is compared with."""
    cells = (
        f'<div class="tile"><span>{safe(label)}</span><b>{safe(value)}</b><small>{safe(note)}</small></div>'
        for label, value, note in items
    )
    return f'<section class="tiles">{"".join(cells)}</section>'


def table(headers: Sequence[str], rows: Iterable[str], kind: str = "plain") -> str:
    """A table that scrolls sideways by itself; the rows are HTML."""
    head = "".join(f'<th scope="col">{safe(name)}</th>' for name in headers)
    inner = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll" tabindex="0"><table class="{kind}">{inner}</table></div>'


def row(cells: Iterable[str]) -> str:
    """A row of plain text for a table."""
    return "<tr>" + "".join(f"<td>{safe(cell)}</td>" for cell in cells) + "</tr>"


def status(
    tone: str, title: str, text: str, links: bool = False, evidence: str = "", action: str = ""
) -> str:
    """The coloured sentence that stands first; ``links`` makes its web addresses ones that can be followed."""
    more = (("status-evidence", evidence), ("status-action", action))
    below = "".join(f'<p class="{kind}">{safe(words)}</p>' for kind, words in more if words)
    return (
        f'<section class="status" data-tone="{safe(tone)}" role="status"><span class="dot" aria-hidden="true"></span>'
        f"<div><h2>{safe(title)}</h2><p>{linked(text) if links else safe(text)}</p>{below}</div></section>"
    )


def intro(title: str, text: str) -> str:
    """A tab's heading, and what to do next in one line."""
    return f'<div class="intro"><h2>{safe(title)}</h2><p>{safe(text)}</p></div>'
