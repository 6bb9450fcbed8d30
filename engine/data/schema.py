"""What a table's rows are: recognised from its columns and some of its rows, with the reason for the user.

Knows nothing about files, and nothing about how a row of a shape is made uniform (engine.data.normalize does).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.errors import DataError
from engine.spec.run import Shape

Row = dict[str, Any]

# The parts that a column may play in a shape, as the user reads them. The first NEEDED ones are needed.
ROLES: dict[Shape, dict[str, str]] = {
    Shape.CHAT: {"messages": "Conversation", "system": "System prompt", "tools": "Tools"},
    Shape.ALPACA: {
        "prompt": "Instruction",
        "completion": "Output",
        "input": "Input",
        "system": "System prompt",
    },
    Shape.COMPLETION: {
        "prompt": "Prompt or question",
        "completion": "Answer",
        "system": "System prompt",
    },
    Shape.PREFERENCE: {
        "chosen": "Better answer",
        "rejected": "Worse answer",
        "prompt": "Prompt or conversation",
        "system": "System prompt",
    },
    Shape.FEEDBACK: {
        "prompt": "Prompt or conversation",
        "mark": "Good or bad",
        "completion": "Answer",
        "system": "System prompt",
    },
    Shape.LABEL: {"text": "Text", "label": "Label", "second": "Second text"},
    Shape.TEXT: {"text": "Text"},
}
REQUIRED_ROLES = {
    Shape.CHAT: 1, Shape.ALPACA: 2, Shape.COMPLETION: 2, Shape.PREFERENCE: 2, Shape.FEEDBACK: 2, Shape.LABEL: 2,
    Shape.TEXT: 1,
}  # fmt: skip
SHAPE_TASKS = {
    Shape.CHAT: "Chat: it learns to answer as the assistant does here.",
    Shape.ALPACA: "Instructions: it learns to give the output for an instruction.",
    Shape.COMPLETION: "Question and answer: it learns to give the answer.",
    Shape.PREFERENCE: "Preferences: it learns to give the better answer rather than the worse one.",
    Shape.FEEDBACK: "Feedback: it learns to answer as where it is marked good, and not as where it is marked bad.",
    Shape.LABEL: "Classify: it learns to answer a text with its label, and is scored by how often that is right.",
    Shape.TEXT: "Continue text: it learns to go on writing like this; every word is learned.",
}


class Schema(NamedTuple):
    """A shape, why, and which column plays which part. An uncertain one is for the user to confirm."""

    shape: Shape
    reason: str
    roles: dict[str, str]  # role -> column
    certain: bool = True


CHAT_COLUMNS = ("messages", "conversations", "conversation")
ANSWER_PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("query", "response"),
    ("instruction", "output"), ("instruction", "response"), ("input", "output"), ("question", "response"),
    ("question", "query"), ("prompt", "answer"), ("query", "answer"), ("input", "target"), ("source", "target"),
    ("document", "summary"), ("text", "summary"), ("article", "summary"), ("article", "highlights"),
    ("dialogue", "summary"), ("text", "translation"), ("text", "response"), ("text", "target"), ("message", "reply"),
    ("comment", "reply"),
)  # fmt: skip
TEXT_COLUMNS = (
    "text",
    "sentence",
    "review",
    "content",
    "tweet",
    "message",
    "comment",
    "body",
    "document",
)
TEXT_PAIRS = (
    ("title", "description"), ("title", "content"), ("title", "text"), ("title", "body"), ("subject", "body"),
    ("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2"), ("text1", "text2"),
)  # fmt: skip
LABEL_COLUMNS = (
    "label_text",
    "label_name",
    "label",
    "labels",
    "class",
    "category",
    "sentiment",
    "emotion",
    "intent",
    "topic",
)
LABEL_WORDS = {
    "label", "labels", "class", "category", "sentiment", "emotion", "intent", "topic", "rating", "stars", "score",
    "spam", "toxic", "stance", "polarity", "target",
}  # fmt: skip
SYSTEM_COLUMNS, TOOL_COLUMNS = ("system", "system_prompt"), ("tools", "functions")
DECIMAL = re.compile(r"[-+]?\d+(\.\d+)?")
LABEL_LENGTH = 60  # letters of a label at most


def infer_schema(name: str, columns: Sequence[str], rows: Sequence[Row]) -> Schema:
    """The shape of a table by its columns and some of its rows; raises DataError where no row could be an example."""
    have: dict[str, str] = {}
    for column in columns:
        have.setdefault(column.lower(), column)
    if not columns:
        raise DataError(
            f"'{name}': its rows have no fields. Each needs some, such as 'prompt' and 'completion'."
        )
    found = _infer_by_names(name, have, rows) or _infer_by_content(columns, rows)
    if (
        found.shape == Shape.TEXT
        and rows
        and _all_integers(row.get(found.roles["text"]) for row in rows)
    ):
        raise DataError(
            f"'{name}' holds nothing but numbers. If they are labels, add the file with their texts at the same time."
        )
    rest = ", ".join(f"'{column}'" for column in columns if column not in found.roles.values())
    return found._replace(
        reason=f"{found.reason} Columns not used: {rest}." if rest else found.reason
    )


def _infer_by_names(name: str, have: dict[str, str], rows: Sequence[Row]) -> Schema | None:
    extras = {
        role: have[one]
        for role, names in (("system", SYSTEM_COLUMNS), ("tools", TOOL_COLUMNS))
        for one in names
        if one in have
    }
    system = {role: column for role, column in extras.items() if role == "system"}
    mark = next((have[one] for one in ("label", "good", "kto_tag", "thumbs_up") if one in have), "")
    marked = bool(mark) and _holds_marks(row.get(mark) for row in rows)
    chat = next((have[one] for one in CHAT_COLUMNS if one in have), "")
    # One row that has a list is enough: the others are then bad rows, and not a sign of another shape.
    if chat and not any(
        isinstance(row.get(chat), list) or _is_json_list(row.get(chat)) for row in rows
    ):
        raise DataError(
            f"'{name}': the column '{chat}' should hold a list of turns, but no row has one. Use JSON or JSONL."
        )
    if {"chosen", "rejected"} <= set(have):
        prompt = chat or next(
            (have[one] for one in ("prompt", "question", "instruction", "input") if one in have), ""
        )
        roles = {"chosen": have["chosen"], "rejected": have["rejected"]} | (
            {"prompt": prompt} if prompt else {}
        )
        return Schema(
            Shape.PREFERENCE,
            "Every row has a better answer ('chosen') and a worse one.",
            roles | system,
        )
    if chat and marked:
        reason = f"Every row has a list of turns ('{chat}'), and '{mark}' says whether its answer is a good one."
        return Schema(Shape.FEEDBACK, reason, {"prompt": chat, "mark": mark} | system)
    if chat:
        return Schema(
            Shape.CHAT,
            f"Every row has a list of turns in the column '{chat}'.",
            {"messages": chat} | extras,
        )
    for prompt, answer in ANSWER_PAIRS:
        if prompt not in have or answer not in have:
            continue
        roles = {"prompt": have[prompt], "completion": have[answer]} | system
        reason = f"Every row has the columns '{have[prompt]}' and '{have[answer]}'."
        if marked and mark not in roles.values():
            reason = f"{reason} '{mark}' says whether the answer is a good one."
            return Schema(Shape.FEEDBACK, reason, roles | {"mark": mark})
        extra = next(
            (
                have[one]
                for one in ("input", "context")
                if one in have and have[one] not in roles.values()
            ),
            "",
        )
        if prompt != "instruction" and not extra:
            return Schema(Shape.COMPLETION, reason, roles)
        return Schema(Shape.ALPACA, reason, roles | ({"input": extra} if extra else {}))
    if "instruction" in have and "instances" in have:
        roles = {"prompt": have["instruction"], "completion": have["instances"]}
        return Schema(
            Shape.ALPACA,
            "Every row has an instruction with its 'instances' of input and output.",
            roles,
        )
    turns = (
        {"role", "content"},
        {"from", "value"},
        {"role", "text", "parent_id"},
        {"role", "text", "message_id"},
    )
    if any(turn <= set(have) for turn in turns):
        raise DataError(
            f"'{name}': each row is one turn of a conversation, where Hone needs one conversation per row. "
            "Put the turns of each conversation into one list named 'messages' (JSON or JSONL)."
        )
    return _text_and_label(have, rows)


def _text_and_label(have: dict[str, str], rows: Sequence[Row]) -> Schema | None:
    labels = [have[one] for one in LABEL_COLUMNS if one in have]
    labels += [
        column
        for name, column in have.items()
        if column not in labels
        and LABEL_WORDS & set(re.split(r"[\W_]+", name))
        and _is_label(_column_texts(rows, column), len(rows))
    ]
    label = next(
        (one for one in labels if not _all_integers(row.get(one) for row in rows)),
        next(iter(labels), ""),
    )
    two = next((pair for pair in TEXT_PAIRS if pair[0] in have and pair[1] in have), None)
    text = next((have[one] for one in TEXT_COLUMNS if one in have and have[one] != label), "")
    own = bool(label) and len(rows) >= 20 and len(set(_column_texts(rows, label))) > len(rows) // 2
    if own and not _all_decimals(_column_texts(rows, label)):
        if text or two:  # every row has its own: that is an answer and no label
            roles = {"prompt": text or have[two[0]], "completion": label}  # type: ignore[index]
            reason = f"Nearly every row has a '{label}' of its own, so it is taken as the answer to the text."
            return Schema(Shape.COMPLETION, reason, roles)
        label = ""
    if two and label:
        roles = {"text": have[two[0]], "second": have[two[1]], "label": label}
        return Schema(
            Shape.LABEL,
            f"Every row has two texts ('{roles['text']}', '{roles['second']}') and a label ('{label}').",
            roles,
        )
    if text and label:
        return Schema(
            Shape.LABEL,
            f"Every row has a text ('{text}') and a label ('{label}').",
            {"text": text, "label": label},
        )
    if not text:
        return None
    others = [
        column
        for column in have.values()
        if column != text and _could_matter(_column_texts(rows, column), len(rows))
    ]
    reason = f"The column '{text}' holds text, all of which is learned."
    if others:
        reason += f" But '{others[0]}' could be a label or an answer. Is that right?"
    return Schema(Shape.TEXT, reason, {"text": text}, certain=not others)


def _infer_by_content(columns: Sequence[str], rows: Sequence[Row]) -> Schema:
    """A guess from what the columns hold; certain only where a label stands out or there is one column."""
    texts = {column: _column_texts(rows, column) for column in columns}
    long = {column: sum(map(len, found)) / max(1, len(found)) for column, found in texts.items()}
    if len(columns) == 1:
        reason = f"The only column, '{columns[0]}', is taken as text, all of which is learned."
        return Schema(Shape.TEXT, reason, {"text": columns[0]})
    by_length = sorted(
        (column for column in columns if texts[column]), key=lambda column: -long[column]
    )
    few = [column for column in columns if _is_label(texts[column], len(rows))]
    if len(few) == 1 and len(columns) <= 3 and by_length[0] != few[0]:
        rest = [column for column in columns if column != few[0]]
        roles = dict(zip(("text", "second"), rest, strict=False)) | {"label": few[0]}
        count = len(set(texts[few[0]]))
        reason = f"The column '{few[0]}' holds few different values ({count}), which are taken as labels."
        return Schema(Shape.LABEL, reason, roles)
    if len(by_length) < 2:
        reason = "No column's name says what it is; the one with text was taken. Is that right?"
        return Schema(
            Shape.TEXT, reason, {"text": by_length[0] if by_length else columns[0]}, certain=False
        )
    prompt, answer = (column for column in columns if column in by_length[:2])
    reason = f"No column's name says what it is. '{prompt}' was taken as the question and '{answer}' as the answer."
    return Schema(
        Shape.COMPLETION,
        f"{reason} Is that right?",
        {"prompt": prompt, "completion": answer},
        certain=False,
    )


def chosen_schema(shape: Shape, roles: dict[str, str], columns: Sequence[str], name: str) -> Schema:
    """The shape and columns that the user chose, checked; raises DataError."""
    needed = list(ROLES[shape])[: REQUIRED_ROLES[shape]]
    if missing := [ROLES[shape][role] for role in needed if role not in roles]:
        raise DataError(f"'{name}': choose the column for: {', '.join(missing)}.")
    if unknown := [role for role in roles if role not in ROLES[shape]]:
        raise DataError(
            f"'{unknown[0]}' is no part of {shape}. Its parts are: {', '.join(ROLES[shape])}."
        )
    if absent := [column for column in roles.values() if column not in columns]:
        have = ", ".join(map(repr, columns[:12]))
        raise DataError(f"'{name}' has no column '{absent[0]}'. Its columns are: {have}.")
    if len(set(roles.values())) < len(roles):
        raise DataError(
            f"'{name}': one column is chosen for two parts. Choose another for one of them."
        )
    return Schema(shape, "As you chose.", roles)


def _column_texts(rows: Sequence[Row], column: str) -> list[str]:
    return [str(row[column]) for row in rows if isinstance(row.get(column), str | int)]


def _could_matter(texts: list[str], rows: int) -> bool:
    """Whether a column holds sentences, or few different words; ids, dates and addresses are neither."""
    sentences = sum(" " in one.strip() and len(one) > 25 for one in texts)
    return sentences > len(texts) // 2 or (rows >= 10 and _is_label(texts, rows))


def _is_label(texts: list[str], rows: int) -> bool:
    different = set(texts)
    return (
        bool(texts)
        and 1 < len(different) <= max(2, min(200, rows // 5))
        and all(len(one) <= LABEL_LENGTH for one in different)
    )


def _is_json_list(value: Any) -> bool:
    """Whether a text is a list written as JSON, as a table's cell holds a conversation."""
    return isinstance(value, str) and value.lstrip().startswith("[{") and '"' in value


def _all_integers(values: Any) -> bool:
    return all(str(value).strip().lstrip("-").isdigit() for value in values if value is not None)


def _all_decimals(texts: list[str]) -> bool:
    """Whether a column holds measured numbers, which are a label however many there are."""
    return (
        bool(texts)
        and all(DECIMAL.fullmatch(one.strip()) for one in texts)
        and any("." in one for one in texts)
    )


def _holds_marks(values: Any) -> bool:
    """Whether a column calls each answer good or bad (KTO's true and false)."""
    found = {str(value).strip().lower() for value in values if value is not None}
    words = bool(found & {"true", "false"}) and found <= {"true", "false", ""}
    return words or {"0", "1"} <= found <= {"0", "1", ""}
