"""Commands about what a run has learned: reply, merge, score."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import typer

from engine.cli.options import (
    DEFAULT_HOME,
    AsJson,
    Home,
    RunId,
    exit_unless,
    find_run,
    open_engine,
    print_result,
)
from engine.coach import scores
from engine.errors import SpecError
from engine.store import events as ev
from engine.store.run_dir import RunDir


def ask_models(  # noqa: PLR0913  options of a command
    run: RunId,
    prompt: Annotated[str, typer.Option(help="What to say to both models.")],
    home: Home = DEFAULT_HOME,
    as_json: AsJson = False,
    max_new_tokens: Annotated[int, typer.Option(help="Longest reply in tokens.")] = 128,
    temperature: Annotated[float, typer.Option(help="0 gives the most likely reply.")] = 0.0,
) -> None:
    """Ask the base model and the tuned model the same question."""
    if not prompt.strip():
        raise SpecError("--prompt: say something.")
    with open_engine(home) as engine:
        ask = [{"role": "user", "content": prompt}]
        run_id = find_run(engine, run).id
        *_, (base, tuned) = engine.desk.chat(run_id, ask, ask, temperature, max_new_tokens)
    print_result(f"base:  {base}\ntuned: {tuned}", {"base": base, "tuned": tuned}, as_json)


def merge_adapter(
    run: RunId,
    home: Home = DEFAULT_HOME,
    as_json: AsJson = False,
    precision: Annotated[
        Literal["fp32", "bf16"], typer.Option(help="Precision of the merged weights.")
    ] = "fp32",
) -> None:
    """Merge the adapter into the base model, and check the result."""
    with open_engine(home, supervise=True) as engine:
        found = find_run(engine, run)
        engine.merge(found.id, precision)
        _wait_for_job(found)
    done = found.view().merged.get(precision)
    if done is None or not done.ok:
        problem = done.text if done else "The merge ended without a result. See the run's log."
        exit_unless(False, problem)
        return
    print_result(_merge_sentence(found, precision, done), done.model_dump(), as_json)


def _merge_sentence(run: RunDir, precision: str, done: ev.Merged) -> str:
    return (
        f"Merged into {run.merged(precision)}. Largest difference of a logit {done.largest:.2g}, "
        f"{done.share:.2g} of the largest logit (allowed {done.tolerance:g}); "
        f"{done.agree} of {done.prompts} replies are the same."
    )


def score_models(run: RunId, home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Score the base model and the tuned model on the held-out rows."""
    with open_engine(home, supervise=True) as engine:
        found = find_run(engine, run)
        before = found.view().scored
        engine.score(found.id)
        _wait_for_job(found)
    view = found.view()
    if view.scored is None or view.scored == before:
        problem = view.score_problem or "Scoring ended without a result. See the run's log."
        exit_unless(False, problem)
        return
    print_result("\n".join(scores.score_sentences(view.scored)), view.scored.model_dump(), as_json)


def _wait_for_job(run: RunDir) -> None:
    while run.queued or run.alive:
        time.sleep(0.2)
