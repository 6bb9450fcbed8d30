"""The queue, and what follows an earlier run: its settings, its adapter, more epochs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.errors import RunError, SpecError
from engine.process import oneshot
from engine.runs import warm_start
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend
from tests.ui.fakes import FakeDesk, lay_out, shown
from tests.ui.train.test_start_card import plain
from ui import form
from ui.context import Context
from ui.runs import queue, tab
from ui.train import fill_form, start_card
from ui.train import tab as train_tab
from ui.train.fill_form import choose_data
from ui.train.recipes import OWN_SETTINGS

NASTY = "<img src=x onerror=alert(1)>"
SPEC = specs.make_spec({"data": {"source": "sample:pirate"}})


@pytest.fixture
def waits(home: Path) -> Context:
    """A page where nothing is worked on."""
    engine = Engine(home, FakeBackend(), supervise=False)
    engine.desk = FakeDesk()  # type: ignore[assignment]
    return Context(engine)


def pressed(run_id: str) -> gr.EventData:
    return gr.EventData(None, {"name": run_id})  # type: ignore[arg-type]


def filled(updates: dict[str, Any]) -> dict[str, Any]:
    """What a run's settings put into the form."""
    return {path: plain(one) for path, one in updates.items() if path in form.FORM_PATHS}


# --- the queue ---


def test_the_queue_is_listed_moved_and_emptied(waits: Context) -> None:
    first, second, third = (
        waits.engine.start(SPEC.model_copy(update={"name": n})) for n in ("one", NASTY, "three")
    )
    shown, lead = queue.refresh_queue(waits, "", "")
    assert shown.index("1. one") < shown.index("2. &lt;img") < shown.index("3. three")
    assert "<img" not in shown
    assert "3 jobs wait" in lead
    same = queue.refresh_queue(waits, shown, lead)
    assert same == (gr.skip(), gr.skip()), "what is the same stays"
    shown = queue.press_queue_button(waits, "first", shown, lead, pressed(third.id))[0]
    shown = queue.press_queue_button(waits, "down", shown, lead, pressed(first.id))[0]
    assert [one.run.id for one in waits.engine.queue()] == [third.id, second.id, first.id]
    for run in (first, second):
        shown, lead = queue.press_queue_button(waits, "out", shown, lead, pressed(run.id))
    assert "1. three" in shown and "1 job waits" in lead and first.state() == RunState.CANCELLED
    shown, lead = queue.press_queue_button(waits, "out", shown, lead, pressed(third.id))
    assert (shown, lead) == ("", "")


def test_what_does_not_wait_is_said(waits: Context) -> None:
    run = waits.engine.start(SPEC)
    waits.engine.cancel(run.id)
    for what in queue.ACTS:
        with pytest.raises(RunError, match="is no longer waiting: it is cancelled"):
            queue.change_queue(waits, what, run.id)
        with pytest.raises(RunError, match="There is no run"):
            queue.change_queue(waits, what, "../../etc")
    with pytest.raises(RunError, match="not a move in the queue"):
        waits.engine.resume(run.id)
        queue.change_queue(waits, "delete", run.id)


def test_what_works_now_stands_above_what_waits(waits: Context) -> None:
    works = waits.engine.start(SPEC.model_copy(update={"name": "works"}))
    other = waits.engine.start(SPEC)
    works.queue_mark.unlink()
    with works.lock.acquire():
        shown = queue.refresh_queue(waits, "", "")[0]
    assert "Now: works." in shown and "1. Pirate" in shown and other.queued


# --- its settings again ---


def test_a_run_s_settings_fill_the_whole_form(ctx: Context) -> None:
    method = {"rank": 4, "alpha": 9, "targets": ["q_proj", "v_proj"], "ranks": {"q_proj": 2}}
    values = {
        "name": "mine",
        "data": {"source": "sample:json", "max_length": 200, "held_out": 0.2},
        "method": method | {"dropout": 0.1},
        "optim": {"epochs": 1.5, "learning_rate": 3e-4, "schedule": "linear"},
        "sampling": {"prompts": ["Who?"]},
    }
    run = ctx.engine.start(specs.make_spec(values))
    updates = fill_form.use_settings(ctx, run.id)
    assert updates["filled"] == "sample:json" and updates["recipe"] == OWN_SETTINGS
    assert "“mine”" in updates["note"] and updates["group"] == "fewest"
    assert form.read_spec(filled(updates)) == run.spec
    # The source has changed, which the page may report twice: the settings stay.
    same = choose_data(ctx, "sample:json", "pocket", "", "sample:json")
    assert same.keys() == {"settled", "chosen"} and same["settled"] == "sample:json"
    assert choose_data(ctx, "sample:pirate", "pocket", "", "sample:json")["filled"] == ""
    by_hand = choose_data(ctx, "sample:json", "pocket", "", "")
    assert "data.shape" in by_hand, "chosen by hand, later"


def test_data_and_model_that_have_gone_are_said_and_left_as_they_are(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda text, duration: said.append(text))
    file = tmp_path / "rows.csv"
    rows = "".join(f"How much is {n}?,It is {n}.\n" for n in range(40))
    file.write_text("question,answer\n" + rows)
    source = oneshot.add_dataset_files(ctx.engine.store, [(file, "rows.csv")])
    spec = specs.make_spec({"data": {"source": source}, "model": {"start": "no-such-run"}})
    file = ctx.prepare(spec.data).train_file
    run = ctx.engine.store.create_run(spec, file, file, {"name": "rows", "shape": ""})
    shutil.rmtree(ctx.engine.store.datasets / source.partition(":")[2])
    model = spec.model.model_copy(update={"source": str(tmp_path / "gone")})
    run.set_spec(spec.model_copy(update={"model": model}))

    def refuse(*_: object) -> None:
        raise RunError("'gone' is not a folder.")

    monkeypatch.setattr(FakeDesk, "inspect_model", refuse)
    updates = fill_form.use_settings(ctx, run.id)
    kept = filled(updates)
    assert not {"data.source", "data.fixes", "model.source", "method.targets"} & kept.keys()
    assert updates["filled"] == "" and "group" not in updates
    assert {"method.rank", "optim.epochs", "data.seed"} <= kept.keys() and kept["model.start"] == ""
    words = " ".join(said)
    assert "is gone, so the settings start from the base model" in words
    assert "other data on the Data tab" in words and "not a folder" in words


def test_ids_of_runs_that_are_not_there_are_a_sentence(ctx: Context) -> None:
    for handler in (fill_form.use_settings, fill_form.use_adapter):
        with pytest.raises(RunError, match=r"no run|is gone"):
            handler(ctx, "../../etc")
    with pytest.raises(RunError, match="There is no run"):
        fill_form.extend_run(ctx, "", 1)


# --- on from its adapter ---


def test_on_from_a_run_starts_with_its_adapter(ctx: Context, finished: RunDir) -> None:
    held = filled(fill_form.use_adapter(ctx, finished.id))
    assert held["model.start"] == finished.id
    box, said = fill_form.show_start(ctx, str(held["model.start"]))
    assert box["visible"] and "Starts from the adapter of “Pirate”" in said
    run = ctx.engine.store.run(train_tab.start_run(ctx, *shown(held), **held))
    assert warm_start.origin_name(run) == "Pirate"
    # Other data leaves method and start; a contradiction is shown below Start, which refuses it.
    changed = choose_data(ctx, "sample:json", "pocket", finished.id)
    assert not {"method.rank", "model.start", "recipe"} & changed.keys()
    assert "optim.epochs" in changed
    held["method.rank"] = 5
    assert "Rank: it is 16 in that run" in list(start_card.show_plan(ctx, **held))[-1]["facts"]
    with pytest.raises(SpecError, match="Rank"):
        train_tab.start_run(ctx, *shown(held), **held)
    assert not fill_form.show_start(ctx, "")[0]["visible"]
    assert "is gone" in fill_form.show_start(ctx, "no-such-run")[1]


# --- more epochs ---


@pytest.mark.slow
def test_a_finished_run_is_trained_for_more_epochs(ctx: Context, finished: RunDir) -> None:
    before = finished.spec.optim.epochs
    for epochs in (0, None, -2, 1000):
        with pytest.raises(SpecError, match=r"[Ee]pochs"):
            fill_form.extend_run(ctx, finished.id, epochs)
    assert fill_form.extend_run(ctx, finished.id, 2)[1] == finished.id

    def has_ended(run: RunDir) -> bool:
        return run.view().attempt == 2 and run.state() == RunState.FINISHED and idle(run)

    wait_for(finished, has_ended, 20)
    assert finished.spec.optim.epochs == before + 2 == finished.view().started.epochs
    own = lay_out(lambda: tab.RunsTab(ctx))
    picked = tab.choose_run(ctx, own, tab.Seen(), gr.EventData(None, {"name": finished.id}))
    assert picked[own.card.extension]["visible"] and picked[own.card.train_on]["visible"]
