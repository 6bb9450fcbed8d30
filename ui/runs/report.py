"""A run's report as HTML: below the table of the Runs tab, and as one file that can be printed and sent on."""

from __future__ import annotations

import re
from pathlib import Path

from engine.runs import report as reports
from engine.runs.report import RunReport, SampledPrompt
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from engine.text import format_count, format_date
from ui import charts
from ui.text import STATE_LABELS, card, escape_html, line, status_box
from ui.theme import ASSETS

KEYS = (
    '<p class="keys"><span class="key"><i class="key-train"></i>training</span>'
    '<span class="key"><i class="key-held"></i>held-out (never trained on)</span></p>'
)


def report_page(report: RunReport) -> str:
    """All of it; every text of the user's is escaped."""
    side = _settings_card(report) + _expected_card(report)
    return (
        '<div class="report">'
        + verdict_card(report)
        + "".join(line(words, "warn") for words in report.warnings)
        + _loss_card(report)
        + f'<div class="halves"><div>{side}</div><div>{_scores_card(report)}{_samples_card(report)}</div></div>'
        + _repeat_card(report)
        + "</div>"
    )


def verdict_card(report: RunReport) -> str:
    """The coach's last word with its evidence."""
    said = report.verdict
    return status_box(said.tone, said.title, said.text, evidence=said.evidence, action=said.action)


def write_report_file(run: RunDir) -> Path:
    """Put the report into the run's folder as a file; where it is."""
    path = run.path / f"{run.id}.html"
    path.write_text(report_document(reports.make_report(run)), encoding="utf-8")
    return path


def report_document(report: RunReport) -> str:
    """One HTML document that asks for nothing else: styles and curves are in it."""
    known = format_date(report.created) + (
        f" to {format_date(report.ended)}" if report.ended else ""
    )
    head = f"<h1>{escape_html(report.name)}</h1><p class='line'>{escape_html(STATE_LABELS[RunState(report.state)])}. {escape_html(known)}.</p>"
    note = line(report.note) if report.note else ""
    whole = report_page(report).replace("<details>", "<details open>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape_html(report.name)}: report</title><style>{report_styles()}</style></head>"
        f"<body>{head}{note}{whole}<p class='line'>Written by Hone. Run {escape_html(report.run)}.</p></body></html>"
    )


def report_styles() -> str:
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


def _loss_card(report: RunReport) -> str:
    drawn = charts.loss_curves_svg(
        report.training, report.smooth, report.held_out, report.best_step
    )
    return card("Loss by step", KEYS, drawn) if drawn else ""


def _settings_card(report: RunReport) -> str:
    items = "".join(
        f"<div><dt>{escape_html(one.label)}</dt><dd>{escape_html(one.value)}<small>{escape_html(one.note)}</small></dd></div>"
        for one in report.settings
    )
    return card("Settings", f'<dl class="settings">{items}</dl>')


def _expected_card(report: RunReport) -> str:
    if not report.expected:
        return ""
    cells = "".join(
        f'<tr><th scope="row">{escape_html(one.what)}</th><td>{escape_html(one.expected)}</td>'
        f'<td data-good="{str(one.good).lower()}">{escape_html(one.real)}</td></tr>'
        for one in report.expected
    )
    head = '<tr><th scope="col"></th><th scope="col">expected</th><th scope="col">real</th></tr>'
    return card(
        "Expected and real",
        f'<div class="outcome"><table><thead>{head}</thead><tbody>{cells}</tbody></table></div>',
    )


def _scores_card(report: RunReport) -> str:
    said = [*report.score, *report.merged]
    return card("Scores on held-out examples", *map(line, said)) if said else ""


def _samples_card(report: RunReport) -> str:
    return card("What it said", *map(_sample_replies, report.samples)) if report.samples else ""


def _sample_replies(one: SampledPrompt) -> str:
    replies = "".join(
        f'<div class="reply{" now" if "newest" in reply.marks else ""}">'
        f"<h4>{escape_html(_reply_heading(reply.step, reply.marks))}</h4><p>{escape_html(reply.text or '(an empty reply)')}</p></div>"
        for reply in one.replies
    )
    return f'<article class="sample"><p class="prompt">{escape_html(one.prompt)}</p>{replies}</article>'


def _reply_heading(step: int, marks: tuple[str, ...]) -> str:
    when_ = f"After step {format_count(step)}" if step else "Before training"
    more = [word for word in ("best", "newest") if word in marks]
    return f"{when_} ({' and '.join(more)})" if more and step else when_


def _repeat_card(report: RunReport) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    facts = [("Data", report.data_hash), ("Base model", report.model_hash)]
    hashes = "".join(
        f"<div><dt>{name} (sha256)</dt><dd><code>{escape_html(one)}</code></dd></div>"
        for name, one in facts
        if one
    )
    ran = f"<div><dt>Versions</dt><dd>{escape_html(versions)}</dd></div>" if versions else ""
    how = line("Save the settings below as spec.yaml, then run:")
    return card(
        "How to repeat it",
        how,
        f"<pre>{escape_html(report.command)}</pre>",
        f'<dl class="settings">{ran}{hashes}</dl>',
        f"<details><summary>spec.yaml</summary><pre>{escape_html(report.spec)}</pre></details>",
    )
