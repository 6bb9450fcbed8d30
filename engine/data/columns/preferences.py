"""Tables of better and worse answers: which columns are asked, and which repeat the answer."""

from __future__ import annotations

from typing import Any

from engine.data import column_names as known
from engine.data.columns.contents import are_own_texts
from engine.data.columns.paths import read_path
from engine.data.columns.table import Columns
from engine.data.rows import Row
from engine.data.schema import Schema
from engine.data.turns.compared import read_answer, read_question
from engine.data.turns.overlap import split_system, without_answer
from engine.errors import DataError
from engine.spec.run import Shape

ROWS_COMPARED = 50


def find_preferences(table: Columns, chat: str) -> Schema | None:
    """The schema of a preference table; ``chat`` is its column of conversations, if it has one."""
    pair = next((pair for pair in known.PREFERENCE_PAIRS if table.has(*pair)), None)
    pair = pair or _worse_beside(table)
    if pair is None:
        return None
    better, worse = (table.inside(table.names[name]) for name in pair)
    if not _hold_answers(table, better) or not _hold_answers(table, worse):
        return None
    roles = {"chosen": better, "rejected": worse}
    if prompt := _choose_prompt(table, chat, better, worse):
        roles["prompt"] = prompt
        if prompt != chat and not _whole(table, better):
            roles |= _roles_beside(table, roles)
    reason = f"Every row has a better answer ('{better}') and a worse one."
    return Schema(Shape.PREFERENCE, reason, roles | table.system_role())


def _worse_beside(table: Columns) -> tuple[str, str] | None:
    """An answer or a chat and a worse answer to it, which is a text or a turn of its own."""
    better = next((name for name in known.BETTER_COLUMNS if name in table.names), "")
    for worse in (name for name in known.WORSE_COLUMNS if better and name in table.names):
        column = (table.inside(table.names[worse]),)
        texts = [text for row in table.rows[:ROWS_COMPARED] for text in _answer_texts(row, column)]
        if are_own_texts(texts):
            return better, worse
    return None


def _roles_beside(table: Columns, roles: dict[str, str]) -> dict[str, str]:
    """The input of an instruction and the turns before it, as in LLaMA-Factory's tables."""
    extra = table.input_column(roles["prompt"], *roles.values())
    found = {"input": extra, "history": table.history_column(*roles.values())}
    return {role: column for role, column in found.items() if column}


def _hold_answers(table: Columns, column: str) -> bool:
    """Whether a column has texts or turns; true and false are none."""
    values = table.filled(column)
    return not values or any(isinstance(value, str | list | dict) for value in values)


def _choose_prompt(table: Columns, chat: str, better: str, worse: str) -> str:
    """The column that is asked: the fullest one without the answer; else one to be shortened."""
    names = [chat, *(table.names[name] for name in known.PROMPT_COLUMNS if name in table.names)]
    found = dict.fromkeys(table.inside(name) for name in names if name not in ("", better, worse))
    clean: list[tuple[int, str]] = []
    spoilt: list[tuple[int, str]] = []
    for column in found:
        turns, holds_answer = _turns_asked(table, column, (better, worse))
        if turns:
            (spoilt if holds_answer else clean).append((turns, column))
    clean.sort(key=lambda one: -one[0])
    spoilt.sort(key=lambda one: -one[0])
    if clean and (not spoilt or spoilt[0][0] <= clean[0][0] or _whole(table, better)):
        return clean[0][1]
    if _whole(table, better):  # the answers bring the question themselves
        return ""
    return spoilt[0][1] if spoilt else ""


def _turns_asked(table: Columns, column: str, answers: tuple[str, str]) -> tuple[int, bool]:
    """How many turns a column asks in all, and whether it ends with one of the answers."""
    turns = 0
    ends = False
    for row in table.rows[:ROWS_COMPARED]:
        try:
            asked = split_system(read_question(read_path(row, column)))[1]
        except DataError:
            continue
        before = without_answer(asked, _answer_texts(row, answers))
        turns += len(before)
        ends = ends or len(before) < len(asked) or _ends_with_answer(asked, row, answers)
    return turns, ends


def _ends_with_answer(asked: list[Any], row: Row, answers: tuple[str, str]) -> bool:
    """Whether a text that is asked ends with an answer, as a whole prompt written out does."""
    if len(asked) != 1:
        return False
    text = " ".join(asked[0]["content"].split())
    ends = (" ".join(answer.split()) for answer in _answer_texts(row, answers))
    return any(" " in end and text != end and text.endswith(end) for end in ends)


def _answer_texts(row: Row, columns: tuple[str, ...]) -> list[str]:
    texts = []
    for column in columns:
        try:
            texts.append(read_answer(read_path(row, column), "good")[-1]["content"])
        except DataError:
            continue
    return texts


def _whole(table: Columns, better: str) -> bool:
    """Whether the answers come as whole conversations, with what was asked."""
    whole = 0
    rows = table.rows[:ROWS_COMPARED]
    for row in rows:
        try:
            whole += len(read_answer(read_path(row, better), "good")) > 1
        except DataError:
            continue
    return whole > 0.5 * len(rows)
