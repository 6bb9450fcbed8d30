"""Encoded rows of every kind, pinned: what the token cache holds must not change under its key."""

from __future__ import annotations

import hashlib
import json

from engine.spec import presets
from engine.spec.run import DataSpec
from engine.work.encode import cache
from engine.work.encode.encode import encode_chosen_and_rejected, truncate_encoded
from engine.work.encode.tokenizer import load_tokenizer
from tests.engine.work.encode.pocket_rows import TOOLS

SYSTEM = {"role": "system", "content": "Be kind."}
ROWS = [
    {"text": "Once upon a time, naïve <|end|> 😀."},
    {"text": "\n<|start|>It begins and ends itself.<|end|>\n"},
    {"text": "<|user|>Hi<|end|><|assistant|>Yes.<|end|>"},
    {"prompt": "Say <|end|> now. " + "word " * 60, "completion": "I say <|end|> gladly.\n"},
    {"prompt": "Hi", "completion": "Yes.", "rejected": "No, never."},
    {"prompt": "Hi", "completion": "Yes.", "good": False},
    {
        "messages": [
            SYSTEM,
            {"role": "user", "content": "Hello!"},
            {"role": "assistant", "content": "Hello.", "weight": 0},
            {"role": "user", "content": "And now?"},
            {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nNow it is late."},
        ]
    },
]
SPECS = [
    DataSpec(max_length=512),
    DataSpec(max_length=24, learn="last"),
    DataSpec(max_length=512, learn="all", system="Be brief."),
    DataSpec(max_length=48, fixes=("literal", "shorten")),
    DataSpec(max_length=512, goal="prefer"),
]
# A template, and the rows that it accepts.
CASES = {"model": ROWS, "plain": ROWS, "chatml": [*ROWS, TOOLS], "llama3": ROWS}
GOLDEN = "7aab7a8cae2c640972b454838deea9ca87a6680963518340072f3720b6cdc05b"


def test_encoded_rows_change_only_with_the_version_of_the_token_cache() -> None:
    found = hashlib.sha256()
    for template, rows in CASES.items():
        tokenizer = load_tokenizer(presets.POCKET_MODEL, template)
        for data in SPECS:
            for row in rows:
                sides = encode_chosen_and_rejected(tokenizer, row, data)
                found.update(json.dumps([truncate_encoded(one, data) for one in sides]).encode())
    assert (cache.ENCODING_VERSION, found.hexdigest()) == (2, GOLDEN), (
        "Rows are encoded differently now, and tokens in users' caches would be stale: raise "
        "ENCODING_VERSION in engine/work/encode/cache.py, then pin the new version and hash here. "
        "(After an upgrade of transformers, tokenizers or Jinja, pin the new hash alone.)"
    )
