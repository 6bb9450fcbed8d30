"""What ends a reply: the tokens that the chat template writes after an answer, or else its words.

They are read from rendered conversations, where training has its last target: tokenizer and model
may call another token their end, or none. Samples, scores, Compare, merges and exports use these.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.data.messages import Message, make_message
from engine.errors import DataError
from engine.work.encode.loss_mask import compute_loss_mask
from engine.work.encode.messages import Tool
from engine.work.encode.prompts import HELLO_TURN, NEUTRAL_WORDS
from engine.work.encode.tokenizer import is_in_table
from engine.work.encode.tokens import control_pattern

FIRST, LAST = NEUTRAL_WORDS  # the answers of the rendered conversations
NEXT_QUESTION = "Qz?"
PARAMETERS = {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]}
TOOL: Tool = {
    "type": "function",
    "function": {"name": "look_up", "description": "Looks it up.", "parameters": PARAMETERS},
}
CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"of": LAST}}}


class TurnEnds(NamedTuple):
    """What ends a reply, whichever comes first."""

    tokens: tuple[int, ...]
    # Words that end it where they are no token of their own.
    texts: tuple[str, ...] = ()
    # Whether training teaches where the last answer ends.
    taught: bool = True


class _Tail(NamedTuple):
    """What the template writes around an answer's words."""

    inside: str  # before them, and learned
    end: str  # after them, and learned
    following: str  # after them, up to the next question's words; empty after the last


def find_turn_ends(tokenizer: PreTrainedTokenizerBase, plain_text: bool = False) -> TurnEnds:
    """The ends of an answer, or of a plain text, whose end is the tokenizer's own."""
    if plain_text:
        own = _own_end(tokenizer)
        return TurnEnds(own, (), taught=bool(own))
    return _ends_of_template(tokenizer, str(tokenizer.chat_template))


@lru_cache(maxsize=4)
def _ends_of_template(tokenizer: PreTrainedTokenizerBase, _template: str) -> TurnEnds:
    """``_template`` is part of the key: a tokenizer's template may be replaced."""
    last, between = _last_tail(tokenizer), _middle_tail(tokenizer)
    texts, marks = list[str](), list[str]()
    for tail in filter(None, (last, between)):
        mark = _added_pattern(tokenizer).search(tail.end)
        marks += [mark.group()] if mark else []
        words = tail.end[: mark.start()] if mark else tail.end
        texts += [words.strip()] if words.strip() else []
    taught = last is None or bool(last.end.strip())
    marks += _call_marks(tokenizer)
    inside = _marks_inside(tokenizer)
    tokens = [tokenizer.convert_tokens_to_ids(mark) for mark in marks if mark not in inside]
    if not tokens and not texts and between and between.following.strip():
        # No end is written; what opens the next question shows at least that the answer is over.
        texts = [_opening(between.following)]
    found = [token for token in tokens if is_in_table(tokenizer, token)]
    ends = dict.fromkeys([*found, *_own_end(tokenizer)])
    return TurnEnds(tuple(ends), tuple(dict.fromkeys(texts)), taught)


def _own_end(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    end = tokenizer.eos_token_id
    return () if end is None or not is_in_table(tokenizer, end) else (end,)


def _added_pattern(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Matches any token that was added to the vocabulary, special or not; longer ones first."""
    texts = {token.content for token in tokenizer.added_tokens_decoder.values()}
    texts |= set(tokenizer.all_special_tokens)
    longest = sorted((text for text in texts if text.strip()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest)) or "(?!)")


def _opening(following: str) -> str:
    """What opens the next question, from the line that it begins on."""
    return ("\n" if following[: -len(following.lstrip())].count("\n") else "") + following.strip()


def _last_tail(tokenizer: PreTrainedTokenizerBase, words: str = LAST) -> _Tail | None:
    return _tail(tokenizer, [HELLO_TURN, make_message("assistant", words)], LAST)


def _middle_tail(tokenizer: PreTrainedTokenizerBase) -> _Tail | None:
    first, last = (make_message("assistant", words) for words in (FIRST, LAST))
    return _tail(tokenizer, [HELLO_TURN, first, make_message("user", NEXT_QUESTION), last], FIRST)


def _call_marks(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The special token that ends a turn with a tool call; none where it is also within the turn.

    Only one that is special: other added tokens close the call itself.
    """
    turn = make_message("assistant", "") | {"tool_calls": [CALL]}
    tail = _tail(tokenizer, [HELLO_TURN, turn], LAST, [TOOL])
    found = control_pattern(tokenizer).findall(tail.end) if tail else []
    return [found[-1]] if found and tail and found[-1] not in tail.inside else []


def _marks_inside(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """Tokens that stand in the middle of an answer, such as those that end its thinking."""
    tail = _last_tail(tokenizer, f"<think>\n{FIRST}\n</think>\n\n{LAST}")
    return set(_added_pattern(tokenizer).findall(tail.inside)) if tail else set()


def _tail(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], words: str, tools: Any = None
) -> _Tail | None:
    """What surrounds these words of an answer; None where the template refuses the conversation."""
    try:
        text, spans, _ = compute_loss_mask(tokenizer, messages, tools or [], "answers")
    except DataError:
        return None
    start = text.rindex(words) if words == LAST else text.index(words)
    end = start + len(words)
    after = text.find(NEXT_QUESTION, end)
    learned = [span for span in spans if after < 0 or span[0] < after] or [(start, end)]
    first, last = min(span[0] for span in learned), max(span[1] for span in learned)
    following = text[end:after] if after >= 0 else ""
    return _Tail(text[min(first, start) : start], text[end : max(last, end)], following)
