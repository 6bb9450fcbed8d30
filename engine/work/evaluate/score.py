"""Scores of base and tuned model on held-out rows: right replies, else perplexity.

Both come from one copy of the weights, with the adapter switched off and on.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy

from engine.coach import scores
from engine.data.normalize import last_answer
from engine.data.rows import Row, read_rows, spread_indices
from engine.errors import DataError, RunError
from engine.spec import presets
from engine.spec.run import Shape
from engine.store import run_dir
from engine.store.run_dir import RunDir
from engine.store.score_events import Perplexity, Scored
from engine.work.encode.encode import IGNORE_INDEX, Encoded, encode_row, has_targets
from engine.work.encode.preferences import encode_preference
from engine.work.encode.questions import row_prompt_ids
from engine.work.evaluate import classifier_score
from engine.work.evaluate.classifier_score import LabelAnswers, Labels
from engine.work.model.base_and_tuned import Pair, TrainedRun, load_pair, open_trained_run
from engine.work.model.batches import map_by_length, pad_rows
from engine.work.model.generate import greedy_replies

LOGITS_PER_BATCH = 2**25  # numbers in one batch's logits (128 MB in fp32)
# Tokens beyond the longest label, so that a reply that goes on after it is noticed.
SPARE_TOKENS = 4
TARGETS_IN_WORDS = {
    "answers": "the answers",
    "last": "the last answer of each conversation",
    "all": "whole conversations, questions too",
}


def score_run(run: RunDir) -> None:
    """Score both models, as one event of the run; raises RunError where there are no rows."""
    trained, held = open_trained_run(run), read_rows(run.held_out_file)
    if not len(held):
        raise RunError("This run has no held-out examples, so there is nothing new to score it on.")
    rows = [held[index] for index in spread_indices(len(held))]
    pair = load_pair(trained)
    if trained.head:
        train = read_rows(run.train_file)
        run.emit(classifier_score.score_head(pair, trained, rows, train, len(held)))
    else:
        run.emit(_score_text(pair, trained, rows, len(held)))


def _score_text(
    pair: Pair, trained: TrainedRun, rows: list[Row], total: int
) -> Scored | Perplexity:
    """The score of a model that writes text; ``total``: held-out rows there are."""
    run, data = trained.run, trained.spec.data
    if "refused" in data.fixes:  # as in training
        rows = [row for row in rows if _is_encodable(pair, row)]
    if trained.kind == "prefer" and "rejected" in rows[0]:
        return score_preferences(pair, rows, total)
    if trained.kind == "prefer":  # of marked answers, only the good ones should be written
        rows = [row for row in rows if row.get("good", True)]
    if found := _sample_rows(data.source, rows):
        return score_sample(pair, *found, rows, total)
    summary = run_dir.read_data_summary(run.about_file)
    if summary.shape == Shape.LABEL and "text" not in rows[0]:
        return score_labels(pair, rows, total, read_rows(run.train_file), summary.labels)
    return score_perplexity(pair, rows, total)


def _is_encodable(pair: Pair, row: Row) -> bool:
    try:
        encode_row(pair.tokenizer, row, pair.data)
    except DataError:
        return False
    return True


# --- replies ---


def _sample_rows(source: str, rows: Sequence[Row]) -> tuple[scores.SampleScorer, list[Row]] | None:
    """A bundled sample's scoring function, and the raw rows it needs; None for other data.

    None too where the user chose other held-out data or other columns of the sample.
    """
    kind, _, key = source.partition(":")
    if kind != "sample" or key not in scores.SAMPLE_SCORERS:
        return None
    sample = next(sample for sample in presets.bundled_samples() if sample.id == key)
    lines = sample.held_out_file.read_text(encoding="utf-8").split("\n")
    raw = scores.match_raw_rows(rows, [json.loads(line) for line in lines if line])
    return (scores.SAMPLE_SCORERS[key], raw) if raw else None


def score_sample(
    pair: Pair, scorer: scores.SampleScorer, raw: list[Row], rows: list[Row], total: int
) -> Scored:
    """Right replies by the sample's own function."""
    _, *replies = _ask_both(pair, rows, scorer.max_new_tokens)
    base, tuned = (
        sum(scorer.right(reply, row) for reply, row in zip(said, raw, strict=True))
        for said in replies
    )
    return Scored(what=scorer.what, base=base, tuned=tuned, rows=len(rows), of=total)


def score_labels(
    pair: Pair, rows: list[Row], total: int, train: Sequence[Row], known: Sequence[str]
) -> Scored:
    """Right labels, beside always answering the commonest label of the training rows."""
    counts = Counter(last_answer(row) for row in train)
    labels = {str(label).strip() for label in known} | set(counts) | {last_answer(r) for r in rows}
    longest = max(len(pair.tokenizer.encode(label, add_special_tokens=False)) for label in labels)
    asked, *replies = _ask_both(pair, rows, longest + SPARE_TOKENS)

    def read_label(reply: str) -> Labels:
        label = scores.find_label(reply, labels)
        return frozenset() if label is None else frozenset([label])

    base, tuned = (list(map(read_label, said)) for said in replies)
    truth = [frozenset([last_answer(row)]) for row in asked]
    answers = LabelAnswers(truth, base, tuned, frozenset([counts.most_common(1)[0][0]]))
    return classifier_score.score_label_answers(answers, total)


def _ask_both(pair: Pair, rows: list[Row], new: int) -> tuple[list[Row], list[str], list[str]]:
    """The rows whose question leaves room for ``new`` tokens, and base's and tuned's replies."""
    prompts = [_prompt_ids(pair, row, new) for row in rows]
    fit = [index for index, ids in enumerate(prompts) if len(ids) + new <= pair.context]
    if not fit:
        raise RunError(
            f"The model reads at most {pair.context} tokens at once, and every held-out question "
            "is longer. Choose a model that reads more, or shorter examples."
        )
    kept = [prompts[index] for index in fit]
    base, tuned = pair.measure_both(lambda: greedy_replies(pair.model, pair.tokenizer, kept, new))
    return [rows[index] for index in fit], base, tuned


def _prompt_ids(pair: Pair, row: Row, new: int) -> list[int]:
    """A row's question; too long, it loses its middle where the run shortens its rows so."""
    ids = row_prompt_ids(pair.tokenizer, row, pair.data)
    room = max(0, min(pair.data.max_length, pair.context) - new)
    if "shorten" not in pair.data.fixes or len(ids) <= room:
        return ids
    return ids[: room // 2] + ids[len(ids) - (room - room // 2) :]


# --- perplexity ---


def score_perplexity(pair: Pair, rows: list[Row], total: int) -> Perplexity:
    """exp of the mean loss over all target tokens of the rows, cut where training cuts them."""
    encoded = [encode_row(pair.tokenizer, row, pair.data) for row in rows]
    encoded = [one for one in encoded if has_targets(one)]
    # The first token is never predicted.
    tokens = sum(label != IGNORE_INDEX for one in encoded for label in one.labels[1:])
    if not tokens:
        raise RunError(
            f"No held-out example keeps an answer within {pair.data.max_length} tokens, so there "
            "is nothing to score. Raise the longest example on the Data tab and train again."
        )
    losses = pair.measure_both(lambda: sum(_row_losses(pair, encoded)))
    if not all(math.isfinite(loss) and loss / tokens < math.log(1e300) for loss in losses):
        raise RunError(
            "The loss on the held-out examples is no longer a number, so this run has no "
            "perplexity."
        )
    base, tuned = (math.exp(loss / tokens) for loss in losses)
    what = "the whole text" if "text" in rows[0] else TARGETS_IN_WORDS[pair.data.learn]
    measured = len(encoded)
    return Perplexity(what=what, base=base, tuned=tuned, tokens=tokens, rows=measured, of=total)


@torch.no_grad()
def _row_losses(pair: Pair, encoded: list[Encoded]) -> list[float]:
    """For each row the summed loss of its target tokens."""
    tokens = max(1, LOGITS_PER_BATCH // pair.model.config.get_text_config().vocab_size)

    def compute(rows: list[Encoded]) -> list[float]:
        device = pair.model.device
        ids, mask = pad_rows([one.ids for one in rows], pair.tokenizer.pad_token_id)
        labels, _ = pad_rows([one.labels for one in rows], IGNORE_INDEX)
        out = pair.model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
        targets = labels[:, 1:].to(device)
        has_target = targets != IGNORE_INDEX
        logits = out.logits[:, :-1][has_target].float()
        losses = cross_entropy(logits, targets[has_target], reduction="none")
        by_row = losses.new_zeros(has_target.shape).masked_scatter(has_target, losses)
        return by_row.sum(dim=1).tolist()

    return map_by_length(encoded, lambda one: len(one.ids), lambda size: tokens // size, compute)


# --- preferences ---


def score_preferences(pair: Pair, rows: list[Row], total: int) -> Scored:
    """In how many pairs the better answer, as a whole, is the likelier one."""
    encoded = [encode_preference(pair.tokenizer, row, pair.data) for row in rows]
    sides = [both for both in encoded if all(map(has_targets, both))]
    if not sides:
        raise RunError(
            f"No held-out pair keeps both answers within {pair.data.max_length} tokens, so there "
            "is nothing to score. Raise the longest example on the Data tab and train again."
        )

    def count_right() -> int:
        better, worse = (_row_losses(pair, [one[side] for one in sides]) for side in (0, 1))
        return sum(one < other for one, other in zip(better, worse, strict=True))

    base, tuned = pair.measure_both(count_right)
    what = "Finds the better answer likelier than the worse"
    return Scored(what=what, base=base, tuned=tuned, rows=len(sides), of=total)
