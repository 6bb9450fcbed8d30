"""The weights are on their way from the disk while the rows become tokens."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import DataError
from engine.model import local
from engine.spec.run import RunSpec
from engine.work.model import load
from engine.work.train import train


@pytest.fixture
def advised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """What the system is told of the 8 MB of weights in ``tmp_path``; threads run at once."""
    save_file({"a": torch.zeros(2_000_000)}, tmp_path / "model.safetensors")
    found: list[tuple[int, ...]] = []
    monkeypatch.setattr(os, "POSIX_FADV_WILLNEED", 3, raising=False)
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *more: found.append(more), raising=False)
    monkeypatch.setattr(threading.Thread, "start", threading.Thread.run)
    return found


def test_weights_are_read_ahead(tmp_path: Path, advised: list[tuple[int, ...]]) -> None:
    load.read_ahead(tmp_path)
    assert advised == [(0, 0, os.POSIX_FADV_WILLNEED)]


def test_not_where_they_would_push_out_what_others_need(
    tmp_path: Path, advised: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "free_memory_gb", lambda _: 0.01)
    load.read_ahead(tmp_path)
    assert not advised


def test_before_the_rows_become_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []

    def make_objective(_: Any) -> None:
        done.append("tokens")
        raise DataError("enough")

    monkeypatch.setattr(train, "load_inputs", lambda _: SimpleNamespace(spec=RunSpec()))
    monkeypatch.setattr(train, "read_ahead", done.append)
    monkeypatch.setattr(train, "make_objective", make_objective)
    run: Any = SimpleNamespace(emit=lambda _: None, start=tmp_path / "start")
    with pytest.raises(DataError, match="enough"):
        train.train(run)
    assert done == [local.checked_folder("pocket"), "tokens"]
