"""The schema of a table: which shape its rows have, and which column plays which role in it.

Knows nothing about files (engine.data.readers), and does not change rows (engine.data.normalize).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.errors import DataError
from engine.spec.run import Shape

# The roles of a shape's columns, as the user reads them. The first REQUIRED_ROLES are required.
ROLES: dict[Shape, dict[str, str]] = {
    Shape.CHAT: {"messages": "Conversation", "system": "System prompt", "tools": "Tools"},
    Shape.ALPACA: {"prompt": "Instruction", "completion": "Output", "input": "Input",
                   "system": "System prompt"},
    Shape.COMPLETION: {"prompt": "Prompt or question", "completion": "Answer",
                       "system": "System prompt"},
    Shape.PREFERENCE: {"chosen": "Better answer", "rejected": "Worse answer",
                       "prompt": "Prompt or conversation", "system": "System prompt"},
    Shape.FEEDBACK: {"prompt": "Prompt or conversation", "mark": "Good or bad",
                     "completion": "Answer", "system": "System prompt"},
    Shape.LABEL: {"text": "Text", "label": "Label", "second": "Second text"},
    Shape.TEXT: {"text": "Text"},
}  # fmt: skip
REQUIRED_ROLES = dict.fromkeys(Shape, 2) | {Shape.CHAT: 1, Shape.TEXT: 1}
SHAPE_TASKS = {
    Shape.CHAT: "Chat: the model learns to answer as the assistant does in these conversations.",
    Shape.ALPACA: "Instructions: the model learns to give the output for an instruction.",
    Shape.COMPLETION: "Question and answer: the model learns to give the answer.",
    Shape.PREFERENCE: "Preferences: the model learns to give the better answer, not the worse one.",
    Shape.FEEDBACK: "Feedback: the model learns to answer like the good ones, not like the bad.",
    Shape.LABEL: "Classify: the model learns to answer a text with its label. "
    "Its score is how often the label is right.",
    Shape.TEXT: "Continue text: the model learns to write like this, from every word.",
}


class Schema(NamedTuple):
    """A shape, why it was chosen, and its columns. The user has to confirm an uncertain one."""

    shape: Shape
    reason: str
    roles: dict[str, str]  # role -> column
    certain: bool = True


def check_schema(shape: Shape, roles: dict[str, str], columns: Sequence[str], name: str) -> Schema:
    """Return the schema that the user chose; raises DataError where the columns do not fit it."""
    known = ROLES[shape]
    required = list(known)[: REQUIRED_ROLES[shape]]
    if missing := [known[role] for role in required if role not in roles]:
        raise DataError(f"'{name}': choose the column for: {', '.join(missing)}.")
    if unknown := [role for role in roles if role not in known]:
        raise DataError(
            f"'{unknown[0]}' is not a part of {shape}. The parts are: {', '.join(known)}."
        )
    if absent := [column for column in roles.values() if column not in columns]:
        have = ", ".join(map(repr, columns[:12]))
        raise DataError(f"'{name}' has no column '{absent[0]}'. Its columns are: {have}.")
    if len(set(roles.values())) < len(roles):
        raise DataError(
            f"'{name}': one column is chosen for two parts. Choose another for one of them."
        )
    return Schema(shape, "As you chose.", roles)
