"""What Hone tells of a model from its config alone: are its counts PEFT's, how long does it take,
how much memory?

``python -m benchmarks.inspect`` prints a table of well-known models with their published structure,
and of tiny ones of every architecture. ``--all`` goes through all that transformers knows, with
each library default. No weights anywhere.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from engine.model.parameters import count_parameters
from engine.spec import presets
from engine.spec.method import MethodSpec
from engine.spec.objective import Task
from engine.store.files import PROJECT_FOLDER

LABELS = 3
# What the library leaves open, and every published model fills in.
OPEN: dict[str, dict[str, Any]] = {
    "dots1": {"n_routed_experts": 128, "n_shared_experts": 2, "num_experts_per_tok": 6},
    "esm": {"vocab_size": 33, "pad_token_id": 1},
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "lfm2_moe": {"layer_types": ["full_attention"] * 32},
    "ministral": {"head_dim": 128},
    "nemotron": {"head_dim": 192, "num_key_value_heads": 8},
}


def published() -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """(name, task, parameters, config) of every model whose structure is written down, smallest
    first.
    """
    more = yaml.safe_load(Path(__file__).with_name("models.yaml").read_text(encoding="utf-8"))
    known = [(one.name, one.task, one.parameters, one.config) for one in presets.known_models()]
    known += [(one["name"], one["task"], one["parameters"], one["config"]) for one in more]
    yield from sorted(known, key=lambda one: one[2])


def methods(info: Any) -> dict[str, MethodSpec]:
    """The methods whose counts are compared."""
    found = {
        "LoRA, rank 16, all linear": MethodSpec(rank=16),
        "LoRA, rank 8, fewest": MethodSpec(rank=8, targets=info.groups["fewest"]),
        "DoRA, rank 8, attention": MethodSpec(
            kind="dora", rank=8, targets=info.groups["attention"]
        ),
        "full": MethodSpec(kind="full"),
    }
    return found | ({"head": MethodSpec(kind="head")} if info.task == "classify" else {})


def pefts(config: Any, info: Any, method: MethodSpec) -> tuple[int, int]:
    """What PEFT counts on the structure itself, without memory for weights."""
    import torch

    from engine.work.model.adapters import apply_method, parameter_counts
    from engine.work.model.structure import AUTO_CLASSES

    config.num_labels = LABELS
    with torch.device("meta"):
        return parameter_counts(
            apply_method(AUTO_CLASSES[info.task].from_config(config), method, info)
        )


def kib(field: str) -> int:
    """Memory of this process, as Linux tells it: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def measure(folder: str, task: str) -> dict[str, Any]:
    """One model, in this process alone: time (the second call is warm) and memory of inspecting,
    then the counts.
    """
    from transformers import AutoConfig

    from engine.work.model.describe import inspect_model

    before, seconds = kib("VmRSS"), []
    for _ in range(2):
        begin = time.perf_counter(), time.process_time()
        info = inspect_model("hub:model", cast(Task, task), folder=Path(folder))
        seconds.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    peak = kib("VmHWM")
    pairs = {}
    for name, method in methods(info).items():
        ours = count_parameters(info, method, LABELS)
        pairs[name] = (
            (ours.trainable, ours.total),
            pefts(AutoConfig.from_pretrained(folder), info, method),
        )
    return {
        "parameters": info.parameters,
        "equal": sum(ours == theirs for ours, theirs in pairs.values()),
        "of": len(pairs),
        "trainable": {name: theirs[0] for name, (_, theirs) in pairs.items()},
        "first": seconds[0][0],
        "warm": seconds[1][0],
        "busy": seconds[1][1],
        "grew": (peak - before) / 1024,
        "peak": peak / 1024,
    }


def row(name: str, task: str, config: dict[str, Any]) -> dict[str, Any]:
    """A model measured in a process of its own."""
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.inspect", "--one", home, task]
        done = subprocess.run(
            command, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def tiny() -> Iterator[tuple[str, str, dict[str, Any]]]:
    from engine.work.model.structure import tasks_of
    from tests.engine.tiny import ARCHITECTURES, config_of

    for kind in ARCHITECTURES:
        config = config_of(kind)
        yield f"{kind} (tiny)", tasks_of(config)[0], config.to_dict()


def table() -> int:
    """Print the table; 1 where a count differs."""
    titles = (
        "model",
        "task",
        "parameters",
        "LoRA 16, all",
        "LoRA 8, fewest",
        "equal to PEFT",
        "first s",
        "warm s",
        "CPU s",
        "grew MB",
        "peak MB",
    )
    print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    models = [(name, task, config) for name, task, _, config in published()]
    rows = []
    for name, task, config in [*models, *tiny()]:
        found = row(name, task, config)
        all_linear, fewest, *_ = found["trainable"].values()
        cells = (
            name,
            task,
            f"{found['parameters']:,}",
            f"{all_linear:,}",
            f"{fewest:,}",
            f"{found['equal']} of {found['of']}",
            *(f"{found[time]:.2f}" for time in ("first", "warm", "busy")),
            f"{found['grew']:.0f}",
            f"{found['peak']:.0f}",
        )
        print("| " + " | ".join(cells) + " |", flush=True)
        rows.append(found)
    equal, of = sum(one["equal"] for one in rows), sum(one["of"] for one in rows)
    worst = {
        name: max(one[name] for one in rows) for name in ("first", "warm", "busy", "grew", "peak")
    }
    print(
        f"\n{len(models)} models and {len(rows) - len(models)} tiny ones: "
        f"{equal} of {of} counts equal. At most "
        f"{worst['warm']:.2f} s warm ({worst['busy']:.2f} s of the processor), "
        f"{worst['first']:.2f} s at first, "
        f"{worst['grew']:.0f} MB more, {worst['peak']:.0f} MB in all."
    )
    return int(equal != of)


def problem(kind: str, task: str) -> str:
    """What is wrong with what Hone tells of an architecture; empty where all holds."""
    from transformers import AutoConfig

    from engine.work.model.describe import info_from_config

    def config() -> Any:
        return AutoConfig.for_model(kind, **OPEN.get(kind, {}))

    info = info_from_config(config(), cast(Task, task), kind)
    if not info.layers or not info.hidden_size or not info.parameters:
        return f"{info.layers} layers, {info.hidden_size} wide, {info.parameters} parameters"
    full = MethodSpec(kind="full")
    if (whole := pefts(config(), info, full)) != (ours := count_parameters(info, full, LABELS)[:2]):
        return (
            f"all weights are {whole[1]:,}, of which {whole[0]:,} train, "
            f"not {ours[1]:,} and {ours[0]:,}"
        )
    if not info.adaptable:
        return "no linear layers for an adapter"
    method = MethodSpec(rank=8)
    ours, theirs = count_parameters(info, method, LABELS)[:2], pefts(config(), info, method)
    return "" if theirs == ours else f"LoRA trains {theirs[0]:,}, not {ours[0]:,}"


def every_architecture() -> int:
    """All architectures of transformers for writing and for labels: how many counts are right."""
    from transformers import AutoConfig
    from transformers.models.auto import modeling_auto as auto

    from engine.work.model.structure import tasks_of

    right, wrong, refused = 0, 0, []
    for kind in sorted(
        {
            *auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
            *auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        }
    ):
        said = {}
        try:
            tasks = tasks_of(AutoConfig.for_model(kind, **OPEN.get(kind, {})))
        except Exception as error:  # of the library's own defaults
            tasks, said = (), {"config": repr(error)[:200]}
        for task in tasks:
            try:
                said[task] = problem(kind, task)
            except Exception as error:
                said[task] = repr(error.__cause__ or error)[:200]
        if not said:
            refused.append(kind)
            continue
        right, wrong = right + (not any(said.values())), wrong + any(said.values())
        for which, words in said.items():
            if words:
                print(f"{kind}, {which}: {words}", flush=True)
    print(
        f"{right} of {right + wrong} architectures are counted right; "
        f"{len(refused)} are refused: {', '.join(refused)}."
    )
    return 0


def main(asked: list[str]) -> int:
    warnings.simplefilter("ignore")
    if asked[:1] == ["--one"]:
        print(json.dumps(measure(*asked[1:])))
        return 0
    return every_architecture() if asked == ["--all"] else table()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
