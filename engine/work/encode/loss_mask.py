"""Computes the loss mask of a conversation: which characters the model learns to write.

Targets are what an assistant writes: its words, its tool calls, and the mark that ends its turn;
not the header before it, which the generation prompt gives. A mask is certain or refused. Knows
nothing about tokens.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.data.messages import Message
from engine.errors import DataError
from engine.work.encode import prompts
from engine.work.encode.messages import (
    ADVICE,
    Tool,
    answer_after_thinking,
    check_complete,
    contains_calls,
    contains_words,
    content_of,
    raise_missing,
    remove_blanks,
    replace_words,
)
from engine.work.encode.template import Rendered, Span, render_chat, render_traced


class LossMask(NamedTuple):
    """A conversation as text, and its target characters."""

    text: str
    spans: list[Span]
    borders: list[int]  # ends of the prompts for an answer; at the last, the last answer begins


def compute_loss_mask(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Tool], learn: str
) -> LossMask:
    """The conversation's text and its loss mask; ``learn`` is that of DataSpec.

    Raises DataError where the mask is uncertain, or where the template leaves something out.
    """

    def mask_form(form: list[Message], offered: list[Tool] | None) -> LossMask:
        chat = _MaskedChat(tokenizer, form, offered)
        text = chat.whole.text
        check_complete(text, form, tools)
        if learn == "all":
            return LossMask(text, [(0, len(text))], sorted({*chat.ends_in(text).values()}))
        answers = chat.answers[-1:] if learn == "last" else chat.answers
        # Turns of weight 0 are read and not learned.
        wanted = [index for index in answers if messages[index].get("weight") != 0]
        targets = {index: chat.target_spans(index) for index in wanted}
        last = {index: spans[0][0] for index, spans in targets.items() if index == answers[-1]}
        borders = last | chat.ends_in(text)
        flat = [span for spans in targets.values() for span in spans]
        return LossMask(text, flat, sorted({*borders.values()}))

    return prompts.first_usable_form(mask_form, tokenizer, messages, tools)


class _MaskedChat(prompts.ChatPrompts):
    """One rendered conversation, and the target characters of its turns."""

    @cached_property
    def whole(self) -> Rendered:
        return self.render(self.messages)

    def render(self, messages: list[Message], prompt: bool = False) -> Rendered:
        return render_traced(self.tokenizer, messages, self.tools, prompt)

    def render_with(self, index: int, words: str) -> Rendered:
        """The conversation with other words in one message."""
        altered = [*self.messages]
        altered[index] = replace_words(altered[index], words)
        return self.render(altered)

    def target_spans(self, index: int) -> list[Span]:
        """The target characters of an assistant's turn; raises DataError if uncertain."""
        turn = self.whole.turn_span(index)
        if self.whole.generation:
            spans = self._generation_spans(index, turn)
        elif turn:
            turn = self._own_part(index, turn)
            spans = [(self._answer_start(index, turn), turn[1])]
        else:
            spans = [self._span_between_prefixes(index)]
        spans = [*spans[:-1], (spans[-1][0], self._answer_end(index, spans[-1], turn))]
        # The turn's own words and tool calls must be among its targets.
        targets = remove_blanks("".join(self.whole.text[slice(*span)] for span in spans))
        if not contains_words(targets, answer_after_thinking(self.messages[index])):
            raise _uncertain_mask()
        if not contains_calls(targets, self.messages[index]):
            raise_missing("tool calls in the assistant's turn")
        return spans

    def _generation_spans(self, index: int, turn: Span | None) -> list[Span]:
        """What the template's own generation blocks say."""
        marked = self.whole.generation
        spans = []
        if turn:
            spans = [span for span in marked if _is_inside(span, turn)]
            self._check_generation_blocks()
        elif len(marked) == len(self.answers):
            spans = [marked[self.answers.index(index)]]
        if not spans:
            raise DataError(
                "This chat template does not mark every answer, so some could not be learned. "
                f"{ADVICE}"
            )
        return spans

    def _check_generation_blocks(self) -> None:
        """Raises DataError where a generation block has words that are no assistant's."""
        turns = [turn for index in self.answers if (turn := self.whole.turn_span(index))]
        for span in self.whole.generation:
            words = self.whole.text[slice(*span)].strip()
            empty = words in ("", self.tokenizer.eos_token)
            if not empty and not any(_is_inside(span, turn) for turn in turns):
                raise DataError(
                    f"This chat template marks words that are not the assistant's. {ADVICE}"
                )

    def _answer_start(self, index: int, turn: Span) -> int:
        """Where an answer begins: after what the generation prompt gives in the turn's place."""
        text = self.whole.text[slice(*turn)]
        given = self._prompt_at(index, turn[0])
        if text.startswith(given):
            return turn[0] + len(given)
        # The prompt opens something that this turn does not write, such as <think>. Where the two
        # diverge must not depend on the answer's first letters, so the turn is compared with turns
        # that hold other words.
        others = (
            self.render_with(index, words).turn_text(index) for words in prompts.NEUTRAL_WORDS
        )
        fixed = prompts.common_prefix([text, *filter(None, others)])
        shared = len(prompts.common_prefix([fixed, given]))
        overlap = max(size for size in range(len(fixed) + 1) if given.endswith(fixed[:size]))
        if given.strip() and not max(shared, overlap):
            raise _uncertain_mask()
        return turn[0] + max(shared, overlap)

    def _prompt_at(self, index: int, start: int) -> str:
        """What the generation prompt writes where this turn begins."""
        prompt = self.before(index)
        if prompt is not None and prompt.startswith(self.whole.text[:start]):
            return prompt[start:]
        before = [prompts.HELLO_TURN] if prompt is None else self.messages[:index]
        return self._added_by_prompt(before)

    def _added_by_prompt(self, messages: list[Message]) -> str:
        """What a generation prompt adds to these messages, in or after the last turn."""
        asked, silent = self.render(messages, prompt=True), self.render(messages)
        ends = [(spans[-1][1], number) for number, spans in asked.pieces.items()]
        if not ends or not silent.traced:
            raise _uncertain_mask()
        end, number = max(ends)
        with_prompt, without = (
            "".join(one.text[slice(*span)] for span in one.pieces.get(number, []))
            for one in (asked, silent)
        )
        inside = with_prompt.removeprefix(without) if with_prompt.startswith(without) else ""
        return inside + asked.text[end:]

    def _span_between_prefixes(self, index: int) -> Span:
        """An answer between two renderings that begin the text: up to it and with it."""
        before = self.before(index)
        after = render_chat(self.tokenizer, self.messages[: index + 1], self.tools)
        if before is None or not after.startswith(before) or not self.whole.text.startswith(after):
            raise _uncertain_mask()
        return len(before), len(after)

    def _answer_end(self, index: int, span: Span, turn: Span | None) -> int:
        """After the turn's end mark; blanks before it are targets, those after it are not."""
        start, end = span
        text, eos = self.whole.text, self.tokenizer.eos_token
        words = remove_blanks(answer_after_thinking(self.messages[index]))
        if turn and text[end : turn[1]].strip() in self.tokenizer.all_special_tokens:
            # The generation block holds the words alone, but the model must learn to stop, too.
            end = turn[1]
        rest = text[end:]
        if eos and rest.strip() == eos:
            # The last turn may end in a second mark, as Phi's does.
            return end + rest.index(eos) + len(eos)
        if not words or not remove_blanks(text[start:end]).endswith(words):
            return start + len(text[start:end].rstrip())
        # Nothing visible ends the turn. Some templates write the mark before the next turn, or
        # after the last.
        blank = len(rest) - len(rest.lstrip())
        marks = self._end_marks(index, (end, end + blank))
        mark = next((one for one in marks if rest[blank:].startswith(one)), "")
        return end + blank + len(mark) if mark else end

    def _end_marks(self, index: int, next_starts: Span) -> list[str]:
        """Marks that may end a turn whose text ends at one of two places.

        In a few templates, such as GLM's, the mark that opens the next turn also ends this one.
        """
        marks = [self.tokenizer.eos_token] if self.tokenizer.eos_token else []
        if index + 1 < len(self.messages) and self.messages[index + 1]["role"] != "assistant":
            following = self.whole.turn_span(index + 1)
            if following and following[0] in next_starts:
                special, bos = self.tokenizer.all_special_tokens, self.tokenizer.bos_token
                marks += [one for one in special if one != bos]
        return marks

    def _own_part(self, index: int, turn: Span) -> Span:
        """The turn without others' words; raises DataError where that is uncertain.

        Some templates write a tool's answer into the turn that called it. The turn then ends where
        it would if nothing followed it.
        """
        written = self.whole.text[slice(*turn)]
        if not self._contains_others(index, written):
            return turn
        text = self.render(self.messages[: index + 1]).turn_text(index)
        if not text or not written.startswith(text) or self._contains_others(index, text):
            raise DataError(
                f"This chat template writes others' words into the assistant's turn. {ADVICE}"
            )
        return turn[0], turn[0] + len(text)

    def _contains_others(self, index: int, written: str) -> bool:
        """Whether a turn contains others' words, and not by chance: it changes when they change."""
        squeezed = remove_blanks(written)
        for number, other in enumerate(self.messages):
            words = content_of(other).strip()
            if other["role"] != "assistant" and words and contains_words(squeezed, words):
                changed = self.render_with(number, prompts.NEUTRAL_WORDS[0])
                if not changed.turn_text(index).startswith(written):
                    return True
        return False


def _is_inside(span: Span, turn: Span) -> bool:
    return turn[0] <= span[0] and span[1] <= turn[1]


def _uncertain_mask() -> DataError:
    return DataError(
        "This model's chat template rewrites or reorders turns, so the assistant's words cannot be "
        f"told apart with certainty. {ADVICE}"
    )
