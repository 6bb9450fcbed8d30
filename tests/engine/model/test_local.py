"""The safety gate in front of every model folder, and target groups."""

from __future__ import annotations

import json
import shutil

import pytest

from engine.errors import ModelError
from engine.model import local, safety
from engine.spec import presets


@pytest.fixture
def folder(tmp_path):
    """A copy of the pocket model that a test may spoil."""
    return shutil.copytree(presets.POCKET_MODEL, tmp_path / "model")


def edit(folder, name: str, **changes) -> None:
    path = folder / name
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | changes))


def test_the_pocket_model_passes() -> None:
    assert local.checked_folder("pocket") == presets.POCKET_MODEL


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: shutil.rmtree(f), "not a folder"),
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("[1"), "config.json is damaged"),
        (lambda f: (f / "config.json").write_text("[" * 100_000), "config.json is damaged"),
        (
            lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
            "can carry harmful code",
        ),
        (lambda f: (f / "model.safetensors").unlink(), r"no \*.safetensors"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda f: edit(f, "config.json", auto_map={"AutoModel": "x.Y"}), "run code of its own"),
        (
            lambda f: edit(f, "tokenizer_config.json", auto_map={"AutoTokenizer": ["x.Y"]}),
            "run code of its own",
        ),
        (
            lambda f: edit(f, "config.json", text_config={"trust_remote_code": True}),
            "run code of its own",
        ),
        (
            lambda f: edit(f, "config.json", _attn_implementation_internal="evil/kernel"),
            "run code of its own",
        ),
        (
            lambda f: edit(f, "tokenizer_config.json", vocab_file="/etc/passwd"),
            "outside the folder",
        ),
        (
            lambda f: edit(f, "model.safetensors.index.json", weight_map={"a": "../x.safetensors"}),
            "outside the folder",
        ),
        (lambda f: edit(f, "model.safetensors.index.json", weight_map=[]), "index.json is damaged"),
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
        (lambda f: edit(f, "config.json", num_hidden_layers=5), "lacks 9 of the weights"),
        (lambda f: edit(f, "config.json", num_hidden_layers=50), "does not match its config.json"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\0" * 9), "is damaged"),
        (
            lambda f: edit(f, "config.json", architectures=["BertModel"], model_type="bert"),
            "fills gaps",
        ),
        (lambda f: (f / "config.json").write_text("{}"), "cannot open"),
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
