"""What the Export tab says of a run's adapter, its merged model and how to load them, as HTML."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from engine.runs.export.snippets import python_lines
from engine.store import events as ev
from engine.store.run_dir import RunDir, is_whole_model
from engine.text import format_bytes, format_loss, format_share
from ui.text import card, escape_html, line, status_box

NOT_MERGED = (
    "Merging combines the base model and this adapter into one model. It is checked before you can "
    "download it."
)
MERGE_FIRST = "Press Merge and check first: this model is not there yet in {}."


class MergeState(NamedTuple):
    """Where the merge of one precision stands."""

    working: bool
    result: ev.Merged | None
    ready: bool


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
    holds = "With it in the zip: the tokenizer, the chat format, the settings and a README."
    return card(title, line(text), line(needs), line(holds))


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


def python_cards(run: RunDir, precision: str, state: MergeState) -> str:
    """The lines that load the adapter, and those for the merged model, each to copy."""
    whole = is_whole_model(run.adapter)
    first = "Load the trained model in Python" if whole else "Load the adapter in Python"
    note = "" if state.ready else MERGE_FIRST.format(precision)
    both = [
        _python_card(first, python_lines(run)),
        _python_card("Load the merged model in Python", python_lines(run, precision), note),
    ]
    return f'<div class="snippets">{"".join(both)}</div>'


def _python_card(title: str, lines: str, note: str = "") -> str:
    """Lines of Python to copy; ``note``: what to do before they work."""
    label = escape_html(f"Copy: {title}")
    button = f'<button type="button" class="mini copy" aria-label="{label}">Copy</button>'
    head = f'<div class="python-head"><h3>{escape_html(title)}</h3>{button}</div>'
    first = line(note, "warn") if note else ""
    code = f'<pre tabindex="0">{escape_html(lines)}</pre>'
    return f'<section class="card python">{head}{first}{code}</section>'


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
