"""What to change about a run that got worse: the settings to start it again with."""

from __future__ import annotations

from engine.coach.rules import find_sign
from engine.coach.windows import CurveLevels
from engine.errors import RunError
from engine.estimate.unwise import SCALE_TIMES, USUAL_SCALE
from engine.spec.run import RunSpec, make_spec
from engine.store.run_dir import RunDir
from engine.store.run_view import RunView

# What a lower learning rate may help; "early": a run that only got worse, nobody knows why.
RATE_SIGNS = ("broken", "diverging", "rate-high", "early")


def advised_spec(run: RunDir) -> RunSpec:
    """Its settings with a learning rate as advised, and the usual alpha; raises RunError."""
    values, spec = run.spec.model_dump(), run.spec
    rate = advised_rate_of(run.view())
    if not rate:
        raise RunError("There is no other learning rate to advise for this run.")
    values["optim"]["learning_rate"] = rate
    strongest = SCALE_TIMES * USUAL_SCALE * spec.method.rank
    if spec.method.adapts and spec.method.scale_alpha >= strongest:
        values["method"]["alpha"] = None
    values["name"] = ""  # named after what differs
    return make_spec(values)


def advised_rate_of(view: RunView) -> float:
    """The learning rate to start a run again with; 0 where another one would not help."""
    if not view.lrs or find_sign(view).kind not in RATE_SIGNS:
        return 0.0
    return CurveLevels(view).lower_rate
