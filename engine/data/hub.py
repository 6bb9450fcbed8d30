"""Datasets of the Hugging Face Hub as the app knows them: what is wanted, and what one holds.

``engine.work.hub`` asks and downloads, in a child process: its library reads its settings when it is imported.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


class HubSpec(BaseModel):
    """Which rows of which dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str  # "owner/name", or "name" for the oldest ones
    config: str = ""  # empty: the dataset's default
    split: str = "train"
    first: int = 0
    count: int | None = None  # None: to the end


class HubInfo(BaseModel):
    """What a dataset's page tells before anything is downloaded."""

    model_config = ConfigDict(frozen=True)
    name: str
    revision: str
    splits: dict[str, dict[str, int | None]]  # config -> split -> rows where the card says so
    default: str  # the config that is read if none is named; empty where one must be chosen
    licence: str
    gated: bool
    size: int | None  # bytes of all data files
    notes: list[str]


def environment(cache: Path) -> dict[str, str]:
    """The environment for the child process: online, silent about the user, and with a cache of our own.

    HF_TOKEN, HF_HOME (where ``hf auth login`` keeps its token) and HF_ENDPOINT pass through.
    """
    kept = {key: value for key, value in os.environ.items() if key not in OFFLINE}
    return (
        kept
        | {
            "HF_HUB_CACHE": str(cache),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_SYMLINKS_WARNING": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",  # plain HTTP: its breaks are seen, and it needs no cache of its own
            "HF_HUB_DOWNLOAD_TIMEOUT": "20",  # seconds without a byte
            "HF_HUB_ETAG_TIMEOUT": "10",
        }
    )
