"""Base models of the Hugging Face Hub: which there are (``search``), and what one is (``look``).

Only pages and small files are read here; engine.work.hub.download brings the weights. Runs in a process that was
started with ``engine.process.oneshot.online_environment``.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelInfo, constants, errors, get_session
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # kept there for others, the library says
    build_hf_headers,
    hf_raise_for_status,
)

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
    explain_hub_error,
    explained_errors,
    first_answer,
)
from engine.work.hub.fetch import HubFile, fetch_file
from engine.work.hub.model_files import SMALL_FILES, needed_files, safe_files, why_unusable

PAGE_FIELDS = [
    "downloads",
    "gated",
    "library_name",
    "pipeline_tag",
    "safetensors",
    "sha",
    "siblings",
    "tags",
]
DTYPE_BYTES = {
    "F64": 8,
    "I64": 8,
    "F32": 4,
    "I32": 4,
    "BF16": 2,
    "F16": 2,
    "I16": 2,
}  # bytes; all others have one
SMALL_FILE_LIMIT = (
    64 * 2**20
)  # bytes of one file that is read before the weights; the largest indexes have ten million
MAX_RESULTS = 100  # models asked for at once


def search_models(
    query: str, task: str, licence: str, largest: int | None, largest_bytes: int | None, limit: int
) -> list[HubModel]:
    """Models by what they are called and are for, the most downloaded first; raises ModelError."""
    limit = max(1, min(limit, MAX_RESULTS))
    params: dict[str, Any] = {"sort": "downloads", "limit": limit, "expand": PAGE_FIELDS}
    params |= {"search": query.strip()} if query.strip() else {}
    params |= {"pipeline_tag": task} if task else {}
    params |= {"filter": f"license:{licence}"} if licence else {}
    if sizes := [
        size for size in (largest, largest_bytes) if size is not None
    ]:  # a parameter has a byte or more
        # The Hub takes whole billions; what is too large by less than one is sifted out here, so ask for more.
        params |= {"num_parameters": f"max:{-(-min(sizes) // 10**9)}B", "limit": MAX_RESULTS}
    with explained_errors(MODEL, query):
        found = [
            _hub_model(page) for page in first_answer(MODEL, query, lambda: _list_models(params))
        ]
    return [
        one
        for one in found
        if _is_within(one.parameters, largest) and _is_within(one.bytes, largest_bytes)
    ][:limit]


def _list_models(params: dict[str, Any]) -> list[ModelInfo]:
    # Not HfApi.list_models: it tries a busy Hub again for half a minute before it says so.
    headers = build_hf_headers()
    answer = get_session().get(
        f"{constants.ENDPOINT}/api/models",
        params=params,
        headers=headers,
        timeout=FIRST_ANSWER_SECONDS,
    )
    hf_raise_for_status(answer)
    return [ModelInfo(**item) for item in answer.json()]  # type: ignore[no-untyped-call]


def _is_within(size: int | None, largest: int | None) -> bool:
    return largest is None or (size is not None and size <= largest)


def _hub_model(page: ModelInfo, problem: str = "", size: int | None = None) -> HubModel:
    names = None if page.siblings is None else [one.rfilename for one in page.siblings]
    tags, counts = page.tags or [], page.safetensors.parameters if page.safetensors else {}
    estimate = sum(count * DTYPE_BYTES.get(kind, 1) for kind, count in counts.items()) or None
    return HubModel(
        name=page.id,
        revision=page.sha or "",
        task=page.pipeline_tag or "",
        licence=page_licence(page),
        gated=page.gated if isinstance(page.gated, str) else "",
        downloads=page.downloads or 0,
        parameters=page.safetensors.total if page.safetensors else None,
        bytes=size or estimate,
        safetensors=bool(counts)
        if names is None
        else any(name.endswith(".safetensors") for name in names),
        tags=tuple(tags),
        problem=problem
        or (why_unusable(names, tags, page.library_name or "") if names is not None else ""),
    )


def page_licence(page: ModelInfo) -> str:
    """The licence as the card or the tags state it; one of its own by its own name."""
    card: dict[str, Any] = page.card_data.to_dict() if page.card_data else {}  # type: ignore[no-untyped-call]
    found = card.get("license") or [
        tag[8:] for tag in page.tags or [] if tag.startswith("license:")
    ]
    text = ", ".join(map(str, found)) if isinstance(found, list) else str(found)
    own = card.get("license_name") if text == "other" else None
    return f"{own} (its own)" if own else text or "not stated"


# --- one model ---


def describe_hub_model(store: Store, name: str) -> HubPage:
    """What a model is, with its small files where they may be read; raises ModelError."""
    with explained_errors(MODEL, name):
        page = open_page(name)
        files = allowed_files(page)
        model, folder, todo = _hub_model(page), None, ""
        if not model.problem:
            try:
                folder = _small_files(store, page, files)
            except errors.GatedRepoError as error:
                todo = explain_hub_error(MODEL, page.id, error)
                todo += (
                    " Its owner decides on each request, which may take days."
                    if page.gated == "manual"
                    else ""
                )
            try:
                if folder:
                    config_json.check_settings_files(folder)
                size = sum(files[one].size for one in needed_files(files, folder))
                model = _hub_model(page, size=size)
            except ModelError as error:
                model, folder = _hub_model(page, str(error)), None
        incoming = store.models / INCOMING / folder_name(page.id)
        return HubPage(
            model=model,
            folder=folder,
            todo=todo,
            here=sum(one.stat().st_size for one in incoming.glob("*") if one.name != ORIGIN_FILE),
            free=shutil.disk_usage(store.models).free,
            downloaded=read_origin(store.models / folder_name(page.id)) is not None,
        )


def open_page(name: str, revision: str = "") -> ModelInfo:
    """A model's page at a commit, with the sizes of its files; raises ModelError and the library's errors."""
    api, at = HfApi(), revision or None
    first_answer(
        MODEL,
        name,
        lambda: api.model_info(name, revision=at, expand=["sha"], timeout=FIRST_ANSWER_SECONDS),
    )
    page = api.model_info(name, revision=at, files_metadata=True, timeout=30)
    folder_name(
        page.id
    )  # an old name leads to a new one, which becomes a folder's, as the commit does
    if not page.sha or not COMMIT_HASH.fullmatch(page.sha):
        raise ModelError(
            f"The Hub does not say which version of '{page.id}' is its newest. Try again later."
        )
    return page


def allowed_files(page: ModelInfo) -> dict[str, HubFile]:
    """The files that may be taken, by name; raises ModelError."""
    found = {}
    all_files = {one.rfilename: one for one in page.siblings or []}
    for name in safe_files(all_files):
        one, large = all_files[name], all_files[name].lfs
        digest = (large.sha256 if large else one.blob_id) or ""
        found[name] = HubFile(
            name, (large.size if large else one.size) or 0, digest, large is not None
        )
    return found


def _small_files(store: Store, page: ModelInfo, files: dict[str, HubFile]) -> Path:
    """The folder of a model's small files at its commit: there is one whole or not at all."""
    place = store.models / CONFIGS / str(page.sha) / folder_name(page.id)
    if not place.is_dir():
        with whole_folder(place) as draft:
            fetch_small_files(page, files, draft)
    return place


def fetch_small_files(page: ModelInfo, files: dict[str, HubFile], folder: Path) -> None:
    """Bring what tells about a model into a folder; raises ModelError and the network's errors."""
    for name in (one for one in needed_files(files, None) if one in SMALL_FILES):
        if files[name].size > SMALL_FILE_LIMIT:
            raise ModelError(
                f"The {name} of '{page.id}' has {format_hub_bytes(files[name].size)}. Choose another model."
            )
        fetch_file(page.id, str(page.sha), files[name], folder)
