"""Rows to token ids and labels: what the model sees, and which tokens it learns from.

The loss stands on the assistant's turns alone (or on the whole of plain text). Where the assistant's
tokens cannot be told apart with certainty the row is refused; nothing is ever trained on silently.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine.errors import DataError, ModelError

Row = dict[str, Any]
Message = dict[str, str]
IGNORED = -100  # label of a token without a loss, as PyTorch's cross-entropy has it
PLAIN_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}


class Encoded(NamedTuple):
    """One row as the model sees it."""

    ids: list[int]
    labels: list[int]  # the id where the token is learned, else IGNORED
    length: int  # tokens before the cut

    @property
    def cut(self) -> int:
        return self.length - len(self.ids)

    @property
    def learned(self) -> int:
        return sum(label != IGNORED for label in self.labels)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """A model's tokenizer with a pad token, padding on the right; raises ModelError where it is not usable."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ModelError(f"The tokenizer in '{folder.name}' cannot be loaded. Copy the model again.") from error
    sentence = "The cat sat on the mat."
    back = tokenizer.decode(tokenizer.encode(sentence, add_special_tokens=False), skip_special_tokens=True)
    # Some folders lack their vocabulary and encode text to almost nothing, silently.
    if "".join(back.lower().split()) != "".join(sentence.lower().split()):
        raise ModelError(
            f"The tokenizer in '{folder.name}' loses text: its vocabulary is missing. Copy the model again."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    return tokenizer


def messages_of(row: Row) -> list[Message]:
    """A chat or prompt/completion row as messages."""
    if "messages" in row:
        return list(row["messages"])
    return [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]


def encode(tokenizer: PreTrainedTokenizerBase, row: Row, max_length: int) -> Encoded:
    """One normal row as ids and labels, cut at the end; raises DataError where its mask is uncertain."""
    if "text" in row:
        ids = _with_end(tokenizer, tokenizer.encode(row["text"]))
        return _cut(ids, ids, max_length)
    messages = messages_of(row)
    if tokenizer.chat_template and "{% generation" in tokenizer.chat_template.replace("{%-", "{%"):
        ids, learned = _marked(tokenizer, messages)
    else:
        text, spans = (
            _template_spans(tokenizer, messages) if tokenizer.chat_template else _plain_spans(tokenizer, messages)
        )
        encoded = tokenizer(text, add_special_tokens=not tokenizer.chat_template, return_offsets_mapping=True)
        ids = list(encoded["input_ids"])
        offsets = encoded["offset_mapping"]
        learned = [any(start <= a < end and b > a for start, end in spans) for a, b in offsets]
        if not tokenizer.chat_template:  # some tokenizers end every text themselves
            while ids and ids[-1] == tokenizer.eos_token_id and offsets[len(ids) - 1][0] == offsets[len(ids) - 1][1]:
                ids.pop(), learned.pop()
    labels = [token if on else IGNORED for token, on in zip(ids, learned, strict=True)]
    return _cut(ids, labels, max_length)


def _cut(ids: list[int], labels: list[int], max_length: int) -> Encoded:
    return Encoded(ids[:max_length], labels[:max_length], len(ids))


def _with_end(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    """Plain text ends with the end-of-text token, so that the model learns to stop."""
    end = tokenizer.eos_token_id
    return ids if end is None or (ids and ids[-1] == end) else [*ids, end]


def _marked(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> tuple[list[int], list[bool]]:
    """Templates with generation marks say themselves which tokens are the assistant's."""
    encoded = _apply(tokenizer, messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    return list(encoded["input_ids"]), [bool(on) for on in encoded["assistant_masks"]]


def _apply(tokenizer: PreTrainedTokenizerBase, messages: list[Message], **options: Any) -> Any:
    try:
        return tokenizer.apply_chat_template(messages, **options)
    except Exception as error:  # a template may raise whatever it likes, for example on a system turn
        raise DataError(f"The model's chat template does not accept this conversation: {error}") from error


def _template_spans(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> tuple[str, list[tuple[int, int]]]:
    """The rendered text and the assistant's character spans, found by rendering each turn's beginning.

    Certain only where each beginning is a prefix of the whole; else DataError.
    """
    whole: str = _apply(tokenizer, messages, tokenize=False)
    spans = []
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before: str = _apply(tokenizer, messages[:index], tokenize=False, add_generation_prompt=True)
        after: str = _apply(tokenizer, messages[: index + 1], tokenize=False)
        if (
            not whole.startswith(before)
            or not whole.startswith(after)
            or message["content"].strip() not in after[len(before) :]
        ):
            raise DataError(
                "This model's chat template rewrites earlier turns, so the assistant's words cannot be told apart "
                "with certainty. Choose another model, or data with one answer per conversation."
            )
        spans.append((len(before), len(after)))
    return whole, spans


def _plain_spans(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> tuple[str, list[tuple[int, int]]]:
    """The stated plain format of models without a chat template: ``User: ...`` and ``Assistant: ...`` lines."""
    text, spans = "", []
    for message in messages:
        text += f"{PLAIN_NAMES[message['role']]}:"
        start = len(text)
        end = (tokenizer.eos_token or "") if message["role"] == "assistant" else ""
        text += f" {message['content']}{end}"
        if message["role"] == "assistant":
            spans.append((start, len(text)))
        text += "\n"
    return text.removesuffix("\n"), spans


def prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: list[Message], plain_text: bool) -> list[int]:
    """The ids to generate from: the conversation so far, opened for the assistant; or plain text to continue."""
    if tokenizer.chat_template and not plain_text:
        encoded = _apply(tokenizer, messages, tokenize=True, add_generation_prompt=True, return_dict=True)
        return list(encoded["input_ids"])
    text = messages[-1]["content"] if plain_text else f"{_plain_spans(tokenizer, messages)[0]}\nAssistant:"
    ids: list[int] = tokenizer.encode(text)
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids  # some tokenizers end every text


def question_of(row: Row) -> list[Message]:
    """What to ask in order to compare with this row's answer: all before the last assistant turn.

    For plain text, its first half, cut at a space.
    """
    if "text" in row:
        half = row["text"][: max(8, len(row["text"]) // 2)]
        return [{"role": "user", "content": half.rsplit(" ", 1)[0].strip() or half}]
    messages = messages_of(row)
    last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    return messages[:last]


def questions(
    tokenizer: PreTrainedTokenizerBase, rows: list[Row], count: int, limit: int
) -> list[tuple[str, list[int]]]:
    """What the first rows ask, as shown and as ids; rows whose question is longer than ``limit`` tokens are passed."""
    found: list[tuple[str, list[int]]] = []
    for row in rows:
        if len(found) == count:
            break
        chat = question_of(row)
        ids = prompt_ids(tokenizer, chat, "text" in row)
        if len(ids) <= limit:
            found.append((chat[-1]["content"], ids))
    return found


def encode_all(tokenizer: PreTrainedTokenizerBase, rows: list[Row], max_length: int) -> tuple[list[Encoded], int]:
    """All rows that keep something to learn, and how many lost their whole answer to the cut."""
    encoded = []
    for number, row in enumerate(rows, start=1):
        try:
            encoded.append(encode(tokenizer, row, max_length))
        except DataError as error:
            raise DataError(f"Row {number}: {error}") from error
    kept = [one for one in encoded if any(label != IGNORED for label in one.labels[1:])]
    return kept, len(encoded) - len(kept)
