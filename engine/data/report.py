"""The report on data: what was noticed in the rows and in their tokens, for the page and the command line alike."""

from __future__ import annotations

from typing import Any

from engine.data.datasets import Dataset
from engine.data.ingest import MIN_EXAMPLES
from engine.data.prepare import Prepared
from engine.data.quality.findings import Finding, leave_out
from engine.data.quality.token_report import TokenReport
from engine.spec.run import DataSpec
from engine.text import count_of


def token_findings(report_values: TokenReport, spec: DataSpec) -> list[Finding]:
    """What the tokens say: rows that are cut, that lose their answer, that hold control tokens, that are refused."""
    found: list[Finding] = []
    of = (
        f" Measured on {report_values.measured:,} of {report_values.rows:,} rows."
        if report_values.measured < report_values.rows
        else ""
    )
    if report_values.refused.rows or "refused" in spec.fixes:
        found.append(
            Finding(
                kind="refused",
                level="stop",
                count=report_values.refused.rows,
                title=f"{count_of(report_values.refused.rows, 'row')} cannot be learned with this model",
                text=f"{report_values.refused.reason}{of}",
                fix="refused",
                button=leave_out(report_values.refused.rows),
                done="refused" in spec.fixes,
            )
        )
    if report_values.cut or "shorten" in spec.fixes:
        lost = (
            f" {report_values.lost:,} of {report_values.measured:,} lose their whole answer and teach nothing."
            if report_values.lost
            else ""
        )
        found.append(
            Finding(
                kind="cut",
                level="warn",
                count=report_values.cut,
                title=f"{count_of(report_values.cut, 'row is', 'rows are')} longer than {spec.max_length:,} tokens",
                text=f"They are cut at the end.{lost} The longest has {report_values.longest:,} tokens. Raise the limit, or "
                f"take words out of the middle of long prompts, so that the answers stay whole.{of}",
                fix="shorten",
                button="Shorten long prompts",
                done="shorten" in spec.fixes,
            )
        )
    if report_values.control.rows or "literal" in spec.fixes:
        names = ", ".join(report_values.control.tokens[:5]) or "A control token"
        found.append(
            Finding(
                kind="control",
                level="warn",
                count=report_values.control.rows,
                title=f"{count_of(report_values.control.rows, 'row holds', 'rows hold')} control tokens in the text",
                text=f"{names} in a text begins or ends turns for this model. Kept as text, it is plain letters.{of}",
                fix="literal",
                button="Keep them as text",
                done="literal" in spec.fixes,
            )
        )
    return found


def report_values(
    dataset: Dataset, prepared: Prepared, tokens: TokenReport | None, spec: DataSpec
) -> dict[str, Any]:
    """All of it as plain values, for JSON."""
    findings = [*prepared.findings, *(token_findings(tokens, spec) if tokens else [])]
    return {
        "name": dataset.name,
        "shape": prepared.shape.value,
        "reason": prepared.reason,
        "task": prepared.task,
        "roles": prepared.roles,
        "columns": dataset.columns,
        "notes": dataset.notes,
        "rows": prepared.total,
        "train": prepared.train,
        "held_out": prepared.held_out,
        "labels": prepared.labels,
        "languages": prepared.languages,
        "scripts": prepared.scripts,
        "tokens": tokens.model_dump() if tokens else None,
        "findings": [finding.model_dump() for finding in findings],
    }


def exit_code(values: dict[str, Any]) -> int:
    """0 usable, 1 usable with warnings, 2 not usable."""
    levels = {finding["level"] for finding in values["findings"] if not finding["done"]}
    return 2 if "stop" in levels or values["train"] < MIN_EXAMPLES else 1 if "warn" in levels else 0


def report_text(values: dict[str, Any]) -> str:
    """The report for a terminal."""
    columns = ", ".join(f"{role} = '{column}'" for role, column in values["roles"].items())
    lines = [
        f"{values['name']}: {values['shape']}. {values['reason']}",
        values["task"],
        f"Columns: {columns}",
        *values["notes"],
        f"{values['rows']:,} rows: {values['train']:,} to learn from, {values['held_out']:,} held out.",
    ]
    for kind, found in (("Languages", values["languages"]), ("Scripts", values["scripts"])):
        lines.append(
            f"{kind}: "
            + ", ".join(f"{name} {share:.0%}" for name, share in list(found.items())[:5])
        )
    if values["labels"]:
        lines.append(
            "Labels: "
            + ", ".join(
                f"{label} {count:,}" for label, count in list(values["labels"].items())[:10]
            )
        )
    if tokens := values["tokens"]:
        share = tokens["learned"] / max(1, tokens["tokens"])
        lines.append(
            f"{tokens['tokens']:,} tokens in {tokens['measured']:,} rows, {share:.0%} of them learned; longest row "
            f"{tokens['longest']:,}; {tokens['cut']:,} cut, {tokens['lost']:,} lose their whole answer."
        )
    for finding in values["findings"]:
        mark = {"stop": "MUST BE MENDED", "warn": "Warning", "info": "Note"}[finding["level"]]
        where = f" (rows {', '.join(map(str, finding['rows'][:8]))})" if finding["rows"] else ""
        title = f"{finding['title']}{where}"
        lines.append(f"{mark}: {title}{'' if title.endswith('?') else '.'} {finding['text']}")
        lines += [f"    {line}" for line in finding["example"].splitlines()]
    return "\n".join(lines)
