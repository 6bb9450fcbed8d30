"""The pocket model's tokenizer, a new one for each test: some change its chat template."""

from __future__ import annotations

from typing import Any

import pytest

from engine.spec import presets
from engine.work.encode.tokenizer import load_tokenizer


@pytest.fixture
def tokenizer() -> Any:
    return load_tokenizer(presets.POCKET_MODEL)
