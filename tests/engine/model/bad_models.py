"""Model folders that are not right: how each comes to be, and what has to be said about it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.engine.model.spoil import (
    CONFIG,
    INDEX,
    TOKENS,
    adapter,
    both,
    cut,
    cut_end,
    drop,
    edit,
    link,
    pickled,
    program,
    replaced,
    shards_to,
    write,
)

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 269060552\n"


class Bad(NamedTuple):
    group: str
    title: str
    spoil: Callable[[Path], object]  # a whole tiny model in three shards
    words: tuple[str, ...]  # that have to stand in what is said
    at: str = "gate"  # where it is noticed: gate, inspect, tokens, load


NO_WEIGHTS = drop("*.safetensors", INDEX)
FIRST = "model-00001-of-00003.safetensors"
OWN = {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
FOLDER, WHOLE, CODE = "What the folder is", "Whether it is whole", "Code of others"
OUTSIDE, NUMBERS = "Paths that leave the folder", "What no model has"
JSON = "Files that are not JSON settings"


def labels(count: int) -> dict[str, int]:
    return {str(number): number for number in range(count)}


BAD = [
    Bad(FOLDER, "A folder that is not there", shutil.rmtree, ("not a folder", "whole path")),
    Bad(FOLDER, "A folder that is no model", both(drop("*"), write("notes.txt", "Hi")),
        ("no config.json", "Choose")),
    Bad(FOLDER, "An adapter", both(drop("*"), adapter("hone/base")), ("an adapter", "hone/base")),
    Bad(FOLDER, "An adapter beside the model", adapter("/etc"),
        ("adapter_config.json", "folder of their own")),
    Bad(FOLDER, "GGUF only", both(drop("*"), write("model-q4.gguf", b"GGUF")),
        ("GGUF", "model-q4.gguf")),
    Bad(FOLDER, "No model_type", edit(CONFIG, model_type=None), ("cannot open", "model_type")),
    Bad(FOLDER, "An unknown model_type", edit(CONFIG, model_type="own"), ("cannot open", "'own'"),
        "inspect"),
    Bad(FOLDER, "A model of pictures", edit(CONFIG, model_type="vit"), ("'vit'", "language model"),
        "inspect"),
    Bad(FOLDER, "Packed with GPTQ", edit(CONFIG, quantization_config={"quant_method": "gptq"}),
        ("GPTQ", "made from")),
    Bad(FOLDER, "Packed with FP8", edit(CONFIG, quantization_config={"quant_method": "fp8"}),
        ("FP8", "made from")),
    Bad(FOLDER, "Packed in 4 bits", edit(CONFIG, quantization_config={"load_in_4bit": True}),
        ("bitsandbytes",)),
    Bad(WHOLE, "Config without weights", NO_WEIGHTS,
        ("no *.safetensors", "model.safetensors.index.json")),
    Bad(WHOLE, "No index", drop(INDEX), (FIRST, INDEX, "which says")),
    Bad(WHOLE, "A shard is missing", drop(FIRST), ("1 of its 3 files", FIRST)),
    Bad(WHOLE, "Two shards are missing", drop(FIRST, "*2-of-*"), ("2 of its 3 files", FIRST)),
    Bad(WHOLE, "A shard is cut off", cut_end(FIRST, 1000), (FIRST, "cut off")),
    Bad(WHOLE, "A shard is cut off in its header", cut(FIRST, 100), (FIRST, "cut off")),
    Bad(WHOLE, "A shard of 0 bytes", cut(FIRST, 0), (FIRST, "damaged")),
    Bad(WHOLE, "A shard that goes on behind its end", cut(FIRST, 10**6), (FIRST, "more follows")),
    Bad(WHOLE, "A shard of other bytes", write(FIRST, b"\xff" * 5000),
        (FIRST, "not a safetensors file")),
    Bad(WHOLE, "Another's shard", lambda f: shutil.copy(f / "model-00002-of-00003.safetensors",
        f / FIRST),
        (FIRST, "lacks", "names")),
    Bad(WHOLE, "A shard that git did not bring", write(FIRST, POINTER),
        (FIRST, "pointer", "git lfs pull")),
    Bad(WHOLE, "A tokenizer that git did not bring", write("tokenizer.json", POINTER),
        ("tokenizer.json", "pointer")),
    Bad(WHOLE, "No tokenizer", drop("tokenizer.json"), ("no tokenizer", "Copy")),
    Bad(WHOLE, "A tokenizer that is cut off", cut_end("tokenizer.json", 100),
        ("tokenizer.json", "cut off")),
    Bad(WHOLE, "A tokenizer without words", write("tokenizer.json", "{}"), ("tokenizer", "Copy"),
        "tokens"),
    Bad(WHOLE, "Fewer weights than the config says", edit(CONFIG, num_hidden_layers=50),
        ("match", "named"), "inspect"),
    Bad(WHOLE, "A few weights fewer", edit(CONFIG, attention_bias=True),
        ("lacks 12", "k_proj.bias"), "load"),
    Bad(WHOLE, "Weights of other shapes", edit(CONFIG, intermediate_size=64), ("cannot be loaded",),
        "load"),
    Bad(CODE, "Pickled weights only", both(NO_WEIGHTS, pickled("pytorch_model.bin")),
        ("pytorch_model.bin", "harmful")),
    Bad(CODE, "An index of pickles", both(pickled("x.bin"), shards_to("x.bin")),
        ("x.bin", "not a safetensors")),
    Bad(CODE, "auto_map in the config", both(program("own.py"), edit(CONFIG, auto_map=OWN)),
        ("auto_map", "never")),
    Bad(CODE, "auto_map in the tokenizer's",
        both(program("own.py"), edit(TOKENS, auto_map={"AutoTokenizer": [
        "own.Own", None]})), ("auto_map", TOKENS, "never")),
    Bad(CODE, "auto_map deep in the config",
        both(program("own.py"), edit(CONFIG, text_config=[{"auto_map": OWN}])),
        ("auto_map", "never")),
    Bad(CODE, "A config that trusts itself",
        edit(CONFIG, text_config=json.loads('{"trust_remote_code": true}')),
        ("trust_remote_code", "never")),
    Bad(CODE, "Attention from the Hub", edit(CONFIG, attn_implementation="evil/kernel"),
        ("evil/kernel", "Take")),
    Bad(CODE, "Attention from the Hub, by parts",
        edit(CONFIG, _attn_implementation={"text_config": "evil/kernel"}),
        ("evil/kernel", "Take")),
    Bad(CODE, "Attention that cannot be named",
        edit(CONFIG, _attn_implementation_internal="evil/kernel"),
        ("_attn_implementation_internal", "never")),
    Bad(CODE, "Experts from the Hub", edit(CONFIG, experts_implementation="evil/kernel"),
        ("evil/kernel", "Take")),
    Bad(OUTSIDE, "vocab_file, a whole path", edit(TOKENS, vocab_file="/etc/passwd"),
        ("vocab_file", "/etc/passwd")),
    Bad(OUTSIDE, "vocab_file, through ..", edit(TOKENS, vocab_file="../x.json"),
        ("vocab_file", "../x.json")),
    Bad(OUTSIDE, "merges_file as Windows has it", edit(TOKENS, merges_file="C:\\x.txt"),
        ("merges_file", "C:\\x.txt")),
    Bad(OUTSIDE, "Newer tokenizer files", edit(TOKENS,
        fast_tokenizer_files=["tokenizer.4.0/../../x.json"]),
        ("fast_tokenizer_files", "outside")),
    Bad(OUTSIDE, "weight_map, through ..", shards_to("../x.safetensors"),
        (INDEX, "../x.safetensors")),
    Bad(OUTSIDE, "weight_map, a whole path", shards_to("/x.safetensors"),
        (INDEX, "/x.safetensors")),
    Bad(OUTSIDE, "Another name for the weights",
        edit(CONFIG, transformers_weights="../x.safetensors"), ("outside",)),
    Bad(OUTSIDE, "Other configs", edit(CONFIG, configuration_files=["config.4.0.json"]),
        (CONFIG, "refers to other files")),
    Bad(OUTSIDE, "A template's name, through ..",
        edit(TOKENS, chat_template=[{"name": "../x", "template": "hi"}]),
        ("template", "../x")),
    Bad(OUTSIDE, "A template's name, a whole path", edit(TOKENS, chat_template={"/x": "hi"}),
        ("template", "'/x'")),
    Bad(OUTSIDE, "A tokenizer that is a link", link("tokenizer.json"),
        ("tokenizer.json", "link", "Put")),
    Bad(OUTSIDE, "A template that is a link", link("additional_chat_templates/x.jinja"),
        ("x.jinja", "link", "Put")),
    Bad(NUMBERS, "A thousand million layers", edit(CONFIG, num_hidden_layers=10**9),
        ("layers", "1,000,000,000")),
    Bad(NUMBERS, "No layers", edit(CONFIG, num_hidden_layers=0), ("num_hidden_layers", "is 0")),
    Bad(NUMBERS, "A width below nothing", edit(CONFIG, hidden_size=-64), ("hidden_size", "-64")),
    Bad(NUMBERS, "A width of a million million", edit(CONFIG, hidden_size=10**12),
        ("hidden_size", "possible")),
    Bad(NUMBERS, "More words than there are", edit(CONFIG, vocab_size=10**12),
        ("vocab_size", "possible")),
    Bad(NUMBERS, "A thousand million labels", edit(CONFIG, num_labels=10**9),
        ("num_labels", "possible")),
    Bad(NUMBERS, "Infinitely many heads", edit(CONFIG, num_attention_heads=float("inf")),
        ("num_attention_heads",)),
    Bad(NUMBERS, "A width that the heads do not divide", edit(CONFIG, hidden_size=65),
        ("numbers", CONFIG), "inspect"),
    Bad(NUMBERS, "A word for a number", edit(CONFIG, hidden_size="wide"), ("numbers", CONFIG),
        "inspect"),
    Bad(NUMBERS, "200,000 labels", edit(CONFIG, id2label=labels(200_000)),
        ("200,000 labels", "20,000")),
    Bad(NUMBERS, "A list of 30,000 labels", edit(CONFIG, id2label=["x"] * 30_000),
        ("30,000 labels",)),
    Bad(NUMBERS, "30,000 labels, the other way round", edit(CONFIG, label2id=labels(30_000)),
        ("30,000 labels",)),
    Bad(NUMBERS, "A vocabulary of 49 MB", cut("tokenizer.json", 49 * 2**20),
        ("tokenizer.json has 49 MB", "40 MB")),
    Bad(NUMBERS, "Another vocabulary of 60 MB", both(write("vocab.txt", "the"),
        cut("vocab.txt", 60 * 2**20)), ("vocab.txt has 60 MB",)),
    Bad(JSON, "A config of 300 MB", cut(CONFIG, 300 * 2**20), (CONFIG, "300 MB")),
    Bad(JSON, "A config that is cut off", cut(CONFIG, 100), (CONFIG, "damaged")),
    Bad(JSON, "A config that is not UTF-8", write(CONFIG, '{"x": "é"}'.encode("latin-1")),
        (CONFIG, "damaged")),
    Bad(JSON, "A config with NaN", write(CONFIG, '{"model_type": "llama", "x": NaN}'),
        (CONFIG, "damaged")),
    Bad(JSON, "100,000 levels of nesting", write(CONFIG, "[" * 100_000), (CONFIG, "damaged")),
    Bad(JSON, "500 levels of nesting", edit(CONFIG, x=json.loads("[" * 500 + "]" * 500)),
        (CONFIG, "damaged")),
    Bad(JSON, "A number of 5,000 digits", write(CONFIG, '{"hidden_size": ' + "9" * 5000 + "}"),
        (CONFIG, "damaged")),
    Bad(JSON, "A list for a config", write(CONFIG, "[]"), (CONFIG, "damaged")),
    Bad(JSON, "A folder for a config", replaced(CONFIG, os.mkdir), (CONFIG, "something else")),
    Bad(JSON, "A pipe for a config", replaced(CONFIG, os.mkfifo), (CONFIG, "something else")),
    Bad(JSON, "A pipe for settings of replies", replaced("generation_config.json", os.mkfifo),
        ("generation_config",)),
    Bad(JSON, "A list for the tokenizer's settings", write(TOKENS, "[]"), (TOKENS, "damaged")),
    Bad(JSON, "An index without a map", write(INDEX, '{"weight_map": []}'), (INDEX, "damaged")),
]  # fmt: skip
