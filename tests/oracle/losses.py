"""The losses of every kind of run, each as its paper states it, one text at a time.

So nothing is padded, and no batch but where the loss itself compares its examples.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from tests.oracle.saved_run import NOT_LEARNED, Row, SavedRun, Tokens, answer_of, labels_of


@torch.no_grad()
def held_out_loss(run: SavedRun, model: Any, reference: Any) -> float:
    """The mean loss on the held-out rows; ``reference``: what the run began with."""
    if run.head:
        losses = [label_loss(run, model, row) for row in run.held_out]
        return sum(losses) / len(losses)
    if run.goal == "write":
        rows = [one for one in map(run.tokens, run.held_out) if one.learns]
        lost = -sum(log_chances(model, one).sum().item() for one in rows)
        return lost / sum(len(one.shifted) for one in rows)
    if run.goal == "kto":
        examples = kto_examples(run, run.held_out)
        return batch_mean(run, examples, lambda batch: kto_loss(run, model, reference, batch))
    pairs = [answers(run, row) for row in run.held_out]
    if run.goal == "orpo":
        return batch_mean(run, pairs, lambda batch: orpo_loss(run, model, batch))
    return batch_mean(run, pairs, lambda batch: dpo_loss(run, model, reference, batch))


def batch_mean(run: SavedRun, examples: list[Any], loss: Any) -> float:
    """The mean of the batches' losses, each weighted by its examples."""
    size = run.spec["optim"]["batch_size"]
    batches = [examples[at : at + size] for at in range(0, len(examples), size)]
    return float(sum(loss(batch) * len(batch) for batch in batches) / len(examples))


def log_chances(model: Any, tokens: Tokens) -> torch.Tensor:
    """The log-probability of each learned token."""
    logits = model(input_ids=torch.tensor([tokens.ids])).logits[0].double().log_softmax(-1)
    places, wanted = zip(*tokens.shifted, strict=True)
    return logits[list(places), list(wanted)]


# --- labels and numbers ---


@torch.no_grad()
def head_outputs(run: SavedRun, model: Any, row: Row) -> torch.Tensor:
    """What a classification head gives for a row."""
    ids = torch.tensor([run.tokens(row).ids])
    return torch.as_tensor(model(input_ids=ids).logits[0].double())


def label_loss(run: SavedRun, model: Any, row: Row) -> float:
    """Cross-entropy of the label, of all labels each by itself, or the square of the distance."""
    assert run.head
    made, names = head_outputs(run, model, row), run.head["labels"]
    if run.goal == "regress":
        scale = run.head["scale"]
        wanted = (float(answer_of(row)) - scale["mean"]) / scale["spread"]
        return float((made[0] - wanted).square())
    if run.goal == "classify":
        return float(-made.log_softmax(-1)[names.index(answer_of(row))])
    said = torch.tensor([float(name in labels_of(row)) for name in names], dtype=made.dtype)
    return float(binary_cross_entropy_with_logits(made, said))


def share_right(run: SavedRun, model: Any) -> float | None:
    """The share of held-out rows that get all of their labels and no other; None for numbers."""
    assert run.head
    if run.goal == "regress":
        return None
    names, right = run.head["labels"], 0
    for row in run.held_out:
        made = head_outputs(run, model, row)
        if run.goal == "classify":
            right += names[int(made.argmax())] == answer_of(row)
        else:
            said = {name for name, value in zip(names, made.tolist(), strict=True) if value > 0}
            right += said == set(labels_of(row))
    return right / len(run.held_out)


# --- preferences ---


def answers(run: SavedRun, row: Row) -> list[Tokens]:
    """A row with its better answer, and with its worse one; each up to the end of the answer."""
    both = [run.tokens(row)]
    if "rejected" in row:
        both.append(run.tokens(row, row["rejected"]))
    return [up_to_answer(one) for one in both]


def up_to_answer(tokens: Tokens) -> Tokens:
    """The tokens without what the template writes after the answer."""
    end = 1 + max(at for at, label in enumerate(tokens.labels) if label != NOT_LEARNED)
    return Tokens(tokens.ids[:end], tokens.labels[:end])


def dpo_loss(run: SavedRun, model: Any, reference: Any, pairs: list[list[Tokens]]) -> float:
    """Rafailov et al. 2023, equation 7."""
    found = 0.0
    for pair in pairs:
        better, worse = (gain(model, reference, one) for one in pair)
        found -= float(logsigmoid(run.method["beta"] * (better - worse)))
    return found / len(pairs)


def gain(model: Any, reference: Any, tokens: Tokens) -> torch.Tensor:
    """How much likelier an answer has become, as a logarithm."""
    return log_chances(model, tokens).sum() - log_chances(reference, tokens).sum()


def orpo_loss(run: SavedRun, model: Any, pairs: list[list[Tokens]]) -> float:
    """Hong et al. 2024, equation 6: the loss of the better answer, and the odds of both.

    As there, an answer's log-probability is the mean over its tokens.
    """
    found = 0.0
    for pair in pairs:
        better, worse = (log_chances(model, one) for one in pair)
        odds = logsigmoid(log_odds(better) - log_odds(worse))
        found -= float(better.mean() + run.method["beta"] * odds)
    return found / len(pairs)


def log_odds(chances: torch.Tensor) -> torch.Tensor:
    """The odds of an answer, by the mean of its tokens' log-probabilities; as a logarithm."""
    mean = chances.mean().clamp(max=-1e-6)
    return mean - torch.log1p(-mean.exp())


KtoExample = tuple[Tokens, Tokens, bool]  # an answer, another row's answer, whether it is good


def kto_examples(run: SavedRun, rows: list[Row]) -> list[KtoExample]:
    """Each answer with its mark, and beside it the answer that stands half of them further on."""
    sides = [side for row in rows for side in answers(run, row)]
    marks = [mark for row in rows for mark in marks_of(row)]
    half = len(sides) // 2
    return [
        (one, with_answer(one, sides[(at + half) % len(sides)]), mark)
        for at, (one, mark) in enumerate(zip(sides, marks, strict=True))
    ]


def marks_of(row: Row) -> list[bool]:
    return [True, False] if "rejected" in row else [bool(row["good"])]


def with_answer(one: Tokens, other: Tokens) -> Tokens:
    """A question with the answer to another."""
    learned = [label for label in other.labels if label != NOT_LEARNED]
    question = [token for token, label in zip(one.ids, one.labels, strict=True) if label < 0]
    return Tokens([*question, *learned], [NOT_LEARNED] * len(question) + learned)


def kto_loss(run: SavedRun, model: Any, reference: Any, examples: list[KtoExample]) -> float:
    """Ethayarajh et al. 2024, equation 7, the rarer marks weighted as equation 8 says."""
    marks = [mark for row in run.train for mark in marks_of(row)]
    good, bad = marks.count(True), marks.count(False)
    weights = {True: max(1.0, bad / good), False: max(1.0, good / bad)}
    drifts = [gain(model, reference, other) for _, other, _ in examples]
    drift = torch.stack(drifts).mean().clamp(min=0)
    found = 0.0
    for one, _, mark in examples:
        side = gain(model, reference, one) - drift
        value = torch.sigmoid(run.method["beta"] * (side if mark else -side))
        found += weights[mark] * float(1 - value)
    return found / len(examples)
