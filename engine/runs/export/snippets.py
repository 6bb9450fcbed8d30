"""Python that loads a run's result and asks it something, as Hone asks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from engine.model import local
from engine.spec.run import Shape
from engine.store.head_labels import HeadLabels, read_head_labels
from engine.store.run_dir import RunDir, is_whole_model, read_data_summary

HELLO = "Hello!"
REPLY_TOKENS = 64
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
# Models that generate take no token types, and Hone reads a text to be labelled without them.
AS_TENSORS = 'return_token_type_ids=False, return_tensors="pt"'
BASE_COMMENT = "  # the folder of the base model, or its name on the Hugging Face Hub"
GENERATION_FILE, TEMPLATE_FILE = "generation_config.json", "chat_template.jinja"


class Places(NamedTuple):
    """Where the lines find what they load."""

    result: str  # the folder of the result
    base: str  # the base model: its folder, or its name on the Hub
    revision: str = ""  # of a base model on the Hub
    own_tokenizer: bool = True  # the result has one
    here: bool = False  # on this machine


def python_lines(run: RunDir, precision: str = "", places: Places | None = None) -> str:
    """Lines of Python for the adapter, or for the model that was merged in a precision.

    Without ``places`` they load from the run's folder on this machine.
    """
    folder = run.merged(precision) if precision else run.adapter
    whole = bool(precision) or is_whole_model(run.adapter)
    if places is None:
        base, there = local.model_path(run.spec.model.source), "tokenizer_config.json"
        # A merged model that does not exist yet will have a tokenizer.
        own = bool(precision) or (folder / there).is_file()
        places = Places(str(folder), str(base), own_tokenizer=own, here=True)
    head = read_head_labels(run.adapter)
    if head:
        return "\n".join(_classifier_lines(run, head, whole, places))
    return "\n".join(_writer_lines(run, folder, whole, places))


def _places_lines(whole: bool, places: Places) -> list[str]:
    """The folders by name, so that they stand in one place."""
    lines = [f"folder = {places.result!r}"]
    if not whole or not places.own_tokenizer:
        lines.append(f"base = {places.base!r}{'' if places.here else BASE_COMMENT}")
    return lines


def _base_options(run: RunDir, places: Places) -> str:
    """Further arguments that load the base model as training had it."""
    began = run.view().started
    options = f", revision={places.revision!r}" if places.revision else ""
    if began and began.precision in DTYPES:
        options += f', dtype="{DTYPES[began.precision]}"'
    return options


# --- a model that writes ---


def _writer_lines(run: RunDir, folder: Path, whole: bool, places: Places) -> list[str]:
    names = ["AutoModelForCausalLM", "AutoTokenizer"]
    own_ends = not whole and (folder / GENERATION_FILE).is_file()
    lines = [] if whole else ["from peft import PeftModel"]
    lines.append(f"from transformers import {', '.join(names + ['GenerationConfig'] * own_ends)}")
    template, there = "", (folder / TEMPLATE_FILE).is_file()
    if there and not places.own_tokenizer:
        # A result of an earlier version has the chat template alone, perhaps not the base's own.
        lines.insert(0, "from pathlib import Path")
        file = f'Path(folder, "{TEMPLATE_FILE}")'
        template = f', chat_template={file}.read_text(encoding="utf-8")'
    lines += ["", *_places_lines(whole, places)]
    tokenizer = "folder" if places.own_tokenizer else "base"
    lines.append(f"tokenizer = AutoTokenizer.from_pretrained({tokenizer}{template})")
    if whole:
        lines.append("model = AutoModelForCausalLM.from_pretrained(folder)")
    else:
        options = _base_options(run, places)
        lines += [
            f"model = AutoModelForCausalLM.from_pretrained(base{options})",
            "model = PeftModel.from_pretrained(model, folder)",
        ]
    if own_ends:
        lines.append("model.generation_config = GenerationConfig.from_pretrained(folder)")
    return [*lines, "", *_ask_lines(run, folder)]


def _ask_lines(run: RunDir, folder: Path) -> list[str]:
    """Lines that ask a model that writes: its question has the very tokens that Hone's has."""
    asking = _read_asking(run, folder)
    if asking["plain_text"]:
        lines = [f'ids = tokenizer("{HELLO}", {AS_TENSORS})']
        if added := asking.get("left_off_tokens"):
            lines.append(f"ids = {{name: part[:, :-{added}] for name, part in ids.items()}}")
    else:
        turns: list[dict[str, Any]] = [{"role": "user", "content": HELLO}]
        if system := asking.get("system"):
            turns.insert(0, {"role": "system", "content": system})
        if asking.get("in_parts"):
            turns = [
                turn | {"content": [{"type": "text", "text": turn["content"]}]} for turn in turns
            ]
        tools = ", tools=[]" if asking.get("empty_tools") else ""
        off = f".removesuffix({left_off!r})" if (left_off := asking.get("left_off")) else ""
        lines = [
            f"chat = {turns!r}",
            f"text = tokenizer.apply_chat_template(chat{tools}, tokenize=False, "
            f"add_generation_prompt=True){off}",
            f"ids = tokenizer(text, add_special_tokens=False, {AS_TENSORS})",
        ]
    stop = ""
    if texts := asking.get("stop_texts"):
        stop = f", stop_strings={list(texts)!r}, tokenizer=tokenizer"
    return [
        *lines,
        f"reply = model.generate(**ids, max_new_tokens={REPLY_TOKENS}, do_sample=False{stop})",
        'print(tokenizer.decode(reply[0, ids["input_ids"].shape[1]:], skip_special_tokens=True))',
    ]


def _read_asking(run: RunDir, folder: Path) -> dict[str, Any]:
    """How a result is asked (engine.work.model.asking); of earlier versions, as far as known."""
    for file in (folder / "asking.json", run.adapter / "asking.json"):
        if file.is_file():
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return found
    plain_text = read_data_summary(run.about_file).shape == Shape.TEXT
    return {"plain_text": plain_text, "system": run.spec.data.system.strip()}


# --- a model that chooses labels or gives a number ---


def _classifier_lines(run: RunDir, head: HeadLabels, whole: bool, places: Places) -> list[str]:
    lines = ["import json", "from pathlib import Path", ""]
    tokenizer = "folder" if places.own_tokenizer else "base"
    lines += [] if whole else ["from peft import PeftModel"]
    lines += [
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
        "",
        *_places_lines(whole, places),
        'about = json.loads(Path(folder, "labels.json").read_text(encoding="utf-8"))',
        f"tokenizer = AutoTokenizer.from_pretrained({tokenizer})",
    ]
    load = "model = AutoModelForSequenceClassification.from_pretrained"
    if whole:
        lines.append(f"{load}(folder)")
    else:
        options = _base_options(run, places)
        lines += [
            f"{load}(base{options},",
            '    id2label=dict(enumerate(about["labels"])), problem_type=about["problem_type"],',
            "    ignore_mismatched_sizes=True)",
            "model = PeftModel.from_pretrained(model, folder)",
        ]
    data = run.spec.data
    marks = ", split_special_tokens=True" if "literal" in data.fixes else ""
    lines += [
        "",
        f'ids = tokenizer("{HELLO}", truncation=True, max_length={data.max_length}{marks},',
        f"    {AS_TENSORS})",
        "logits = model.eval()(**ids).logits[0].detach().float()",
    ]
    if head.kind == "regress":
        return [
            *lines,
            "# The model counts from the mean of its training values, in units of their spread.",
            'print(logits.item() * about["scale"]["spread"] + about["scale"]["mean"])',
        ]
    shares = "logits.sigmoid()" if head.kind == "multilabel" else "logits.softmax(-1)"
    return [
        *lines,
        f"shares = {shares}.tolist()",
        'for share, label in sorted(zip(shares, about["labels"]), reverse=True):',
        '    print(f"{share:.6f} {label}")',
    ]
