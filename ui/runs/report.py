"""A run's report as HTML: below the table of the Runs tab, and as one file that can be printed and sent on."""

from __future__ import annotations

import re
from pathlib import Path

from engine.runs import report as reports
from engine.runs.report import Asked, Report
from engine.store.run_dir import RunDir
from engine.store.run_view import State
from ui import charts
from ui.text import STATES, card, count, line, safe, status, when
from ui.theme import ASSETS

KEYS = (
    '<p class="keys"><span class="key"><i class="key-train"></i>training</span>'
    '<span class="key"><i class="key-held"></i>held-out (never trained on)</span></p>'
)


def page(report: Report) -> str:
    """All of it; every text of the user's is escaped."""
    side = _settings(report) + _expected(report)
    return (
        '<div class="report">'
        + verdict(report)
        + "".join(line(words, "warn") for words in report.warnings)
        + _curves(report)
        + f'<div class="halves"><div>{side}</div><div>{_scores(report)}{_samples(report)}</div></div>'
        + _repeat(report)
        + "</div>"
    )


def verdict(report: Report) -> str:
    """The coach's last word with its evidence."""
    said = report.verdict
    return status(said.tone, said.title, said.text, evidence=said.evidence, action=said.action)


def write(run: RunDir) -> Path:
    """Put the report into the run's folder as a file; where it is."""
    path = run.path / f"{run.id}.html"
    path.write_text(file(reports.report(run)), encoding="utf-8")
    return path


def file(report: Report) -> str:
    """One HTML document that asks for nothing else: styles and curves are in it."""
    known = when(report.created) + (f" to {when(report.ended)}" if report.ended else "")
    head = f"<h1>{safe(report.name)}</h1><p class='line'>{safe(STATES[State(report.state)])}. {safe(known)}.</p>"
    note = line(report.note) if report.note else ""
    whole = page(report).replace("<details>", "<details open>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{safe(report.name)}: report</title><style>{styles()}</style></head>"
        f"<body>{head}{note}{whole}<p class='line'>Written by Hone. Run {safe(report.run)}.</p></body></html>"
    )


def styles() -> str:
    """The page's colours, light and dark, and the report's own rules."""
    light, dark = re.findall(
        r"(?:^:root|^\.dark) \{(.*?)^\}",
        (ASSETS / "app.css").read_text(encoding="utf-8"),
        re.S | re.M,
    )
    colours = f":root {{{light}}}@media (prefers-color-scheme: dark) {{ @media not print {{ :root {{{dark}}} }} }}"
    return "\n".join(
        [
            colours,
            *(
                (ASSETS / name).read_text(encoding="utf-8")
                for name in ("report-file.css", "report.css")
            ),
        ]
    )


# --- the parts ---


def _curves(report: Report) -> str:
    drawn = charts.losses(report.training, report.smooth, report.held_out, report.best_step)
    return card("Loss by step", KEYS, drawn) if drawn else ""


def _settings(report: Report) -> str:
    items = "".join(
        f"<div><dt>{safe(one.label)}</dt><dd>{safe(one.value)}<small>{safe(one.note)}</small></dd></div>"
        for one in report.settings
    )
    return card("Settings", f'<dl class="settings">{items}</dl>')


def _expected(report: Report) -> str:
    if not report.expected:
        return ""
    cells = "".join(
        f'<tr><th scope="row">{safe(one.what)}</th><td>{safe(one.expected)}</td>'
        f'<td data-good="{str(one.good).lower()}">{safe(one.real)}</td></tr>'
        for one in report.expected
    )
    head = '<tr><th scope="col"></th><th scope="col">expected</th><th scope="col">real</th></tr>'
    return card(
        "Expected and real",
        f'<div class="outcome"><table><thead>{head}</thead><tbody>{cells}</tbody></table></div>',
    )


def _scores(report: Report) -> str:
    said = [*report.score, *report.merged]
    return card("Scores on held-out examples", *map(line, said)) if said else ""


def _samples(report: Report) -> str:
    return card("What it said", *map(_asked, report.samples)) if report.samples else ""


def _asked(one: Asked) -> str:
    replies = "".join(
        f'<div class="reply{" now" if "newest" in reply.marks else ""}">'
        f"<h4>{safe(_moment(reply.step, reply.marks))}</h4><p>{safe(reply.text or '(an empty reply)')}</p></div>"
        for reply in one.replies
    )
    return f'<article class="sample"><p class="prompt">{safe(one.prompt)}</p>{replies}</article>'


def _moment(step: int, marks: tuple[str, ...]) -> str:
    when_ = f"After step {count(step)}" if step else "Before training"
    more = [word for word in ("best", "newest") if word in marks]
    return f"{when_} ({' and '.join(more)})" if more and step else when_


def _repeat(report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    facts = [("Data", report.data_hash), ("Base model", report.model_hash)]
    hashes = "".join(
        f"<div><dt>{name} (sha256)</dt><dd><code>{safe(one)}</code></dd></div>"
        for name, one in facts
        if one
    )
    ran = f"<div><dt>Versions</dt><dd>{safe(versions)}</dd></div>" if versions else ""
    how = line("Save the settings below as spec.yaml, then run:")
    return card(
        "How to repeat it",
        how,
        f"<pre>{safe(report.command)}</pre>",
        f'<dl class="settings">{ran}{hashes}</dl>',
        f"<details><summary>spec.yaml</summary><pre>{safe(report.spec)}</pre></details>",
    )
