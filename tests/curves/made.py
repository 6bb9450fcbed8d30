"""Curves made from formulas with seeded noise: shapes that take a large model, long runs or luck to
record.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from engine.store import events as ev

Shape = Callable[[float], float]  # share of the run that is done -> loss


class Made(NamedTuple):
    """One curve."""

    name: str
    part: str
    label: str
    events: list[ev.Event]


def curve(  # noqa: PLR0913  a curve has that many properties
    seed: int,
    train: Shape,
    held: Shape | None,
    steps: int = 400,
    checks: int = 10,
    noise: float = 0.08,
    rate: float = 2e-4,
    grad: float = 1.0,
    **began: object,
) -> list[ev.Event]:
    """Events of a run whose losses follow the shapes; ``noise`` is a share of the loss."""
    chance = random.Random(seed)
    about = {
        "epochs": 3,
        "rows": 4000,
        "held_out": 200 if held else 0,
        "tokens": 10**6,
        "learned": 4 * 10**5,
    }
    values = {
        "pid": 1,
        "device": "CPU",
        "precision": "bf16",
        "trainable": 10**7,
        "total": 10**9,
        "cut": 0,
        "rank": 16,
    }
    started = ev.Started.model_validate(
        {**values, **about, "steps": steps, "goal": "write", **began}
    )
    events: list[ev.Event] = [started]
    if held:
        events.append(ev.Evaluated(step=0, loss=held(0.0), seconds=0))
    every, warmup = max(1, steps // checks), max(1, steps // 20)
    for step in range(1, steps + 1):
        share = step / steps
        lr = rate * (step / warmup if step <= warmup else 0.5 * (1 + math.cos(math.pi * share)))
        loss = max(0.0, train(share) * (1 + noise * chance.gauss(0, 1)))
        events.append(
            ev.Step(
                step=step,
                epoch=started.epochs * share,
                loss=loss,
                lr=lr,
                grad_norm=grad * (1 + chance.random() / 4),
                tokens=step * 1000,
                seconds=step,
                memory_gb=8.0,
            )
        )
        if held and (step % every == 0 or step == steps):
            events.append(
                ev.Evaluated(
                    step=step, loss=held(share) * (1 + 0.003 * chance.gauss(0, 1)), seconds=step
                )
            )
    return events


def falling(high: float, low: float, speed: float = 5.0) -> Shape:
    return lambda x: low + (high - low) * math.exp(-speed * x)


def rising_after(fall: Shape, turn: float, slope: float) -> Shape:
    return lambda x: fall(min(x, turn)) + slope * max(0.0, x - turn)


def leaping(high: float, top: float, end: float) -> Shape:
    return lambda x: (
        high + (top - high) * x / 0.1 if x < 0.1 else end + (top - end) * math.exp(-8 * (x - 0.1))
    )


DPO = {"goal": "prefer", "preference": "dpo"}
KTO = {"goal": "prefer", "preference": "kto"}
HEAD = {"goal": "classify"}


def made() -> Iterator[Made]:
    """All of them: of each shape two that were looked at while the rules were made, and two that
    were not.
    """
    for seed, part in ((1, "tune"), (2, "tune"), (3, "held-out"), (4, "fresh")):
        chance = random.Random(100 + seed)
        for name, label, events in _made(seed, chance):
            yield Made(f"{name}-{seed}", part, label, events)


def _made(seed: int, chance: random.Random) -> Iterator[tuple[str, str, list[ev.Event]]]:
    much, vary = chance.uniform(0.8, 1.2), chance.uniform(0.05, 0.2)
    learns = falling(2.2 * much, 0.9)
    yield (
        "long",
        "healthy",
        curve(seed, learns, falling(2.2 * much, 1.0), steps=5000, checks=50, noise=vary),
    )
    yield "noisy", "healthy", curve(seed, learns, falling(2.2 * much, 1.1), noise=0.35)
    yield (
        "slow",
        "healthy",
        curve(seed, falling(1.6 * much, 1.1, 2), falling(1.6 * much, 1.15, 2), noise=0.15),
    )
    yield "short", "healthy", curve(seed, learns, falling(2.2 * much, 1.1), steps=20, checks=4)
    yield (
        "dpo",
        "healthy",
        curve(seed, falling(0.693, 0.3), falling(0.693, 0.45), noise=0.2, rate=5e-5, **DPO),
    )
    yield (
        "kto",
        "healthy",
        curve(seed, falling(0.5, 0.3), falling(0.5, 0.35), noise=0.2, rate=1e-4, **KTO),
    )
    yield "head", "healthy", curve(seed, falling(0.69, 0.2), falling(0.7, 0.3), noise=0.3, **HEAD)
    yield "alone", "healthy", curve(seed, learns, None, noise=vary)
    yield (
        "number",
        "healthy",
        curve(seed, falling(0.2, 0.02), falling(0.2, 0.04), noise=0.4, goal="regress"),
    )

    flat = falling(2.4 * much, 1.3, 12)
    yield "flat", "plateau", curve(seed, flat, flat, steps=1500, checks=30)[: 900 + seed]
    yield (
        "flat-head",
        "plateau",
        curve(seed, falling(0.69, 0.5, 15), falling(0.7, 0.52, 15), noise=0.2, **HEAD)[:260],
    )

    by_heart, worse = falling(2 * much, 0.15, 6), rising_after(falling(2 * much, 1.2, 9), 0.35, 0.9)
    yield "memory", "memorising", curve(seed, by_heart, worse, noise=vary)
    yield (
        "memory-dpo",
        "memorising",
        curve(
            seed,
            falling(0.693, 0.02, 6),
            rising_after(falling(0.693, 0.5, 9), 0.3, 0.6),
            noise=0.25,
            rate=5e-5,
            **DPO,
        ),
    )
    yield (
        "few",
        "small",
        curve(
            seed,
            falling(2.5 * much, 0.01, 9),
            falling(2.5 * much, 1.9, 9),
            steps=80,
            rows=12,
            learned=900,
            epochs=30,
            rank=64,
        ),
    )
    yield (
        "few-alone",
        "small",
        curve(
            seed,
            falling(2.5 * much, 0.01, 9),
            None,
            steps=100,
            rows=20,
            learned=1500,
            epochs=25,
            rank=32,
        ),
    )
    yield (
        "away",
        "diverging",
        curve(
            seed, lambda x: 2 * much + 6 * max(0.0, x - 0.1), lambda x: 2 * much + 6 * x, rate=5e-2
        ),
    )
    yield "away-alone", "diverging", curve(seed, lambda x: 1.5 + 4 * x, None, noise=0.2, rate=5e-2)
    yield (
        "leap",
        "rate-high",
        curve(seed, leaping(2 * much, 7, 1.8), leaping(2 * much, 6, 1.9), noise=0.15, rate=1e-2),
    )
    yield (
        "leap-dpo",
        "rate-high",
        curve(seed, leaping(0.693, 3, 0.65), leaping(0.693, 3, 0.66), noise=0.3, rate=1e-2, **DPO),
    )
    yield (
        "still",
        "rate-low",
        curve(seed, lambda x: 2.1 * much, lambda x: 2.1 * much - 0.004 * x, rate=1e-7, noise=vary),
    )
    yield (
        "still-dpo",
        "rate-low",
        curve(seed, lambda x: 0.693, lambda x: 0.693, noise=0.01, rate=1e-8, **DPO),
    )
    yield (
        "still-kto",
        "rate-low",
        curve(seed, lambda x: 0.5, lambda x: 0.5, noise=0.01, rate=1e-8, **KTO),
    )
    yield (
        "no-rule",
        "stuck",
        curve(seed, lambda x: 0.693, lambda x: 0.694, noise=0.1, rate=1e-3, **HEAD),
    )
    yield "known", "leak", curve(seed, falling(0.12, 0.01), falling(0.12, 0.02), noise=0.3)
    yield "known-alone", "leak", curve(seed, falling(0.05, 0.001), None, noise=0.3)
    yield "blind", "masked", curve(seed, lambda x: 0.0, lambda x: 0.0, grad=0.0, learned=0)
    yield "no-gradient", "masked", curve(seed, lambda x: 2.0 * much, lambda x: 2.0 * much, grad=0.0)
