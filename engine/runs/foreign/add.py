"""Adds an adapter that another program made, as a run that is finished: to compare, score, merge,
export and train on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from engine.coach.caution import SEEN_BEFORE
from engine.data.prepared import Prepared
from engine.data.rows import RowWriter, read_rows
from engine.errors import ModelError, SpecError
from engine.model import adapter_fit, fingerprint, hub, local
from engine.model.adapter import ForeignAdapter, read_adapter
from engine.model.adapter_files import CONFIG_NAME, LABELS_NAME, WEIGHTS_NAME, own_template
from engine.model.info import ModelInfo
from engine.process import oneshot
from engine.runs import quota
from engine.runs.engine import Engine
from engine.runs.foreign.head import LabelledHead, read_head, require_same_labels
from engine.spec.data import DataSpec, Shape
from engine.spec.method import MethodSpec
from engine.spec.objective import LABEL_OBJECTIVES
from engine.spec.run import RunSpec, make_spec
from engine.store import data_limits
from engine.store import events as ev
from engine.store.files import draft_folder, write_json, write_whole
from engine.store.run_dir import RunDir

ASKED_FILES = ("asking.json", "generation_config.json", "chat_template.jinja")
TASK_WORDS = {"write": "write", "classify": "choose labels"}
OTHER_FORMAT = (
    "Its files bring a chat format (template) that is neither the base model's nor one of Hone's. "
    "Here it is asked in another one, so its replies may be worse than they are elsewhere."
)
Models = Sequence[tuple[str, str]]  # source and label


class Choices(NamedTuple):
    """What the user says of an adapter that he adds."""

    name: str = ""  # of the run; empty: that of the files
    base: str = ""  # a source; empty: the model that the adapter names
    data: DataSpec | None = None  # to score it on


class _Parts(NamedTuple):
    """All that is known of an adapter before anything is copied."""

    files: Mapping[str, Path]
    adapter: ForeignAdapter
    info: ModelInfo
    method: MethodSpec
    head: LabelledHead | None
    base: str
    base_folder: Path
    template: str | None  # the setting that writes chats as its own template; None: it has none


def add_adapter(
    engine: Engine, files: Mapping[str, Path], label: str, choices: Choices, models: Models
) -> RunDir:
    """Add an adapter's files, by their names, as a run; raises HoneError and keeps nothing.

    ``label``: what the user calls the files; ``models``: the base models he may use.
    """
    quota.require_run_place(engine.store)
    parts = _read_parts(engine, files, label, choices, models)
    data_limits.require_space(engine.store, files[WEIGHTS_NAME].stat().st_size)
    spec = _make_spec(parts, choices, label)
    with _rows(engine, spec, choices, parts.head) as (train, held_out, about):
        plain_text = about["shape"] == Shape.TEXT.value
        asked: dict[str, str] = {}
        if parts.head is None:
            asked = engine.desk.describe_asking(parts.base_folder, spec.data, plain_text)
        return engine.store.create_run(
            spec, train, held_out, about, lambda run: _fill_run(run, parts, asked)
        )


def find_base(base_name: str, models: Models) -> str:
    """The source of the model that an adapter's config names; empty where that is not certain.

    By its path, by its name on the Hub, or by the last part of either.
    """
    if not base_name:
        return ""
    if base_name in {source for source, _ in models}:
        return base_name
    last = _last_part(base_name)
    folders = {source: local.model_path(source) for source, _ in models}
    origins = {source: hub.read_origin(folder) for source, folder in folders.items()}
    for fits in (
        [one for one, about in origins.items() if about and about.repo == base_name],
        [one for one, folder in folders.items() if folder.name.lower() == last],
        [one for one, about in origins.items() if about and _last_part(about.repo) == last],
    ):
        if len(fits) == 1:
            return fits[0]
    return ""


def _last_part(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name.lower()


def _read_parts(
    engine: Engine, files: Mapping[str, Path], label: str, choices: Choices, models: Models
) -> _Parts:
    adapter = read_adapter(files, label)
    base = choices.base or find_base(adapter.base_name, models)
    if not base:
        named = "Its config names no base model."
        if adapter.base_name:
            named = f"Its config names '{adapter.base_name}', which is not here under that name."
        raise SpecError(
            f"Which base model was '{label}' made for? {named} Choose it among the base models, or "
            "download it on the Model tab first."
        )
    folder = local.checked_folder(base)
    info = engine.desk.inspect_model(base)
    if adapter.task not in info.tasks:
        raise ModelError(
            f"'{label}' cannot be added. It was made to {TASK_WORDS[adapter.task]}, and "
            f"'{info.name}' cannot do that. Choose the model that it was made for."
        )
    if info.task != adapter.task:
        info = engine.desk.inspect_model(base, adapter.task)
    name = next((shown for source, shown in models if source == base), info.name)
    try:
        method = adapter_fit.method_of_adapter(adapter, info, name)
        head = read_head(files, adapter, info)
    except (ModelError, SpecError) as error:
        raise type(error)(f"'{label}' cannot be added. {error}") from None
    own = own_template(files)
    template = engine.desk.match_template(folder, own) if own and head is None else None
    return _Parts(files, adapter, info, method, head, base, folder, template)


def _make_spec(parts: _Parts, choices: Choices, label: str) -> RunSpec:
    """The settings that such a run would have had, as far as the files say."""
    data = choices.data or DataSpec()
    longest = min(data.max_length, parts.info.context or data.max_length)
    values: dict[str, Any] = {"max_length": max(16, longest)}
    if parts.template:
        values["template"] = parts.template
    if parts.head:
        values["goal"] = parts.head.goal
    elif data.goal in LABEL_OBJECTIVES:
        values["goal"] = "auto"
    return make_spec(
        {
            "name": (choices.name.strip() or label)[:80],
            "model": {"source": parts.base},
            "data": data.model_dump() | values,
            "method": parts.method.model_dump(),
        }
    )


@contextmanager
def _rows(
    engine: Engine, spec: RunSpec, choices: Choices, head: LabelledHead | None
) -> Iterator[tuple[Path, Path, dict[str, Any]]]:
    """Training rows, held-out rows and what they are; none where no data was chosen."""
    if choices.data is not None:
        prepared: Prepared = oneshot.prepare_rows(engine.store, spec.data)
        prepared.require_usable()
        if head:
            require_same_labels(head, prepared)
        yield prepared.train_file, prepared.held_out_file, prepared.summary()
        return
    shape, labels = (Shape.LABEL, head.labels) if head else (Shape.CHAT, ())
    with draft_folder(engine.store.runs) as folder:
        for name in ("train.arrow", "heldout.arrow"):
            with RowWriter(folder / name):
                pass
        about = {"name": "", "shape": shape.value, "labels": list(labels)}
        about["each_label"] = list(labels)
        yield folder / "train.arrow", folder / "heldout.arrow", about


def _fill_run(run: RunDir, parts: _Parts, asked: dict[str, str]) -> None:
    """The adapter's files, its config written anew, and the event that says where it is from."""
    run.adapter.mkdir()
    for name in ASKED_FILES:
        if name in asked:
            write_whole(run.adapter / name, asked[name])
    base = str(parts.base_folder)
    config = adapter_fit.plain_config(parts.adapter, parts.method, parts.info, base)
    write_json(run.adapter / CONFIG_NAME, config)
    if parts.head:
        write_json(run.adapter / LABELS_NAME, parts.head.metadata)
    shutil.copyfile(parts.files[WEIGHTS_NAME], run.adapter / WEIGHTS_NAME)
    run.emit(
        ev.Imported(
            base_name=parts.adapter.base_name,
            made_with=parts.adapter.made_with,
            model_hash=fingerprint.hash_model(parts.base_folder),
        )
    )
    if parts.template == "":
        run.emit(ev.Warned(text=OTHER_FORMAT))
    if len(read_rows(run.held_out_file)):
        run.emit(ev.Warned(text=SEEN_BEFORE))
