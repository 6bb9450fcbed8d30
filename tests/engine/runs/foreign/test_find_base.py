"""Which of the models that are here an adapter's config names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.model import hub, local
from engine.runs.foreign.add import find_base

ORIGINS = {"google--gemma": "google/gemma", "mine": "", "qwen": "Qwen/Qwen3-0.6B"}
MODELS = [(f"/here/{name}", name) for name in ORIGINS]


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("/here/mine", "/here/mine"),
        ("google/gemma", "/here/google--gemma"),
        ("/elsewhere/Gemma", "/here/google--gemma"),
        ("C:\\models\\Mine", "/here/mine"),
        ("unsloth/Qwen3-0.6B", "/here/qwen"),
        ("/models/google", ""),  # the name of an owner is none of a model
        ("", ""),
        ("someone/unknown", ""),
    ],
)
def test_a_base_is_found_by_path_or_name(
    monkeypatch: pytest.MonkeyPatch, named: str, found: str
) -> None:
    def read_origin(folder: Path) -> SimpleNamespace | None:
        repo = ORIGINS[folder.name]
        return SimpleNamespace(repo=repo) if repo else None

    monkeypatch.setattr(local, "model_path", Path)
    monkeypatch.setattr(hub, "read_origin", read_origin)
    assert find_base(named, MODELS) == found
