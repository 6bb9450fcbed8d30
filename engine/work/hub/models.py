"""What a base model of the Hugging Face Hub is, from its page and its small files.

engine.work.hub.download brings the weights. Runs in a process that was started with
``engine.process.oneshot.online_environment``.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelInfo, errors

from engine.errors import ModelError
from engine.model import config_json
from engine.model.hub import (
    COMMIT_HASH,
    CONFIGS,
    INCOMING,
    ORIGIN_FILE,
    HubModel,
    HubPage,
    folder_name,
    read_origin,
)
from engine.store.files import whole_folder
from engine.store.workspace import Store
from engine.text import format_hub_bytes
from engine.work.hub.errors import (
    FIRST_ANSWER_SECONDS,
    MODEL,
    PAGE_SECONDS,
    explain_hub_error,
    explained_errors,
    first_answer,
)
from engine.work.hub.fetch import HubFile, fetch_file
from engine.work.hub.model_files import SMALL_FILES, needed_files, safe_files, why_unusable

# Bytes of a weight; one for all other types.
DTYPE_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2}
# Bytes of one small file; the largest indexes have ten million.
SMALL_FILE_LIMIT = 64 * 2**20
MANUAL_GATE = " Its owner decides on each request, which may take days."


def describe_page(page: ModelInfo, problem: str = "", size: int | None = None) -> HubModel:
    """A model as its page describes it.

    ``problem`` and ``size`` (bytes to download) are what is known from its files.
    """
    files = None if page.siblings is None else [one.rfilename for one in page.siblings]
    weights = page.safetensors
    counts = weights.parameters if weights else {}
    has_safetensors = bool(counts)
    if files is not None:
        has_safetensors = any(name.endswith(".safetensors") for name in files)
        problem = problem or why_unusable(files, page.tags or [], page.library_name or "")
    estimate = sum(count * DTYPE_BYTES.get(dtype, 1) for dtype, count in counts.items())
    return HubModel(
        name=page.id,
        revision=page.sha or "",
        task=page.pipeline_tag or "",
        licence=page_licence(page),
        gated=page.gated if isinstance(page.gated, str) else "",
        downloads=page.downloads or 0,
        parameters=weights.total if weights else None,
        bytes=size or estimate or None,
        safetensors=has_safetensors,
        tags=tuple(page.tags or []),
        problem=problem,
    )


def page_licence(page: ModelInfo) -> str:
    """The licence that the card or the tags state; the owner's own licence by its name."""
    card: dict[str, Any] = {}
    if page.card_data:
        card = page.card_data.to_dict()  # type: ignore[no-untyped-call]
    tags = [tag.removeprefix("license:") for tag in page.tags or [] if tag.startswith("license:")]
    found = card.get("license") or tags
    text = ", ".join(map(str, found)) if isinstance(found, list) else str(found)
    own = card.get("license_name") if text == "other" else None
    return f"{own} (its own)" if own else text or "not stated"


def describe_hub_model(store: Store, name: str) -> HubPage:
    """What a model is, with its small files where they may be read; raises ModelError."""
    with explained_errors(MODEL, name):
        page = open_page(name)
        files = allowed_files(page)
        model, folder, todo = describe_page(page), None, ""
        if not model.problem:
            try:
                folder = _small_files(store, page, files)
            except errors.GatedRepoError as error:
                todo = explain_hub_error(MODEL, page.id, error)
                todo += MANUAL_GATE if page.gated == "manual" else ""
            try:
                if folder:
                    config_json.check_settings_files(folder)
                size = sum(files[one].size for one in needed_files(files, folder))
                model = describe_page(page, size=size)
            except ModelError as error:
                model, folder = describe_page(page, str(error)), None
        own_name = folder_name(page.id)
        incoming = store.models / INCOMING / own_name
        return HubPage(
            model=model,
            folder=folder,
            todo=todo,
            here=sum(one.stat().st_size for one in incoming.glob("*") if one.name != ORIGIN_FILE),
            free=shutil.disk_usage(store.models).free,
            downloaded=read_origin(store.models / own_name) is not None,
        )


def open_page(name: str, revision: str = "") -> ModelInfo:
    """A model's page at a commit, with the sizes of its files.

    Raises ModelError and the library's errors.
    """
    api, at = HfApi(), revision or None
    first_answer(
        MODEL,
        name,
        lambda: api.model_info(name, revision=at, expand=["sha"], timeout=FIRST_ANSWER_SECONDS),
    )
    page = api.model_info(name, revision=at, files_metadata=True, timeout=PAGE_SECONDS)
    # An old name leads to a new one. The name and the commit become names of folders.
    folder_name(page.id)
    if not page.sha or not COMMIT_HASH.fullmatch(page.sha):
        raise ModelError(
            f"The Hub does not say which version of '{page.id}' is its newest. Try again later."
        )
    return page


def allowed_files(page: ModelInfo) -> dict[str, HubFile]:
    """The files that may be taken, by name; raises ModelError."""
    all_files = {one.rfilename: one for one in page.siblings or []}
    return {name: _hub_file(all_files[name]) for name in safe_files(all_files)}


def _hub_file(sibling: Any) -> HubFile:
    """A file of the page's list; large files (LFS) have a size and a hash of their own."""
    large = sibling.lfs
    if large:
        return HubFile(sibling.rfilename, large.size or 0, large.sha256 or "", large=True)
    return HubFile(sibling.rfilename, sibling.size or 0, sibling.blob_id or "", large=False)


def _small_files(store: Store, page: ModelInfo, files: dict[str, HubFile]) -> Path:
    """The folder of a model's small files at its commit; it is there whole or not at all."""
    folder = store.models / CONFIGS / str(page.sha) / folder_name(page.id)
    if not folder.is_dir():
        with whole_folder(folder) as draft:
            fetch_small_files(page, files, draft)
    return folder


def fetch_small_files(page: ModelInfo, files: dict[str, HubFile], folder: Path) -> None:
    """Download the files that describe a model; raises ModelError and the network's errors."""
    for name in (one for one in needed_files(files, None) if one in SMALL_FILES):
        if files[name].size > SMALL_FILE_LIMIT:
            size = format_hub_bytes(files[name].size)
            raise ModelError(f"The {name} of '{page.id}' has {size}. Choose another model.")
        fetch_file(page.id, str(page.sha), files[name], folder)
