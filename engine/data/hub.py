"""Datasets of the Hugging Face Hub: which rows to download, and what a dataset holds.

``engine.work.hub.datasets`` asks and downloads, in a child process, since its library reads its
settings when it is imported.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class HubSpec(BaseModel):
    """Which rows of which dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str  # "owner/name", or "name" for the oldest ones
    config: str = ""  # empty: the dataset's default
    split: str = "train"
    first: int = 0
    count: int | None = None  # None: to the end


class HubInfo(BaseModel):
    """What is known of a dataset before anything is downloaded."""

    model_config = ConfigDict(frozen=True)
    name: str
    revision: str
    splits: dict[str, dict[str, int | None]]  # config -> split -> rows where the card says so
    default: str  # the config that is read if none is named; empty where one must be chosen
    licence: str
    gated: bool
    size: int | None  # bytes of all data files
    notes: list[str]
