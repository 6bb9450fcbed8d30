"""Exports: zips of the adapter and of merged models, and Python code that loads them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from engine.errors import RunError
from engine.model import local
from engine.spec.run import Shape
from engine.store import run_dir
from engine.store.run_dir import RunDir


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
        for file in sorted(folder.iterdir()):
            if file.name == "adapter_config.json":
                archive.writestr(f"{stem}/{file.name}", _portable_config(file))
            elif file.is_file() and not file.name.startswith("."):
                archive.write(file, f"{stem}/{file.name}")
        archive.write(run.spec_file, f"{stem}/hone-spec.yaml")
    draft.replace(target)
    return target


def _portable_config(config: Path) -> str:
    """An adapter's config without this machine's folder: only the base model's own name is kept."""
    values = json.loads(config.read_text(encoding="utf-8"))
    values["base_model_name_or_path"] = Path(values.get("base_model_name_or_path") or "").name
    return json.dumps(values, indent=2)


def python_lines(run: RunDir, precision: str = "") -> str:
    """Lines of Python that load a run's result and ask it something.

    With a precision, they load the model that was merged in it.
    """
    if (run.adapter / "labels.json").is_file():
        return _classifier_lines(run, precision)
    if precision:
        load = (
            "from transformers import AutoModelForCausalLM, AutoTokenizer",
            f'tokenizer = AutoTokenizer.from_pretrained(r"{run.merged(precision)}")',
            f'model = AutoModelForCausalLM.from_pretrained(r"{run.merged(precision)}")',
        )
    else:
        base = local.model_path(run.spec.model.source)
        # The chat template of the training, which need not be the base model's own.
        file, template = run.adapter / "chat_template.jinja", ""
        if file.is_file():
            template = f', chat_template=open(r"{file}", encoding="utf-8").read()'
        load = (
            "from peft import AutoPeftModelForCausalLM; from transformers import AutoTokenizer",
            f'tokenizer = AutoTokenizer.from_pretrained(r"{base}"{template})',
            f'model = AutoPeftModelForCausalLM.from_pretrained(r"{run.adapter}")',
        )
    ask = (
        'ids = tokenizer.apply_chat_template([{"role": "user", "content": "Hello!"}], '
        'add_generation_prompt=True, return_tensors="pt", return_dict=True)'
    )
    if run_dir.read_data_summary(run.about_file).shape == Shape.TEXT:
        ask = 'ids = tokenizer("Hello", return_tensors="pt", add_special_tokens=False)'
    say = "print(tokenizer.decode(model.generate(**ids, max_new_tokens=64)[0]))"
    return "\n".join([*load, ask, say])


def _classifier_lines(run: RunDir, precision: str) -> str:
    """Lines of Python for a model that chooses labels or gives a number."""
    base = local.model_path(run.spec.model.source)
    result = run.merged(precision) if precision else run.adapter
    whole = bool(precision) or any(run.adapter.glob("model*.safetensors"))
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
    lines.append(f'tokenizer = AutoTokenizer.from_pretrained(r"{result if precision else base}")')
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
