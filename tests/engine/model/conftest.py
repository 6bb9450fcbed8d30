"""What the tests of model folders share: small real models, and refusals in plain words."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.errors import HoneError
from engine.model import local
from engine.spec.run import PlaceSpec
from tests.engine.tiny import save_model

SECONDS = 5.0  # in which any model is opened or refused


class Tiny(NamedTuple):
    """Small real models, never to be changed."""

    llama: Path  # three shards
    bert: Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    home = tmp_path_factory.mktemp("models")
    llama = save_model(home / "llama", "llama")
    from transformers import AutoModelForCausalLM

    whole = AutoModelForCausalLM.from_pretrained(llama)
    (llama / "model.safetensors").unlink()
    whole.save_pretrained(llama, max_shard_size="300KB")
    assert len(list(llama.glob("model-*-of-00003.safetensors"))) == 3
    return Tiny(llama, save_model(home / "bert", "bert"))


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    """A copy of the small model that a test may spoil."""
    return shutil.copytree(tiny.llama, tmp_path / "model")


def refusal(ask: Callable[[], object]) -> str:
    """What is said to something that has to fail, which comes in time and is fit for people."""
    begun = time.monotonic()
    with pytest.raises(HoneError) as caught:
        ask()
    assert time.monotonic() - begun < SECONDS
    text = str(caught.value)
    assert not re.search(r"Traceback|Error\b|Exception|errno|\n|0x[0-9a-f]{6}", text), text
    assert text.endswith(".") and text.count(". ") <= 4 and len(text) < 420, text
    return text


def open_whole(folder: Path, at: str) -> None:
    """All that is asked of a model before it trains, up to a place."""
    from engine.work.encode.tokenizer import load_tokenizer
    from engine.work.model.describe import inspect_model
    from engine.work.model.load import choose_device, load_model

    local.checked_folder(str(folder))
    if at == "gate":
        return
    inspect_model(str(folder))
    if at == "tokens":
        load_tokenizer(folder)
    if at == "load":
        load_model(folder, choose_device(PlaceSpec(device="cpu", precision="fp32")))
