"""The score of both models on the examples that were held out, on the Compare tab."""

from __future__ import annotations

import gradio as gr
from gradio.components import Component

from engine.coach.caution import score_caution
from engine.coach.scores import score_sentences
from engine.errors import RunError
from engine.store.head_labels import LABELS_FILE
from engine.store.run_view import RunView
from ui.context import Context
from ui.handlers import QUIET, Updates, bind
from ui.text import card, line, status_box
from ui.theme import make_button, raw_html

SCORING = "Both models get the held-out examples. This takes seconds to minutes."
NO_RESULT = "Its process ended before it was done. Score again."
NOT_SCORED = (
    "Scoring gives the held-out examples to both models. It counts the right replies, or measures "
    "how surprised each model is by the right answers (perplexity)."
)
NOT_SCORED_LABELS = (
    "Scoring gives the held-out examples to both models. It counts the right labels, or measures "
    "how far the numbers are off."
)


class ScoreWidgets:
    """The score, and the button that asks for it."""

    def __init__(self) -> None:
        self.card = raw_html(elem_id="score")
        with gr.Row():
            self.button = make_button("Score", "score-run", 132, scale=0, visible=False)
        self.shown: list[Component] = [self.card, self.button]


def wire_score(ctx: Context, own: ScoreWidgets, run: gr.Dropdown) -> None:
    """The score follows the chosen run."""
    run.change(bind(show_score, ctx, own), run, own.shown, **QUIET)
    own.button.click(bind(start_score, ctx, own), run, own.shown, **QUIET)


# --- handlers ---


def show_score(ctx: Context, own: ScoreWidgets, run_id: str | None) -> Updates:
    """The run's score, or that it is being made."""
    if not run_id:
        return {own.card: "", own.button: gr.update(visible=False)}
    run = ctx.engine.store.run(run_id)
    # Queue and lock are read before the events: a worker that ends in between has written its
    # result.
    at_work, view = run.queued == "score" or run.alive, run.view()
    working = view.scoring and at_work
    label = "Score again" if view.scored else "Score"
    return {
        own.card: score_card(
            view, working, score_caution(run), (run.adapter / LABELS_FILE).is_file()
        ),
        own.button: gr.update(visible=True, interactive=not working, value=label),
    }


def start_score(ctx: Context, own: ScoreWidgets, run_id: str | None) -> Updates:
    """Put the scoring in the queue."""
    if not run_id:
        raise RunError("There is no run to score yet. Start one on the Train tab.")
    ctx.engine.score(run_id)
    return show_score(ctx, own, run_id)


# --- what is shown ---


def score_card(view: RunView, working: bool, caution: str = "", labels: bool = False) -> str:
    """The score in words, each figure beside what it is compared with, and the caution below.

    ``labels``: of a run that chooses labels or gives a number.
    """
    if working:
        return status_box("info", "Scoring", SCORING)
    problem = ""
    if view.score_problem:
        problem = status_box("bad", "Scoring did not work", view.score_problem)
    elif view.scoring:
        problem = status_box("bad", "Scoring ended without a result", NO_RESULT)
    if view.scored:
        sentences = [*score_sentences(view.scored), *filter(None, [caution])]
        return problem + card("Score on held-out examples", *map(line, sentences))
    return problem or card("Not scored yet", line(NOT_SCORED_LABELS if labels else NOT_SCORED))
