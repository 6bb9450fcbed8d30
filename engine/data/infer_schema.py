"""Infers a table's schema from its columns and some of its rows, with the reason for the user.

Column names decide where they are known ones; otherwise what the columns hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.data import column_names as known
from engine.data.rows import Row
from engine.data.schema import Schema
from engine.errors import DataError
from engine.spec.run import Shape

DECIMAL = re.compile(r"[-+]?\d+(\.\d+)?")
LABEL_LENGTH = 60  # letters of a label at most


@dataclass(frozen=True)
class _Columns:
    """A table's columns and some of its rows."""

    names: dict[str, str]  # in lower case -> as the table writes it
    rows: Sequence[Row]

    def first(self, names: Sequence[str], *taken: str) -> str:
        """The first of these columns that the table has and that is not taken; else empty."""
        found = (self.names[name] for name in names if name in self.names)
        return next((column for column in found if column not in taken), "")

    def has(self, *names: str) -> bool:
        return set(names) <= set(self.names)

    def values(self, column: str) -> Iterator[Any]:
        return (row.get(column) for row in self.rows)

    def texts(self, column: str) -> list[str]:
        return [str(value) for value in self.values(column) if isinstance(value, str | int)]

    def system_role(self) -> dict[str, str]:
        column = self.first(known.SYSTEM_COLUMNS)
        return {"system": column} if column else {}


def infer_schema(name: str, columns: Sequence[str], rows: Sequence[Row]) -> Schema:
    """Infer the schema of a table; raises DataError where no row could be an example."""
    if not columns:
        raise DataError(
            f"'{name}': its rows have no fields. "
            "Each needs some, such as 'prompt' and 'completion'."
        )
    names: dict[str, str] = {}
    for column in columns:
        names.setdefault(column.lower(), column)
    table = _Columns(names, rows)
    found = _infer_by_names(name, table) or _infer_by_content(columns, table)
    if found.shape == Shape.TEXT and rows and _all_integers(table.values(found.roles["text"])):
        raise DataError(
            f"'{name}' holds nothing but numbers. If they are labels, add the file with their "
            "texts at the same time."
        )
    rest = ", ".join(f"'{column}'" for column in columns if column not in found.roles.values())
    return found._replace(reason=f"{found.reason} Columns not used: {rest}.") if rest else found


def _infer_by_names(name: str, table: _Columns) -> Schema | None:
    chat = table.first(known.CHAT_COLUMNS)
    # One row with a list is enough: the others are then bad rows, and no sign of another shape.
    if chat and not any(map(_is_list, table.values(chat))):
        raise DataError(
            f"'{name}': the column '{chat}' should hold a list of turns, but no row has one. "
            "Use JSON or JSONL."
        )
    mark = table.first(known.MARK_COLUMNS)
    if not _holds_marks(table.values(mark)):
        mark = ""
    if table.has("chosen", "rejected"):
        return _preference_schema(table, chat)
    if chat:
        return _chat_schema(table, chat, mark)
    if found := _pair_schema(table, mark):
        return found
    if any(table.has(*columns) for columns in known.TURN_COLUMNS):
        raise DataError(
            f"'{name}': each row is one turn of a conversation, where Hone needs one conversation "
            "per row. Put the turns of each conversation into one list named 'messages' (JSON or "
            "JSONL)."
        )
    return _text_schema(table)


def _preference_schema(table: _Columns, chat: str) -> Schema:
    roles = {"chosen": table.names["chosen"], "rejected": table.names["rejected"]}
    if prompt := chat or table.first(known.PROMPT_COLUMNS):
        roles["prompt"] = prompt
    reason = "Every row has a better answer ('chosen') and a worse one."
    return Schema(Shape.PREFERENCE, reason, roles | table.system_role())


def _chat_schema(table: _Columns, chat: str, mark: str) -> Schema:
    if mark:
        roles = {"prompt": chat, "mark": mark} | table.system_role()
        reason = f"Every row has a list of turns ('{chat}')."
        reason += f" '{mark}' says whether the answer is good."
        return Schema(Shape.FEEDBACK, reason, roles)
    roles = {"messages": chat} | table.system_role()
    if tools := table.first(known.TOOL_COLUMNS):
        roles["tools"] = tools
    return Schema(Shape.CHAT, f"Every row has a list of turns in the column '{chat}'.", roles)


def _pair_schema(table: _Columns, mark: str) -> Schema | None:
    """A prompt and its answer, by the names of two columns."""
    for prompt, answer in known.ANSWER_PAIRS:
        if not table.has(prompt, answer):
            continue
        roles = {"prompt": table.names[prompt], "completion": table.names[answer]}
        roles |= table.system_role()
        reason = f"Every row has the columns '{roles['prompt']}' and '{roles['completion']}'."
        if mark and mark not in roles.values():
            reason = f"{reason} '{mark}' says whether the answer is good."
            return Schema(Shape.FEEDBACK, reason, roles | {"mark": mark})
        if extra := table.first(known.INPUT_COLUMNS, *roles.values()):
            return Schema(Shape.ALPACA, reason, roles | {"input": extra})
        return Schema(Shape.ALPACA if prompt == "instruction" else Shape.COMPLETION, reason, roles)
    if table.has("instruction", "instances"):
        roles = {"prompt": table.names["instruction"], "completion": table.names["instances"]}
        reason = "Every row has an instruction with its 'instances' of input and output."
        return Schema(Shape.ALPACA, reason, roles)
    return None


def _text_schema(table: _Columns) -> Schema | None:
    """A text, or two, with a label or without one; None where no column is known to hold text."""
    label = _label_column(table)
    known_pair = next((pair for pair in known.TEXT_PAIRS if table.has(*pair)), ())
    pair = [table.names[name] for name in known_pair]
    text = table.first(known.TEXT_COLUMNS, label)
    values, count = table.texts(label) if label else [], len(table.rows)
    if count >= 20 and len(set(values)) > count // 2 and not _all_decimals(values):
        if text or pair:
            roles = {"prompt": text or pair[0], "completion": label}
            reason = f"Nearly every row has its own '{label}'"
            reason += ", so it is taken as the answer to the text."
            return Schema(Shape.COMPLETION, reason, roles)
        label = ""
    if pair and label:
        first, second = pair
        reason = f"Every row has two texts ('{first}', '{second}') and a label ('{label}')."
        return Schema(Shape.LABEL, reason, {"text": first, "second": second, "label": label})
    if text and label:
        reason = f"Every row has a text ('{text}') and a label ('{label}')."
        return Schema(Shape.LABEL, reason, {"text": text, "label": label})
    if not text:
        return None
    reason = f"The column '{text}' holds text. The model learns all of it."
    others = (column for column in table.names.values() if column != text)
    other = next((one for one in others if _could_matter(table.texts(one), count)), "")
    if other:
        reason += f" But '{other}' could be a label or an answer. Is that right?"
    return Schema(Shape.TEXT, reason, {"text": text}, certain=not other)


def _label_column(table: _Columns) -> str:
    """The column that holds labels; one with words is preferred to one with numbers."""
    labels = [table.names[name] for name in known.LABEL_COLUMNS if name in table.names]
    for name, column in table.names.items():
        named = known.LABEL_WORDS.intersection(re.split(r"[\W_]+", name)) and column not in labels
        if named and _holds_labels(table.texts(column), len(table.rows)):
            labels.append(column)
    words = (column for column in labels if not _all_integers(table.values(column)))
    return next(words, labels[0] if labels else "")


def _infer_by_content(columns: Sequence[str], table: _Columns) -> Schema:
    """Guess from what columns hold; certain only with one column, or where a label stands out."""
    if len(columns) == 1:
        reason = f"The only column, '{columns[0]}', is taken as text. The model learns all of it."
        return Schema(Shape.TEXT, reason, {"text": columns[0]})
    texts = {column: table.texts(column) for column in columns}
    length = {column: sum(map(len, found)) / max(1, len(found)) for column, found in texts.items()}
    by_length = sorted((one for one in columns if texts[one]), key=lambda one: -length[one])
    labels = [column for column in columns if _holds_labels(texts[column], len(table.rows))]
    if len(labels) == 1 and len(columns) <= 3 and by_length[0] != labels[0]:
        label = labels[0]
        rest = [column for column in columns if column != label]
        roles = dict(zip(("text", "second"), rest, strict=False)) | {"label": label}
        count = len(set(texts[label]))
        reason = f"The column '{label}' has {count} different values, which are taken as labels."
        return Schema(Shape.LABEL, reason, roles)
    if len(by_length) < 2:
        reason = "No column's name says what it is; the one with text was taken. Is that right?"
        text = by_length[0] if by_length else columns[0]
        return Schema(Shape.TEXT, reason, {"text": text}, certain=False)
    prompt, answer = (column for column in columns if column in by_length[:2])
    reason = (
        f"No column's name says what it is. '{prompt}' was taken as the question and '{answer}' as "
        "the answer. Is that right?"
    )
    return Schema(Shape.COMPLETION, reason, {"prompt": prompt, "completion": answer}, certain=False)


def _could_matter(texts: list[str], rows: int) -> bool:
    """Whether a column holds sentences or a few different words; ids and dates are neither."""
    sentences = sum(" " in one.strip() and len(one) > 25 for one in texts)
    return sentences > len(texts) // 2 or (rows >= 10 and _holds_labels(texts, rows))


def _holds_labels(texts: list[str], rows: int) -> bool:
    different = set(texts)
    few = 1 < len(different) <= max(2, min(200, rows // 5))
    return few and all(len(one) <= LABEL_LENGTH for one in different)


def _is_list(value: Any) -> bool:
    """Whether a value is a list, or a text that holds one as JSON, as in a table's cell."""
    if isinstance(value, str):
        return value.lstrip().startswith("[{") and '"' in value
    return isinstance(value, list)


def _all_integers(values: Iterator[Any]) -> bool:
    return all(str(value).strip().lstrip("-").isdigit() for value in values if value is not None)


def _all_decimals(texts: list[str]) -> bool:
    """Whether a column holds measured numbers, which are labels however many there are."""
    numbers = bool(texts) and all(DECIMAL.fullmatch(one.strip()) for one in texts)
    return numbers and any("." in one for one in texts)


def _holds_marks(values: Iterator[Any]) -> bool:
    """Whether a column says of each answer that it is good or bad (KTO's true and false)."""
    found = {str(value).strip().lower() for value in values if value is not None}
    if found & {"true", "false"}:
        return found <= {"true", "false", ""}
    return {"0", "1"} <= found <= {"0", "1", ""}
