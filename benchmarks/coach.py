"""How often the coach is right: recorded and made-up curves, each with a label, and false alarms
over the healthy ones.

``python -m benchmarks.coach [PART ...]`` prints precision and recall for each label, over the
curves that were looked at while the rules were made (tune), those that were looked at once
afterwards and then mended by (held-out), and those that came after that (fresh). A curve is judged
step by step as a run would be; the last sign must be its label. An alarm on the way that is neither
it nor its relative is a false one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.curves import CURVES, recipes
from engine.coach import rules
from engine.coach.message import ALARMS, HEALTHY_SIGNS
from engine.store import events as ev
from engine.store.run_view import RunView, fold_events
from tests.curves.made import made

RELATIVES = ({"diverging", "rate-high"}, {"memorising", "small", "plateau"}, {"rate-low", "stuck"})
MOMENTS = 60  # at which a curve is looked at on its way


class CoachedCurve(NamedTuple):
    """A curve, what is the matter with it, and what the coach said."""

    name: str
    part: str
    label: str
    last: str
    alarms: frozenset[str]  # on the way

    @property
    def right(self) -> bool:
        return self.last in HEALTHY_SIGNS if self.label == "healthy" else self.last == self.label

    @property
    def false(self) -> frozenset[str]:
        """Alarms that were not called for."""
        kin = next((one for one in RELATIVES if self.label in one), {self.label})
        return self.alarms - kin


def recorded(name: str) -> list[ev.Event]:
    """The events of a recorded run."""
    kept = json.loads((CURVES / f"{name}.json").read_text(encoding="utf-8"))
    here = {"pid": 1, "device": "CPU", "precision": "bf16"}
    began = ev.Started.model_validate(here | kept["started"])
    checks: dict[int, list[ev.Event]] = {}
    for step, loss, accuracy in kept["check"]:
        checks.setdefault(step, []).append(
            ev.Evaluated(step=step, loss=loss, seconds=step, accuracy=accuracy)
        )
    events: list[ev.Event] = [began, *checks.get(0, [])]
    for step, loss, lr, grad in zip(
        kept["step"], kept["loss"], kept["lr"], kept["grad"], strict=True
    ):
        events.append(
            ev.Step(
                step=step,
                epoch=began.epochs * step / began.steps,
                loss=loss,
                lr=lr,
                grad_norm=grad,
                tokens=step * 100,
                seconds=step,
                memory_gb=1.0,
            )
        )
        events += checks.get(step, [])
    return events


def coach_curve(name: str, part: str, label: str, events: list[ev.Event]) -> CoachedCurve:
    """Fold a curve bit by bit and note what the coach says."""
    view, alarms, last = RunView(), set(), "warming"
    size = max(1, len(events) // MOMENTS)
    for at in range(0, len(events), size):
        fold_events(events[at : at + size], view)
        last = rules.find_sign(view).kind
        alarms |= {last} & set(ALARMS)
    return CoachedCurve(name, part, label, last, frozenset(alarms))


def coach_all_curves() -> Iterator[CoachedCurve]:
    """Every curve there is."""
    for one in recipes():
        if (CURVES / f"{one.name}.json").exists():
            yield coach_curve(one.name, one.part, one.label, recorded(one.name))
    for curve in made():
        yield coach_curve(curve.name, curve.part, curve.label, curve.events)


def rates(curves: list[CoachedCurve], label: str) -> tuple[int, int, int, float, float]:
    """How many there are, how many were right, false calls of it, precision and recall."""
    of = [one for one in curves if one.label == label]
    right = sum(one.right for one in of)
    if label == "healthy":
        wrong = sum(one.last in HEALTHY_SIGNS for one in curves if one.label != label)
    else:
        wrong = sum(label in one.false for one in curves)
    return len(of), right, wrong, right / max(1, right + wrong), right / max(1, len(of))


def main() -> int:
    """Print the tables; exit code 1 where a healthy run was alarmed."""
    parts = sys.argv[1:] or ["tune", "held-out", "fresh"]
    curves = [one for one in coach_all_curves() if one.part in parts]
    for part in parts:
        mine = [one for one in curves if one.part == part]
        print(
            f"\n{part}: {len(mine)} curves\n\n"
            "| label | curves | right | false | precision | recall |"
            "\n|---|---|---|---|---|---|"
        )
        for label in sorted({one.label for one in mine}):
            count, right, wrong, precision, recall = rates(mine, label)
            print(f"| {label} | {count} | {right} | {wrong} | {precision:.2f} | {recall:.2f} |")
    for one in curves:
        if not one.right or one.false:
            print(
                f"{one.part}: {one.name} is {one.label}; said {one.last}, "
                f"on the way {', '.join(sorted(one.alarms))}"
            )
    alarmed = sum(bool(one.false) for one in curves if one.label == "healthy")
    print(
        f"\nHealthy runs that were alarmed: {alarmed} of "
        f"{sum(one.label == 'healthy' for one in curves)}"
    )
    return 1 if alarmed else 0


if __name__ == "__main__":
    sys.exit(main())
