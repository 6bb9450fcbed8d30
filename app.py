"""Hone's page: builds the tabs, wires them to each other, serves them on this machine."""

from __future__ import annotations

import os
import time

STARTED = time.perf_counter()
# Before gradio is imported: it asks the network at import and at start unless that is off.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
OFFLINE_SETTINGS = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
for name in (*OFFLINE_SETTINGS, "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(name, "1")

import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ui.options import end_without_home, prepare_folders, read_options

if __name__ == "__main__":
    prepare_folders(read_options(None))

import gradio as gr
from gradio.events import Dependency

from engine.errors import HoneError
from engine.process.environment import forget_secrets
from engine.runs.engine import Engine
from engine.spec.limits import TABLES
from engine.spec.run import RunSpec
from engine.store.run_view import RunState
from ui import form, header, serve
from ui.choices import change_choices
from ui.compare.run_list import refresh_runs, take_run
from ui.compare.tab import CompareTab
from ui.context import Context
from ui.data.tab import DataTab, wire_data
from ui.export.tab import ExportTab
from ui.form import DataInputs
from ui.handlers import LATEST, QUIET, bind, log_to_file, set_value
from ui.model.tab import ModelTab, show_chosen_model, wire_model
from ui.runs import queue
from ui.runs.tab import RunsTab, wire_adapter_adding
from ui.train import fill_form, live, restore
from ui.train.fill_form import suited_spec
from ui.train.tab import TrainTab, form_widgets, label_start
from ui.train.wiring import Before, Kept, wire_train

# The page takes the tab that it was on before a reload, else the one it should open with, unless
# the user has already chosen another one or has the menu open.
UNLESS_CHOSEN = """(first) => document.querySelector("#nav [data-tab-id=data][aria-selected=true]")
    && !document.querySelector("#nav .overflow-dropdown:not(.hide)")
    ? {__type__: "update", selected: HoneTabs.before() || first} : {__type__: "update"}"""
# What was chosen is on the page, which may be shown now; whoever has started a run needs no hints.
READY = "(watched) => { if (watched) HoneHintsDone(); HoneReady(); }"

MOST_WAITING = 300  # events of all pages that are in the queue


class Page:
    """All tabs, for the wiring between them."""

    def __init__(self, ctx: Context, blocks: gr.Blocks) -> None:
        self.blocks = blocks
        self.pushed = header.build_header(ctx, blocks)
        with gr.Tabs(elem_id="nav") as self.tabs:
            self.data, self.model = DataTab(ctx), ModelTab(ctx)
            self.train, self.compare = TrainTab(ctx), CompareTab(ctx)
            self.export = ExportTab(ctx)
            self.runs = RunsTab(ctx)
        # The tab to open with, for the page to take or leave.
        self.first = gr.HTML(visible=False)
        # 1 once the page shows what was chosen. No State: what the page has sent before, from
        # fields of which only some were set, must not count, whenever that is read.
        info = "1 if the page shows what was chosen."  # nobody sees it
        self.restored = gr.Number(0, label="Restored", info=info, visible=False, elem_id="restored")
        self.opened = gr.State(0)  # changes right after that
        self.kept = gr.State(None)  # the form as it is kept (ui.choices)
        train = self.train
        # What is kept together with the fields, and whether it may be kept.
        self.form_now = [self.restored, self.kept, train.recipes.recipe, train.settings.group]
        fields = self.data.fields | {"model.source": self.model.source} | self.train.fields
        # Every widget of the form by its path, in the order of ``form.FORM_PATHS``.
        self.fields: dict[str, Any] = {path: fields[path] for path in form.FORM_PATHS}


def create_app(ctx: Context) -> gr.Blocks:
    """The whole page. What is somebody's is not in it: that comes when he opens it."""
    log_to_file(ctx.engine.store.root / "app.log")
    with gr.Blocks(title="Hone", fill_width=True, analytics_enabled=False) as blocks:
        page = Page(ctx, blocks)
        wire_choices(ctx, page)
        counted = wire_data_view(ctx, page)
        chosen = wire_dataset_choice(ctx, page, counted)
        wire_settings(ctx, page, chosen, counted)
        wire_navigation(ctx, page)
        wire_runs(ctx, page)
    # Not api_open: whoever speaks to the page directly waits in the queue as the page does.
    blocks.queue(default_concurrency_limit=8, max_size=MOST_WAITING, api_open=False)
    return blocks


def wire_choices(ctx: Context, page: Page) -> None:
    """The page opens with what its owner has chosen, keeps it, and follows his other pages."""
    train, lists = page.train, {"own_recipes": page.train.own_recipes.saved}
    lists |= {path: page.fields[path] for path in restore.LIST_FIELDS}
    chosen = form_widgets(train, page.fields) | {"kept": page.kept, "live": train.live}
    opening = chosen | lists | {"start": train.card.start}
    opening |= {"first": page.first, "settled": page.data.settled}
    open_page = bind(restore.open_page, ctx, first_tab, outputs=opening)
    opened = page.blocks.load(open_page, None, list(opening.values()), **QUIET)
    opened.then(None, page.first, page.tabs, js=UNLESS_CHOSEN, api_visibility="private")
    restored = opened.then(None, None, page.restored, js="() => 1", api_visibility="private")
    restored.then(bind(set_value, 1), None, page.opened, **QUIET)
    opened.then(None, train.live, js=READY, api_visibility="private")
    wire_keeping(ctx, page)
    caught_up = chosen | lists | {"settled": page.data.settled}
    catch_up = bind(restore.catch_up, ctx, outputs=caught_up)
    page.pushed.choices_changed(catch_up, page.kept, list(caught_up.values()), **QUIET)
    offer = bind(restore.list_updates, ctx, outputs=lists)
    page.pushed.lists_changed(offer, page.model.source, list(lists.values()), **QUIET)


def wire_keeping(ctx: Context, page: Page) -> None:
    """What is chosen on the Data tab is kept at once; all else together with its plan.

    By what a person does, where a widget can tell: what follows from it comes with the plan.
    """
    fields = page.fields
    by_hand = [one for one in form.DATA_PATHS if one not in ("data.source", *form.STATE_PATHS)]
    asked = [fields[path].input for path in by_hand]
    asked += [fields[path].change for path in form.STATE_PATHS if path != "model.start"]
    keep = bind(restore.keep_form, ctx, outputs={"kept": page.kept})
    moments = [page.data.settled.change, *asked]
    gr.on(moments, keep, page.form_now, page.kept, inputs_kwargs=fields, **LATEST)


def wire_dataset_choice(ctx: Context, page: Page, counted: Dependency) -> Dependency:
    """Another dataset brings its own settings; returns the event that sets them.

    What is read and counted of the one before is not waited for. Gradio may report one change
    twice, so the rows are shown anew each time.
    """
    fields, data, train = page.fields, page.data, page.train
    outputs = form_widgets(train, fields) | {"settled": data.settled, "chosen": data.chosen}
    del outputs["data.source"], outputs["model.source"]
    inputs = [data.source, page.model.source, fields["model.start"], train.filled]
    data.source.change(None, cancels=[counted], api_visibility="private")
    choose = bind(fill_form.choose_data, ctx, outputs=outputs)
    return data.source.change(choose, inputs, list(outputs.values()), **QUIET)


def wire_data_view(ctx: Context, page: Page) -> Dependency:
    """Show the rows as the chosen model sees them; returns the event that counts their tokens."""
    fields, data, model = page.fields, page.data, page.model.source
    inputs = DataInputs(model, {path: fields[path] for path in form.DATA_PATHS})
    # Not on a change of the source itself: the settings of the rows before are reset first.
    changed = [field.change for path, field in inputs.fields.items() if path != "data.source"]
    moments = [page.opened.change, data.tab.select, model.change, *changed]
    return wire_data(ctx, data, inputs, page.restored, moments)


def wire_settings(ctx: Context, page: Page, chosen: Dependency, counted: Dependency) -> None:
    """Describe the chosen model; the Train tab then follows model and data."""
    model, opened = page.model, page.opened.change
    events = [opened, model.source.change]
    described = gr.on(events, bind(show_chosen_model, ctx), model.source, model.about, **QUIET)
    fields, train = page.fields, page.train
    settled, kept = page.data.settled, Kept(page.form_now, page.kept)
    before = Before(opened, described, chosen, counted, settled, model, kept)
    wire_train(ctx, train, fields, before)
    wire_model(ctx, model, opened)


def wire_navigation(ctx: Context, page: Page) -> None:
    """From one tab to another."""
    page.data.next.click(bind(open_tab, "model"), None, page.tabs, **QUIET)
    page.model.next.click(bind(open_tab, "train"), None, page.tabs, **QUIET)
    for first in (page.compare.train, page.export.train):
        first.click(bind(open_tab, "train"), None, page.tabs, **QUIET)
    page.train.lead.lead(bind(open_tab, "runs"), None, page.tabs, **QUIET)
    page.runs.table.lead(bind(open_first_step), page.data.source, page.tabs, **QUIET)
    compared = [page.tabs, page.compare.run]
    page.train.live.compare_run(bind(compare_run, ctx), page.train.live, compared, **QUIET)
    page.compare.follow(ctx, page.pushed.compare_changed)
    page.export.follow(ctx, page.pushed.export_changed)


def wire_runs(ctx: Context, page: Page) -> None:
    """From a run on the Runs tab to the Train tab: watch it, extend it, train another like it."""
    runs, train = page.runs, page.train
    watched = [page.tabs, train.live]
    runs.card.open.click(bind(watch_run, ctx), runs.picked, watched, **QUIET)
    runs.card.extend.click(
        bind(fill_form.extend_run, ctx), [runs.picked, runs.card.epochs], watched, **QUIET
    )
    widgets = form_widgets(train, page.fields)
    fills = {runs.card.again: fill_form.use_settings, runs.card.train_on: fill_form.use_adapter}
    for button, fill in fills.items():
        handler = bind(fill, ctx, outputs=widgets)
        filled = button.click(handler, runs.picked, list(widgets.values()), **QUIET)
        # The tab is opened afterwards: what that triggers must see the form as it is then.
        filled.success(bind(open_tab, "train"), None, page.tabs, **QUIET)
    advised = train.live.advised_run(bind(live.start_advised, ctx), train.live, train.live, **QUIET)
    # The form takes over what was started: the next Start must not be the bad run again.
    taken_over = bind(fill_form.use_settings, ctx, outputs=widgets)
    advised.success(taken_over, train.live, list(widgets.values()), **QUIET)
    wire_adapter_adding(ctx, runs, page.fields)
    moments = (page.opened.change, runs.tab.select, train.tab.select)
    pushed = (page.pushed.train_changed, page.pushed.runs_changed)
    queue.wire_queue(ctx, runs.queue, train.lead, *moments, *pushed)
    page.pushed.train_changed(bind(label_start, ctx), None, train.card.start, **QUIET)
    runs.follow(ctx, page.pushed.runs_changed)


def first_tab(ctx: Context) -> str:
    """The tab to open with: Train while a run is alive, or where the newest was interrupted."""
    run = live.shown_run(ctx, "")
    if run and (run.alive or run.queued or run.state() == RunState.INTERRUPTED):
        return "train"
    return "data"


def open_tab(tab: str) -> gr.Tabs:
    """Open another tab."""
    return gr.Tabs(selected=tab)


def open_first_step(source: str) -> gr.Tabs:
    """To a first run: the Train tab, or the Data tab where no data is chosen yet."""
    return open_tab("train" if source else "data")


def watch_run(ctx: Context, run_id: str) -> tuple[gr.Tabs, str]:
    """Show a run on the Train tab."""
    change_choices(ctx.engine.store, watched=ctx.engine.store.run(run_id).id)
    return gr.Tabs(selected="train"), run_id


def compare_run(ctx: Context, run_id: str) -> tuple[gr.Tabs, Any]:
    """Show a run on the Compare tab."""
    take_run(ctx, run_id)
    return gr.Tabs(selected="compare"), refresh_runs(ctx)


def warm_up(ctx: Context) -> None:
    """Read what each page shows first, before anybody comes."""
    spec = suited_spec(RunSpec().data.source)
    with suppress(HoneError):  # the page says what is wrong
        ctx.load_model(spec.model.source)
        ctx.count_tokens(spec.model.source, ctx.prepare(spec.data), spec.data)
        ctx.engine.estimate_time(ctx.plan(spec), measure=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM. Runs continue without this process."""
    options = read_options(arguments)
    if options.mode == "demo":
        forget_secrets()
    prepare_folders(options)
    try:
        engine = Engine(options.home, model_roots=options.models, limits=TABLES[options.mode])
        engine.keep_spare()
        ctx, address = Context(engine), serve.choose_address(options)
        site = serve.make_site(options, engine.store, ctx.uploads, address.port)
    except OSError as error:
        end_without_home(options, error)
    except HoneError as error:
        print(error, file=sys.stderr)
        return 2
    serve.start_sweeping(ctx.uploads)
    blocks = create_app(ctx)
    leave = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: leave.set())
    url = serve.serve_page(blocks, site, address)
    if options.mode == "demo":
        threading.Thread(target=warm_up, args=(ctx,), daemon=True).start()
    ready = f"Hone is ready at {url} (started in {time.perf_counter() - STARTED:.1f} s)."
    print(f"{ready} Press Ctrl-C to quit; training continues.", flush=True)
    if not (options.no_browser or options.in_space or options.host):
        serve.open_browser(url, options.home)
    while not leave.wait(1):  # a wait without a limit would not be woken by signals on Windows
        pass
    blocks.close(verbose=False)
    engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
