"""The README of an exported result, made from its run; it never holds a row of the data."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from engine.coach.caution import score_caution
from engine.coach.scores import score_sentences
from engine.model.named_base import POCKET, NamedBase
from engine.runs.export.snippets import Places, python_lines
from engine.runs.report import report_settings
from engine.spec.method import describe_method
from engine.spec.objective import OBJECTIVE_NAMES, ObjectiveKind
from engine.store.head_labels import HeadLabels, read_head_labels
from engine.store.run_dir import RunDir, is_whole_model
from engine.text import format_loss, format_share

MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")
LIBRARIES = ("transformers", "peft", "torch")
HERE = "."  # a snippet is run in the folder of its README
FILES = {
    "adapter_model.safetensors": "the weights of the adapter",
    "adapter_config.json": "what the adapter is: its rank, its modules, the name of its base model",
    "model.safetensors": "the weights of the model",
    "config.json": "what the model is",
    "tokenizer.json": "the tokenizer",
    "chat_template.jinja": "how a conversation is written for the model (chat template)",
    "generation_config.json": "where a reply ends",
    "asking.json": "how Hone asks it",
    "labels.json": "its labels, in the order of its outputs",
    "hone-spec.yaml": "the settings of the run",
}


def make_readme(run: RunDir, base: NamedBase, precision: str, names: Sequence[str]) -> str:
    """The README beside these files; ``precision`` of a merged model, empty for the adapter."""
    head = read_head_labels(run.adapter)
    sections = [
        _front_matter(run, base, precision, head),
        f"# {_plain(run.meta['name'])}",
        _what_it_is(run, base, precision, head),
        "## Base model",
        _how_to_get(base, needed=not precision and not is_whole_model(run.adapter)),
        *_data(run),
        *_labels(head),
        "## Settings",
        _table(("setting", "value", "note"), _settings(run, base)),
        *_results(run),
        "## Load it in Python",
        *_loading(run, base, precision, names),
        "## Licence",
        f"{base.terms} The data may have terms of its own.",
        "## Files",
        _table(
            ("file", "what it holds"), ((f"`{one}`", FILES[one]) for one in names if one in FILES)
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(run: RunDir, base: NamedBase, precision: str, head: HeadLabels | None) -> str:
    """What model pages read."""
    adapter = not precision and not is_whole_model(run.adapter)
    values: dict[str, Any] = {"library_name": "peft" if adapter else "transformers"}
    if base.on_hub:
        values["base_model"] = base.name
    values["pipeline_tag"] = "text-classification" if head else "text-generation"
    return f"---\n{yaml.safe_dump(values, sort_keys=False)}---"


def _what_it_is(run: RunDir, base: NamedBase, precision: str, head: HeadLabels | None) -> str:
    made, view = describe_method(run.spec.method), run.view()
    kind: ObjectiveKind = head.kind if head else "write"
    if not head and view.started and view.started.goal == "prefer":
        kind = "prefer"
    what = f"An adapter ({made}) for"
    if is_whole_model(run.adapter):
        what = f"A whole model ({made}), made from"
    if precision:
        what = f"A whole model in {precision}, merged from an adapter ({made}) and"
    day = time.strftime("%d %B %Y", time.localtime(run.meta["created"]))
    by = "Added to Hone" if view.imported else "Made with Hone"
    learned = OBJECTIVE_NAMES[kind].lower()
    return f"{what} {_plain(base.in_sentence)}. {by}, {day}. What it learned: {learned}."


def _how_to_get(base: NamedBase, needed: bool) -> str:
    if base.on_hub:
        at = f" at commit {base.revision}" if base.revision else ""
        text = f"`{base.name}` on the Hugging Face Hub{at}."
        more = " The lines below download it; a model with terms needs `hf auth login` first."
    elif base.name == POCKET:
        text = "The pocket model, which ships with Hone in `presets/pocket/model`."
        more = " Copy that folder beside this README, with the name `pocket`."
    else:
        text = f"A folder with the name `{base.name.replace('`', '')}`."
        more = (
            " Copy it beside this README. It is not on the Hugging Face Hub as far as Hone knows."
        )
    return text + (more if needed else " It is not needed to load this model.")


def _data(run: RunDir) -> list[str]:
    began, name = run.view().started, run.meta["data"]
    if not began or not name:
        return []
    counts = f"{began.rows:,} examples to learn from, {began.held_out:,} held out"
    return ["## Data", f"{_plain(name)}: {counts}. These files hold none of them."]


def _labels(head: HeadLabels | None) -> list[str]:
    if head is None or head.kind == "regress":
        return []
    return ["## Labels", "\n".join(f"- {_plain(one)}" for one in head.labels)]


def _settings(run: RunDir, base: NamedBase) -> list[tuple[str, str, str]]:
    found = [one for one in report_settings(run, run.view()) if one.label != "Base model"]
    return [(_plain(one.label), _plain(one.value), _plain(one.note)) for one in found]


def _results(run: RunDir) -> list[str]:
    """The held-out loss before and after, and the score if there is one."""
    view, rows = run.view(), list[tuple[str, ...]]()
    before, after = view.checks[0] if view.checks else None, view.kept
    if before and after and before.step == 0:
        rows.append(("loss", format_loss(before.loss), format_loss(after.loss)))
        if before.accuracy is not None and after.accuracy is not None:
            shares = (format_share(one.accuracy or 0, 1) for one in (before, after))
            rows.append(("right", *shares))
    sentences = score_sentences(view.scored) if view.scored else []
    if not rows and not sentences:
        return []
    found = ["## On the held-out examples"]
    if rows:
        found.append(_table(("", "before training", "after training"), rows))
    if sentences:
        found.append(_plain(" ".join(sentences)))
    caution = score_caution(run)
    return [*found, _plain(caution)] if caution else found


def _files(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"`{one}`", FILES[one]) for one in names if one in FILES]


def _loading(run: RunDir, base: NamedBase, precision: str, names: Sequence[str]) -> list[str]:
    """How these files are loaded, and how the other form of the result is."""
    began = run.view().started
    versions = began.versions if began else {}
    known = [f"{one} {versions[one].partition('+')[0]}" for one in LIBRARIES if one in versions]
    tried = f" Trained with {', '.join(known)}." if known else ""
    own = "tokenizer_config.json" in names
    places = Places(HERE, base.name, base.revision, own)
    needs = (
        "`pip install torch transformers`" if precision else "`pip install torch transformers peft`"
    )
    found = [
        f"Run this in the folder of this README. It needs {needs}.{tried}",
        _code(python_lines(run, precision, places)),
    ]
    if (began and began.precision == "bf16") or precision == "bf16":
        found.append(
            "It computes in bf16, where rounding may change the third digit of a probability, and "
            "now and then a word."
        )
    if run.spec.method.bits and not precision:
        bits = run.spec.method.bits
        found.append(
            f"It was trained beside weights in {bits} bits. These lines load them unquantised, so "
            "replies may differ a little from those in Hone."
        )
    if is_whole_model(run.adapter):
        return found
    if precision:
        text = "The adapter alone is another zip of the Export tab. In its folder:"
        return [*found, "### The adapter", text, _code(python_lines(run, "", places))]
    text = (
        "Adapter and base model as one: merge them on Hone's Export tab, which checks the result, "
        "and take that zip. In its folder:"
    )
    return [*found, "### The merged model", text, _code(python_lines(run, "bf16", places))]


# --- Markdown ---


def _plain(text: str) -> str:
    """Words that Markdown takes as they are, in one line."""
    return MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


def _code(lines: str) -> str:
    return f"```python\n{lines}\n```"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
