"""Finds base models of the Hugging Face Hub, and describes them by their page and small files.

engine.work.hub.download brings the weights. Runs in a process that was started with
``engine.process.environment.online_environment``.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetInfo, HfApi, ModelInfo, constants, errors, get_session

# The library says that other programs may use these from there.
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    hf_raise_for_status,
)

from engine.errors import ModelError
from engine.model import config_json, hub
from engine.store.files import whole_folder
from engine.store.workspace import Store
from engine.text import format_hub_bytes
from engine.work.hub.errors import (
    FIRST_ANSWER_SECONDS,
    MODEL,
    explain_hub_error,
    explained_errors,
    first_answer,
    open_hub_page,
)
from engine.work.hub.fetch import HubFile, fetch_file
from engine.work.hub.model_files import SMALL_FILES, needed_files, safe_files, why_unusable

# Bytes of a weight; one for all other types.
DTYPE_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2}
# Bytes of one small file; the largest indexes have ten million.
SMALL_FILE_LIMIT = 64 * 2**20
PAGE_FIELDS = [
    "downloads", "gated", "library_name", "pipeline_tag", "safetensors", "sha", "siblings", "tags",
]  # fmt: skip
RESULTS, MOST_ASKED = 30, 100  # models that are shown, and that are asked for at once
MANUAL_GATE = " Its owner decides on each request, which may take days."


def describe_page(page: ModelInfo, problem: str = "", size: int | None = None) -> hub.HubModel:
    """A model by its page; ``problem`` and ``size`` (bytes to download) come from its files."""
    files = None if page.siblings is None else [one.rfilename for one in page.siblings]
    weights = page.safetensors
    counts = weights.parameters if weights else {}
    has_safetensors = bool(counts)
    if files is not None:
        has_safetensors = any(name.endswith(".safetensors") for name in files)
        problem = problem or why_unusable(files, page.tags or [], page.library_name or "")
    estimate = sum(count * DTYPE_BYTES.get(dtype, 1) for dtype, count in counts.items())
    return hub.HubModel(
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


def page_licence(page: ModelInfo | DatasetInfo) -> str:
    """The licence that the card or the tags state; the owner's own licence by its name."""
    card: dict[str, Any] = {}
    if page.card_data:
        card = page.card_data.to_dict()  # type: ignore[no-untyped-call]
    tags = [tag.removeprefix("license:") for tag in page.tags or [] if tag.startswith("license:")]
    found = card.get("license") or tags
    text = ", ".join(map(str, found)) if isinstance(found, list) else str(found)
    own = card.get("license_name") if text == "other" else None
    return f"{own} (its own)" if own else text or "not stated"


def describe_hub_model(store: Store, name: str) -> hub.HubPage:
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
        own_name = hub.folder_name(page.id)
        incoming = (store.models / hub.INCOMING / own_name).glob("*")
        return hub.HubPage(
            model=model,
            folder=folder,
            todo=todo,
            here=sum(one.stat().st_size for one in incoming if one.name != hub.ORIGIN_FILE),
            free=shutil.disk_usage(store.models).free,
            downloaded=hub.read_origin(store.models / own_name) is not None,
        )


def open_page(name: str, revision: str = "") -> ModelInfo:
    """A model's page at a commit, with file sizes; raises ModelError and the library's errors."""
    page = open_hub_page(MODEL, HfApi().model_info, name, revision=revision or None)
    # An old name leads to a new one. The name and the commit become names of folders.
    hub.folder_name(page.id)
    if not page.sha or not hub.COMMIT_HASH.fullmatch(page.sha):
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
    if large := sibling.lfs:
        return HubFile(sibling.rfilename, large.size or 0, large.sha256 or "", large=True)
    return HubFile(sibling.rfilename, sibling.size or 0, sibling.blob_id or "", large=False)


def _small_files(store: Store, page: ModelInfo, files: dict[str, HubFile]) -> Path:
    """The folder of a model's small files at its commit; it is there whole or not at all."""
    folder = store.models / hub.CONFIGS / str(page.sha) / hub.folder_name(page.id)
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


def search_hub_models(
    query: str, task: str, licence: str, largest: int | None
) -> list[hub.HubModel]:
    """Models by name, task and licence, the most downloaded first; raises ModelError.

    With ``largest`` (parameters), models of unknown size are left out.
    """
    params: dict[str, Any] = {"sort": "downloads", "limit": RESULTS, "expand": PAGE_FIELDS}
    params |= {"search": query.strip()} if query.strip() else {}
    params |= {"pipeline_tag": task} if task else {}
    params |= {"filter": f"license:{licence}"} if licence else {}
    if largest is not None:
        # The Hub takes whole billions only. Models that are slightly too large are dropped below,
        # so more are asked for.
        params |= {"num_parameters": f"max:{-(-largest // 10**9)}B", "limit": MOST_ASKED}
    with explained_errors(MODEL, query):
        pages = first_answer(MODEL, query, lambda: _list_models(params))
        found = [describe_page(page) for page in pages]
    if largest is not None:
        found = [one for one in found if one.parameters and one.parameters <= largest]
    return found[:RESULTS]


def _list_models(params: dict[str, Any]) -> list[ModelInfo]:
    # Not HfApi.list_models: it retries a busy Hub for half a minute before it says so.
    url, headers = f"{constants.ENDPOINT}/api/models", build_hf_headers()
    answer = get_session().get(url, params=params, headers=headers, timeout=FIRST_ANSWER_SECONDS)
    hf_raise_for_status(answer)
    return [ModelInfo(**item) for item in answer.json()]  # type: ignore[no-untyped-call]
