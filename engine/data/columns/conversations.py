"""Tables whose rows are conversations, perhaps with a mark, or with the answer beside them."""

from __future__ import annotations

from collections import ChainMap
from typing import Any

from engine.data.columns import names as known
from engine.data.columns.contents import are_own_texts
from engine.data.columns.marks import (
    SCORE_NAMES,
    add_mark,
    are_marks,
    is_verdict_name,
    judges,
    name_words,
    words_of,
)
from engine.data.columns.paths import read_path
from engine.data.columns.table import Columns
from engine.data.messages import LEARNED_FIELDS, WEIGHT_FIELDS, read_turns
from engine.data.rows import Row
from engine.data.schema import ASK, Schema
from engine.data.turns.fields import TEXT_FIELDS, as_list, holds_turns, read_spoken, role_name
from engine.data.turns.roles import known_role
from engine.errors import DataError
from engine.spec.run import Shape

ROWS_READ = 50
MARK_FIELDS = {*known.MARK_COLUMNS, "correct", "is_correct", "approved"}  # of a turn
# Words in the name of a field that may say which turns are learned.
MASK_WORDS = {
    "mask", "masked", "masking", "train", "training", "trainable", "learn", "learned", "loss",
    "supervise", "supervised",
}  # fmt: skip


def find_chat_column(name: str, table: Columns) -> str:
    """The column of conversations by its name; DataError where none of its rows has a list."""
    if chat := table.first(known.CHAT_COLUMNS):
        path = table.inside(chat)
        # One row with a list is enough: the others are then bad rows, no sign of another shape.
        if not table.is_list(path) and not table.is_list(chat) and not table.holds_turns(path):
            if any(isinstance(value, dict) for value in table.filled(chat)):
                return ""
            raise DataError(
                f"'{name}': the column '{chat}' should hold a list of turns, but no row has one. "
                "Use JSON or JSONL."
            )
        return chat if path.startswith(f"{chat}[") else path
    for maybe in known.MAYBE_CHAT_COLUMNS:
        column = table.names.get(maybe, "")
        if column and _are_texts_in_turn(table, column):
            return column
        if column and table.holds_turns(inner := table.inside(column)):
            return inner
    return ""


def find_turns_by_content(table: Columns) -> str:
    """A column of conversations whatever its name: both the user and the assistant speak in it."""
    for column in table.columns:
        path = table.inside(column)
        if table.holds_turns(path) and _speakers(table, path) >= {"user", "assistant"}:
            return path
    return ""


def make_chat_schema(table: Columns, chat: str) -> Schema:
    """A conversation in each row; where nobody answers in it, the answer is sought beside it."""
    roles = {"messages": chat} | table.system_role()
    if tools := table.first(known.TOOL_COLUMNS, chat):
        roles["tools"] = tools
    reason = f"Every row has a list of turns ('{chat}')."
    if "assistant" not in _speakers(table, chat):
        reply = table.inside(table.first(known.REPLY_COLUMNS, chat))
        if reply and any(isinstance(value, str | list | dict) for value in table.filled(reply)):
            pair = {"prompt": chat, "completion": reply} | table.system_role()
            reason = f"Every row has a conversation ('{chat}') and its answer ('{reply}')."
            answered = Schema(Shape.COMPLETION, reason, pair)
            if second := table.second_answer(reply):
                return answered.doubted(f"But there are several, of which '{second}' is not used.")
            return add_mark(table, answered)
    found = Schema(Shape.CHAT, reason, roles)
    if _are_texts_in_turn(table, chat):
        doubt = "It does not say who speaks: the user and the assistant are taken in turn."
        return found.doubted(doubt)
    marked = add_mark(table, found, {"prompt": chat} | table.system_role())
    if not (doubt := _doubt_of_turns(table, chat) or _doubt_of_reply(table, chat)):
        return marked
    plain = found.doubted(f"{doubt}: all answers are learned.")
    if marked.shape != Shape.FEEDBACK:
        return plain
    # A mark of the rows comes first.
    reason = marked.reason.removesuffix(f" {ASK}")
    return marked._replace(reason=reason).doubted(f"{doubt}.", plain)


def _doubt_of_reply(table: Columns, chat: str) -> str:
    """A column beside the conversations that holds other answers than they do; empty if none."""
    column = table.first(known.REPLY_COLUMNS, chat)
    if not column or not are_own_texts(table.texts(column)):
        return ""
    pairs = zip(table.values(column), map(str, table.values(chat)), strict=True)
    texts = [(said, whole) for said, whole in pairs if isinstance(said, str) and said.strip()]
    apart = sum(repr(said.strip())[1:-1] not in whole for said, whole in texts)
    if not texts or apart <= 0.5 * len(texts):
        return ""
    return f"'{column}' could hold the answers to be learned, and is not used"


def _doubt_of_turns(table: Columns, chat: str) -> str:
    """What the answers carry that may say which are good, or to be learned; empty if nothing."""
    lists = (value for value in map(as_list, table.filled(chat)) if isinstance(value, list))
    turns = [turn for value in lists for turn in value if isinstance(turn, dict)]
    answers = [turn for turn in turns if known_role(role_name(turn)) == "assistant"]
    for name in dict.fromkeys(name for turn in turns for name in _fields_of(turn)):
        values = [found[name] for turn in turns if name in (found := _fields_of(turn))]
        several = len(words_of(values)) > 1 or len(values) < len(answers)
        if several and _may_judge(name, values):
            return f"Its turns have marks ('{name}'), which are not used"
    for name in dict.fromkeys(name for turn in answers for name in turn):
        may_mask = name not in (*LEARNED_FIELDS, *WEIGHT_FIELDS) and name_words(name) & MASK_WORDS
        if may_mask and len({str(turn.get(name)) for turn in answers}) > 1:
            return (
                f"Its turns have '{name}', which may say which answers to learn and is not used "
                '(write "train": false into a turn that is not to be learned)'
            )
    return ""


def _fields_of(turn: Row) -> Row:
    """A turn's fields, and those of objects in it: {"feedback": {"rating": 1}}."""
    inner = (value for name, value in turn.items() if name not in TEXT_FIELDS)
    objects = (value for value in inner if isinstance(value, dict))
    return dict(ChainMap(turn, *objects))


def _may_judge(name: str, values: list[Any]) -> bool:
    """Whether a field of a turn may say how good it is."""
    named = name in MARK_FIELDS or is_verdict_name(name) or bool(name_words(name) & SCORE_NAMES)
    numbers = all(isinstance(value, int | float | None) for value in values)
    return named and (are_marks(values) or judges(values) or numbers)


def find_persons(table: Columns) -> Schema | None:
    """A chat between people: whose answers to learn has to be asked."""
    columns = [one for one in table.columns if one.startswith(known.ANSWERS_OF)]
    if not columns:
        return None
    people = ", ".join(column.removeprefix(known.ANSWERS_OF) for column in columns[:8])
    chat = f"A chat between people ({people})."
    found = [
        Schema(Shape.CHAT, f"{chat} The model learns to answer as in the column '{column}'.",
               {"messages": column})
        for column in columns[:2]
    ]  # fmt: skip
    return found[0].doubted(alternative=found[-1])


def _speakers(table: Columns, column: str) -> set[str]:
    roles: set[str] = set()
    for row in table.rows[:ROWS_READ]:
        try:
            roles |= {turn["role"] for turn in read_turns(read_path(row, column))}
        except DataError:
            roles |= {"user", "assistant"}  # a bad row says nothing
    return roles


def _are_texts_in_turn(table: Columns, column: str) -> bool:
    """Whether the conversations are lists of texts, without speakers."""
    lists = [value for value in table.filled(column) if isinstance(value, list)]
    texts = [one for one in lists if len(one) > 1 and all(isinstance(turn, str) for turn in one)]
    named = any(map(holds_turns, lists)) or any(map(read_spoken, texts))
    return bool(lists) and len(texts) > 0.5 * len(lists) and not named
