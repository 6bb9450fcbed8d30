"""What is noticed in the data, in words: how many, an example, what follows from it, and what mends it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from engine.spec.objective import WORDS
from engine.spec.run import Fix
from engine.text import count_of

FindingLevel = Literal["stop", "warn", "info"]
WRITE, COMPARE = (f"“{WORDS[goal]}”" for goal in ("write", "prefer"))


class Finding(BaseModel):
    """One thing that the user should know. A "stop" must be mended before training."""

    model_config = ConfigDict(frozen=True)
    kind: str
    level: FindingLevel
    count: int  # rows concerned
    title: str
    text: str  # what follows from it, in one sentence
    example: str = ""
    rows: list[int] = []  # numbers in the user's data, the first ones
    fix: Fix | None = None
    button: str = ""  # what pressing the fix does
    done: bool = False  # the fix has been applied; count is then what it changed


def leave_out(number: int) -> str:
    return "Leave it out" if number == 1 else f"Leave these {number:,} out"


def unusable(count: int, total: int, problems: list[str], done: bool) -> Finding:
    """Rows that cannot be read, or that are no example."""
    return Finding(
        kind="unusable",
        level="stop",
        count=count,
        title=f"{count_of(count, 'row')} of {total:,} cannot be used",
        text="Training needs every row to be right. Correct them in the file, or leave them out.",
        example="\n".join(problems[:5])
        + (f"\n… and {count - 5:,} more." if count > 5 and len(problems) >= 5 else ""),
        fix="unusable",
        button=leave_out(count),
        done=done,
    )


def unsure(reason: str, columns: list[str]) -> Finding:
    """The columns are a guess."""
    return Finding(
        kind="unsure",
        level="stop",
        count=0,
        title="Which column is which?",
        text=f"{reason} Choose under “How it is read”, or say that it is right.",
        example=f"Columns: {', '.join(columns[:12])}",
    )


def misfit(name: str, theirs: str, ours: str) -> Finding:
    """Held-out data of another kind than what is trained on."""
    return Finding(
        kind="misfit",
        level="stop",
        count=0,
        title=f"The held-out data '{name}' does not fit",
        text=f"It was taken for {theirs}, where what is learned is {ours}. Choose other held-out data, or a share.",
    )


def duplicates(count: int, usable: int, example: str, rows: list[int], done: bool) -> Finding:
    """Rows that stand there more than once."""
    all_same = count == usable - 1
    return Finding(
        kind="duplicates",
        level="warn",
        count=count,
        title="All rows are the same"
        if all_same
        else f"{count_of(count, 'row repeats', 'rows repeat')} another exactly",
        text="Repeated rows count double: the model learns them by heart, and the check on held-out rows says little.",
        example=example,
        rows=rows,
        fix="duplicates",
        button=leave_out(count),
        done=done,
    )


def similar(
    count: int, example: str, rows: list[int], done: bool, seen: int, total: int
) -> Finding:
    """Rows nearly alike."""
    part = "" if seen >= total else f" Looked at the first {seen:,} rows."
    return Finding(
        kind="similar",
        level="warn" if count > total // 10 else "info",
        count=count,
        title=f"{count_of(count, 'row is', 'rows are')} nearly the same as another",
        text=f"Rows that are nearly alike are kept on one side of the split, so the check stays honest.{part}",
        example=example,
        rows=rows,
        fix="similar",
        button=leave_out(count),
        done=done,
    )


def leaked(count: int, held: int, example: str, rows: list[int], done: bool) -> Finding:
    """Held-out rows that the model is trained on."""
    return Finding(
        kind="leaked",
        level="warn",
        count=count,
        title=f"{count:,} of {count_of(held, 'held-out row')} also {'stands' if count == 1 else 'stand'} in training",
        text="The model has seen their answers, so the check would look better than it is.",
        example=example,
        rows=rows,
        fix="leaked",
        button="Leave it out of the check"
        if count == 1
        else f"Leave these {count:,} out of the check",
        done=done,
    )


def personal(
    count: int, kinds: dict[str, int], example: str, rows: list[int], done: bool
) -> Finding:
    """Rows that seem to hold somebody's address or number."""
    words = ", ".join(f"{count_of(number, kind)}" for kind, number in kinds.items() if number)
    return Finding(
        kind="personal",
        level="warn",
        count=count,
        title=f"{count_of(count, 'row')} may hold personal data",
        text=f"Found what looks like {words}. A model can repeat what it has learned to anybody who asks.",
        example=example,
        rows=rows,
        fix="personal",
        button=leave_out(count),
        done=done,
    )


def unbalanced(labels: dict[str, int], removed: int, done: bool) -> Finding:
    """One label far more frequent than another."""
    most, least = max(labels, key=lambda one: labels[one]), min(labels, key=lambda one: labels[one])
    return Finding(
        kind="balance",
        level="warn",
        count=removed,
        title=f"“{most}” is far more frequent than “{least}” ({labels[most]:,} to {labels[least]:,} rows)",
        text="The model may learn to say the frequent label always. Look at macro F1 rather than accuracy.",
        fix="balance",
        button=f"Balance: leave {removed:,} rows of frequent labels out",
        done=done,
    )


def one_label(label: str, count: int) -> Finding:
    return Finding(
        kind="labels",
        level="warn",
        count=count,
        title=f"There is only one label: “{label}”",
        text="The model will learn to say it always. Add rows with other labels.",
    )


def rare_labels(rare: dict[str, int]) -> Finding:
    names = ", ".join(f"“{label}” ({count})" for label, count in list(rare.items())[:8])
    return Finding(
        kind="rare",
        level="info",
        count=len(rare),
        title=f"{count_of(len(rare), 'label has', 'labels have')} fewer than 5 rows",
        text=f"They will hardly be learned: {names}. Add rows, or merge them with another label.",
    )


def few(rows: int) -> Finding:
    """So few rows that the user should expect little."""
    return Finding(
        kind="few",
        level="info",
        count=rows,
        title=f"Only {count_of(rows, 'row')} to learn from",
        text="That can teach a tone or a form, hardly facts. 100 to 500 good rows are a usual start: "
        f"about {max(10, 100 - rows)} more would help.",
    )


def bad_answers(count: int) -> Finding:
    return Finding(
        kind="feedback",
        level="info",
        count=count,
        title=f"{count_of(count, 'answer is', 'answers are')} marked as bad",
        text=f"They are left out, since what to learn is set to {WRITE}. {COMPARE} learns from them too.",
    )


def worse_answers(count: int) -> Finding:
    return Finding(
        kind="feedback",
        level="info",
        count=count,
        title="The worse answers are not used",
        text=f"What to learn is set to {WRITE}, so the better ones alone are learned. {COMPARE} learns from both.",
    )


def marks(good: int, bad: int) -> Finding:
    """How many answers are good and bad; a model can tell them apart only where there are both."""
    if good and bad:
        return Finding(
            kind="marks",
            level="info",
            count=good + bad,
            title=f"{good:,} good and {count_of(bad, 'bad answer')} to learn from",
            text="It learns to give answers like the good ones, and to keep from answers like the bad ones.",
        )
    return Finding(
        kind="marks",
        level="stop",
        count=good + bad,
        title=f"All answers are marked {'good' if good else 'bad'}",
        text="There is nothing to tell apart. "
        + (f"Add bad ones, or set what to learn to {WRITE}." if good else "Add good ones."),
    )


def no_check(rows: int) -> Finding:
    return Finding(
        kind="split",
        level="warn",
        count=rows,
        title="No rows could be held out",
        text="All rows are too much alike, so nothing could tell whether the model got better on new ones.",
    )
