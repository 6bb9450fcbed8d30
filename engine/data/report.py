"""The report on data: what was noticed in rows and tokens, for the page and the command line."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from engine.data.datasets import Dataset
from engine.data.ingest import MIN_EXAMPLES
from engine.data.likeness.overlap import describe_overlap
from engine.data.prepared import Prepared
from engine.data.quality.findings import Finding, make_finding
from engine.data.quality.readings import Reading
from engine.data.quality.token_report import PreviewRow, TokenReport
from engine.spec.objective import LABEL_OBJECTIVES
from engine.spec.run import DataSpec

LABELS_CHOSEN = (
    "A classifier: it answers only with one of the labels. To write the label as text instead: "
    "data.goal: write"
)
LEVEL_WORDS = {"stop": "MUST BE FIXED", "warn": "Warning", "info": "Note"}


def token_findings(report: TokenReport, spec: DataSpec) -> list[Finding]:
    """What the tokens say: rows that are refused or cut, control tokens, answers without an end."""
    measured = lost = ""
    if report.measured < report.rows:
        measured = f" Measured on {report.measured:,} of {report.rows:,} rows."
    if report.lost:
        lost = f" {report.lost:,} of {report.measured:,} lose their whole answer and teach nothing."
    names = ", ".join(report.control.tokens[:5]) or "A control token"
    values = {
        "measured": measured,
        "reason": report.refused.reason,
        "limit": spec.max_length,
        "lost": lost,
        "longest": report.longest,
        "names": names,
    }
    cut = "cut texts" if spec.goal in LABEL_OBJECTIVES else "cut"
    counts = {"refused": report.refused.rows, cut: report.cut, "control": report.control.rows}
    counts["templated"] = report.templated
    if report.endless:
        counts[f"endless {report.endless}"] = 1
    made = [make_finding(kind, count, values, spec.fixes) for kind, count in counts.items()]
    return [finding for finding in made if finding.count or finding.done]


def report_values(
    dataset: Dataset, prepared: Prepared, tokens: TokenReport | None, spec: DataSpec
) -> dict[str, Any]:
    """The report as plain values, for JSON."""
    findings = [*prepared.findings, *(token_findings(tokens, spec) if tokens else [])]
    return {
        **prepared.model_dump(mode="json", exclude={"folder", "total"}),
        "task": prepared.task,
        "goal": spec.goal,
        "columns": dataset.columns,
        "notes": dataset.notes,
        "rows": prepared.total,
        "skipped": prepared.skipped,
        "caution": describe_overlap(prepared.overlap) if prepared.overlap else "",
        "tokens": tokens.model_dump() if tokens else None,
        "findings": [finding.model_dump() for finding in findings],
    }


def exit_code(values: dict[str, Any]) -> int:
    """0: usable, 1: usable with warnings, 2: not usable."""
    levels = {finding["level"] for finding in values["findings"] if not finding["done"]}
    if "stop" in levels or values["train"] < MIN_EXAMPLES:
        return 2
    return int("warn" in levels)


def format_report(values: dict[str, Any]) -> str:
    """The report in sentences, for a terminal."""
    columns = ", ".join(f"{role} = '{column}'" for role, column in values["roles"].items())
    lines = [
        f"{values['name']}: {values['shape']}. {values['reason']}",
        values["task"],
        *([LABELS_CHOSEN] if values["goal"] in LABEL_OBJECTIVES else []),
        f"Columns: {columns}",
        *values["notes"],
        f"{values['rows']:,} rows: {values['train']:,} to learn from, "
        f"{values['held_out']:,} held out.",
        *filter(None, [values["skipped"], values["caution"]]),
        f"Languages: {_list_shares(values['languages'])}",
        f"Scripts: {_list_shares(values['scripts'])}",
    ]
    if values["labels"]:
        labels = list((values["each_label"] or values["labels"]).items())[:10]
        lines.append("Labels: " + ", ".join(f"{label} {count:,}" for label, count in labels))
    if values["tokens"]:
        lines.append(_token_line(values["tokens"], values["goal"] in LABEL_OBJECTIVES))
    for finding in values["findings"]:
        lines += _finding_lines(finding)
        if finding["readings"]:
            lines += _reading_lines(values["readings"])
    return "\n".join(lines)


def _token_line(tokens: dict[str, Any], labelled: bool) -> str:
    """How many tokens there are, and what of them is learned."""
    share = tokens["learned"] / max(1, tokens["tokens"])
    learned = "and of each its label is learned" if labelled else f"{share:.0%} of them learned"
    lost = "" if labelled else f", {tokens['lost']:,} lose their whole answer"
    return (
        f"{tokens['tokens']:,} tokens in {tokens['measured']:,} rows, {learned}; "
        f"longest row {tokens['longest']:,}; {tokens['cut']:,} cut{lost}."
    )


def reading_values(reading: Reading, row: PreviewRow | None) -> dict[str, Any]:
    """A reading as plain values, with its row as the model would see it."""
    seen = mark_learned(row) if row else ""
    return {**reading.model_dump(mode="json"), "seen": seen}


def mark_learned(row: PreviewRow) -> str:
    """A row's text as the model sees it; what is learned stands between [[ and ]]."""
    parts = [row.problem]
    tokens = zip(row.tokens, row.learned, strict=True)
    for learned, group in groupby(tokens, key=lambda token: token[1]):
        text = "".join(token for token, _ in group)
        parts.append(f"[[{text}]]" if learned else text)
    label = f" [[{row.label}]]" if row.label else ""
    return "".join(parts) + label


def _reading_lines(readings: list[dict[str, Any]]) -> list[str]:
    lines = []
    for number, one in enumerate(readings, start=1):
        roles = json.dumps(one["roles"], ensure_ascii=False)
        lines.append(f"  Reading {number}: {one['title']}")
        lines += [f"    {line}" for line in one["seen"].splitlines()]
        lines.append(f"    To choose it: data.shape: '{one['shape']}', data.roles: {roles}")
    return lines


def _list_shares(shares: dict[str, float]) -> str:
    named = {"unknown" if name == "?" else name: share for name, share in shares.items()}
    return ", ".join(f"{name} {share:.0%}" for name, share in list(named.items())[:5])


def _finding_lines(finding: dict[str, Any]) -> list[str]:
    title = finding["title"]
    if finding["rows"]:
        word = "row" if len(finding["rows"]) == 1 else "rows"
        title += f" ({word} {', '.join(map(str, finding['rows'][:8]))})"
    end = "" if title.endswith("?") else "."
    first = f"{LEVEL_WORDS[finding['level']]}: {title}{end} {finding['text']}"
    lines = [first, *(f"    {line}" for line in finding["example"].splitlines())]
    if finding["column"] and not finding["done"]:
        left_out = json.dumps({finding["column"]: finding["suggested"]}, ensure_ascii=False)
        lines.append(f"    To answer it: data.left_out: {left_out}; [] if it does not matter")
    return lines
