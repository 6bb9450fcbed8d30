"""How fast Hone trains beside its rivals: ``python -m benchmarks.train --factory PYTHON`` prints a
table for each case.

PYTHON is that of an environment with LLaMA-Factory 0.9.5 (``pip install torch==2.13.0
llamafactory==0.9.5``; without a GPU: torchvision removed, torchaudio replaced by an empty package).
Every contender is a process of its own; they take turns, an epoch each, so that whatever else the
machine does falls on all of them alike. The first turn warms up.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gate import BATCH
from engine.store.files import PROJECT_FOLDER

KINDS = {
    "ours": "Hone",
    "bare": "bare PyTorch loop, same tricks",
    "plain": "transformers Trainer, padded, fp32",
    "trl": "TRL as it comes",
    "trl-best": "TRL: packed, bf16, nothing recomputed",
    "factory-plain": "LLaMA-Factory as it comes",
    "factory-packing": "LLaMA-Factory, packing",
    "factory-best": "LLaMA-Factory: packed, bf16, nothing recomputed",
}
SHAPES = {"chat": "short varied chat, 30 % targets", "text": "long plain text, all targets"}
HELD = 16  # examples of the held-out loss
CUTOFF = 512


class Turn(NamedTuple):
    """One contender that waits for its turns."""

    kind: str
    line: Connection
    process: subprocess.Popen[bytes]


def rows(shape: str, count: int) -> list[dict[str, str]]:
    """Examples in the words of the pocket model's world; lengths vary as in real chats."""
    chance = random.Random(7)
    read = (
        (PROJECT_FOLDER / "presets" / "samples" / "pirate.train.jsonl")
        .read_text(encoding="utf-8")
        .split()
    )
    words = [word for word in read if word.isalpha()]

    def text(length: int) -> str:
        return " ".join(chance.choice(words) for _ in range(length))

    made = []
    for _ in range(count):
        size = (
            int(min(300, max(10, chance.lognormvariate(4.6, 0.7))))
            if shape == "chat"
            else chance.randrange(380, 480)
        )
        target_tokens = max(3, round(size * (0.3 if shape == "chat" else 0.95)))
        made.append(
            {
                "instruction": text(max(2, size - target_tokens)),
                "input": "",
                "output": text(target_tokens),
            }
        )
    return made


def build(work: Path, shape: str, vocabulary: int, count: int, factory: str) -> int:
    """Model, rows, and their tokens by LLaMA-Factory; the number of target tokens in an epoch."""
    import torch
    from datasets import load_from_disk
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape_of = {
        "hidden_size": 512,
        "intermediate_size": 1408,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
    }
    config = LlamaConfig(
        vocab_size=vocabulary, **shape_of, max_position_embeddings=2048, tie_word_embeddings=False
    )
    LlamaForCausalLM(config).save_pretrained(work / "model")
    AutoTokenizer.from_pretrained(PROJECT_FOLDER / "presets" / "pocket" / "model").save_pretrained(
        work / "model"
    )
    (work / "rows.json").write_text(json.dumps(rows(shape, count + HELD)))
    (work / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}))
    about = {"cutoff": CUTOFF, "all": shape == "text"}
    (work / "about.json").write_text(json.dumps(about))
    command = [factory, "-m", "benchmarks.factory", str(work), "tokens"]
    subprocess.run(
        command,
        cwd=PROJECT_FOLDER,
        check=True,
        stdout=(work / "tokens.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    tokens = load_from_disk(str(work / "tokens"))["train"].select_columns(["input_ids", "labels"])
    kept = tokens.select(range(count))
    (work / "held.json").write_text(json.dumps(list(tokens.select(range(count, len(tokens))))))
    kept.save_to_disk(str(work / "kept"))
    (work / "rows.json").write_text(json.dumps(rows(shape, count + HELD)[:count]))
    packed_to, packed = pack([len(row["input_ids"]) for row in kept])
    (work / "about.json").write_text(json.dumps(about | {"packed_to": packed_to, "packed": packed}))
    return sum(sum(label != -100 for label in row["labels"][1:]) for row in kept)


def pack(lengths: list[int]) -> tuple[int, int]:
    """To how many tokens rivals pack, and how many such rows make an update, so that all take as
    many updates.
    """
    updates = -(-len(lengths) // BATCH)
    size = -(-max(lengths) // 8) * 8  # LLaMA-Factory fills up to a multiple of 8
    while True:
        rooms: list[int] = []  # what is free in each row: first fit, the longest first
        for length in sorted(lengths, reverse=True):
            for at, room in enumerate(rooms):
                if room >= length:
                    rooms[at] -= length
                    break
            else:
                rooms.append(size - length)
        if len(rooms) % updates == 0:
            return size, len(rooms) // updates
        size += 8


def compete(work: Path, kinds: list[str], rounds: int, factory: str) -> dict[str, dict[str, Any]]:
    """Start all, let them take turns, and gather what they say."""
    found: dict[str, dict[str, Any]] = {}
    turns: list[Turn] = []
    listener = Listener(str(work / "gate"))
    for kind in kinds:
        name, _, how = kind.partition("-")
        module = (
            ["benchmarks.factory", str(work), how]
            if name == "factory"
            else ["benchmarks.contenders", str(work), kind]
        )
        python = factory if name == "factory" else sys.executable
        # Threads wait for all of them as in Hone's worker; where they spin for longer, a breath of
        # wind costs seconds.
        environment = os.environ | {
            "GATE": str(work / "gate"),
            "HF_HUB_OFFLINE": "1",
            "GOMP_SPINCOUNT": "3000",
        }
        log = (work / f"{kind}.log").open("wb")
        process = subprocess.Popen(
            [python, "-m", *module, str(rounds)],
            cwd=PROJECT_FOLDER,
            stdout=log,
            stderr=log,
            env=environment,
        )
        line = listener.accept()  # one after the other: who is slow to start disturbs nobody
        assert line.recv() == "ready"
        turns.append(Turn(kind, line, process))
        found[kind] = {"rounds": []}
    for at in range(rounds):
        for turn in turns:
            turn.line.send("go")
            try:
                found[turn.kind]["rounds"].append(turn.line.recv())
            except EOFError:
                sys.exit((work / f"{turn.kind}.log").read_text(errors="replace")[-3000:])
            print(
                f"{turn.kind}: {found[turn.kind]['rounds'][-1]['seconds']:.1f} s",
                file=sys.stderr,
                flush=True,
            )
            if at < rounds - 1:
                assert turn.line.recv() == "ready"
            else:  # measure its held-out loss now: it would slow down the next one
                found[turn.kind] |= turn.line.recv()
                turn.process.wait()
    return found


def table(found: dict[str, dict[str, Any]], target_tokens: int) -> str:
    """Target tokens per second (median of the turns after the first), their ratio to ours, memory,
    held-out loss.
    """
    speeds = {
        kind: [target_tokens / turn["seconds"] for turn in one["rounds"][1:]]
        for kind, one in found.items()
    }
    ours = statistics.median(speeds["ours"])
    lines = [
        "| | target tokens/s | (each turn) | ours is faster by | peak memory | held-out loss |"
        " updates |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, one in found.items():
        middle = statistics.median(speeds[kind])
        each = ", ".join(f"{speed:.0f}" for speed in speeds[kind])
        measured = f"{one['gb']:.2f} GB | {one['held']:.4f} | {one['updates']}"
        lines.append(
            f"| {KINDS[kind]} | {middle:.0f} | {each} | {ours / middle:.2f} | {measured} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--factory", default="", help="the Python of an environment with LLaMA-Factory"
    )
    parser.add_argument("--rounds", type=int, default=4, help="epochs; the first is not counted")
    parser.add_argument(
        "--count", type=int, default=48, help="chats; a third as many of the longer texts"
    )
    parser.add_argument("--shapes", nargs="*", default=list(SHAPES))
    parser.add_argument("--vocabularies", nargs="*", type=int, default=[32_000, 151_936])
    parser.add_argument(
        "--seed", default="42", help="another order of the examples (not for the bare loop)"
    )
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    os.environ["SEED"] = options.seed
    for shape in options.shapes:
        for vocabulary in options.vocabularies:
            with tempfile.TemporaryDirectory(prefix="hone-bench-") as folder:
                work = Path(folder)
                count = options.count if shape == "chat" else options.count // 3
                target_tokens = build(work, shape, vocabulary, count, options.factory)
                found = compete(work, options.kinds, options.rounds, options.factory)
            print(
                f"\n### {SHAPES[shape]}, vocabulary {vocabulary:,}"
                f" ({target_tokens:,} target tokens in an epoch)\n"
            )
            print(table(found, target_tokens), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
