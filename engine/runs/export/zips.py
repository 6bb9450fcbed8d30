"""Zips of the adapter and of merged models: with a README, and without a path of this machine."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import HoneError, RunError
from engine.model import local
from engine.model.config_json import TOKENIZER_CONFIG
from engine.model.named_base import NamedBase, name_base
from engine.runs.export.readme import make_readme
from engine.spec.spec_file import dump_spec_yaml
from engine.store.run_dir import RunDir

README, SPEC = "README.md", "hone-spec.yaml"
# Of a base model's folder: taken where a result of an earlier version, or one that another program
# made, has no tokenizer of its own.
TOKENIZER_FILES = (
    "tokenizer.json", TOKENIZER_CONFIG, "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", "spiece.model", "sentencepiece.bpe.model",
    "chat_template.jinja",
)  # fmt: skip
LICENCE_FILES = (
    "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "NOTICE.txt", "USE_POLICY.md",
)  # fmt: skip
LICENCE_FOLDER = "licence-of-the-base-model"
OF_THIS_MACHINE = ("is_local", "local_files_only", "name_or_path")  # what a tokenizer notes


class _Taken(NamedTuple):
    """What goes into a zip: files by their names in it, and texts that are made for it."""

    files: Mapping[str, Path]
    texts: Mapping[str, str]


def adapter_zip(run: RunDir) -> Path:
    """The adapter with its settings as a zip file; raises RunError where nothing was saved."""
    if not run.has_result:
        raise RunError("This run has not saved anything yet, so there is no adapter to take.")
    return _write_zip(run, run.adapter, f"{run.id}-adapter", "")


def merged_zip(run: RunDir, precision: str) -> Path:
    """The merged and checked model as a zip file; raises RunError where there is none."""
    folder, result = run.merged(precision), run.view().merged.get(precision)
    if result is None or not result.ok or not folder.is_dir():
        raise RunError("There is no merged model of this precision yet. Press Merge first.")
    return _write_zip(run, folder, f"{run.id}-{precision}", precision)


def _write_zip(run: RunDir, folder: Path, stem: str, precision: str) -> Path:
    target = run.path / "export" / f"{stem}.zip"
    target.parent.mkdir(exist_ok=True)
    draft, taken = target.with_suffix(".part"), _take(run, folder, precision)
    # Weights do not compress: storing them is ten times as fast and a few percent larger.
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        for name, text in taken.texts.items():
            archive.writestr(f"{stem}/{name}", text)
        for name, file in taken.files.items():
            archive.write(file, f"{stem}/{name}")
    draft.replace(target)
    return target


def _take(run: RunDir, folder: Path, precision: str) -> _Taken:
    files, base = dict(_result_files(run, folder)), name_base(run.spec.model.source)
    texts = {SPEC: _portable_spec(run, base)}
    for name, rewrite in REWRITTEN.items():
        if name in files:
            values = json.loads(files.pop(name).read_text(encoding="utf-8"))
            texts[name] = json.dumps(rewrite(values, base), ensure_ascii=False, indent=2)
    names = sorted([*files, *texts])
    return _Taken(files, {README: make_readme(run, base, precision, names)} | texts)


def _result_files(run: RunDir, folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of a result, with what it needs of its base model's folder."""
    found = {
        file.relative_to(folder).as_posix(): file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }
    base = None
    with suppress(HoneError):  # it may be gone, or have become something else
        base = local.checked_folder(run.spec.model.source)
    if base and TOKENIZER_CONFIG not in found:
        for name in TOKENIZER_FILES:
            if name not in found and (base / name).is_file():
                yield name, base / name
    if base:
        for name in LICENCE_FILES:
            if (base / name).is_file():
                yield f"{LICENCE_FOLDER}/{name}", base / name
    yield from found.items()


# --- rewritten for others ---


def _portable_spec(run: RunDir, base: NamedBase) -> str:
    """The run's settings, the base model by the name that others know."""
    spec, source = run.spec, base.name
    if base.on_hub:
        source = local.HUB_PREFIX + base.name
    model = spec.model.model_copy(update={"source": source})
    return dump_spec_yaml(spec.model_copy(update={"model": model}))


def _portable_adapter(values: dict[str, Any], base: NamedBase) -> dict[str, Any]:
    """An adapter's config with the base model's own name, and its commit where that is known."""
    values["base_model_name_or_path"] = base.name
    return values | ({"revision": base.revision} if base.revision else {})


def _portable_tokenizer(values: dict[str, Any], base: NamedBase) -> dict[str, Any]:
    """A tokenizer's settings without what it notes of the machine that saved it."""
    return {name: value for name, value in values.items() if name not in OF_THIS_MACHINE}


def _portable_model(values: dict[str, Any], base: NamedBase) -> dict[str, Any]:
    """A model's config without the folder that it was loaded from."""
    return {name: value for name, value in values.items() if name != "_name_or_path"}


Rewrite = Callable[[dict[str, Any], NamedBase], dict[str, Any]]
REWRITTEN: dict[str, Rewrite] = {
    "adapter_config.json": _portable_adapter,
    TOKENIZER_CONFIG: _portable_tokenizer,
    "config.json": _portable_model,
}
