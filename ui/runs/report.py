"""A run's report as HTML: below the table of the Runs tab, and as one file to print or send."""

from __future__ import annotations

from pathlib import Path

from engine.runs import report as reports
from engine.runs.report import RunReport, SampledPrompt
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from engine.text import format_count, format_date
from ui import charts
from ui.text import (
    card,
    definition_row,
    escape_html,
    line,
    page_colours,
    read_asset,
    state_label,
    status_box,
)

HEAD = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
)
CURVE_KEYS = (
    '<p class="keys"><span class="key"><i class="key-train"></i>training</span>'
    '<span class="key"><i class="key-held"></i>held-out (never trained on)</span></p>'
)


def report_page(report: RunReport) -> str:
    """All of it; every text of the user's is escaped."""
    warnings = "".join(line(words, "warn") for words in report.warnings)
    left = _settings_card(report) + _expected_card(report)
    right = _scores_card(report) + _samples_card(report)
    return (
        f'<div class="report">{verdict_card(report)}{warnings}{_loss_card(report)}'
        f'<div class="halves"><div>{left}</div><div>{right}</div></div>{_repeat_card(report)}</div>'
    )


def verdict_card(report: RunReport) -> str:
    """The coach's last word with its evidence."""
    said = report.verdict
    details = {"evidence": said.evidence, "action": said.action}
    return status_box(said.tone, said.title, said.text, details=details)


def write_report_file(run: RunDir) -> Path:
    """Write the report into the run's folder; returns its path."""
    path = run.path / "export" / f"{run.id}.html"
    path.parent.mkdir(exist_ok=True)
    path.write_text(report_document(reports.make_report(run)), encoding="utf-8")
    return path


def report_document(report: RunReport) -> str:
    """One HTML document that asks for nothing else: styles and curves are in it."""
    dates = format_date(report.created)
    if report.ended:
        dates += f" to {format_date(report.ended)}"
    name = escape_html(report.name)
    state = escape_html(state_label(RunState(report.state), report.worse))
    note = line(report.note) if report.note else ""
    page = report_page(report).replace("<details>", "<details open>")
    return (
        f'<!doctype html><html lang="en"><head>{HEAD}<title>{name}: report</title>'
        f"<style>{report_styles()}</style></head><body><h1>{name}</h1>"
        f"<p class='line'>{state}. {escape_html(dates)}.</p>{note}{page}"
        f"<p class='line'>Written by Hone. Run {escape_html(report.run)}.</p></body></html>"
    )


def report_styles() -> str:
    """The page's colours, light and dark, and the report's own rules."""
    light, dark = page_colours()
    screen = f"@media not print {{ :root {{{dark}}} }}"
    colours = f":root {{{light}}}@media (prefers-color-scheme: dark) {{ {screen} }}"
    return "\n".join([colours, read_asset("report-file.css"), read_asset("report.css")])


def _loss_card(report: RunReport) -> str:
    drawn = charts.loss_curves_svg(
        report.training, report.smooth, report.held_out, report.best_step
    )
    caution = line(report.caution) if report.caution else ""
    return card("Loss by step", CURVE_KEYS, drawn, caution) if drawn else ""


def _settings_card(report: RunReport) -> str:
    items = (
        definition_row(one.label, f"{escape_html(one.value)}<small>{escape_html(one.note)}</small>")
        for one in report.settings
    )
    return card("Settings", f'<dl class="settings">{"".join(items)}</dl>')


def _expected_card(report: RunReport) -> str:
    if not report.expected:
        return ""
    cells = "".join(
        f'<tr><th scope="row">{escape_html(one.what)}</th><td>{escape_html(one.expected)}</td>'
        f'<td data-good="{str(one.good).lower()}">{escape_html(one.real)}</td></tr>'
        for one in report.expected
    )
    head = '<tr><th scope="col"></th><th scope="col">expected</th><th scope="col">actual</th></tr>'
    return card(
        "Expected and actual",
        f'<div class="outcome"><table><thead>{head}</thead><tbody>{cells}</tbody></table></div>',
    )


def _scores_card(report: RunReport) -> str:
    caution = [report.caution] if report.score and report.caution else []
    sentences = [*report.score, *caution, *report.merged]
    return card("Scores on held-out examples", *map(line, sentences)) if sentences else ""


def _samples_card(report: RunReport) -> str:
    return card("What it said", *map(_sample_replies, report.samples)) if report.samples else ""


def _sample_replies(sample: SampledPrompt) -> str:
    replies = (
        f'<div class="reply{" now" * ("newest" in reply.marks)}">'
        f"<h4>{escape_html(_reply_heading(reply.step, reply.marks))}</h4>"
        f"<p>{escape_html(reply.text or '(an empty reply)')}</p></div>"
        for reply in sample.replies
    )
    prompt = f'<p class="prompt">{escape_html(sample.prompt)}</p>'
    return f'<article class="sample">{prompt}{"".join(replies)}</article>'


def _reply_heading(step: int, marks: tuple[str, ...]) -> str:
    if not step:
        return "Before training"
    after = f"After step {format_count(step)}"
    named = [word for word in ("best", "newest") if word in marks]
    return f"{after} ({' and '.join(named)})" if named else after


def _repeat_card(report: RunReport) -> str:
    if not report.command:
        return ""
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    facts = definition_row("Versions", escape_html(versions)) if versions else ""
    for name, value in (("Data", report.data_hash), ("Base model", report.model_hash)):
        if value:
            facts += definition_row(f"{name} (sha256)", f"<code>{escape_html(value)}</code>")
    spec = f"<pre>{escape_html(report.spec)}</pre>"
    return card(
        "How to repeat it",
        line("Save the settings below as spec.yaml, then run:"),
        f"<pre>{escape_html(report.command)}</pre>",
        f'<dl class="settings">{facts}</dl>',
        f"<details><summary>spec.yaml</summary>{spec}</details>",
    )
