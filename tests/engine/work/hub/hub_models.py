"""Models for the stand-in of the Hub, one of every sort.

Their weights are random: nothing here is loaded, only found, looked at and brought.
"""

from __future__ import annotations

import json
import random
from typing import Any

from tests.engine.work.hub.hub_server import Hub

CONFIG = {"model_type": "llama", "hidden_size": 64, "architectures": ["LlamaForCausalLM"]}


def safetensors(seed: int, size: int, *names: str) -> bytes:
    """A file of this size: right in form, random in content."""
    share = (size - 2000) // len(names)
    tensors = {
        name: {"dtype": "U8", "shape": [share], "data_offsets": [at * share, (at + 1) * share]}
        for at, name in enumerate(names)
    }
    head = json.dumps(tensors).encode().ljust(size - 8 - share * len(names))
    return (
        len(head).to_bytes(8, "little") + head + random.Random(seed).randbytes(share * len(names))
    )


WEIGHTS = safetensors(1, 300_000, "layer.0")
SHARDS = [safetensors(2, 200_000, "layer.0"), safetensors(3, 200_000, "layer.1")]
INDEX = "model.safetensors.index.json"
TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
TEXT = {"pipeline_tag": "text-generation", "library_name": "transformers"}
# More than Hone takes: pickles, programs, other formats and the same weights once more.
OTHERS = {
    "pytorch_model.bin": b"\x80\x04.", "modeling_own.py": b"import os\n",
    "consolidated.safetensors": WEIGHTS, "original/consolidated.00.pth": b"\0",
    "onnx/model.onnx": b"\0", "model-q4.gguf": b"GGUF", "README.md": b"# Hi\n",
    "adapter_config.json": b"{}", "optimizer.pt": b"\0", ".cache/x.json": b"{}",
}  # fmt: skip


def files(
    weights: dict[str, bytes] | None = None, config: dict[str, Any] | None = None
) -> dict[str, bytes]:
    """A model's files: config, tokenizer, weights."""
    return {
        "config.json": json.dumps(CONFIG | (config or {})).encode(),
        "generation_config.json": b"{}",
        "tokenizer_config.json": b'{"model_max_length": 512}',
        "tokenizer.json": b'{"version": "1.0", "model": {}}',
        **({"model.safetensors": WEIGHTS} if weights is None else weights),
    }


def index(*names: str) -> bytes:
    return json.dumps(
        {"weight_map": {f"layer.{at}": name for at, name in enumerate(names)}}
    ).encode()


def sharded(*names: str) -> dict[str, bytes]:
    """Weights in two files, and the index that names them."""
    return {INDEX: index(*(names or TWO)), **dict(zip(TWO, SHARDS, strict=True))}


def about(
    downloads: int, parameters: int = 0, *tags: str, kind: str = "BF16", **more: Any
) -> dict[str, Any]:
    """What a model's page tells."""
    counts = (
        {"safetensors": {"parameters": {kind: parameters}, "total": parameters}}
        if parameters
        else {}
    )
    return TEXT | {"downloads": downloads, "tags": list(tags)} | counts | more


def fill_models(hub: Hub) -> None:
    """Put one model of every sort on the Hub."""

    def add(name: str, files: dict[str, bytes], more: dict[str, Any], **how: Any) -> None:
        hub.add("models", name, files, more=more, large=".safetensors", **how)

    apache = "license:apache-2.0"
    add(
        "hone/small",
        files() | OTHERS,
        about(900, 150_000, apache, "en"),
        card={"license": "apache-2.0"},
    )
    add("hone/large", files(sharded()), about(800, 7_000_000_000, "license:other"),
        card={"license": "other", "license_name": "hone-terms"})  # fmt: skip
    add("hone/half", files(), about(700, 500_000_000, "license:mit", kind="F32"))
    hub.moved["small"] = "hone/small"
    terms = {"license": "gemma"}
    add(
        "hone/gated",
        files(sharded()),
        about(600, 200_000, "license:gemma"),
        gated="manual",
        card=terms,
    )
    add("hone/private", files(), about(5, 150_000), private=True)
    encoder = about(50, 110_000_000, apache, pipeline_tag="fill-mask")
    add("hone/encoder", files(config={"model_type": "bert"}), encoder)
    for name, (names, more, _) in UNFIT.items():
        add(f"unfit/{name}", dict.fromkeys(names, b"{}"), more)
    add("hone/own-code", files(config={"text": [{"auto_map": {"AutoModel": "x.Y"}}]}), about(30))
    packed = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}
    add("hone/packed-inside", files(config=packed), about(30))
    add("hone/outside", files(sharded(TWO[0], "../../x.safetensors")), about(1))
    add("hone/lacking", files(sharded(TWO[0], "model-00003-of-00003.safetensors")), about(1))
    add("hone/listed-outside", files() | {"../../x.json": b"{}"}, about(1))
    add("hone/broken", files(config={}) | {"config.json": b"[1"}, about(1))


MODEL = ["config.json", "tokenizer.json", "model.safetensors"]
UNFIT: dict[str, tuple[list[str], dict[str, Any], list[str]]] = {
    "gguf": (
        ["x.Q4_K_M.gguf", "x.Q8_0.gguf", "config.json"],
        about(20, gguf={"total": 1}),
        ["GGUF"],
    ),
    "adapter": (
        ["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"],
        about(19, 0, "base_model:hone/small", "base_model:adapter:hone/small", library_name="peft"),
        ["adapter", "hone/small"],
    ),
    "pickles": (
        ["config.json", "pytorch_model.bin", "vocab.txt"],
        about(18),
        ["pytorch_model.bin", "harmful"],
    ),
    "code": ([*MODEL, "modeling_x.py"], about(17, 100, "custom_code"), ["program code", "never"]),
    "packed": (MODEL, about(16, 100, "awq"), ["AWQ"]),
    "pictures": (
        ["unet/config.json", "unet/model.safetensors"],
        about(15, library_name="diffusers"),
        ["no weights"],
    ),
    "bare": (["model.safetensors", "tokenizer.json"], about(14), ["no config.json"]),
    "dumb": (["model.safetensors", "config.json"], about(13), ["no tokenizer"]),
    "empty": ([], about(12), ["no weights"]),
}
