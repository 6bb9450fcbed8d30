"""Rows with better and worse answers, or with a mark, as messages: the question once, each turn
once, however the columns overlap.
"""

from __future__ import annotations

from typing import Any

from engine.data.columns.cells import is_blank
from engine.data.messages import Message, check_messages, make_message, read_turns
from engine.data.turns.content import read_content
from engine.data.turns.fields import as_list, holds_turns, role_name, turn_content
from engine.data.turns.history import split_speakers
from engine.data.turns.overlap import join_turns, same_turns, split_system, without_answer
from engine.data.turns.roles import known_role
from engine.errors import DataError

REPEATED_PROMPT = 12  # letters of a prompt from which answers that begin with it hold a copy


def join_compared(asked: Any, chosen: Any, rejected: Any) -> tuple[list[Message], str]:
    """Return the messages up to the better answer, and the worse answer; DataError names faults.

    ``asked`` is a text, a conversation, or None where the answers bring the question themselves.
    """
    chosen, rejected = _without_prompt(asked, chosen), _without_prompt(asked, rejected)
    better, worse = read_answer(chosen, "better"), read_answer(rejected, "worse")
    texts = [better[-1]["content"], worse[-1]["content"]]
    if is_blank(texts[0]) or is_blank(texts[1]):
        raise DataError("an answer calls a tool without a word, which cannot be compared.")
    before = without_answer(read_question(asked), texts)
    inside = _shared_turns(better[:-1], worse[:-1])
    messages = [*_question_and_turns(before, inside), better[-1]]
    return check_messages(messages), texts[1]


def join_answer(asked: Any, answer: Any) -> list[Message]:
    """The messages of a question, or of a conversation that may hold the answer, and the answer."""
    said = read_answer(_without_prompt(asked, answer), "good")
    before = without_answer(read_question(asked), [said[-1]["content"]])
    return check_messages([*_question_and_turns(before, said[:-1]), said[-1]])


def _question_and_turns(before: list[Message], inside: list[Message]) -> list[Message]:
    """What is asked, from the prompt and from the turns that the answers bring."""
    joined = join_turns(before, inside)
    (_, asked), (_, brought) = split_system(before), split_system(inside)
    apart = len(split_system(joined)[1]) == len(asked) + len(brought)
    if asked and brought and apart and asked[-1]["role"] == brought[0]["role"]:
        raise DataError("its question is not the one that the conversation of its answer has.")
    return joined


def _shared_turns(better: list[Message], worse: list[Message]) -> list[Message]:
    """The turns before both answers; where one side brings none, those of the other."""
    (system, turns), (other_system, others) = split_system(better), split_system(worse)
    if turns and others and not same_turns(turns, others):
        # Only answers to the same question can be compared.
        raise DataError(
            "its two conversations differ before the last answer, so the answers cannot be "
            "compared."
        )
    return [*(system or other_system), *(turns or others)]


def read_question(value: Any) -> list[Message]:
    """The turns before an answer: of a text, a turn, or a list; none where it is empty."""
    found = _turns_or_value(value)
    if is_blank(found):
        return []
    if isinstance(found, str):
        turns = split_speakers(found)
        return [make_message("user", turns)] if isinstance(turns, str) else turns
    if isinstance(found, dict) and not role_name(found):
        return [make_message("user", read_content(found, 1)[0])]
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], str):
        return [make_message("user", found[0])]
    if isinstance(found, list):
        return read_turns(found)
    return read_turns([found]) if isinstance(found, dict) else [make_message("user", str(found))]


def read_answer(value: Any, which: str) -> list[Message]:
    """The turns of an answer, which is the last one: of a text, a turn, or a list of turns."""
    found = _turns_or_value(value)
    if isinstance(found, str):
        parts = split_speakers(found)
        found = [make_message("assistant", parts)] if isinstance(parts, str) else parts
    elif isinstance(found, dict):
        text = {"role": "assistant", "content": read_content(found, 1)[0]}
        found = [found if role_name(found) else text]
    elif isinstance(found, list) and len(found) == 1 and isinstance(found[0], str):
        found = [make_message("assistant", found[0])]
    last = found[-1] if isinstance(found, list) and found else None
    said = turn_content(last) if isinstance(last, dict) else None
    speaks = not is_blank(said)
    calls = isinstance(last, dict) and bool(last.get("tool_calls"))
    turns = read_turns(found) if speaks or calls else []
    if not turns or turns[-1]["role"] != "assistant":
        raise DataError(f"no {which} answer: the field is empty or holds no text.")
    return turns


def _turns_or_value(value: Any) -> Any:
    """The turns of a conversation, also out of a table's cell; any other value as it is."""
    found = as_list(value)
    if not isinstance(value, str) or holds_turns(found):
        return found
    # An object in a text is what is said, unless it is a turn.
    is_turn = isinstance(found, dict) and known_role(str(found.get("role", found.get("from", ""))))
    return found if is_turn else value


def _without_prompt(asked: Any, answer: Any) -> Any:
    """The answer without the prompt, where its text begins with the whole of it."""
    if not isinstance(asked, str) or not isinstance(answer, str):
        return answer
    if isinstance(split_speakers(asked), list):  # HH-RLHF's, whose answers begin with a space
        answer = answer.strip()
    prompt, text = asked.strip(), answer.strip()
    repeated = len(prompt) >= REPEATED_PROMPT and text.startswith(prompt)
    return (text.removeprefix(prompt).strip() if repeated else "") or answer
