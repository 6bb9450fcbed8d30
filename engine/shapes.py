"""STUB until the real one lands."""
from typing import Any, NamedTuple


class K(NamedTuple):
    value: str


class R(NamedTuple):
    shape: K
    reason: str
    roles: dict[str, str]


class Normal(NamedTuple):
    rows: list[dict[str, Any]]
    skipped: int
    problems: list[str]


def recognise(table: Any) -> R:
    return R(K("stub"), "stub", {})


def normalise(table: Any, recognised: Any, skip_bad: bool = False) -> Normal:
    out = []
    for r in table.rows:
        if "messages" in r: out.append({"messages": r["messages"]})
        elif "completion" in r: out.append({"prompt": r["prompt"], "completion": r["completion"]})
        elif "output" in r: out.append({"prompt": r["instruction"] + ("\n\n" + r["input"] if r.get("input") else ""), "completion": r["output"]})
        elif "chosen" in r: out.append({"prompt": r["prompt"], "completion": r["chosen"]})
        elif "label" in r: out.append({"prompt": r["text"], "completion": r["label"]})
        else: out.append({"text": r["text"]})
    return Normal(out, 0, [])
