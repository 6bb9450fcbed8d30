"""The server's side of the live panel (``assets/live.js``): answers to its polls, and its buttons.

The page polls with a cursor (which run, which attempt, how many points it has) and gets what is
new. All words come from here; the script only places them. Nothing is kept per visitor.
"""

from __future__ import annotations

from typing import Any

from engine.coach import coach, expected
from engine.coach.advised import advised_rate_of, advised_spec
from engine.coach.caution import score_caution
from engine.errors import HoneError, RunError
from engine.runs import report
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState, RunView
from engine.text import format_rate
from ui.choices import change_choices
from ui.context import Context
from ui.handlers import error_message
from ui.text import read_asset, state_label
from ui.train import live_parts
from ui.train.live_parts import add_ending, ending_of, finite_or_none, machine_load

POINTS_PER_ANSWER = 8000  # the page asks again at once for the rest
# Events of the panel's buttons, and the engine's method that each calls.
RUN_ACTIONS = {
    "stop_run": "stop", "pause_run": "pause", "cancel_run": "cancel", "end_run": "end_now",
    "continue_run": "resume",
}  # fmt: skip
LIVE_TEMPLATE = read_asset("live.html")
# Gradio finds the names of the events in the script.
LIVE_EVENTS = [*RUN_ACTIONS, "compare_run", "advised_run", "live_change"]
LIVE_SCRIPT = f"HoneLive(element, props, server, trigger, watch); {LIVE_EVENTS}"
STOP = ["stop_run", "Stop and keep", "Ends it and keeps the best version. It can go on later."]
PAUSE = ["pause_run", "Pause", "Saves this step and waits until you resume it."]
CANCEL = ["cancel_run", "Cancel", "Ends it without saving what came after the last check."]
COMPARE = ["compare_run", "Compare with the base model", "Talk to both, side by side."]
TRY = ["compare_run", "Try it on the Compare tab", "Give it texts, and see what it chooses."]


def poll_run(ctx: Context, cursor: dict[str, Any]) -> dict[str, Any]:
    """The answer to one poll; never raises, since the page takes an error for a lost connection."""
    cursor = cursor if isinstance(cursor, dict) else {}  # whatever was sent
    try:
        run = shown_run(ctx, str(cursor.get("run") or ""))
        if run is None:
            return {"run": ""}
        alive, queued = run.alive, run.queued == "train"  # before the events: see RunDir.state
        view = run.view()
        answer = poll_answer(run, view, view.state(alive, queued), cursor)
        if answer["state"] == RunState.QUEUED:
            answer["sentence"] = coach.describe_waiting(ctx.engine.working_now()).model_dump()
        if answer["state"] in (RunState.QUEUED, RunState.PREPARING):
            answer["stages"] = live_parts.stage_items(ctx.engine.stages(run.id))
        return answer | {"other": other_run(ctx, run)}
    except Exception as error:
        title, text = error_message(error)
        return {"run": "", "problem": f"{title}. {text}"}


def shown_run(ctx: Context, run_id: str) -> RunDir | None:
    """The run asked for, else one that is alive, else the newest that was trained here, if any."""
    if run_id:
        try:
            return ctx.engine.store.run(run_id)
        except HoneError:
            pass  # deleted meanwhile
    if alive := ctx.engine.live():
        return alive[0]
    readable = (run for run in ctx.engine.store.all_runs() if run.is_readable)
    return next((run for run in readable if run.state() != RunState.IMPORTED), None)


def other_run(ctx: Context, shown: RunDir) -> list[str]:
    """Id and name of another run that works, while the shown one does not; else of one that waits.

    While the shown one waits itself, only of one that works.
    """
    if shown.alive:
        return []
    live = ctx.engine.live()
    waits = shown.id in {run.id for run in live}
    others = [run for run in live if run.id != shown.id and (run.alive or not waits)]
    return [others[0].id, others[0].name] if others else []


def act_on_run(ctx: Context, action: str, run_id: str) -> None:
    """Stop, pause, cancel, end or resume the run that the panel shows."""
    if action not in RUN_ACTIONS.values():
        raise RunError(f"'{action}' is not something that can be done with a run.")
    getattr(ctx.engine, action)(run_id)


def start_advised(ctx: Context, run_id: str) -> str:
    """Start a run that got worse again with the settings that are advised; shows the new one."""
    spec = advised_spec(ctx.engine.store.run(run_id))
    ctx.check_model(spec.model.source)
    run = ctx.engine.start_plan(ctx.plan(spec, wait=True))
    change_choices(ctx.engine.store, watched=run.id)
    return run.id


def poll_answer(
    run: RunDir, view: RunView, state: RunState, cursor: dict[str, Any]
) -> dict[str, Any]:
    """Everything the panel needs that the page does not have yet."""
    same = cursor.get("run") == run.id and cursor.get("attempt") == view.attempt
    pid = view.started.pid if view.started and state == RunState.TRAINING else None
    estimates = [] if state.live else expected.check_estimates(view, state)
    answer: dict[str, Any] = {
        "run": run.id,
        "attempt": view.attempt,
        "checks": live_parts.check_points(view),
        "best": view.kept.step if view.kept else None,
        "total": view.total_steps,
        "state": state.value,
        "live": state.live,
        "name": run.meta["name"],
        "about": live_parts.what_it_trains(run),
        "label": state_label(state, view.got_worse),
        "worse": view.got_worse,
        "buttons": run_buttons(view, state),
        "sentence": coach.describe_run(view, state).model_dump(),
        "warnings": [*map(coach.describe_step_down, view.stepped), *view.warnings],
        "progress": live_parts.progress_of(view, state),
        "tiles": live_parts.figures_of(view),
        # What was expected, the actual value, and whether it was met, of each estimate.
        "outcome": [list(one.model_dump().values()) for one in estimates],
    }
    if state.live:
        answer["load"] = machine_load(pid)
    index = cursor.get("index")
    known = index if same and isinstance(index, int) and index > 0 else 0
    answer |= _new_points(view, known)
    add_ending(answer, ending_of(run, state), view)
    if cursor.get("samples") != len(view.samples) or not same:
        answer["samples"] = live_parts.samples_by_prompt(view)
        answer["sampled"] = len(view.samples)
    if not same:
        rows = report.report_settings(run, view)
        answer["caution"] = score_caution(run)
        answer["settings"] = [[one.label, one.value, one.note] for one in rows]
    if cursor.get("log"):
        answer["log"] = live_parts.log_tail(run.log)
    return answer


def _new_points(view: RunView, index: int) -> dict[str, Any]:
    """The steps from ``index`` on, at most ``POINTS_PER_ANSWER``."""
    start = min(index, len(view.steps))
    end = min(len(view.steps), start + POINTS_PER_ANSWER)
    return {
        "from": start,
        "next": end,
        "more": end < len(view.steps),
        "steps": list(view.steps[start:end]),
        "losses": [finite_or_none(round(value, 6)) for value in view.losses[start:end]],
        "lrs": [finite_or_none(float(f"{value:.4g}")) for value in view.lrs[start:end]],
        "speeds": [finite_or_none(round(value, 1)) for value in view.speeds[start:end]],
    }


def run_buttons(view: RunView, state: RunState) -> list[list[str]]:
    """[event, label, what happens] of what makes sense now, the likeliest first."""
    match state:
        case RunState.QUEUED:
            return [["cancel_run", "Remove from the queue", "It is not trained."]]
        case RunState.PREPARING:
            return [["cancel_run", "Cancel", "Nothing is trained yet."]]
        case RunState.TRAINING:
            return [STOP, PAUSE, CANCEL]
    buttons = []
    if any(one.best for one in view.saved):
        writes = view.started is None or view.started.goal in ("", "write")
        buttons.append(COMPARE if writes else TRY)
    if view.got_worse and (rate := advised_rate_of(view)):
        about = f"The same run with learning rate {format_rate(rate)}."
        buttons.insert(0, ["advised_run", "Start again as advised", about])
    if state == RunState.PAUSED:
        buttons.insert(0, ["continue_run", "Resume", "Goes on where it was paused."])
    elif state.can_continue:
        about = "Goes on from its last checkpoint." if view.saved else "Begins anew."
        buttons.append(["continue_run", "Continue", about])
    return buttons
