"""The answer of a run that chooses labels or gives a number, as HTML."""

from __future__ import annotations

import math
from typing import NamedTuple

from engine.process.label_answer import HeadAnswer, LabelAnswer
from engine.text import count_of
from ui.text import card, escape_html, line

MOST_LABELS = 12  # with a bar each
NEW_HEAD = (
    "There is no answer of the base model to compare with: the last layer, which {}, was new and "
    "random before training."
)
BEFORE, AFTER = "Before training", "After training"


class Truth(NamedTuple):
    """What is right for a held-out example."""

    label: str
    labels: frozenset[str]  # one by one, where a text may have several


def answer_card(answer: LabelAnswer, column: str = "", truth: Truth | None = None) -> str:
    """The answer, how sure it is, and whether it is right; ``column`` names what is given."""
    number = answer.kind == "regress"
    parts = [_verdict(answer, truth)] if truth else []
    if answer.base is None:
        parts.append(_figures(answer, answer.tuned, truth))
        parts.append(line(NEW_HEAD.format("gives the number" if number else "chooses the label")))
    else:
        sides = ((BEFORE, answer.base), (AFTER, answer.tuned))
        both = "".join(f"<div>{_side(answer, *side, truth)}</div>" for side in sides)
        parts.append(f'<div class="both-heads">{both}</div>')
    if answer.cut:
        read = count_of(answer.tokens, "token")
        parts.append(line(f"The text is longer: only its first {read} were read, as in training."))
    return card(_title(answer, column), *parts)


def _title(answer: LabelAnswer, column: str) -> str:
    if answer.tuned.value is not None:
        return f"{column or 'It says'}: {format_number(answer.tuned.value)}"
    if not answer.tuned.chosen:
        return "It chooses none of the labels"
    return f"It chooses: {', '.join(answer.tuned.chosen)}"


def _side(answer: LabelAnswer, title: str, head: HeadAnswer, truth: Truth | None) -> str:
    said = ", ".join(head.chosen) or "none of the labels"
    if head.value is not None:
        said = format_number(head.value)
    return f"<h4>{title}: {escape_html(said)}</h4>{_figures(answer, head, truth)}"


# --- right or wrong ---


def _verdict(answer: LabelAnswer, truth: Truth) -> str:
    """Whether the answer to a held-out example is right, in a sentence."""
    if answer.kind == "regress":
        return _distance(answer.tuned.value, truth.label)
    right = _right_labels(answer, truth)
    has = f"this held-out example has {_name_labels(right)}."
    if right == frozenset(answer.tuned.chosen):
        return line(f"Right: {has}", "good")
    unknown = sorted(right - set(answer.labels))
    text = f"Wrong: {has}"
    if unknown:
        text += f" No training example had '{', '.join(unknown)}', so it cannot be chosen."
    return line(text, "bad")


def _right_labels(answer: LabelAnswer, truth: Truth | None) -> frozenset[str]:
    if truth is None:
        return frozenset()
    return truth.labels if answer.kind == "multilabel" else frozenset([truth.label])


def _name_labels(labels: frozenset[str]) -> str:
    if not labels:
        return "no label"
    noun = "label" if len(labels) == 1 else "labels"
    return f"the {noun} '{', '.join(sorted(labels))}'"


def _distance(value: float | None, label: str) -> str:
    right = _as_number(label)
    if right is None or value is None:
        return line(f"This held-out example says '{label}', which is no number.", "warn")
    away = format_number(abs(value - right))
    return line(f"The right number of this held-out example is {_exact(right)}: {away} off.")


def _as_number(label: str) -> float | None:
    try:
        found = float(label)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


# --- figures ---


def _figures(answer: LabelAnswer, head: HeadAnswer, truth: Truth | None) -> str:
    if head.value is None:
        return _bars(answer, head, truth)
    return _scale(head.value, answer.numbers, truth)


def _bars(answer: LabelAnswer, head: HeadAnswer, truth: Truth | None) -> str:
    """A bar for each label, the likeliest first."""
    ranked = sorted(
        zip(head.probabilities, answer.labels, strict=True), key=lambda one: (-one[0], one[1])
    )
    several, right = answer.kind == "multilabel", _right_labels(answer, truth)
    shown = "".join(
        _bar(name, share, name in head.chosen, name in right)
        for share, name in ranked[:MOST_LABELS]
    )
    kind = "chances several" if several else "chances"
    below = ""
    if len(ranked) > MOST_LABELS:
        rest = sum(share for share, _ in ranked[MOST_LABELS:])
        together = "" if several else f", {format_probability(rest)} together"
        below += line(f"and {len(ranked) - MOST_LABELS} more{together}")
    if several:
        below += line("The mark is at 50 %. Every label beyond it is chosen.")
    head_row = '<tr><th scope="col">Label</th><th scope="col">Probability</th><td></td></tr>'
    return f'<table class="{kind}"><thead>{head_row}</thead><tbody>{shown}</tbody></table>{below}'


def _bar(name: str, share: float, chosen: bool, right: bool) -> str:
    mark = '<span class="right-label">right</span>' if right else ""
    return (
        f'<tr data-chosen="{str(chosen).lower()}"><th scope="row">{escape_html(name)}{mark}</th>'
        f"<td>{escape_html(format_probability(share))}</td>"
        f'<td aria-hidden="true"><span><i style="width:{100 * share:.2f}%"></i></span></td></tr>'
    )


def _scale(value: float, numbers: tuple[float, float] | None, truth: Truth | None) -> str:
    """Where a number lies among those of the training data."""
    if numbers is None:
        return ""
    low, high = numbers
    marks = [("said", value)]
    if truth and (right := _as_number(truth.label)) is not None:
        marks.append(("right", right))
    span = (high - low) or 1.0
    drawn = "".join(
        f'<i class="{kind}" style="left:{100 * min(max((at - low) / span, 0), 1):.2f}%"></i>'
        for kind, at in marks
    )
    ends = f"<span>{_exact(low)}</span><span>{_exact(high)}</span>"
    text = "The numbers of the training data lie between these ends."
    if not low <= value <= high:
        text = "It lies outside the numbers of the training data, which lie between these ends."
    if len(marks) > 1:
        text += " The filled mark is the answer, the open one what is right."
    return (
        f'<div class="number-scale" aria-hidden="true">{drawn}</div>'
        f'<p class="number-ends">{ends}</p>{line(text)}'
    )


def format_probability(share: float) -> str:
    """A probability in percent, which never reads as certain or impossible."""
    if share < 0.001:
        return "<0.1 %"
    return ">99.9 %" if share > 0.999 else f"{100 * share:.1f} %"


def format_number(value: float) -> str:
    """A number with four digits that count: 1,245 or 0.01234."""
    return f"{float(f'{value:.4g}'):,.10g}" if math.isfinite(value) else "no number"


def _exact(value: float) -> str:
    """A number of the data as it stands there."""
    return f"{value:,.10g}"
