"""A model, a method and this machine as a report: parts, weights that train, memory by part, what fits."""

from __future__ import annotations

from typing import Any

from engine.errors import SpecError
from engine.estimate import memory, recommend
from engine.estimate.recommend import Case
from engine.hardware import GB, Machine
from engine.model import parameters
from engine.model.info import ModelInfo
from engine.spec.method import NAMES, MethodSpec

LONGEST_TRIED = 131_072  # tokens that are tried where a model reads any number


def method_from_words(info: ModelInfo, kind: str, rank: int, targets: str) -> MethodSpec:
    """A method from words: a group of target modules, or names with commas. Raises SpecError."""
    names = info.groups.get(targets) or tuple(
        name.strip() for name in targets.split(",") if name.strip()
    )
    if kind == "head" and info.task != "classify":
        raise SpecError(
            "--method head: only a model that chooses labels has a new head. Add --task classify."
        )
    return MethodSpec.model_validate(
        {"kind": kind, "rank": rank, "targets": names or ("all-linear",)}
    )


def report_model(
    info: ModelInfo,
    method: MethodSpec,
    machine: Machine,
    capable: bool,
    *,
    length: int,
    batch: int,
    labels: int,
) -> dict[str, Any]:
    """All figures; raises SpecError or ModelError where method or length do not fit the model."""
    info.check_length(length)
    counted = parameters.count_parameters(info, method, labels)
    case = Case(
        info, "classify" if info.task == "classify" else "write", 1, labels, None, machine, capable
    )
    setting = recommend.memory_inputs(case, method, batch, length, checkpointing=False)
    expected = memory.estimate_memory(setting)
    again = recommend.bytes_needed(case, method, batch, length, True)
    free, total = machine.free, float(expected.total)
    return {
        "model": info.name,
        "family": info.model_type,
        "task": info.task,
        "tasks": list(info.tasks),
        "layers": info.layers,
        "width": info.hidden_size,
        "vocabulary": info.vocab_size,
        "context": info.context,
        "parameters": info.parameters,
        "parts": info.parts,
        "method": method.kind,
        "rank": method.rank if method.adapts else None,
        "targets": list(info.targets(method.targets)) if method.adapts else [],
        "trainable": counted.trainable,
        "total": counted.total,
        "length": length,
        "batch": batch,
        "precision": setting.precision,
        "device": machine.device,
        "memory_gb": {name: size / GB for name, size in expected.model_dump().items()}
        | {"total": total / GB},
        "memory_recomputing_gb": again / GB,
        "free_gb": free / GB,
        "fits": "yes" if total <= free else "recomputing" if again <= free else "no",
        "largest_length": largest_length(case, method),
        "largest_batch": largest_batch(case, method, length),
    }


def largest_length(case: Case, method: MethodSpec) -> int:
    """Tokens of one example that fit at most, computed again instead of kept; 0 where none do."""
    return memory.largest_length(
        recommend.memory_inputs(case, method, 1, 1, True), int(case.machine.free)
    )


def largest_batch(case: Case, method: MethodSpec, length: int) -> int:
    """Examples of this length that fit together, kept and not computed again; 0 where none do."""
    return memory.largest_batch(
        recommend.memory_inputs(case, method, 1, length, False), int(case.machine.free)
    )


def report_text(found: dict[str, Any]) -> str:
    """The report in words."""
    parts = ", ".join(f"{name} {size:,}" for name, size in found["parts"].items())
    memory_parts = ", ".join(
        f"{name} {size:.2f}" for name, size in found["memory_gb"].items() if name != "total"
    )
    rank = f", rank {found['rank']}" if found["rank"] else ""
    where = f" on {', '.join(found['targets'])}" if found["targets"] else ""
    share = 100 * found["trainable"] / found["total"]
    lines = [
        f"{found['model']}: {found['family']}, {found['parameters']:,} weights, {found['layers']} layers, "
        f"{found['width']} wide, reads {found['context']:,} tokens. Can: {', '.join(found['tasks'])}.",
        f"Parts: {parts}.",
        f"{NAMES[found['method']]}{rank}{where}: {found['trainable']:,} of {found['total']:,} weights train "
        f"({share:.2g} %).",
        f"Memory for {found['batch']} × {found['length']} tokens in {found['precision']}: "
        f"{found['memory_gb']['total']:.2f} GB ({memory_parts}).",
        _fit_sentence(found),
        f"At most {found['largest_length']:,} tokens, one example at a time; at most {found['largest_batch']} examples "
        f"of {found['length']} tokens together.",
    ]
    return "\n".join(lines)


def _fit_sentence(found: dict[str, Any]) -> str:
    free, again = f"{found['free_gb']:.1f} GB are free", f"{found['memory_recomputing_gb']:.2f} GB"
    if found["fits"] == "yes":
        return f"It fits: {free}."
    if found["fits"] == "recomputing":
        return f"It fits only with gradient checkpointing ({again}): {free}."
    return f"It does not fit, not even with gradient checkpointing ({again}): {free}."
