"""Foreign adapters by their files alone: what is read, what is kept of it, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import HoneError, ModelError
from engine.model.adapter import MERGE_INSTEAD, read_adapter
from engine.model.adapter_files import find_files, own_template
from engine.model.adapter_fit import method_of_adapter, plain_config
from engine.spec.method import MethodSpec
from tests.engine.model.made_adapters import (
    OUTER,
    WIDTH,
    WORDS,
    matrices,
    save_adapter,
    tiny_info,
)

Q = f"{OUTER}model.layers.0.self_attn.q_proj"


def method(folder: Path, shapes: Any = None, info: Any = None, **config: Any) -> MethodSpec:
    files = save_adapter(folder, shapes, **config)
    return method_of_adapter(read_adapter(files, "mine"), info or tiny_info(), "tiny")


def test_what_an_ordinary_one_says(tmp_path: Path) -> None:
    found = method(tmp_path / "a")
    assert found == MethodSpec(
        rank=4, alpha=8, dropout=0.1, targets=("q_proj", "up_proj"), layers="", ranks={}
    )


@pytest.mark.parametrize(
    ("shapes", "config", "expected"),
    [
        (matrices(["q_proj"], [1]), {"target_modules": "all-linear"}, {"layers": "1"}),
        (matrices(["q_proj"]), {"target_modules": "(a+)+$"}, {"targets": ("q_proj",)}),
        (matrices(["q_proj"]) | matrices(["up_proj"], rank=2), {}, {"ranks": {"up_proj": 2}}),
        (None, {"use_rslora": True, "bias": "all"}, {"rslora": True, "bias": "all"}),
        (matrices() | {f"{OUTER}lm_head.weight": (WORDS, WIDTH)},
         {"modules_to_save": ["lm_head"]}, {"save": ("lm_head",)}),
    ],
    ids=["layers", "no pattern is matched", "ranks", "scaling", "output head"],
)  # fmt: skip
def test_the_weights_say_where_it_belongs(
    tmp_path: Path, shapes: Any, config: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = method(tmp_path / "a", shapes, **config)
    assert {name: getattr(found, name) for name in expected} == expected


def test_nothing_else_of_its_config_is_kept(tmp_path: Path) -> None:
    """What would make a library import or match something stays behind."""
    foreign = {
        "auto_mapping": {"base_model_class": "X", "parent_library": "os"},
        "target_modules": "(a+)+$", "exclude_modules": "(b+)+$", "revision": "evil",
        "megatron_config": {"a": 1}, "alpha_pattern": {"q_proj": 16, "layers.0.mlp.up_proj": 4},
    }  # fmt: skip
    adapter = read_adapter(save_adapter(tmp_path / "a", **foreign), "mine")
    info = tiny_info()
    made = method_of_adapter(adapter, info, "tiny")
    kept = plain_config(adapter, made, info, "/models/tiny")
    text = json.dumps(kept)
    for word in ("parent_library", "(a+)", "(b+)", "evil", "someone"):
        assert word not in text
    assert kept["target_modules"] == ["q_proj", "up_proj"]
    assert kept["alpha_pattern"] == {"q_proj": 16.0, "model.layers.0.mlp.up_proj": 4.0}


@pytest.mark.parametrize(
    ("shapes", "config", "words"),
    [
        (None, {"peft_type": "IA3"}, "of the kind 'IA3'; Hone opens LoRA"),
        (None, {"peft_type": "PREFIX_TUNING"}, "of the kind 'PREFIX_TUNING'"),
        (None, {"peft_type": None}, "of the kind 'not named'"),
        (None, {"task_type": "SEQ_2_SEQ_LM"}, "a task that Hone does not train"),
        (None, {"init_lora_weights": "pissa"}, "changing the weights of its base model ('pissa')"),
        (None, {"init_lora_weights": "pissa_niter_4"}, "changing the weights of its base"),
        (None, {"init_lora_weights": "loftq"}, "changing the weights of its base"),
        (None, {"layer_replication": [[0, 2]]}, "uses 'layer_replication'"),
        (None, {"trainable_token_indices": [1]}, "uses 'trainable_token_indices'"),
        (None, {"lora_bias": True}, "uses 'lora_bias'"),
        (None, {"a_field_of_tomorrow": "x"}, "uses 'a_field_of_tomorrow'"),
        (None, {"lora_alpha": 45.25}, "lora_alpha is '45.25' and should be a whole number"),
        (None, {"lora_alpha": float("inf")}, "lora_alpha is 'inf' and should be a whole number"),
        (None, {"lora_alpha": 10**400}, "lora_alpha is '1000"),
        (None, {"lora_dropout": 10**400, "r": 10**400}, "r is '1000"),
        (None, {"task_type": ["CAUSAL_LM"]}, "a task that Hone does not train"),
        (None, {"peft_type": ["LORA"]}, "of the kind"),
        (None, {"alpha_pattern": ["q_proj"]}, "alpha_pattern is no list of names"),
        (None, {"r": "4"}, "r is '4' and should be a whole number"),
        (None, {"alpha_pattern": {"(q|v)_proj": 3}}, "is no plain name of a layer"),
        (None, {"alpha_pattern": {"q_proj": True}}, "is no plain name of a layer"),
        (None, {"use_dora": True}, "sizes (DoRA) are missing"),
        ({f"{OUTER}model.embed_tokens.lora_embedding_A": (4, WORDS)}, {},
         "changes the embeddings by LoRA (embed_tokens)"),
        (matrices() | {f"{OUTER}model.embed_tokens.weight": (WORDS + 3, WIDTH)}, {},
         "brings its own 'model.embed_tokens' (tokens may have been added"),
        (matrices() | {f"{OUTER}model.embed_tokens.weight": (WORDS + 3, WIDTH)},
         {"modules_to_save": ["embed_tokens"]}, "tokens were probably added to its base model"),
        (matrices() | {f"{Q}.bias": (WIDTH,)}, {}, "brings its own 'model.layers.0.self_attn.q"),
        ({f"{OUTER}lm_head.lora_A.weight": (4, WIDTH), f"{OUTER}lm_head.lora_B.weight": (WORDS, 4)},
         {}, "changes lm_head by LoRA, which Hone trains in full or not at all"),
        ({f"{Q}.lora_A.weight": (4, 64), f"{Q}.lora_B.weight": (64, 4)}, {},
         "which has 32 × 32 numbers there and 64 × 64 in the adapter. Its config names 'someone/t"),
        (matrices(layers=[0, 1, 2]), {},
         "2 of its 6 layers do not fit, such as model.layers.2."),
        ({f"{Q}.lora_A.weight": (4, 32), f"{Q}.lora_B.weight": (32, 5)}, {},
         "do not fit each other"),
        ({f"{Q}.lora_A.weight": (4, 32)}, {}, "do not fit each other"),
        ({f"{Q}.other": (4, 32)}, {"modules_to_save": ["q_proj"]}, "holds no LoRA matrices"),
        (matrices(["q_proj"], [0]) | matrices(["up_proj"], [1]), {},
         "changes 2 of the 4 layers of these names"),
        (matrices(["q_proj"], [0], 2) | matrices(["q_proj"], [1], 4), {},
         "rank of q_proj differs from layer to layer"),
        (matrices(rank=300), {"r": 300}, "Rank (method.rank): must be at most 256"),
    ],
)  # fmt: skip
def test_what_hone_cannot_follow_is_refused_in_a_sentence(
    tmp_path: Path, shapes: Any, config: dict[str, Any], words: str
) -> None:
    with pytest.raises(HoneError) as caught:
        method(tmp_path / "a", shapes, **config)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 700


def test_embeddings_that_are_the_output_head_too_stay_together(tmp_path: Path) -> None:
    shapes = matrices() | {f"{OUTER}model.embed_tokens.weight": (WORDS, WIDTH)}
    tied, saved = tiny_info(tied=True), {"modules_to_save": ["embed_tokens"]}
    with pytest.raises(ModelError, match="serves both as embeddings and as output head"):
        method(tmp_path / "a", shapes, tied, **saved)
    assert method(tmp_path / "b", shapes, tied, ensure_weight_tying=True, **saved).save


# --- its files ---


WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
TEXTS = {
    "pointer": (WEIGHTS, "version https://git-lfs.github.com/spec/v1\n"),
    "no JSON": (SETTINGS, "{"),
    "deep": (SETTINGS, '{"a":' * 100 + "1" + "}" * 100),
    "huge": (SETTINGS, json.dumps({"a": "x" * 2**21})),
}
OTHER_NAMES = {"pickle": "adapter_model.bin", "whole model": "model.safetensors"}


def spoil(folder: Path, case: str) -> None:
    weights = folder / WEIGHTS
    if case in TEXTS:
        name, text = TEXTS[case]
        (folder / name).write_text(text)
    elif case in OTHER_NAMES:
        weights.rename(folder / OTHER_NAMES[case])
    elif case == "cut off":
        weights.write_bytes(weights.read_bytes()[:-20])
    elif case == "no config":
        (folder / SETTINGS).unlink()
    else:
        weights.unlink()
        if case == "link":
            weights.symlink_to("/etc/passwd")
        else:
            (folder / "checkpoint-30").mkdir()


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("pickle", "in adapter_model.bin, a format (pickle) that can carry harmful code"),
        ("whole model", "a whole model, not an adapter"),
        ("cut off", "is cut off"),
        ("pointer", "only a pointer to the file"),
        ("no config", "adapter_config.json is missing"),
        ("checkpoints", "holds checkpoints. Choose one of their folders, such as checkpoint-30"),
        ("no JSON", "adapter_config.json is damaged. Get the adapter again"),
        ("deep", "adapter_config.json is damaged"),
        ("huge", "has 2 MB. Get the adapter again"),
        ("link", "adapter_model.safetensors is a link or no file"),
    ],
)
def test_files_that_are_not_those_of_an_adapter(tmp_path: Path, case: str, words: str) -> None:
    save_adapter(tmp_path / "a")
    spoil(tmp_path / "a", case)
    with pytest.raises(ModelError) as caught:
        read_adapter(find_files(tmp_path / "a"), "mine")
    assert str(caught.value).startswith("'mine' cannot be added. It") and words in str(caught.value)


@pytest.mark.parametrize(
    "path", ["relative", "/no/such/folder", "/etc/passwd", "/a\0b", "/" + "x" * 5000]
)
def test_a_folder_that_is_none(path: str) -> None:
    with pytest.raises(ModelError, match="is not a folder on this machine"):
        find_files(Path(path))


def test_a_folder_of_the_hubs_cache_is_links(tmp_path: Path) -> None:
    cache = tmp_path / "models--someone--mine"
    save_adapter(cache / "blobs")
    snapshot = cache / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    for file in (cache / "blobs").iterdir():
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    assert read_adapter(find_files(snapshot), "mine").rank == 4
    (snapshot / WEIGHTS).unlink()
    (snapshot / WEIGHTS).symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match="is a link or no file"):
        read_adapter(find_files(snapshot), "mine")


def test_a_pickle_beside_the_safetensors_is_never_opened(tmp_path: Path) -> None:
    files = save_adapter(tmp_path / "a")
    (tmp_path / "a" / "optimizer.pt").write_bytes(b"\x80\x04cos\nsystem\n")
    (tmp_path / "a" / "adapter_model.bin").write_bytes(b"\x80\x04cos\nsystem\n")
    assert read_adapter(files, "mine").rank == 4


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("chat_template.jinja", "{{ x }}", "{{ x }}"),
        ("tokenizer_config.json", '{"chat_template": "{{ y }}"}', "{{ y }}"),
        ("tokenizer_config.json", '{"chat_template": [{"name": "a", "template": "b"}]}', ""),
        ("tokenizer_config.json", "{", ""),
        ("readme.md", "x", ""),
    ],
)
def test_the_chat_template_that_lies_beside_it(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    (tmp_path / name).write_text(text)
    assert own_template(find_files(tmp_path)) == expected


def test_each_refusal_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        method(tmp_path / "a", peft_type="LOHA")
    assert str(caught.value).endswith(MERGE_INSTEAD)
