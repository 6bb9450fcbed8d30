"""What ends a reply: the tokens that the chat template writes after an answer, or else its words.

They are read from rendered conversations, where training has its last target: tokenizer and model
may call another token their end, or none. Samples, scores, Compare, merges and exports use these.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.data.messages import Message, make_message
from engine.errors import DataError
from engine.work.encode.loss_mask import compute_loss_mask
from engine.work.encode.messages import Tool
from engine.work.encode.prompts import HELLO_TURN, NEUTRAL_WORDS
from engine.work.encode.tokenizer import is_in_table
from engine.work.encode.tokens import control_pattern

FIRST_WORDS, LAST_WORDS = NEUTRAL_WORDS  # the answers of the rendered conversations
NEXT_QUESTION = "Qz?"
PARAMETERS = {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]}
TOOL: Tool = {
    "type": "function",
    "function": {"name": "look_up", "description": "Looks it up.", "parameters": PARAMETERS},
}
CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"of": LAST_WORDS}}}


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
    first, final = (make_message("assistant", words) for words in (FIRST_WORDS, LAST_WORDS))
    last = _tail(tokenizer, [final], LAST_WORDS)
    between = _tail(tokenizer, [first, make_message("user", NEXT_QUESTION), final], FIRST_WORDS)
    texts, marks = list[str](), list[str]()
    for tail in filter(None, (last, between)):
        mark = control_pattern(tokenizer, every=True).search(tail.end)
        marks += [mark.group()] if mark else []
        texts.append(_strip_line(tail.end[: mark.start()] if mark else tail.end))
    taught = last is None or bool(last.end.strip())
    marks += _call_marks(tokenizer)
    inside = _marks_inside(tokenizer)
    tokens = [tokenizer.convert_tokens_to_ids(mark) for mark in marks if mark not in inside]
    if not tokens and not any(texts) and between:
        # No end is written; what opens the next question shows at least that the answer is over.
        texts = [_strip_line(between.following)]
    found = [token for token in tokens if is_in_table(tokenizer, token)]
    ends = dict.fromkeys([*found, *_own_end(tokenizer)])
    return TurnEnds(tuple(ends), tuple(dict.fromkeys(filter(None, texts))), taught)


def _own_end(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    end = tokenizer.eos_token_id
    return () if end is None or not is_in_table(tokenizer, end) else (end,)


def _strip_line(text: str) -> str:
    """A text without blanks around it; one that begins on a line of its own keeps the line break.

    Without it, an end such as "###" would cut replies in the middle of a line, too.
    """
    words = text.strip()
    return "\n" + words if words and "\n" in text.partition(words)[0] else words


def _call_marks(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The special token that ends a turn with a tool call; none where it is also within the turn.

    Only one that is special: other added tokens close the call itself.
    """
    turn = make_message("assistant", "") | {"tool_calls": [CALL]}
    tail = _tail(tokenizer, [turn], LAST_WORDS, TOOL)
    found = control_pattern(tokenizer).findall(tail.end) if tail else []
    return [found[-1]] if found and tail and found[-1] not in tail.inside else []


def _marks_inside(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """Tokens that stand in the middle of an answer, such as those that end its thinking."""
    thinking = make_message("assistant", f"<think>\n{FIRST_WORDS}\n</think>\n\n{LAST_WORDS}")
    tail = _tail(tokenizer, [thinking], LAST_WORDS)
    return set(control_pattern(tokenizer, every=True).findall(tail.inside)) if tail else set()


def _tail(
    tokenizer: PreTrainedTokenizerBase, turns: list[Message], words: str, *tools: Tool
) -> _Tail | None:
    """What surrounds these words of an answer; None where the template refuses the conversation."""
    try:
        messages = [HELLO_TURN, *turns]
        text, spans, _ = compute_loss_mask(tokenizer, messages, [*tools], "answers")
    except DataError:
        return None
    start = text.rindex(words) if words == LAST_WORDS else text.index(words)
    end = start + len(words)
    after = text.find(NEXT_QUESTION, end)
    learned = [span for span in spans if after < 0 or span[0] < after] or [(start, end)]
    first, last = min(span[0] for span in learned), max(span[1] for span in learned)
    following = text[end:after] if after >= 0 else ""
    return _Tail(text[min(first, start) : start], text[end : max(last, end)], following)
