"""The Export tab: take the adapter home, or a merged model that was checked against it."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from engine.errors import RunError
from engine.runs import export
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.text import format_bytes, format_loss, format_share
from ui.compare.run_list import refresh_runs
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.text import card, escape_html, line, status_box, tab_intro
from ui.theme import raw_html

PRECISIONS = [
    ("bf16: half the size, for most uses", "bf16"),
    ("fp32: exact, twice the size", "fp32"),
]
PRESS = "() => setTimeout(() => document.querySelector('#{} a, #{} button, a#{}, button#{}')?.click(), 300)"

COPY_SCRIPT = (
    "element.addEventListener('click', async (e) => { if (!e.target.closest('.copy')) return; await"
    " navigator.clipboard.writeText(element.querySelector('pre').textContent); e.target.textContent = 'Copied'; })"
)


def build(ctx: Context) -> None:
    """Lay the tab out and wire what concerns it alone."""
    with gr.Tab("Export", id="export") as tab:
        raw_html(
            tab_intro(
                "Use it elsewhere",
                "Choose a run. Take the small adapter, or merge it into a model that needs nothing else.",
            )
        )
        run = gr.Dropdown(label="Run", info="A run that has saved something.", elem_id="export-run")
        with gr.Row(equal_height=False, elem_classes="exports"):
            with gr.Column(min_width=320):
                adapter_card = raw_html(elem_id="export-adapter")
                take_adapter = gr.Button(
                    "Download the adapter (zip)",
                    size="md",
                    interactive=False,
                    elem_id="take-adapter",
                )
                adapter_file = gr.DownloadButton(
                    "Adapter", visible="hidden", elem_id="adapter-file"
                )
            with gr.Column(min_width=320):
                precision = gr.Radio(
                    PRECISIONS,
                    value="bf16",
                    label="Merged model",
                    info="How exactly its numbers are stored (precision).",
                    elem_id="precision",
                )
                merged_card = raw_html(elem_id="export-merged")
                merge = gr.Button("Merge and check", size="md", interactive=False, elem_id="merge")
                take_merged = gr.Button(
                    "Download the merged model (zip)",
                    size="md",
                    visible=False,
                    elem_id="take-merged",
                )
                merged_file = gr.DownloadButton(
                    "Merged model", visible="hidden", elem_id="merged-file"
                )
        code = raw_html(
            elem_id="code", js_on_load=COPY_SCRIPT
        )  # gr.Code keeps the height it had while the tab was hidden
        timer = gr.Timer(1.0, active=False)

    shown = [adapter_card, merged_card, code, take_adapter, merge, take_merged, timer]
    listed = tab.select(bind(refresh_runs, ctx), run, run, **QUIET)
    listed.then(bind(show_export, ctx), [run, precision], shown, **QUIET)
    gr.on(
        [run.change, precision.change, timer.tick],
        bind(show_export, ctx),
        [run, precision],
        shown,
        **QUIET,
    )
    merge.click(bind(start_merge, ctx), [run, precision], shown, api_visibility="private")
    made = take_adapter.click(bind(zip_adapter, ctx), run, adapter_file, api_visibility="private")
    made.success(None, js=PRESS.replace("{}", "adapter-file"), api_visibility="private")
    made = take_merged.click(
        bind(zip_merged, ctx), [run, precision], merged_file, api_visibility="private"
    )
    made.success(None, js=PRESS.replace("{}", "merged-file"), api_visibility="private")


class MergeState(NamedTuple):
    """Where the merge of one precision stands."""

    working: bool
    result: ev.Merged | None
    ready: bool


# --- handlers ---


def show_export(ctx: Context, run_id: str | None, precision: str) -> tuple[Any, ...]:
    """All that can be taken from a run; the timer goes on only while a merge does."""
    if not run_id:
        nothing = line(
            "There is nothing to export yet. Start a run on the Train tab; it can be used from its first check on."
        )
        off = gr.update(interactive=False)
        return (
            nothing,
            "",
            "",
            off,
            gr.update(interactive=False, value="Merge and check"),
            gr.update(visible=False),
            gr.update(active=False),
        )
    run = ctx.engine.store.run(run_id)
    now = merge_state(run, precision)
    code = python_card(export.python_lines(run, precision if now.ready else ""))
    button = gr.update(
        interactive=not now.working,
        value="Merge again and check" if now.result else "Merge and check",
    )
    return (
        adapter_card(run),
        merged_card(run, precision, now),
        code,
        gr.update(interactive=True),
        button,
        gr.update(visible=now.ready),
        gr.update(active=now.working),
    )


def start_merge(ctx: Context, run_id: str | None, precision: str) -> tuple[Any, ...]:
    """Put the merge in the queue."""
    if not run_id:
        raise RunError("There is no run to merge yet. Start one on the Train tab.")
    ctx.engine.merge(run_id, precision)
    return show_export(ctx, run_id, precision)


def zip_adapter(ctx: Context, run_id: str | None) -> str:
    """Pack the adapter."""
    return str(export.adapter_zip(ctx.engine.store.run(run_id or "")))


def zip_merged(ctx: Context, run_id: str | None, precision: str) -> str:
    """Pack the merged model."""
    return str(export.merged_zip(ctx.engine.store.run(run_id or ""), precision))


# --- what is shown: functions of a run's folder ---


def merge_state(run: RunDir, precision: str) -> MergeState:
    """Whether a merge waits or works, how the last one of this precision ended, and whether it can be taken."""
    queued, alive = run.queued.startswith("merge"), run.alive
    view = run.view()
    # A worker that lives after the run's end is merging, although it says so only once its libraries are loaded.
    works = alive and bool(view.merging or view.ended) and not view.scoring
    result = view.merged.get(precision)
    ready = bool(result and result.ok and run.merged(precision).is_dir())
    return MergeState(queued or works, result, ready)


def adapter_card(run: RunDir) -> str:
    """The adapter: what it is and how large."""
    spec = run.spec
    size = sum(file.stat().st_size for file in run.adapter.iterdir() if file.is_file())
    view = run.view()
    best = (
        f"Best held-out loss {format_loss(view.kept.loss)} at step {view.kept.step}."
        if view.kept
        else ""
    )
    text = f"{format_bytes(size)}. LoRA rank {spec.method.rank}, alpha {spec.method.scale_alpha}. {best}"
    return card(
        "Adapter",
        line(text),
        line("It needs the base model beside it. Any program that uses PEFT can load it."),
    )


def merged_card(run: RunDir, precision: str, now: MergeState) -> str:
    """The merged model: how far, how well checked, where."""
    if now.working:
        return status_box(
            "info",
            "Merging",
            "The adapter is added into a copy of the base model, and the result is checked.",
        )
    if now.result is None:
        return card(
            "Not merged yet",
            line(
                "Merging makes one model of base and this adapter. It is checked before you get it."
            ),
        )
    if not now.result.ok:
        return status_box(
            "bad",
            "The merge was refused",
            now.result.text or "It did not agree with the adapter, so it was removed.",
        )
    if not now.ready:
        return status_box(
            "warn", "The merged model is gone", "Its folder is not there any more. Merge again."
        )
    return card(
        f"Merged model, {precision}", *_check_lines(now.result), _folder_line(run, precision)
    )


def python_card(lines: str) -> str:
    """The lines that load the model, to copy."""
    head = '<div class="python-head"><h3>Load it in Python</h3><button type="button" class="mini copy">Copy</button></div>'
    return f'<section class="card python">{head}<pre>{escape_html(lines)}</pre></section>'


def _check_lines(result: ev.Merged) -> list[str]:
    found = []
    if result.prompts:
        found.append(
            line(
                f"Checked: {result.agree} of {result.prompts} replies are the same as with the adapter.",
                "good",
            )
        )
    if result.share is not None and result.tolerance is not None:
        found.append(
            line(
                f"The largest difference of any of its scores is {format_share(result.share, 1)} of the largest score; "
                f"up to {format_share(result.tolerance, 1)} is allowed."
            )
        )
    return found + ([line(result.text)] if result.text else [])


def _folder_line(run: RunDir, precision: str) -> str:
    folder = run.merged(precision)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return f'<p class="line">{escape_html(format_bytes(size))} in <code>{escape_html(folder)}</code></p>'
