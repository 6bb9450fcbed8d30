"""Tables of better and worse answers: which columns are asked, and which repeat the answer."""

from __future__ import annotations

from typing import Any

from engine.data.columns import names as known
from engine.data.columns.contents import are_own_texts
from engine.data.columns.marks import name_words
from engine.data.columns.paths import read_path
from engine.data.columns.table import Columns
from engine.data.messages import Message
from engine.data.rows import Row
from engine.data.schema import Schema
from engine.data.turns.compared import read_answer, read_question
from engine.data.turns.overlap import same_text, without_answer
from engine.errors import DataError
from engine.spec.run import Shape

ROWS_COMPARED = 50


def find_preferences(table: Columns, chat: str) -> Schema | None:
    """The schema of a preference table; ``chat`` is its column of conversations, if it has one."""
    pair = next((pair for pair in known.PREFERENCE_PAIRS if table.has(*pair)), None)
    pair = pair or _named_alike(table) or _worse_beside(table)
    if pair is None:
        return None
    better, worse = (table.inside(table.names[name]) for name in pair)
    if not _hold_answers(table, better) or not _hold_answers(table, worse):
        return None
    roles = {"chosen": better, "rejected": worse}
    if prompt := _choose_prompt(table, chat, better, worse):
        roles["prompt"] = prompt
        if prompt != chat and not _hold_conversations(table, better):
            # As in LLaMA-Factory's tables.
            extra = table.input_column(prompt, *roles.values())
            beside = {"input": extra, "history": table.history_column(*roles.values())}
            roles |= {role: column for role, column in beside.items() if column}
    reason = f"Every row has a better answer ('{better}') and a worse one."
    found = Schema(Shape.PREFERENCE, reason, roles | table.system_role())
    several = next(filter(None, (table.second_answer(one) for one in (better, worse))), "")
    doubt = f"But there are several, of which '{several}' is not used."
    return found.doubted(doubt) if several else found


def _named_alike(table: Columns) -> tuple[str, str] | None:
    """Two columns of answers whose names differ in nothing but "chosen" and "rejected"."""
    words = {name: name_words(name) for name in table.names}
    for better in (name for name, found in words.items() if found & known.BETTER_WORDS):
        noun = words[better] - known.BETTER_WORDS
        for worse in (name for name, found in words.items() if found & known.WORSE_WORDS):
            same = words[worse] - known.WORSE_WORDS == noun and noun <= known.ANSWER_NOUNS
            if noun and same and _holds_own_texts(table, worse):
                return better, worse
    return None


def _worse_beside(table: Columns) -> tuple[str, str] | None:
    """An answer or a chat and a worse answer to it, which is a text or a turn of its own."""
    better = next((name for name in known.BETTER_COLUMNS if name in table.names), "")
    nouns = known.WORSE_WORDS | known.ANSWER_NOUNS | {"messages"}
    named = [name for name in table.names
             if name_words(name) & known.WORSE_WORDS and name_words(name) <= nouns]  # fmt: skip
    worse = next((name for name in named if better and _holds_own_texts(table, name)), "")
    return (better, worse) if worse else None


def _holds_own_texts(table: Columns, name: str) -> bool:
    column = (table.inside(table.names[name]),)
    texts = [text for row in table.rows[:ROWS_COMPARED] for text in _answer_texts(row, column)]
    return are_own_texts(texts)


def _hold_answers(table: Columns, column: str) -> bool:
    """Whether a column has texts or turns; true and false are none."""
    values = table.filled(column)
    return not values or any(isinstance(value, str | list | dict) for value in values)


def _choose_prompt(table: Columns, chat: str, better: str, worse: str) -> str:
    """The column that is asked: the fullest one without the answer; else one to be shortened."""
    names = [chat, *(table.names[name] for name in known.PROMPT_COLUMNS if name in table.names)]
    found = dict.fromkeys(table.inside(name) for name in names if name not in ("", better, worse))
    fullest = {False: (0, ""), True: (0, "")}  # by whether it holds an answer: turns, column
    for column in found:
        turns, holds_answer = _turns_asked(table, column, (better, worse))
        if turns > fullest[holds_answer][0]:
            fullest[holds_answer] = turns, column
    (turns, clean), (spoilt_turns, spoilt) = fullest[False], fullest[True]
    whole = _hold_conversations(table, better)  # the answers bring the question themselves
    if clean and (spoilt_turns <= turns or whole):
        return clean
    return "" if whole else spoilt


def _turns_asked(table: Columns, column: str, answers: tuple[str, str]) -> tuple[int, bool]:
    """How many turns a column asks in all, and whether it holds one of the answers."""
    turns = 0
    ends = False
    for row in table.rows[:ROWS_COMPARED]:
        try:
            asked = read_question(read_path(row, column))
        except DataError:
            continue
        texts = _answer_texts(row, answers)
        turns += len(without_answer(asked, texts))
        said = [turn["content"] for turn in asked if turn["role"] == "assistant"]
        holds = any(same_text(one, text) for one in said for text in texts)
        ends = ends or holds or _ends_with_answer(asked, row, answers)
    return turns, ends


def _ends_with_answer(asked: list[Any], row: Row, answers: tuple[str, str]) -> bool:
    """Whether a text that is asked ends with an answer, as a whole prompt written out does."""
    if len(asked) != 1:
        return False
    text = " ".join(asked[0]["content"].split())
    ends = (" ".join(answer.split()) for answer in _answer_texts(row, answers))
    return any(" " in end and text != end and text.endswith(end) for end in ends)


def _answer_texts(row: Row, columns: tuple[str, ...]) -> list[str]:
    answers = (_answer_turns(row, column) for column in columns)
    return [turns[-1]["content"] for turns in answers if turns]


def _hold_conversations(table: Columns, better: str) -> bool:
    """Whether the answers come as whole conversations, with what was asked."""
    rows = table.rows[:ROWS_COMPARED]
    return sum(len(_answer_turns(row, better)) > 1 for row in rows) > 0.5 * len(rows)


def _answer_turns(row: Row, column: str) -> list[Message]:
    """The turns of an answer; none where it cannot be read."""
    try:
        return read_answer(read_path(row, column), "good")
    except DataError:
        return []
