"""The schema of a table: which shape its rows have, and which column plays which role in it.

Knows nothing about files (engine.data.readers), and does not change rows (engine.data.normalize).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.data.columns.paths import root_column
from engine.errors import DataError
from engine.spec.run import Shape

# The roles of a shape's columns, as the user reads them. The first REQUIRED_ROLES are required.
ROLES: dict[Shape, dict[str, str]] = {
    Shape.CHAT: {"messages": "Conversation", "system": "System prompt", "tools": "Tools"},
    Shape.ALPACA: {"prompt": "Instruction", "completion": "Output", "input": "Input",
                   "system": "System prompt", "history": "Earlier turns"},
    Shape.COMPLETION: {"prompt": "Prompt or question", "completion": "Answer", "input": "Input",
                       "system": "System prompt", "history": "Earlier turns"},
    Shape.PREFERENCE: {"chosen": "Better answer", "rejected": "Worse answer",
                       "prompt": "Prompt or conversation", "system": "System prompt",
                       "input": "Input", "history": "Earlier turns"},
    Shape.FEEDBACK: {"prompt": "Prompt or conversation", "mark": "Good or bad",
                     "completion": "Answer", "system": "System prompt", "input": "Input",
                     "history": "Earlier turns"},
    Shape.LABEL: {"text": "Text", "label": "Label", "second": "Second text"},
    Shape.TEXT: {"text": "Text"},
}  # fmt: skip
ASK = "Is that right?"
REQUIRED_ROLES = dict.fromkeys(Shape, 2) | {Shape.CHAT: 1, Shape.TEXT: 1}
# The main parts of a row, in the order in which its columns usually stand.
THREE_PARTS = {
    Shape.PREFERENCE: ["prompt", "chosen", "rejected"],
    Shape.FEEDBACK: ["prompt", "completion", "mark"],
}
SHAPE_NAMES = {  # what a row is
    Shape.CHAT: "a conversation",
    Shape.ALPACA: "an instruction and its answer",
    Shape.COMPLETION: "a question and its answer",
    Shape.PREFERENCE: "a better and a worse answer",
    Shape.FEEDBACK: "an answer marked good or bad",
    Shape.LABEL: "a text with its label",
    Shape.TEXT: "plain text",
}
SHAPE_TASKS = {
    Shape.CHAT: "Chat: the model learns to answer as the assistant does in these conversations.",
    Shape.ALPACA: "Instructions: the model learns to give the output for an instruction.",
    Shape.COMPLETION: "Question and answer: the model learns to give the answer.",
    Shape.PREFERENCE: "Preferences: the model learns to give the better answer, not the worse one.",
    Shape.FEEDBACK: "Feedback: the model learns to answer like the good ones, not like the bad.",
    Shape.LABEL: "Classify: the model learns which label a text has. "
    "Its score is how often the label is right.",
    Shape.TEXT: "Continue text: the model learns to write like this, from every word.",
}


class Schema(NamedTuple):
    """A shape, why it was chosen, and its columns. The user has to confirm an uncertain one."""

    shape: Shape
    reason: str
    roles: dict[str, str]  # role -> column, or a path as in engine.data.columns.paths
    certain: bool = True
    alternative: Schema | None = None  # the other reading that is possible, of an uncertain one

    def doubted(self, doubt: str = "", alternative: Schema | None = None) -> Schema:
        """This reading, to be confirmed, perhaps beside another one; the same is no other."""
        reason = " ".join(filter(None, (self.reason, doubt, ASK)))
        same = alternative and (alternative.shape, alternative.roles) == (self.shape, self.roles)
        return self._replace(
            reason=reason, certain=False, alternative=None if same else alternative
        )

    def as_card(self) -> dict[str, Any]:
        """Its fields, as a dataset's card keeps them."""
        other = self.alternative.as_card() if self.alternative else None
        return {**self._asdict(), "alternative": other}


def schema_from_card(card: dict[str, Any]) -> Schema:
    """The schema of these fields of a card; an older one knows no alternative."""
    other = card.get("alternative")
    kept = {name: card[name] for name in ("reason", "roles", "certain")}
    found = Schema(Shape(card["shape"]), **kept)
    return found._replace(alternative=schema_from_card(other)) if other else found


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
    if absent := [path for path in roles.values() if not root_column(path, columns)]:
        have = ", ".join(map(repr, columns[:12]))
        raise DataError(f"'{name}' has no column '{absent[0]}'. Its columns are: {have}.")
    if len(set(roles.values())) < len(roles):
        raise DataError(
            f"'{name}': one column is chosen for two parts. Choose another for one of them."
        )
    return Schema(shape, "As you chose.", roles)


def first_roles(shape: Shape, used: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """Columns for another shape's main parts: those that are in use already, in their order."""
    ordered = [*used, *(column for column in columns if column not in used)]
    parts = list(ROLES[shape])[:2]
    if len(ordered) > 2:  # what is asked is a column of its own
        parts = THREE_PARTS.get(shape, parts)
    return dict(zip(parts, ordered, strict=False))


def with_column(shape: Shape, roles: dict[str, str], at: int, column: str) -> dict[str, str]:
    """The columns with another one for the part at this place; an empty one takes it away.

    One that has a part already changes places with the column that was here.
    """
    parts = list(ROLES[shape])
    if at >= len(parts):
        return roles
    role, made = parts[at], dict(roles)
    left = made.pop(role, "")
    other = next((one for one, its in made.items() if its == column), "")
    made |= {other: left, role: column}
    return {part: made[part] for part in parts if made.get(part)}
