"""The Compare tab: one message to the base model and to the tuned one, both replies side by side; and their score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.coach.scores import sentences
from engine.data.rows import read_rows
from engine.errors import HoneError, RunError
from engine.store.run_dir import RunDir
from engine.store.run_view import RunView
from engine.text import format_date
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.text import STATE_LABELS, card, escape_html, line, status_box, tab_intro
from ui.theme import raw_html

Turn = dict[str, Any]
SUGGESTIONS = 6
SUGGESTION_SCRIPT = (
    "element.addEventListener('click', (e) => { const b = e.target.closest('button');"
    " if (b) trigger('pick', { text: b.textContent }); })"
)


@dataclass(frozen=True)
class CompareTab:
    """What the other tabs need."""

    tab: gr.Tab
    run: gr.Dropdown


def build(ctx: Context) -> CompareTab:
    """Lay the tab out and wire what concerns it alone."""
    with gr.Tab("Compare", id="compare") as tab:
        raw_html(
            tab_intro(
                "Is it better?",
                "Choose a run and say something. Both models get the same message and reply at the same time.",
            )
        )
        run = gr.Dropdown(
            label="Run", info="A run that has saved something.", elem_id="compare-run"
        )
        with gr.Row(equal_height=True, elem_classes="panes"):
            base = _chat_pane("Base model, before training", "base-pane")
            tuned = _chat_pane("Tuned model, after training", "tuned-pane")
        suggestion_buttons = raw_html(elem_id="chips", js_on_load=SUGGESTION_SCRIPT)
        with gr.Row(elem_classes="ask", equal_height=True):
            message = gr.Textbox(
                label="Message to both models",
                show_label=False,
                placeholder="Say something to both models",
                lines=1,
                max_lines=6,
                scale=6,
                min_width=180,
                container=False,
                elem_id="message",
            )
            send = gr.Button("Send", variant="primary", size="md", scale=0, min_width=92)
            stop = gr.Button(
                "Stop", variant="stop", size="md", scale=0, min_width=92, visible=False
            )
            clear = gr.Button("Clear", size="md", scale=0, min_width=92)
        with gr.Accordion("How the replies are made", open=False), gr.Row():
            heat = gr.Slider(
                0,
                1.5,
                0,
                step=0.05,
                label="Temperature",
                info="0 gives the likeliest reply each time; higher is livelier.",
            )
            longest = gr.Slider(
                8,
                1024,
                128,
                step=8,
                label="Longest reply (tokens)",
                info="Replies are cut after this many tokens.",
            )
        score = raw_html(elem_id="score")
        with gr.Row():
            ask_score = gr.Button(
                "Score", size="md", scale=0, min_width=132, interactive=False, elem_id="score-run"
            )
        timer = gr.Timer(1.0, active=False)

    inputs, outputs = [run, message, base, tuned, heat, longest], [message, base, tuned, send, stop]
    talking = gr.on(
        [message.submit, send.click],
        bind(send_message, ctx),
        inputs,
        outputs,
        concurrency_limit=4,
        **QUIET,
    )
    # Cancelling closes the generator, and with it the model's thread.
    stop.click(bind(restore_buttons), None, [send, stop], cancels=[talking], queue=False, **QUIET)
    talking.failure(bind(restore_buttons), None, [send, stop], **QUIET)
    clear.click(bind(clear_conversations), None, [base, tuned], **QUIET)
    listed = tab.select(bind(refresh_runs, ctx), run, run, **QUIET)
    listed.then(bind(suggest_messages, ctx), run, suggestion_buttons, **QUIET)
    run.change(bind(clear_conversations), None, [base, tuned], **QUIET)
    run.change(bind(suggest_messages, ctx), run, suggestion_buttons, **QUIET)
    suggestion_buttons.pick(bind(use_suggestion), None, message, **QUIET)
    scored = [score, ask_score, timer]
    listed.then(bind(show_score, ctx), run, scored, **QUIET)
    gr.on([run.change, timer.tick], bind(show_score, ctx), run, scored, **QUIET)
    ask_score.click(bind(start_score, ctx), run, scored, **QUIET)
    return CompareTab(tab, run)


def _chat_pane(label: str, elem_id: str) -> gr.Chatbot:
    return gr.Chatbot(
        label=label,
        height=380,
        layout="bubble",
        buttons=["copy"],
        feedback_options=None,
        render_markdown=False,  # what the model wrote, as it wrote it
        placeholder="The reply appears here",
        elem_id=elem_id,
    )


def runs_with_adapter(ctx: Context) -> list[RunDir]:
    """Runs that have an adapter, newest first."""
    return [run for run in ctx.engine.store.all_runs() if run.has_result and run.readable]


def run_choices(ctx: Context) -> list[tuple[str, str]]:
    """(label, id) of the runs that can be compared and exported."""
    return [
        (
            f"{run.meta['name']} · {STATE_LABELS[run.state()].lower()} · {format_date(run.meta['created'])}",
            run.id,
        )
        for run in runs_with_adapter(ctx)
    ]


# --- handlers ---


def refresh_runs(ctx: Context, current: str | None) -> Any:
    """The list of runs again; keeps the choice, or takes the newest."""
    found = run_choices(ctx)
    ids = [run_id for _, run_id in found]
    return gr.update(choices=found, value=current if current in ids else next(iter(ids), None))


def send_message(
    ctx: Context,
    run_id: str | None,
    message: str,
    base: list[Turn],
    tuned: list[Turn],
    heat: float,
    longest: int,
) -> Iterator[tuple[Any, ...]]:
    """Send one message to both models, each with its own conversation so far."""
    if not run_id:
        raise RunError("There is no run to compare yet. Start one on the Train tab.")
    if not message.strip():
        raise RunError("Type a message first.")
    asked, asked_too = add_message(base, message), add_message(tuned, message)
    yield "", add_reply(asked, ""), add_reply(asked_too, ""), *_send_and_stop(talking=True)
    try:
        for one, other in ctx.engine.desk.chat(
            run_id, as_messages(asked), as_messages(asked_too), heat, int(longest)
        ):
            yield (
                gr.skip(),
                add_reply(asked, one),
                add_reply(asked_too, other),
                gr.skip(),
                gr.skip(),
            )
    except HoneError:
        yield message, base, tuned, *_send_and_stop(talking=False)
        raise
    yield gr.skip(), gr.skip(), gr.skip(), *_send_and_stop(talking=False)


def restore_buttons() -> tuple[Any, Any]:
    """The buttons as they are when nobody talks."""
    return _send_and_stop(talking=False)


def clear_conversations() -> tuple[list[Turn], list[Turn]]:
    """Both conversations begin anew."""
    return [], []


def suggest_messages(ctx: Context, run_id: str | None) -> str:
    """Messages to try: what the run's held-out examples ask."""
    if not run_id:
        return line(
            "There is nothing to compare yet. Start a run on the Train tab; it can be used from its first check on."
        )
    asked: dict[str, None] = {}
    for row in read_rows(ctx.engine.store.run(run_id).held_out_file):
        if text := question_of(row):
            asked[text] = None
        if len(asked) == SUGGESTIONS:
            break
    return suggestion_buttons(list(asked))


def use_suggestion(event: gr.EventData) -> str:
    """A suggested message, put where it can still be changed."""
    return str(event.text)


def show_score(ctx: Context, run_id: str | None) -> tuple[Any, Any, Any]:
    """The run's score or where it stands; the timer goes on only while it is being made."""
    if not run_id:
        return "", gr.update(interactive=False, value="Score"), gr.update(active=False)
    run = ctx.engine.store.run(run_id)
    # The queue and the lock are asked before the events are read: a worker that ends in between has said how.
    at_work, view = run.queued == "score" or run.alive, run.view()
    working = view.scoring and at_work
    button = gr.update(interactive=not working, value="Score again" if view.scored else "Score")
    return score_card(view, working), button, gr.update(active=working)


def start_score(ctx: Context, run_id: str | None) -> tuple[Any, Any, Any]:
    """Put the scoring in the queue."""
    if not run_id:
        raise RunError("There is no run to score yet. Start one on the Train tab.")
    ctx.engine.score(run_id)
    return show_score(ctx, run_id)


def score_card(view: RunView, working: bool) -> str:
    """The score in words, each figure beside what it is compared with."""
    if working:
        return status_box(
            "info",
            "Scoring",
            "Both models get the examples that were kept aside. This takes from seconds to minutes.",
        )
    trouble = ""
    if view.score_problem:
        trouble = status_box("bad", "Scoring did not work", view.score_problem)
    elif view.scoring:
        trouble = status_box(
            "bad",
            "Scoring ended without a result",
            "Its process ended before it was done. Score again.",
        )
    if view.scored:
        return trouble + card(
            "Score on examples it has never seen", *map(line, sentences(view.scored))
        )
    text = "Both models get the examples that were kept aside: how many replies are right, or how surprised is each?"
    return trouble or card("Not scored yet", line(text))


# --- pure functions of conversations ---


def add_message(turns: list[Turn], message: str) -> list[Turn]:
    return [*turns, {"role": "user", "content": message}]


def add_reply(turns: list[Turn], reply: str) -> list[Turn]:
    return [*turns, {"role": "assistant", "content": reply or "…"}]


def as_messages(turns: list[Turn]) -> list[dict[str, str]]:
    """Messages as the engine takes them: Gradio hands text back in parts."""
    return [{"role": turn["role"], "content": _turn_text(turn["content"])} for turn in turns]


def _turn_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else part.get("text", "") for part in content)


def question_of(row: dict[str, Any]) -> str:
    """What a row asks, if it is short enough to put on a button."""
    if "messages" in row:
        text = next((m["content"] for m in row["messages"] if m["role"] == "user"), "")
    else:
        text = row.get("prompt") or " ".join(row.get("text", "").split()[:8])
    return text.strip() if len(text) <= 200 else ""


def suggestion_buttons(texts: list[str]) -> str:
    if not texts:
        return ""
    return '<p class="try">Try one that it has never seen:</p>' + "".join(
        f'<button type="button" class="suggest">{escape_html(t)}</button>' for t in texts
    )


def _send_and_stop(talking: bool) -> tuple[Any, Any]:
    """Send and Stop take turns."""
    return gr.update(visible=not talking), gr.update(visible=talking)
