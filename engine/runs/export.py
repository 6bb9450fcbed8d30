"""Exports: zips of the adapter and of merged models, and Python code that loads them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from engine.errors import RunError
from engine.model import local
from engine.spec.run import Shape
from engine.store.run_dir import RunDir, is_whole_model, read_data_summary


def adapter_zip(run: RunDir) -> Path:
    """The adapter with its settings as a zip file; raises RunError where nothing was saved."""
    if not run.has_result:
        raise RunError("This run has not saved anything yet, so there is no adapter to take.")
    return _write_zip(run, run.adapter, f"{run.id}-adapter")


def merged_zip(run: RunDir, precision: str) -> Path:
    """The merged and checked model as a zip file; raises RunError where there is none."""
    folder, result = run.merged(precision), run.view().merged.get(precision)
    if result is None or not result.ok or not folder.is_dir():
        raise RunError("There is no merged model of this precision yet. Press Merge first.")
    return _write_zip(run, folder, f"{run.id}-{precision}")


def _write_zip(run: RunDir, folder: Path, stem: str) -> Path:
    target = run.path / "export" / f"{stem}.zip"
    target.parent.mkdir(exist_ok=True)
    draft = target.with_suffix(".part")
    # Weights do not compress: storing them is ten times as fast and a few percent larger.
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.name == "adapter_config.json":
                archive.writestr(f"{stem}/{file.name}", _portable_config(file))
            elif file.is_file() and not file.name.startswith("."):
                archive.write(file, f"{stem}/{file.relative_to(folder).as_posix()}")
        archive.write(run.spec_file, f"{stem}/hone-spec.yaml")
    draft.replace(target)
    return target


def _portable_config(config: Path) -> str:
    """An adapter's config without this machine's folder: only the base model's own name is kept."""
    values = json.loads(config.read_text(encoding="utf-8"))
    values["base_model_name_or_path"] = Path(values.get("base_model_name_or_path") or "").name
    return json.dumps(values, indent=2)


def python_lines(run: RunDir, precision: str = "") -> str:
    """Lines of Python that load a run's result and ask it something, as Hone asks it.

    With a precision, they load the model that was merged in it.
    """
    result = run.merged(precision) if precision else run.adapter
    whole = bool(precision) or is_whole_model(run.adapter)
    if (run.adapter / "labels.json").is_file():
        return _classifier_lines(run, result, whole)
    kind = "AutoModelForCausalLM" if whole else "AutoPeftModelForCausalLM"
    names = "AutoModelForCausalLM, AutoTokenizer" if whole else "AutoTokenizer, GenerationConfig"
    lines = [f"from transformers import {names}"]
    lines += [] if whole else [f"from peft import {kind}; from pathlib import Path"]
    lines += [
        f"tokenizer = {_load_tokenizer_line(run, result)}",
        f'model = {kind}.from_pretrained(r"{result}")',
    ]
    if not whole and (result / "generation_config.json").is_file():
        lines.append(f'model.generation_config = GenerationConfig.from_pretrained(r"{result}")')
    lines += _ask_lines(run, result)
    return "\n".join(lines)


def _load_tokenizer_line(run: RunDir, result: Path) -> str:
    if (result / "tokenizer_config.json").is_file():
        return f'AutoTokenizer.from_pretrained(r"{result}")'
    # A result of an earlier version has the chat template alone, which need not be the base's own.
    base, file, template = local.model_path(run.spec.model.source), "chat_template.jinja", ""
    if (result / file).is_file():
        template = f', chat_template=Path(r"{result / file}").read_text(encoding="utf-8")'
    return f'AutoTokenizer.from_pretrained(r"{base}"{template})'


def _ask_lines(run: RunDir, result: Path) -> list[str]:
    """Lines that ask a model that writes: its question has the very tokens that Hone's has."""
    asking = _read_asking(run, result)
    if asking["plain_text"]:
        lines = ['ids = tokenizer("Hello!", return_tensors="pt")']
        if added := asking.get("left_off_tokens"):
            lines.append(f"ids = {{name: part[:, :-{added}] for name, part in ids.items()}}")
    else:
        turns: list[dict[str, Any]] = [{"role": "user", "content": "Hello!"}]
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
            'ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")',
        ]
    stop = ""
    if texts := asking.get("stop_texts"):
        stop = f", stop_strings={list(texts)!r}, tokenizer=tokenizer"
    return [
        *lines,
        'reply = model.generate(input_ids=ids["input_ids"], '
        f'attention_mask=ids["attention_mask"], max_new_tokens=64{stop})',
        "print(tokenizer.decode(reply[0]))",
    ]


def _read_asking(run: RunDir, result: Path) -> dict[str, Any]:
    """How a result is asked (engine.work.model.asking); of earlier versions, as far as known."""
    file = result / "asking.json"
    if file.is_file():
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found
    plain_text = read_data_summary(run.about_file).shape == Shape.TEXT
    return {"plain_text": plain_text, "system": run.spec.data.system.strip()}


def _classifier_lines(run: RunDir, result: Path, whole: bool) -> str:
    """Lines of Python for a model that chooses labels or gives a number."""
    base = local.model_path(run.spec.model.source)
    about = json.loads((run.adapter / "labels.json").read_text(encoding="utf-8"))
    lines = ["from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline"]
    if whole:
        lines.append(f'model = AutoModelForSequenceClassification.from_pretrained(r"{result}")')
    else:
        labels = result / "labels.json"
        lines += [
            "import json; from pathlib import Path; from peft import PeftModel",
            f'about = json.loads(Path(r"{labels}").read_text(encoding="utf-8"))',
            'named = {"id2label": dict(enumerate(about["labels"])), '
            '"problem_type": about["problem_type"]}',
            f'base = AutoModelForSequenceClassification.from_pretrained(r"{base}", **named)',
            f'model = PeftModel.from_pretrained(base, r"{result}").merge_and_unload()',
        ]
    lines.append(
        f'tokenizer = AutoTokenizer.from_pretrained(r"{base if result == run.adapter else result}")'
    )
    lines.append('says = pipeline("text-classification", model=model, tokenizer=tokenizer)')
    if scale := about.get("scale"):
        number = f'says("Hello!")[0]["score"] * {scale["spread"]!r} + {scale["mean"]!r}'
        lines += [
            "# The model counts from the mean of its training values, in units of their spread.",
            f"print({number})",
        ]
    else:
        lines.append('print(says("Hello!", top_k=None))')
    return "\n".join(lines)
