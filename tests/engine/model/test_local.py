"""The safety gate in front of every model folder, and target groups."""

from __future__ import annotations

import shutil

import pytest

from engine.errors import ModelError
from engine.model import local, safety
from engine.spec import presets
from tests.engine.model.spoil import CONFIG, INDEX, TOKENS, drop, edit, write

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path):
    """A copy of the pocket model that a test may spoil."""
    return shutil.copytree(presets.POCKET_MODEL, tmp_path / "model")


def test_the_pocket_model_passes() -> None:
    assert local.checked_folder("pocket") == presets.POCKET_MODEL


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "not a folder"),
        (drop(CONFIG), "no config.json"),
        (write(CONFIG, "[1"), "config.json is damaged"),
        (write(CONFIG, "[" * 100_000), "config.json is damaged"),
        (lambda f: (f / WEIGHTS).rename(f / "pytorch_model.bin"), "can carry harmful code"),
        (drop(WEIGHTS), r"no \*.safetensors"),
        (drop("tokenizer.json"), "no tokenizer"),
        (edit(CONFIG, auto_map={"AutoModel": "x.Y"}), "run code of its own"),
        (edit(TOKENS, auto_map={"AutoTokenizer": ["x.Y"]}), "run code of its own"),
        (edit(CONFIG, text_config={"trust_remote_code": True}), "run code of its own"),
        (edit(CONFIG, _attn_implementation_internal="evil/kernel"), "run code of its own"),
        (edit(TOKENS, vocab_file="/etc/passwd"), "outside the folder"),
        (edit(INDEX, weight_map={"a": "../x.safetensors"}), "outside the folder"),
        (edit(INDEX, weight_map=[]), "index.json is damaged"),
    ],
)
def test_unsafe_or_broken_folders_are_refused(folder, spoil, words: str) -> None:
    spoil(folder)
    with pytest.raises(ModelError, match=words):
        safety.check_model_folder(folder)


@pytest.mark.parametrize("path", ["/" + "a" * 5000, "/nul\0byte"])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(ModelError, match="not a folder"):
        local.checked_folder(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (edit(CONFIG, num_hidden_layers=5), "lacks 9 of the weights"),
        (edit(CONFIG, num_hidden_layers=50), "does not match its config.json"),
        (write(WEIGHTS, b"\0" * 9), "is damaged"),
        (edit(CONFIG, architectures=["BertModel"], model_type="bert"), "fills gaps"),
        (write(CONFIG, "{}"), "cannot open"),
    ],
)
def test_weights_that_do_not_make_the_model_are_refused(folder, spoil, words: str) -> None:
    from engine.spec.run import PlaceSpec
    from engine.work.model.describe import inspect_model
    from engine.work.model.load import choose_device, load_model

    spoil(folder)
    with pytest.raises(ModelError, match=words):
        inspect_model(str(folder))
        load_model(folder, choose_device(PlaceSpec()))


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(ModelError, match="not a folder"):
        local.checked_folder("../presets")


def test_available_lists_folders_below_the_roots(tmp_path, folder) -> None:
    assert local.list_models([tmp_path / "absent", tmp_path]) == [
        ("pocket", "Pocket model (ships with Hone)"),
        (str(folder), "model"),
    ]
