"""Searches the Hub for base models."""

from __future__ import annotations

from typing import Any

from huggingface_hub import ModelInfo, constants, get_session

# The library keeps these there for others, it says.
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    hf_raise_for_status,
)

from engine.model.hub import HubModel
from engine.work.hub.errors import FIRST_ANSWER_SECONDS, MODEL, explained_errors, first_answer
from engine.work.hub.models import describe_page

PAGE_FIELDS = [
    "downloads", "gated", "library_name", "pipeline_tag", "safetensors", "sha", "siblings", "tags",
]  # fmt: skip
MAX_RESULTS = 100  # models asked for at once


def search_hub_models(  # noqa: PLR0913  the fields of the search form
    query: str, task: str, licence: str, largest: int | None, largest_bytes: int | None, limit: int
) -> list[HubModel]:
    """Models by name, task and licence, the most downloaded first; raises ModelError.

    ``largest`` is in parameters, ``largest_bytes`` in bytes of download; models of unknown size are
    then left out.
    """
    limit = max(1, min(limit, MAX_RESULTS))
    params: dict[str, Any] = {"sort": "downloads", "limit": limit, "expand": PAGE_FIELDS}
    params |= {"search": query.strip()} if query.strip() else {}
    params |= {"pipeline_tag": task} if task else {}
    params |= {"filter": f"license:{licence}"} if licence else {}
    # A parameter has at least one byte, so both are limits of the number of parameters.
    if sizes := [size for size in (largest, largest_bytes) if size is not None]:
        # The Hub takes whole billions only. Models that are slightly too large are dropped below,
        # so more are asked for.
        params |= {"num_parameters": f"max:{-(-min(sizes) // 10**9)}B", "limit": MAX_RESULTS}
    with explained_errors(MODEL, query):
        pages = first_answer(MODEL, query, lambda: _list_models(params))
        found = [describe_page(page) for page in pages]
    return [
        one
        for one in found
        if _is_within(one.parameters, largest) and _is_within(one.bytes, largest_bytes)
    ][:limit]


def _list_models(params: dict[str, Any]) -> list[ModelInfo]:
    # Not HfApi.list_models: it retries a busy Hub for half a minute before it says so.
    url, headers = f"{constants.ENDPOINT}/api/models", build_hf_headers()
    answer = get_session().get(url, params=params, headers=headers, timeout=FIRST_ANSWER_SECONDS)
    hf_raise_for_status(answer)
    return [ModelInfo(**item) for item in answer.json()]  # type: ignore[no-untyped-call]


def _is_within(size: int | None, largest: int | None) -> bool:
    return largest is None or (size is not None and size <= largest)
