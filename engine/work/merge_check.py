"""Checks a merged model: its logits, and its replies to an independent program.

That program (engine.work.independent_check) has the saved files and nothing of Hone. A model that
stopped only in Hone would run on wherever else it is used.
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
# alone; in bf16 merging rounds the sum of base and adapter to 8 bits.
LOGIT_TOLERANCE = {"fp32": 1e-4, "bf16": 0.05}
# Training in 8 bits also rounds what passes through the layers; a merged model does not.
INT8_TOLERANCE = 0.05
REPLY_TOKENS = 32  # of each compared reply
DEADLINE = 3600  # seconds; a large model takes minutes to load


class Outputs(NamedTuple):
    """What a model gives for the compared prompts."""

    logits: torch.Tensor  # all tokens of all prompts x vocabulary, or all texts x labels; fp32
    replies: list[str]


class CheckQuestion(NamedTuple):
    """What the independent program is asked, and what it should find."""

    prompts: list[list[int]]
    ends: TurnEnds
    # A conversation and its tokens in Hone; empty for texts, and where the template alone does not
    # give these tokens.
    chat: list[Message]
    chat_ids: list[int]


class IndependentReplies(NamedTuple):
    """What the independent program found."""

    replies: list[list[int]]  # greedy, with the token that ended each
    ends: list[int]  # tokens at which the model stops
    asked: list[int]  # the conversation's tokens


def ask_independently(folder: Path, question: CheckQuestion, device: str) -> IndependentReplies:
    """What the independent program finds in a folder; raises RunError where it fails."""
    asked = {"prompts": question.prompts, "new_tokens": REPLY_TOKENS}
    asked |= {"device": device, "chat": question.chat}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "engine.work.independent_check", str(folder)],
            input=json.dumps(asked),
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=PROJECT_FOLDER,
            env=private_environment() | {"PYTHONIOENCODING": "utf-8"},
            timeout=DEADLINE,
            check=True,
        )
        return IndependentReplies(**json.loads(done.stdout.splitlines()[-1]))
    except (subprocess.SubprocessError, ValueError, IndexError, TypeError) as error:
        raise RunError(
            "The merged model was written, but another program could not load and ask it, so it "
            "was removed. The log has the details."
        ) from error


def find_reply_problem(question: CheckQuestion, found: IndependentReplies) -> str:
    """Why other programs would not use a saved model as it was trained; empty where they would."""
    ends = set(question.ends.tokens)
    if not ends <= set(found.ends) or any(ends & set(reply[:-1]) for reply in found.replies):
        return (
            "In other programs it does not stop where its answers end, so it was removed. Merge "
            "again."
        )
    if found.asked != question.chat_ids:
        return (
            "Its saved tokenizer turns a question into other tokens than in training, so it was "
            "removed. Download the base model again, then train and merge again."
        )
    return ""


def compare_outputs(
    expected: Outputs, found: Outputs, precision: str, bits: int | None
) -> ev.Merged:
    """How far two models differ, and whether that is allowed."""
    largest = (expected.logits - found.logits).abs().max().item()
    share = largest / expected.logits.abs().max().item()
    tolerance = max(LOGIT_TOLERANCE[precision], INT8_TOLERANCE if bits == 8 else 0.0)
    text = "" if share <= tolerance else _refusal_text(share, tolerance, precision)
    return ev.Merged(
        ok=not text,
        precision=precision,
        largest=largest,
        share=share,
        tolerance=tolerance,
        agree=sum(a == b for a, b in zip(expected.replies, found.replies, strict=True)),
        prompts=len(found.replies),
        text=text,
    )


def _refusal_text(share: float, tolerance: float, precision: str) -> str:
    fp32 = precision == "fp32"
    advice = "Take the adapter instead." if fp32 else "Try fp32, which does not round."
    return (
        f"Its logits differ from those of base plus adapter by up to {100 * share:.2g} % of the "
        f"largest; at most {100 * tolerance:.2g} % is allowed, so it was removed. {advice}"
    )


def describe_ending_words(texts: Sequence[str]) -> str:
    """A note on words that end replies and are no tokens; empty where there are none."""
    if not texts:
        return ""
    named = ", ".join(f"“{text.strip()}”" for text in texts)
    return (
        f"Its replies end with {named}, which is no token of the model. Other programs must be set "
        "to stop there, as the lines below do."
    )
