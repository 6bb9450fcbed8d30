"""The loss mask of a conversation, as characters: which of them the model learns to write.

Learned is what an assistant writes: its words, its calls of tools, and the mark that ends its turn; not the header
before it, which the generation prompt gives. A mask is certain or refused. Knows nothing about tokens.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.errors import DataError
from engine.work.encode.messages import (
    ADVICE,
    Message,
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
from engine.work.encode.prompts import HELLO_TURN, NEUTRAL_WORDS, common_prefix, first_usable_form
from engine.work.encode.template import Rendered, Span, render_chat, render_traced

Learn = Literal["answers", "last", "all"]


class LossMask(NamedTuple):
    """A conversation as text, and its learned characters."""

    text: str
    spans: list[Span]
    prompt_ends: list[
        int
    ]  # where prompts that ask for an answer end; the last is where the last answer begins


def compute_loss_mask(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Tool], learn: Learn
) -> LossMask:
    """The text and its mask; raises DataError where it is uncertain, or where the template leaves something out."""
    turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    wanted = [
        index
        for index in (turns[-1:] if learn == "last" else turns)
        if messages[index].get("weight") != 0
    ]

    def one(form: list[Message], offered: list[Tool] | None) -> LossMask:
        chat = _MaskedChat(tokenizer, form, offered)
        text = chat.whole.text
        check_complete(text, form, tools)
        spans = {} if learn == "all" else {index: chat.target_spans(index) for index in wanted}
        borders = {
            index: found[0][0] for index, found in spans.items() if index == turns[-1]
        } | chat.prompt_ends()
        flat = (
            [(0, len(text))]
            if learn == "all"
            else [span for found in spans.values() for span in found]
        )
        return LossMask(text, flat, sorted({*borders.values()}))

    return first_usable_form(one, tokenizer, messages, tools)


class _MaskedChat:
    """One rendered conversation, asked for the learned characters of its turns."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Tool] | None
    ) -> None:
        self.tokenizer, self.messages, self.tools = tokenizer, messages, tools
        self.whole = self.render(messages)
        self.prompts: dict[int, str | None] = {}

    def render(self, messages: list[Message], prompt: bool = False) -> Rendered:
        return render_traced(self.tokenizer, messages, self.tools, prompt)

    def prompt_before(self, index: int) -> str | None:
        """What asks for this turn; None where the template does not accept the conversation up to it."""
        if index not in self.prompts:
            try:
                self.prompts[index] = render_chat(
                    self.tokenizer, self.messages[:index], self.tools, prompt=True
                )
            except DataError:
                self.prompts[index] = None
        return self.prompts[index]

    def prompt_ends(self) -> dict[int, int]:
        """Where the prompt that asks for a turn ends in the whole text, for each turn that begins so."""
        answers = [
            number for number, message in enumerate(self.messages) if message["role"] == "assistant"
        ]
        prompts = {number: self.prompt_before(number) for number in answers}
        return {
            number: len(prompt)
            for number, prompt in prompts.items()
            if prompt is not None and self.whole.text.startswith(prompt)
        }

    def target_spans(self, index: int) -> list[Span]:
        """An assistant turn's characters, checked; raises DataError where they are uncertain."""
        turn = _turn_span(self.whole, index)
        if self.whole.marked:
            spans = self._spans_from_marks(index, turn)
        elif turn:
            turn = self._own_part(index, turn)
            spans = [(self._answer_start(index, turn), turn[1])]
        else:
            spans = [self._span_between_prefixes(index)]
        spans = [*spans[:-1], (spans[-1][0], self._answer_end(index, spans[-1], turn))]
        self._check_answer(index, "".join(self.whole.text[start:end] for start, end in spans))
        return spans

    def _spans_from_marks(self, index: int, turn: Span | None) -> list[Span]:
        """What the template's own generation marks say."""
        answers = [
            number for number, message in enumerate(self.messages) if message["role"] == "assistant"
        ]
        if turn:
            spans = [
                (start, end)
                for start, end in self.whole.marked
                if turn[0] <= start and end <= turn[1]
            ]
            inside = [_turn_span(self.whole, number) for number in answers]
            for start, end in self.whole.marked:
                words = self.whole.text[start:end].strip()
                if words not in ("", self.tokenizer.eos_token) and not any(
                    one and one[0] <= start and end <= one[1] for one in inside
                ):
                    raise DataError(
                        f"This chat template marks words that are not the assistant's. {ADVICE}"
                    )
        elif len(self.whole.marked) == len(answers):
            spans = [self.whole.marked[answers.index(index)]]
        else:
            spans = []
        if not spans:
            raise DataError(
                f"This chat template does not mark every answer, so some could not be learned. {ADVICE}"
            )
        return spans

    def _answer_start(self, index: int, turn: Span) -> int:
        """Where an answer begins: behind what the generation prompt gives in the turn's place."""
        text = self.whole.text[slice(*turn)]
        given = self._prompt_at(index, turn[0])
        if text.startswith(given):
            return turn[0] + len(given)
        # The prompt opens something that this turn does not write, such as <think>. Where they part must not hang on
        # the answer's first letters, so it is compared with what stands before any answer.
        others = [text]
        for words in NEUTRAL_WORDS:
            altered = [*self.messages]
            altered[index] = replace_words(altered[index], words)
            other = self.render(altered)
            if place := _turn_span(other, index):
                others.append(other.text[slice(*place)])
        fixed = common_prefix(others)
        shared = len(common_prefix([fixed, given]))
        overlap = max(size for size in range(len(fixed) + 1) if given.endswith(fixed[:size]))
        if given.strip() and not max(shared, overlap):
            raise _uncertain_mask()
        return turn[0] + max(shared, overlap)

    def _prompt_at(self, index: int, start: int) -> str:
        """What the generation prompt writes where this turn begins."""
        prompt = self.prompt_before(index)
        if prompt is None:
            return self._added_by_prompt([HELLO_TURN])
        return (
            prompt[start:]
            if prompt.startswith(self.whole.text[:start])
            else self._added_by_prompt(self.messages[:index])
        )

    def _added_by_prompt(self, messages: list[Message]) -> str:
        """What a generation prompt adds to these messages, also where it is written within the last turn."""
        asked, silent = self.render(messages, prompt=True), self.render(messages)
        ends = [(spans[-1][1], number) for number, spans in asked.pieces.items()]
        if not ends or not silent.render:
            raise _uncertain_mask()
        end, number = max(ends)
        with_prompt, without = (
            "".join(one.text[slice(*span)] for span in one.pieces.get(number, []))
            for one in (asked, silent)
        )
        inside = with_prompt.removeprefix(without) if with_prompt.startswith(without) else ""
        return inside + asked.text[end:]

    def _span_between_prefixes(self, index: int) -> Span:
        """An answer found by rendering the conversation up to it and with it: each must begin the whole."""
        before, after = (
            self.prompt_before(index),
            render_chat(self.tokenizer, self.messages[: index + 1], self.tools),
        )
        if before is None or not after.startswith(before) or not self.whole.text.startswith(after):
            raise _uncertain_mask()
        return len(before), len(after)

    def _answer_end(self, index: int, span: Span, turn: Span | None) -> int:
        """Behind the mark that ends the turn; blanks after it are not learned, and before it they are."""
        start, end = span
        text, words = self.whole.text, remove_blanks(answer_after_thinking(self.messages[index]))
        if turn and text[end : turn[1]].strip() in self.tokenizer.all_special_tokens:
            end = turn[
                1
            ]  # a generation mark around the words alone: the model must learn to stop, too
        rest, eos = text[end:], self.tokenizer.eos_token
        if eos and rest.strip() == eos:
            return (
                end + rest.index(eos) + len(eos)
            )  # the last turn may end in a second mark, as Phi's does
        if not words or not remove_blanks(text[start:end]).endswith(words):
            return start + len(text[start:end].rstrip())
        # Nothing visible ends the turn. Some templates write the mark before the next turn, or after the last.
        # With a few, such as GLM's, the mark that opens the next turn is also the one that ends this.
        blank = len(rest) - len(rest.lstrip())
        marks = [eos] if eos else []
        if index + 1 < len(self.messages) and self.messages[index + 1]["role"] != "assistant":
            following = _turn_span(self.whole, index + 1)
            if following and following[0] in (end, end + blank):
                marks += [
                    one
                    for one in self.tokenizer.all_special_tokens
                    if one != self.tokenizer.bos_token
                ]
        mark = next((one for one in marks if rest[blank:].startswith(one)), "")
        return end + blank + len(mark) if mark else end

    def _own_part(self, index: int, turn: Span) -> Span:
        """The turn without what others say in it: some templates write a tool's answer into the turn that called it.

        Then it ends where it would if nothing followed it. Raises DataError where that cannot be told.
        """
        if not self._contains_others(index, self.whole.text[slice(*turn)]):
            return turn
        alone = self.render(self.messages[: index + 1])
        place = _turn_span(alone, index)
        text = alone.text[slice(*place)] if place else ""
        if (
            not text
            or not self.whole.text[slice(*turn)].startswith(text)
            or self._contains_others(index, text)
        ):
            raise DataError(
                f"This chat template writes others' words into the assistant's turn. {ADVICE}"
            )
        return turn[0], turn[0] + len(text)

    def _contains_others(self, index: int, written: str) -> bool:
        """Whether others' words stand in a turn, and not by chance: it changes when they say something else."""
        squeezed = remove_blanks(written)
        for number, other in enumerate(self.messages):
            words = content_of(other).strip()
            if other["role"] == "assistant" or not words or not contains_words(squeezed, words):
                continue
            altered = [*self.messages]
            altered[number] = replace_words(other, NEUTRAL_WORDS[0])
            changed = self.render(altered)
            place = _turn_span(changed, index)
            if place is None or not changed.text[slice(*place)].startswith(written):
                return True
        return False

    def _check_answer(self, index: int, learned: str) -> None:
        """The turn's own words must stand in it."""
        squeezed = remove_blanks(learned)
        if not contains_words(squeezed, answer_after_thinking(self.messages[index])):
            raise _uncertain_mask()
        if not contains_calls(squeezed, self.messages[index]):
            raise_missing("tool calls in the assistant's turn")


def _turn_span(rendered: Rendered, index: int) -> Span | None:
    """The one place where a message's turn was written; None where there is none, or more than one."""
    spans = [span for span in rendered.pieces.get(index, []) if rendered.text[slice(*span)].strip()]
    return spans[0] if rendered.render and len(spans) == 1 else None


def _uncertain_mask() -> DataError:
    return DataError(
        f"This model's chat template rewrites or reorders turns, so the assistant's words cannot be told apart with "
        f"certainty. {ADVICE}"
    )
