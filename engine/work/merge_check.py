"""The check of a merged model: its logits, and what it replies to a program of its own.

The replies come from the saved files alone, in a process that knows nothing of Hone
(engine.work.stranger): a model that stops in Hone alone would run on wherever else it is used.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from engine.data.messages import Message
from engine.errors import RunError
from engine.process.environment import private_environment
from engine.store import events as ev
from engine.store.files import PROJECT_FOLDER
from engine.work.encode.turn_ends import TurnEnds

# Largest allowed difference of a logit, as a share of the largest logit. fp32 differs by rounding
# alone; in bf16 the merged weights are rounded to 8 bits, which an adapter beside the base is not.
LOGIT_TOLERANCE = {"fp32": 1e-4, "bf16": 0.05}
# Training in 8 bits rounds what passes through the layers too, which a merged model does not.
INT8_TOLERANCE = 0.05
DEADLINE = 3600  # seconds; a large model takes minutes to load
STRANGER = "engine.work.stranger"


class Outputs(NamedTuple):
    """What a model gives for the compared prompts."""

    logits: torch.Tensor  # all tokens of all prompts x vocabulary, or all texts x labels; fp32
    replies: list[str]


class CheckQuestion(NamedTuple):
    """What a stranger's program is asked, and what it should make of it."""

    prompts: list[list[int]]
    new_tokens: int
    ends: TurnEnds
    # A conversation, and its tokens as Hone asks it; empty for texts, and where the template alone
    # does not give them.
    chat: list[Message]
    chat_ids: list[int]


class StrangerReplies(NamedTuple):
    """What a saved model does by itself."""

    replies: list[list[int]]  # greedy, with the token that ended each
    ends: list[int]  # tokens at which it stops
    asked: list[int]  # the conversation in its tokens


def ask_stranger(folder: Path, question: CheckQuestion, device: str) -> StrangerReplies:
    """The answer of a process that has a folder and nothing else; raises RunError for none."""
    asked = {"prompts": question.prompts, "new_tokens": question.new_tokens}
    asked |= {"device": device, "chat": question.chat}
    try:
        done = subprocess.run(
            [sys.executable, "-m", STRANGER, str(folder)],
            input=json.dumps(asked),
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=PROJECT_FOLDER,
            env=private_environment() | {"PYTHONIOENCODING": "utf-8"},
            timeout=DEADLINE,
            check=True,
        )
        return StrangerReplies(**json.loads(done.stdout.splitlines()[-1]))
    except (subprocess.SubprocessError, ValueError, IndexError, TypeError) as error:
        raise RunError(
            "The merged model was written, but a program that has its files alone could not load "
            "and ask it, so it was removed. The log has the details."
        ) from error


def find_stranger_problem(question: CheckQuestion, found: StrangerReplies) -> str:
    """Why other programs would not use a saved model as it was trained; empty where they would."""
    ends = set(question.ends.tokens)
    if not ends <= set(found.ends) or any(ends & set(reply[:-1]) for reply in found.replies):
        return (
            "Asked by a program that has its files alone, it does not stop where its answers end, "
            "so it was removed. Merge again."
        )
    if found.asked != question.chat_ids:
        return (
            "Its saved tokenizer reads a question otherwise than the training did, so it was "
            "removed. Get the base model again, train and merge."
        )
    return ""


def compare_outputs(
    expected: Outputs, found: Outputs, precision: str, bits: int | None
) -> ev.Merged:
    """How far two models differ, and whether that is allowed."""
    largest = (expected.logits - found.logits).abs().max().item()
    share = largest / expected.logits.abs().max().item()
    tolerance = max(LOGIT_TOLERANCE[precision], INT8_TOLERANCE if bits == 8 else 0.0)
    ok = share <= tolerance
    return ev.Merged(
        ok=ok,
        precision=precision,
        largest=largest,
        share=share,
        tolerance=tolerance,
        agree=sum(a == b for a, b in zip(expected.replies, found.replies, strict=True)),
        prompts=len(found.replies),
        text="" if ok else _refusal_text(share, tolerance, precision),
    )


def _refusal_text(share: float, tolerance: float, precision: str) -> str:
    advice = "Take the adapter instead."
    if precision != "fp32":
        advice = "Try fp32, which does not round."
    return (
        f"Its scores differ by up to {100 * share:.2g} % of the largest from those of base plus "
        f"adapter, and at most {100 * tolerance:.2g} % is allowed, so it was removed. {advice}"
    )


def words_that_end(texts: Sequence[str]) -> str:
    """What to tell of a model whose replies end in words, which no token marks; else empty."""
    if not texts:
        return ""
    named = ", ".join(f"“{text.strip()}”" for text in texts)
    return (
        f"Its replies end with {named}, which is no token of the model: other programs must be "
        "set to stop there, as the lines below do."
    )
