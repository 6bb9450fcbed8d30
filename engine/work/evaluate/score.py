"""Base against tuned model on the held-out rows: right replies where an answer can be checked, else perplexity.

Both come from one copy of the weights, with the adapter switched off and on.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence

import torch
from sklearn.metrics import accuracy_score, f1_score  # type: ignore[import-untyped]
from torch.nn.functional import cross_entropy

from engine.coach import scores
from engine.data.normalize import last_answer
from engine.data.rows import read_rows, spread_indices
from engine.errors import DataError, RunError
from engine.spec import presets
from engine.spec.run import Shape
from engine.store import events as ev
from engine.store import run_dir
from engine.store.run_dir import RunDir
from engine.work.encode.encode import IGNORE_INDEX, Encoded, Row, encode_row
from engine.work.encode.preferences import encode_preference
from engine.work.encode.questions import row_prompt_ids
from engine.work.evaluate.pair import Pair, load_pair
from engine.work.model.base_and_tuned import open_trained_run
from engine.work.model.generate import greedy_replies

LOGITS_PER_BATCH = 2**25  # numbers in one batch's logits (128 MB in fp32)
SPARE_TOKENS = (
    4  # tokens more than the longest label needs, so that a reply that goes on is seen to go on
)
NO_LABEL = ""  # what stands for a reply that is no label; no label is empty
TARGETS_IN_WORDS = {
    "answers": "the answers",
    "last": "the last answer of each conversation",
    "all": "whole conversations, questions too",
}


def score_run(run: RunDir) -> None:
    """Score both and report it as one event; raises RunError where there is nothing to score."""
    of, held = open_trained_run(run), read_rows(run.held_out_file)
    if not len(held):
        raise RunError("This run has no held-out examples, so there is nothing new to score it on.")
    rows = [held[index] for index in spread_indices(len(held))]
    about, spec, count = run_dir.read_data_summary(run.about_file), of.spec, len(held)
    pair = load_pair(of)
    if of.head:
        from engine.work.evaluate.classifier_score import score_head

        run.emit(score_head(pair, of, rows, count, read_rows(run.train_file)))
        return
    if "refused" in spec.data.fixes:  # as in training
        rows = [row for row in rows if _can_be_learned(pair, row)]
    if of.goal == "prefer" and "rejected" in rows[0]:
        run.emit(score_preferences(pair, rows, count))
        return
    if of.goal == "prefer":
        rows = [
            row for row in rows if row.get("good", True)
        ]  # what it should write, and not what it should not
    if found := _sample_rows(spec.data.source, rows):
        done: ev.Scored | ev.Perplexity = score_sample(pair, *found, rows, count)
    elif about.shape == Shape.LABEL and "text" not in rows[0]:
        done = score_labels(pair, rows, count, read_rows(run.train_file), about.labels)
    else:
        done = score_perplexity(pair, rows, count)
    run.emit(done)


def _can_be_learned(pair: Pair, row: Row) -> bool:
    try:
        encode_row(pair.tokenizer, row, pair.data)
    except DataError:
        return False
    return True


# --- replies ---


def _sample_rows(source: str, rows: Sequence[Row]) -> tuple[scores.Score, list[Row]] | None:
    """A bundled sample's own scoring function and the raw rows that it needs; None where it has none."""
    kind, _, key = source.partition(":")
    if kind != "sample" or key not in scores.SCORES:
        return None
    sample = next(sample for sample in presets.bundled_samples() if sample.id == key)
    # None too where the rows are other ones: the user may have chosen other held-out data or other columns.
    lines = sample.held_out_file.read_text(encoding="utf-8").split("\n")
    raw = scores.raw_of(rows, [json.loads(line) for line in lines if line])
    return (scores.SCORES[key], raw) if raw else None


def score_sample(
    pair: Pair, scorer: scores.Score, raw: list[Row], rows: list[Row], of: int
) -> ev.Scored:
    """Right replies by the sample's own function."""
    _, base, tuned = _ask_both(pair, rows, scorer.max_new_tokens)
    right = [
        sum(scorer.right(reply, row) for reply, row in zip(said, raw, strict=True))
        for said in (base, tuned)
    ]
    return ev.Scored(what=scorer.what, base=right[0], tuned=right[1], rows=len(rows), of=of)


def score_labels(
    pair: Pair, rows: list[Row], of: int, train: Sequence[Row], known: Sequence[str]
) -> ev.Scored:
    """Right labels, beside what always answering the training rows' most frequent one would give."""
    open_trained_run = Counter(last_answer(row) for row in train)
    labels = (
        {str(label).strip() for label in known}
        | set(open_trained_run)
        | {last_answer(row) for row in rows}
    )
    longest = max(len(pair.tokenizer.encode(label, add_special_tokens=False)) for label in labels)
    asked, *found = _ask_both(pair, rows, longest + SPARE_TOKENS)
    truth = [last_answer(row) for row in asked]
    base, tuned = (
        [scores.said_label(reply, labels) or NO_LABEL for reply in said] for said in found
    )
    majority = open_trained_run.most_common(1)[0][0]
    always = [majority] * len(truth)
    present = sorted(
        set(truth)
    )  # the same labels for all three, so that their averages can be compared

    def accuracy(said: list[str]) -> float:
        return float(accuracy_score(truth, said))

    def f1(said: list[str]) -> float:
        return float(f1_score(truth, said, labels=present, average="macro", zero_division=0.0))

    def right(said: list[str]) -> int:
        return sum(one == other for one, other in zip(truth, said, strict=True))

    return ev.Scored(
        what="Right label",
        base=right(base),
        tuned=right(tuned),
        rows=len(truth),
        of=of,
        labels=ev.LabelScores(
            majority=majority,
            majority_right=right(always),
            accuracy=ev.ComparedScore(
                base=accuracy(base), tuned=accuracy(tuned), majority=accuracy(always)
            ),
            macro_f1=ev.ComparedScore(base=f1(base), tuned=f1(tuned), majority=f1(always)),
            no_label_base=base.count(NO_LABEL),
            no_label_tuned=tuned.count(NO_LABEL),
        ),
    )


def _ask_both(pair: Pair, rows: list[Row], new: int) -> tuple[list[Row], list[str], list[str]]:
    """The rows whose question the model can read whole, and what base and tuned model reply to each."""
    prompts = [_prompt_ids(pair, row, new) for row in rows]
    fit = [index for index, ids in enumerate(prompts) if len(ids) + new <= pair.context]
    if not fit:
        raise RunError(
            f"The model reads at most {pair.context} tokens at once, and every held-out question is longer. "
            "Choose a model that reads more, or shorter examples."
        )
    kept = [prompts[index] for index in fit]
    base, tuned = pair.measure_both(lambda: greedy_replies(pair.model, pair.tokenizer, kept, new))
    return [rows[index] for index in fit], base, tuned


def _prompt_ids(pair: Pair, row: Row, new: int) -> list[int]:
    """What to reply to; too long, it loses its middle where the run shortens its rows so."""
    ids = row_prompt_ids(pair.tokenizer, row, pair.data)
    room = max(0, min(pair.data.max_length, pair.context) - new)
    if "shorten" not in pair.data.fixes or len(ids) <= room:
        return ids
    return ids[: room // 2] + ids[len(ids) - (room - room // 2) :]


# --- perplexity ---


def score_perplexity(pair: Pair, rows: list[Row], of: int) -> ev.Perplexity:
    """exp of the mean loss over every learned token of the rows, cut where training cuts them."""
    encoded = [
        one
        for row in rows
        if (one := encode_row(pair.tokenizer, row, pair.data)) and _target_count(one)
    ]
    tokens = sum(map(_target_count, encoded))
    if not tokens:
        raise RunError(
            f"No held-out example keeps an answer within {pair.data.max_length} tokens, so there is nothing to score. "
            "Raise the longest example on the Data tab and train again."
        )
    totals = pair.measure_both(lambda: _total_loss(pair, encoded))
    if not all(math.isfinite(total) and total / tokens < math.log(1e300) for total in totals):
        raise RunError(
            "The loss on the held-out examples is no longer a number, so this run has no perplexity."
        )
    base, tuned = (math.exp(total / tokens) for total in totals)
    what = "the whole text" if "text" in rows[0] else TARGETS_IN_WORDS[pair.data.learn]
    return ev.Perplexity(what=what, base=base, tuned=tuned, tokens=tokens, rows=len(encoded), of=of)


def _target_count(one: Encoded) -> int:
    """Tokens of a row that are learned and have a token before them to be foretold from."""
    return sum(label != IGNORE_INDEX for label in one.labels[1:])


def _total_loss(pair: Pair, encoded: list[Encoded]) -> float:
    """The sum of the losses of all learned tokens."""
    return sum(_row_losses(pair, encoded))


@torch.no_grad()
def _row_losses(pair: Pair, encoded: list[Encoded]) -> list[float]:
    """For each row the sum of the losses of its learned tokens."""
    found = [0.0] * len(encoded)
    for batch in _batches(
        encoded, max(1, LOGITS_PER_BATCH // pair.model.config.get_text_config().vocab_size)
    ):
        rows = [encoded[at] for at in batch]
        width = max(len(one.ids) for one in rows)
        ids = torch.tensor(
            [one.ids + [pair.tokenizer.pad_token_id] * (width - len(one.ids)) for one in rows]
        )
        mask = torch.tensor([[1] * len(one.ids) + [0] * (width - len(one.ids)) for one in rows])
        labels = torch.tensor(
            [one.labels + [IGNORE_INDEX] * (width - len(one.labels)) for one in rows]
        )
        device = pair.model.device
        out = pair.model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
        wanted = labels[:, 1:].to(device)
        learned = wanted != IGNORE_INDEX
        losses = cross_entropy(
            out.logits[:, :-1][learned].float(), wanted[learned], reduction="none"
        )
        by_row = losses.new_zeros(learned.shape).masked_scatter(learned, losses).sum(dim=1)
        for at, loss in zip(batch, by_row.tolist(), strict=True):
            found[at] = loss
    return found


def _batches(encoded: list[Encoded], tokens: int) -> list[list[int]]:
    """Indices of rows of like length together, each batch of at most this many tokens, padding counted (or one row)."""
    batches: list[list[int]] = []
    for at in sorted(range(len(encoded)), key=lambda at: len(encoded[at].ids)):
        if batches and (len(batches[-1]) + 1) * len(encoded[at].ids) <= tokens:
            batches[-1].append(at)
        else:
            batches.append([at])
    return batches


# --- preferences ---


def score_preferences(pair: Pair, rows: list[Row], of: int) -> ev.Scored:
    """In how many pairs the better answer, as a whole, is the likelier one."""
    sides = [
        found
        for row in rows
        if all(map(_target_count, found := encode_preference(pair.tokenizer, row, pair.data)))
    ]
    if not sides:
        raise RunError(
            f"No held-out pair keeps both answers within {pair.data.max_length} tokens, so there is nothing to score. "
            "Raise the longest example on the Data tab and train again."
        )

    def right() -> int:
        better, worse = (_row_losses(pair, [one[side] for one in sides]) for side in (0, 1))
        return sum(one < other for one, other in zip(better, worse, strict=True))

    base, tuned = pair.measure_both(right)
    return ev.Scored(
        what="Finds the better answer likelier than the worse",
        base=base,
        tuned=tuned,
        rows=len(sides),
        of=of,
    )
