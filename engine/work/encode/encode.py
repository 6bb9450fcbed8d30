"""Rows to token ids and labels: what the model sees, and which tokens it learns from.

The loss stands on the assistant's turns alone (or on the whole of plain text). Where the assistant's
tokens cannot be told apart with certainty the row is refused; nothing is ever trained on silently.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine.data.normalize import with_system
from engine.errors import DataError, ModelError
from engine.spec import presets
from engine.spec.objective import compares
from engine.spec.run import DataSpec
from engine.work.encode.loss_mask import compute_loss_mask
from engine.work.encode.messages import Message, Tool
from engine.work.encode.prompts import prompt_text
from engine.work.encode.template import Span
from engine.work.encode.tokens import (
    TextTokens,
    control_pattern,
    plain_text_ids,
    tokenize_pieces,
    unwrap_control_tokens,
    wrap_control_tokens,
)

Row = dict[str, Any]
IGNORE_INDEX = -100  # label of a token without a loss, as PyTorch's cross-entropy has it
TEMPLATE_FOLDER = presets.FOLDER / "templates"
TOKENS_KEPT_AT_ENDS = 16  # tokens that stay at both ends of what is shortened


class Encoded(NamedTuple):
    """One row as the model sees it."""

    ids: list[int]
    labels: list[int]  # the id where the token is learned, else IGNORED
    length: int  # tokens before anything was cut

    @property
    def cut(self) -> int:
        return self.length - len(self.ids)

    @property
    def learned(self) -> int:
        return sum(label != IGNORE_INDEX for label in self.labels)


def load_tokenizer(folder: Path, template: str = "model") -> PreTrainedTokenizerBase:
    """A model's tokenizer with a pad token, padding on the right, and the chat template that is to be used.

    ``model`` keeps the model's own, or takes ``plain`` where it has none. Raises ModelError where it is not usable.
    """
    sentence = "The cat sat on the mat."
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        back = tokenizer.decode(
            tokenizer.encode(sentence, add_special_tokens=False), skip_special_tokens=True
        )
    except Exception as error:
        raise ModelError(
            f"The tokenizer in '{folder.name}' cannot be loaded. Copy the model again."
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer in '{folder.name}' cannot say which letters a token stands for, so answers cannot be told "
            "from questions. Choose a model that comes with a tokenizer.json."
        )
    # Some folders lack their vocabulary and encode text to almost nothing, silently.
    if "".join(back.lower().split()) != "".join(sentence.lower().split()):
        raise ModelError(
            f"The tokenizer in '{folder.name}' loses text: its vocabulary is missing. Copy the model again."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    if template != "model" or not tokenizer.chat_template:
        name = "plain" if template == "model" else template
        tokenizer.chat_template = (TEMPLATE_FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
    return tokenizer


def row_messages(row: Row, system: str = "") -> list[Message]:
    """A chat or prompt/completion row as messages, after the system turn of all rows where it brings none."""
    if "messages" in row:
        return with_system(list(row["messages"]), system)
    pair = [
        {"role": "user", "content": row["prompt"]},
        {"role": "assistant", "content": row["completion"]},
    ]
    return with_system(pair, system)


def encode_row(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> Encoded:
    """One normal row as ids and labels, cut at the end; raises DataError where its mask is uncertain."""
    return truncate_encoded(encode_uncut(tokenizer, row, data), data)


def truncate_encoded(whole: Encoded, data: DataSpec) -> Encoded:
    """What training sees of it."""
    return Encoded(whole.ids[: data.max_length], whole.labels[: data.max_length], whole.length)


def encode_uncut(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> Encoded:
    """As ``encode``, with the tokens beyond the cut; what is to be shortened is shortened."""
    return encode_chosen_and_rejected(tokenizer, row, data)[0]


def encode_chosen_and_rejected(
    tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec
) -> list[Encoded]:
    """As ``encode_uncut``, and after it the same row with its worse answer where it is learned against one.

    Both have the same question, shortened by what the longer of them needs.
    """
    if "text" in row:
        ids = _append_end(tokenizer, _encode_text(tokenizer, row["text"], "literal" in data.fixes))
        return [Encoded(ids, ids, len(ids))]
    sides = [row]
    if compares(data, row):
        # Earlier answers are the same on both sides: the last ones alone are better or worse.
        data = data.model_copy(update={"learn": "last"})
        sides += [_replace_answer(row, row["rejected"])] if "rejected" in row else []
    made = [_encode_conversation(tokenizer, side, data) for side in sides]
    over = max(len(ids) for ids, _, _ in made) - data.max_length if "shorten" in data.fixes else 0
    return [_shorten_prompt(ids, labels, len(ids) - max(0, over)) for ids, labels, _ in made]


def _replace_answer(row: Row, answer: str) -> Row:
    """The row with another last answer."""
    if "messages" in row:
        return row | {"messages": [*row["messages"][:-1], {"role": "assistant", "content": answer}]}
    return row | {"completion": answer}


def _encode_text(tokenizer: PreTrainedTokenizerBase, text: str, literal: bool) -> list[int]:
    text, _, places = unwrap_control_tokens(
        wrap_control_tokens(text, control_pattern(tokenizer)) if literal else text, []
    )
    return plain_text_ids(tokenizer, text, places)


def _encode_conversation(
    tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec
) -> tuple[list[int], list[int], int]:
    """Ids, labels, and at which token the last answer begins."""
    messages, tools = row_messages(row, data.system), row.get("tools") or []
    if "literal" in data.fixes:
        messages, tools = wrap_control_tokens([messages, tools], control_pattern(tokenizer))
    found = compute_loss_mask(tokenizer, messages, tools, data.learn)
    text, spans, literal = unwrap_control_tokens(
        found.text, [*found.spans, *((border, border) for border in found.borders)]
    )
    spans, borders = spans[: len(found.spans)], [border for border, _ in spans[len(found.spans) :]]
    made = tokenize_pieces(tokenizer, text, literal, borders)
    opens = borders[-1] if borders else len(text)
    begin = next(
        (
            place
            for place, (start, end) in enumerate(made.offsets)
            if start >= opens and end > start
        ),
        0,
    )
    return made.ids, list(made.ids) if data.learn == "all" else _make_labels(made, spans), begin


def encode_rows(
    tokenizer: PreTrainedTokenizerBase, rows: Iterable[Row], data: DataSpec, left: Counter[str]
) -> Iterator[Encoded]:
    """The rows that keep something to learn; raises DataError for one whose mask is uncertain, or leaves it out.

    ``left`` counts those that do not: ``lost`` to the cut, ``refused`` because of their mask.
    """
    for number, row in enumerate(rows, start=1):
        try:
            one = encode_row(tokenizer, row, data)
        except DataError as error:
            if "refused" not in data.fixes:
                raise DataError(f"Row {number}: {error}") from error
            left["refused"] += 1
            continue
        if has_targets(one):
            yield one
        else:
            left["lost"] += 1


def has_targets(one: Encoded) -> bool:
    """Whether anything is learned; the first token has none before it to be foretold from."""
    return any(label != IGNORE_INDEX for label in one.labels[1:])


def _make_labels(made: TextTokens, spans: list[Span]) -> list[int]:
    """A token is learned where it begins within an answer.

    One that begins before it and reaches into it is not: the prompt holds its beginning, so the model, when it is
    asked, can never choose it. One that begins in the answer and reaches out of it is the model's to write.
    """
    spans = sorted(spans)
    starts = [start for start, _ in spans]
    labels = []
    for token, (start, end) in zip(made.ids, made.offsets, strict=True):
        at = bisect_right(starts, start) - 1
        labels.append(token if at >= 0 and start < spans[at][1] and end > start else IGNORE_INDEX)
    return labels


def _shorten_prompt(ids: list[int], labels: list[int], limit: int) -> Encoded:
    """Tokens go from the middle of the longest stretch that is not learned, until the row fits or none is left."""
    length = len(ids)
    while (excess := len(ids) - limit) > 0:
        start, end = _longest_ignored(labels)
        spare = min(excess, end - start - 2 * TOKENS_KEPT_AT_ENDS)
        if spare <= 0:
            break
        first = start + (end - start - spare) // 2
        del ids[first : first + spare], labels[first : first + spare]
    return Encoded(ids, labels, length)


def _longest_ignored(labels: list[int]) -> Span:
    """Start and end of the longest run of tokens that are not learned."""
    best, start = (0, 0), 0
    for place, label in enumerate([*labels, 0]):
        if label != IGNORE_INDEX:
            best = max(best, (start, place), key=lambda run: run[1] - run[0])
            start = place + 1
    return best


def _append_end(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    """Plain text ends with the end-of-text token, so that the model learns to stop."""
    end = tokenizer.eos_token_id
    return ids if end is None or (ids and ids[-1] == end) else [*ids, end]


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    plain_text: bool,
    tools: list[Tool] | None = None,
    literal: bool = False,
) -> list[int]:
    """The ids to generate from: the conversation so far, opened for the assistant; or plain text to continue.

    ``literal`` where the run reads control tokens in texts as plain text.
    """
    if not plain_text:
        if literal:
            messages, tools = wrap_control_tokens([messages, tools], control_pattern(tokenizer))
        text, borders = prompt_text(tokenizer, messages, tools or [])
        text, spans, places = unwrap_control_tokens(text, [(border, border) for border in borders])
        return tokenize_pieces(tokenizer, text, places, [border for border, _ in spans]).ids
    ids = _encode_text(tokenizer, messages[-1]["content"], literal)
    return (
        ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids
    )  # some tokenizers end every text


def question_messages(row: Row, system: str = "") -> list[Message]:
    """What to ask in order to compare with this row's answer: all before the last assistant turn.

    For plain text, its first half, cut at a space.
    """
    if "text" in row:
        half = row["text"][: max(8, len(row["text"]) // 2)]
        return [{"role": "user", "content": half.rsplit(" ", 1)[0].strip() or half}]
    messages = row_messages(row, system)
    last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    return messages[:last]


def row_prompt_ids(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> list[int]:
    """The ids that this row's last answer is learned after: exactly the beginning of the row as it is trained."""
    literal = "literal" in data.fixes
    if "text" in row:
        return prompt_ids(tokenizer, question_messages(row), True, literal=literal)
    ids, _, begin = _encode_conversation(tokenizer, row, data)
    return ids[:begin] or prompt_ids(
        tokenizer, question_messages(row, data.system), False, row.get("tools"), literal
    )


def first_questions(
    tokenizer: PreTrainedTokenizerBase, rows: Iterable[Row], count: int, limit: int, data: DataSpec
) -> list[tuple[str, list[int]]]:
    """What the first rows ask, as shown and as ids; rows whose question is longer than ``limit`` tokens are passed."""
    found: list[tuple[str, list[int]]] = []
    for row in rows:
        if len(found) == count:
            break
        try:
            asked, ids = question_messages(row, data.system), row_prompt_ids(tokenizer, row, data)
        except DataError:
            if "refused" not in data.fixes:
                raise
            continue
        if asked and len(ids) <= limit:
            found.append((asked[-1]["content"], ids))
    return found
