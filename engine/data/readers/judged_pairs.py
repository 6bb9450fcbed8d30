"""Rows of two answers and a judgement which one is better (LMSYS, Label Studio): as a better and a
worse answer. Ties teach nothing and are left out, which is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, combinations, islice, permutations
from typing import Any, NamedTuple

from engine.data.columns import names as known
from engine.data.columns.cells import decode_cell, is_blank
from engine.data.readers.table import BadRow, FileRows, HeldOutRow, peek_row
from engine.data.rows import Row
from engine.errors import DataError
from engine.text import count_of

JUDGED_ROWS_PEEKED = 1000
MOST_ANSWERS = 12  # columns that are looked at as answers
MOST_JUDGEMENTS, JUDGEMENT_LENGTH = 6, 30  # different ones, and letters of each
NAME_WORD = re.compile(r"\d+|[A-Z]?[a-z]+|[A-Z]+")
# The words in which the names of two answers differ, and what would be a third answer's.
PAIRED = (("a", "b", "c"), ("1", "2", "3"), ("0", "1", "2"), ("left", "right", "middle"),
          ("first", "second", "third"))  # fmt: skip
ANSWER_NAMES = {
    "response", "answer", "completion", "output", "reply", "conversation", "generation", "text",
    "candidate", "summary", "translation", "ref",
}  # fmt: skip
BESIDE_ANSWER = {"model", "human", "assistant", "generated", "the"}
BESIDE_WINNER = {"overall", "which", "id", "index", "idx", "number"}
WINNER_NAMES = {"winner", "winning", "preference", "preferred", "better", "chosen"}
TIES = {"tie", "tied", "both", "bothbad", "neither", "equal", "same", "draw", "none", "neutral"}
TIE = -1


class _Judged(NamedTuple):
    """Two columns of answers, the words that tell them apart, and who says which one won."""

    answers: tuple[str, str]
    words: tuple[str, str]
    winner: tuple[str, ...]  # one column, or one of 0 and 1 for each answer


def choose_winners(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    """Yield the rows; judged pairs as "chosen" and "rejected". DataError where none is clear."""
    first, rows = peek_row(rows)
    pair = _find_answers(first) if first else None
    if first is None or pair is None:
        yield from rows
        return
    peeked = list(islice(rows, JUDGED_ROWS_PEEKED))
    judged = _find_winner(first, pair, [row for row in peeked if isinstance(row, dict)])
    if judged is None:
        yield from chain(peeked, rows)
        return
    columns = " and ".join(f"'{one}'" for one in judged.winner)
    answers = " and ".join(f"'{one}'" for one in judged.answers)
    _require_known(judged, peeked, f"'{name}': {columns} should say which of {answers} is better")
    notes.append(f"Of {answers} the better answer is the one that {columns} names.")
    ties = 0
    for number, row in enumerate(chain(peeked, rows), start=1):
        if isinstance(row, BadRow):
            yield row
        elif (side := _side_of(row, judged)) is None:
            yield BadRow(f"Row {number}: {columns} does not say which of {answers} is better.")
        elif side == TIE:
            ties += 1
        else:
            made = _with_winner(row, judged, side)
            yield HeldOutRow(made) if isinstance(row, HeldOutRow) else made
    if ties:
        notes.append(f"Left out: {count_of(ties, 'row')} in which neither is better.")


def _require_known(judged: _Judged, rows: Sequence[Row | BadRow], what: str) -> None:
    """Raises DataError where few judgements are clear, or where they are numbers on a scale."""
    found = [(row.get(judged.winner[0]), _side_of(row, judged))
             for row in rows if isinstance(row, dict)]  # fmt: skip
    unclear = [value for value, side in found if side is None]
    if len(unclear) > 0.5 * len(found) or any(map(_is_number, unclear)):
        raise DataError(
            f"{what}, but not in words that Hone knows. Put the better answer of each row into a "
            "column 'chosen' and the other one into 'rejected', and leave ties out."
        )


def _name_parts(name: str) -> list[str]:
    return [word.lower() for word in NAME_WORD.findall(name)]


def _differ(some: list[str], others: list[str]) -> tuple[str, str, str] | None:
    """The words of PAIRED in which two names differ, and in nothing else."""
    pairs = [pair for pair in zip(some, others, strict=False) if pair[0] != pair[1]]
    if len(some) != len(others) or len(pairs) != 1:
        return None
    return next((paired for paired in PAIRED if paired[:2] == pairs[0]), None)


def _find_answers(row: Row) -> _Judged | None:
    """The only two answers of a row, by their names; None where it has more, or a better one."""
    names = {str(key).strip().lower() for key in row}
    if any(set(pair) <= names for pair in known.PREFERENCE_PAIRS):
        return None
    sides = {word for paired in PAIRED for word in paired}
    words = {
        key: _name_parts(key) for key, value in row.items() if isinstance(value, str | list | dict)
    }
    answers = [key for key, found in words.items() if set(found) & ANSWER_NAMES
               and set(found) <= ANSWER_NAMES | BESIDE_ANSWER | sides][:MOST_ANSWERS]  # fmt: skip
    for one, other in combinations(sorted(answers, key=lambda key: words[key]), 2):
        if paired := _differ(words[one], words[other]):
            third = [paired[2] if word == paired[1] else word for word in words[other]]
            return None if third in words.values() else _Judged((one, other), paired[:2], ())
    return None


def _find_winner(row: Row, pair: _Judged, rows: Sequence[Row]) -> _Judged | None:
    """The pair with the column, or the two, that say which answer won; None if there is none."""
    fitting = WINNER_NAMES | ANSWER_NAMES | BESIDE_ANSWER | BESIDE_WINNER | {*pair.words}
    rest = [key for key in row if key not in pair.answers]
    named = [key for key in rest if set(_name_parts(key)) & WINNER_NAMES
             and set(_name_parts(key)) <= fitting][:MOST_ANSWERS]  # fmt: skip
    for one, other in permutations(named, 2):
        if (paired := _differ(_name_parts(one), _name_parts(other))) and paired[:2] == pair.words:
            return pair._replace(winner=(one, other))
    if named:
        judged = [pair._replace(winner=(key,)) for key in named]
        clear = (one for one in judged if any(_side_of(row, one) in (0, 1) for row in rows))
        return next(clear, judged[0])
    worded = (pair._replace(winner=(key,)) for key in rest)
    return next((one for one in worded if _names_sides(rows, one)), None)


def _names_sides(rows: Sequence[Row], judged: _Judged) -> bool:
    """Whether a column says nothing but which answer is better, in words: "left", "answer_a"."""
    values = {str(row.get(judged.winner[0])).strip() for row in rows}
    if len(values) > MOST_JUDGEMENTS or any(len(one) > JUDGEMENT_LENGTH for one in values):
        return False
    sides = {_side_of(row, judged) for row in rows}
    return {0, 1} <= sides and None not in sides and all(len(one) > 1 for one in values)


def _is_number(value: Any) -> bool:
    return bool(re.fullmatch(r"[-+]?\d+(\.\d+)?", str(value).strip()))


def _side_of(row: Row, judged: _Judged) -> int | None:
    """Which answer won: 0 or 1, TIE for neither; None where that is not clear."""
    values = [row.get(column) for column in judged.winner]
    if len(values) == 2:
        won = [str(value).strip().lower() in ("1", "1.0", "true", "yes") for value in values]
        return TIE if won[0] == won[1] else int(won[1])
    answers = [row.get(column) for column in judged.answers]
    if isinstance(values[0], str) and values[0] in answers and answers[0] != answers[1]:
        return answers.index(values[0])
    return _side_in_words(values[0], judged.words)


def _side_in_words(value: Any, ours: tuple[str, str]) -> int | None:
    if is_blank(value) or not isinstance(value, str | int) or isinstance(value, bool):
        return None
    text = str(value).strip()
    if _is_number(text):
        return ours.index(text) if text in ours else None
    words = set(_name_parts(text))
    if words & TIES:
        return TIE
    letters = [paired[:2] for paired in PAIRED if not paired[0].isdigit()]
    sides = {at for pair in (ours, *letters) for at in (0, 1) if pair[at] in words}
    return sides.pop() if len(sides) == 1 else None


def _with_winner(row: Row, judged: _Judged, side: int) -> Row:
    """A row with its better and its worse answer in place of the two and of the judgement."""
    gone = {*judged.answers, *judged.winner}
    made = {key: value for key, value in row.items() if key not in gone}
    answers: list[Any] = [row.get(column) for column in judged.answers]
    asked = next((key for key in row if key.strip().lower() in known.PROMPT_COLUMNS), "")
    if asked and (turns := [_as_turns(row[asked], answer) for answer in answers]) and all(turns):
        del made[asked]
        answers = list(turns)
    return made | {"chosen": answers[side], "rejected": answers[1 - side]}


def _as_turns(asked: Any, answered: Any) -> list[Row]:
    """The turns of questions and answers that are lists of as many texts; none of others."""
    pair = [decode_cell(asked), decode_cell(answered)]
    if not all(isinstance(one, list) and one for one in pair) or len(pair[0]) != len(pair[1]):
        return []
    if not all(isinstance(text, str | None) for one in pair for text in one):
        return []
    return [
        {"role": role, "content": text}
        for said in zip(*pair, strict=True)
        for role, text in zip(("user", "assistant"), said, strict=True)
    ]
