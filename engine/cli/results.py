"""Commands about what a run has learned: reply, merge, score."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Literal, NoReturn

import typer

from engine.cli.options import WORKSPACE, AsJson, Home, RunId, open_run, print_result
from engine.coach import scores
from engine.coach.caution import score_caution
from engine.errors import SpecError
from engine.runs.engine import Engine
from engine.store.run_dir import RunDir


def ask_models(  # noqa: PLR0913  options of a command
    run: RunId,
    prompt: Annotated[str, typer.Option(help="What to say to both models.")],
    home: Home = WORKSPACE,
    as_json: AsJson = False,
    max_new_tokens: Annotated[int, typer.Option(help="Longest reply in tokens.")] = 128,
    temperature: Annotated[float, typer.Option(help="0 gives the most likely reply.")] = 0.0,
) -> None:
    """Ask the base model and the tuned model the same question."""
    if not prompt.strip():
        raise SpecError("--prompt: say something.")
    ask = [{"role": "user", "content": prompt}]
    with open_run(home, run) as (engine, found):
        *_, (base, tuned) = engine.desk.chat(found, ask, ask, temperature, max_new_tokens)
    print_result(f"base:  {base}\ntuned: {tuned}", {"base": base, "tuned": tuned}, as_json)


def merge_adapter(
    run: RunId,
    home: Home = WORKSPACE,
    as_json: AsJson = False,
    precision: Annotated[
        Literal["fp32", "bf16"], typer.Option(help="Precision of the merged weights.")
    ] = "fp32",
) -> None:
    """Merge the adapter into the base model, and check the result."""
    with open_run(home, run, supervise=True) as (engine, found):
        engine.merge(found.id, precision)
        _wait_for_job(engine, found)
    done = found.view().merged.get(precision)
    if done is None or not done.ok:
        _fail(done.text if done else "The merge ended without a result. See the run's log.")
    text = (
        f"Merged into {found.merged(precision)}. Largest difference of a logit {done.largest:.2g}, "
        f"{done.share:.2g} of the largest logit (allowed {done.tolerance:g}); "
        f"{done.agree} of {done.prompts} replies are the same."
    )
    print_result(text, done.model_dump(), as_json)


def score_models(run: RunId, home: Home = WORKSPACE, as_json: AsJson = False) -> None:
    """Score the base model and the tuned model on the held-out rows."""
    with open_run(home, run, supervise=True) as (engine, found):
        before = found.view().scored
        engine.score(found.id)
        _wait_for_job(engine, found)
    view = found.view()
    if view.scored is None or view.scored == before:
        _fail(view.score_problem or "Scoring ended without a result. See the run's log.")
    caution = score_caution(found)
    sentences = [*scores.score_sentences(view.scored), *filter(None, [caution])]
    print_result("\n".join(sentences), view.scored.model_dump() | {"caution": caution}, as_json)


def _fail(problem: str) -> NoReturn:
    print(problem, file=sys.stderr)
    raise typer.Exit(1)


def _wait_for_job(engine: Engine, run: RunDir) -> None:
    # Until the supervisor has let go of it, the reason why its worker ended may still come.
    while run.is_busy or engine.supervisor.at_work == run.id:
        time.sleep(0.2)
