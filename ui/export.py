"""The Export tab: download the adapter, or a merged model that was checked against it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import gradio as gr

from engine.errors import RunError
from engine.runs import export
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.text import format_bytes, format_loss, format_share
from ui.access import downloads
from ui.compare.run_list import build_run_list, refresh_runs
from ui.context import Context
from ui.handlers import QUIET, Updates, bind, download_on_click
from ui.text import card, escape_html, line, status_box
from ui.theme import build_intro, make_button, raw_html

PRECISIONS = [
    ("bf16: half the size, for most uses", "bf16"),
    ("fp32: exact, twice the size", "fp32"),
]
MERGE = "Merge and check"
NOTHING_TO_EXPORT = (
    "There is nothing to export yet. Start a run on the Train tab. You can export it after its "
    "first check."
)
NOT_MERGED = (
    "Merging combines the base model and this adapter into one model. It is checked before you can "
    "download it."
)
COPY_SCRIPT = (
    "element.addEventListener('click', async (e) => { if (!e.target.closest('.copy')) return; await"
    " navigator.clipboard.writeText(element.querySelector('pre').textContent);"
    " e.target.textContent = 'Copied'; })"
)


class ExportWidgets:
    """The run, and what can be taken from it."""

    def __init__(self) -> None:
        self.run = build_run_list("export-run")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                self.adapter = raw_html(elem_id="export-adapter")
                label = "Download the adapter (zip)"
                self.take_adapter = make_button(label, "take-adapter", interactive=False)
            with gr.Column(min_width=320):
                self.precision = gr.Radio(
                    PRECISIONS,
                    value="bf16",
                    label="Merged model",
                    info="How exactly its weights are stored (precision).",
                    elem_id="precision",
                )
                self.merged = raw_html(elem_id="export-merged")
                self.merge = make_button(MERGE, "merge", interactive=False)
                label = "Download the merged model (zip)"
                self.take_merged = make_button(label, "take-merged", visible=False)
        # Not gr.Code, which keeps the height that it had while the tab was hidden.
        self.code = raw_html(elem_id="code", js_on_load=COPY_SCRIPT)
        self.timer = gr.Timer(1.0, active=False)  # ticks while a merge works
        buttons = [self.take_adapter, self.merge, self.take_merged]
        self.shown = [self.adapter, self.merged, self.code, *buttons, self.timer]


def build_export(ctx: Context) -> None:
    """Lay the tab out and wire it."""
    with gr.Tab("Export", id="export") as tab:
        build_intro(
            "Use it elsewhere",
            "Choose a run. Download the small adapter, or merge it into a model that works on its "
            "own.",
        )
        own = ExportWidgets()
    chosen, show = [own.run, own.precision], bind(show_export, ctx, own)
    listed = tab.select(bind(refresh_runs, ctx), own.run, own.run, **QUIET)
    listed.then(show, chosen, own.shown, **QUIET)
    gr.on([own.run.change, own.precision.change, own.timer.tick], show, chosen, own.shown, **QUIET)
    own.merge.click(bind(start_merge, ctx, own), chosen, own.shown, api_visibility="private")
    download_on_click(own.take_adapter, bind(zip_adapter, ctx), own.run)
    download_on_click(own.take_merged, bind(zip_merged, ctx), chosen)


class MergeState(NamedTuple):
    """Where the merge of one precision stands."""

    working: bool
    result: ev.Merged | None
    ready: bool


# --- handlers ---


def show_export(ctx: Context, own: ExportWidgets, run_id: str | None, precision: str) -> Updates:
    """All that can be taken from a run; the timer ticks only while a merge works."""
    if not run_id:
        return {
            own.adapter: line(NOTHING_TO_EXPORT),
            own.merged: "",
            own.code: "",
            own.take_adapter: gr.update(interactive=False),
            own.merge: gr.update(interactive=False, value=MERGE),
            own.take_merged: gr.update(visible=False),
            own.timer: gr.update(active=False),
        }
    run = ctx.engine.store.run(run_id)
    state = merge_state(run, precision)
    code = export.python_lines(run, precision if state.ready else "")
    label = "Merge again and check" if state.result else MERGE
    return {
        own.adapter: adapter_card(run),
        own.merged: merged_card(run, precision, state),
        own.code: python_card(code),
        own.take_adapter: gr.update(interactive=True),
        own.merge: gr.update(interactive=not state.working, value=label),
        own.take_merged: gr.update(visible=state.ready),
        own.timer: gr.update(active=state.working),
    }


def start_merge(ctx: Context, own: ExportWidgets, run_id: str | None, precision: str) -> Updates:
    """Put the merge in the queue."""
    if not run_id:
        raise RunError("There is no run to merge yet. Start one on the Train tab.")
    ctx.engine.merge(run_id, precision)
    return show_export(ctx, own, run_id, precision)


def zip_adapter(ctx: Context, run_id: str | None) -> str:
    """The link to the adapter as a file."""
    run = ctx.engine.store.run(run_id or "")
    return downloads.run_link(run, export.adapter_zip(run))


def zip_merged(ctx: Context, run_id: str | None, precision: str) -> str:
    """The link to the merged model as a file."""
    run = ctx.engine.store.run(run_id or "")
    return downloads.run_link(run, export.merged_zip(run, precision))


# --- what is shown: functions of a run's folder ---


def merge_state(run: RunDir, precision: str) -> MergeState:
    """Whether a merge waits or works, how the last one of this precision ended, if it is there."""
    queued, alive, view = run.queued.startswith("merge"), run.alive, run.view()
    # A worker that is alive after the end of training merges, although it says so only once its
    # libraries are loaded.
    works = alive and bool(view.merging or view.ended) and not view.scoring
    result = view.merged.get(precision)
    ready = bool(result and result.ok and run.merged(precision).is_dir())
    return MergeState(queued or works, result, ready)


def adapter_card(run: RunDir) -> str:
    """The adapter: what it is and how large."""
    method, kept = run.spec.method, run.view().kept
    title, made = "Adapter", f"LoRA rank {method.rank}, alpha {method.scale_alpha}"
    needs = "It works together with the base model. Any program that uses PEFT can load it."
    if method.kind == "full":
        title, made = "Trained model", "All of its weights were trained"
        needs = "It works on its own. Any program that uses transformers can load it."
    elif method.kind == "head":
        made = "The last layer alone"
    text = f"{_size_of(run.adapter.rglob('*'))}. {made}."
    if kept:
        text += f" Best held-out loss {format_loss(kept.loss)} at step {kept.step}."
    if (run.adapter / "asking.json").is_file():
        needs += " Its tokenizer, chat format and end of a reply are with it."
    return card(title, line(text), line(needs))


def merged_card(run: RunDir, precision: str, state: MergeState) -> str:
    """The merged model: how far, how well checked, where."""
    if state.working:
        text = "The adapter is merged into a copy of the base model, and the result is checked."
        return status_box("info", "Merging", text)
    if state.result is None:
        return card("Not merged yet", line(NOT_MERGED))
    if not state.result.ok:
        reason = state.result.text or "It did not agree with the adapter, so it was removed."
        return status_box("bad", "The merge was refused", reason)
    if not state.ready:
        text = "Its folder is no longer there. Merge again."
        return status_box("warn", "The merged model is gone", text)
    lines = [*_check_lines(state.result), _folder_line(run.merged(precision))]
    return card(f"Merged model, {precision}", *lines)


def python_card(lines: str) -> str:
    """The lines that load the model, to copy."""
    button = '<button type="button" class="mini copy">Copy</button>'
    head = f'<div class="python-head"><h3>Load it in Python</h3>{button}</div>'
    return f'<section class="card python">{head}<pre>{escape_html(lines)}</pre></section>'


def _check_lines(result: ev.Merged) -> list[str]:
    found = []
    if result.prompts:
        same = f"{result.agree} of {result.prompts} replies are the same as with the adapter"
        found.append(line(f"Checked: {same}.", "good"))
    if result.share is not None and result.tolerance is not None:
        share, allowed = format_share(result.share, 1), format_share(result.tolerance, 1)
        differ = f"Its scores (logits) differ by at most {share} of the largest"
        found.append(line(f"{differ}; up to {allowed} is allowed."))
    if result.text:
        found.append(line(result.text))
    return found


def _folder_line(folder: Path) -> str:
    size = escape_html(_size_of(folder.rglob("*")))
    return f'<p class="line">{size} in <code>{escape_html(folder)}</code></p>'


def _size_of(files: Iterable[Path]) -> str:
    return format_bytes(sum(file.stat().st_size for file in files if file.is_file()))
