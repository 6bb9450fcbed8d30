"""A report on a model, a method and this machine: parts, trained weights, memory, what fits."""

from __future__ import annotations

from typing import Any

from engine.errors import SpecError
from engine.estimate.case import Case, Setup, memory_inputs
from engine.estimate.memory import bytes_needed, estimate_memory, largest_batch, largest_length
from engine.hardware import GB
from engine.model.info import ModelInfo
from engine.model.parameters import count_parameters
from engine.spec.method import METHODS, MethodSpec


def method_from_words(info: ModelInfo, kind: str, rank: int, targets: str) -> MethodSpec:
    """A method whose targets are a group of modules, or names with commas. Raises SpecError."""
    names = [name.strip() for name in targets.split(",") if name.strip()]
    if kind == "head" and info.task != "classify":
        raise SpecError(
            "--method head: only a model that chooses labels has a new head. Add --task classify."
        )
    chosen = info.groups.get(targets) or tuple(names) or ("all-linear",)
    return MethodSpec.model_validate({"kind": kind, "rank": rank, "targets": chosen})


def report_model(case: Case, setup: Setup) -> dict[str, Any]:
    """All figures; raises SpecError or ModelError where method or length do not fit the model."""
    info, method, free = case.info, setup.method, case.machine.free
    info.check_length(setup.length)
    counted = count_parameters(info, method, case.labels)
    inputs = memory_inputs(case, setup._replace(checkpointing=False))
    one_example = inputs._replace(batch=1, checkpointing=True)
    expected = estimate_memory(inputs)
    recomputing = bytes_needed(case, setup._replace(checkpointing=True))
    fits = "recomputing" if recomputing <= free else "no"
    if expected.total <= free:
        fits = "yes"
    memory_gb = {name: size / GB for name, size in expected.model_dump().items()}
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
        "targets": list(info.resolve_targets(method.targets)) if method.adapts else [],
        "trainable": counted.trainable,
        "total": counted.total,
        "length": setup.length,
        "batch": setup.batch,
        "precision": inputs.precision,
        "device": case.machine.device,
        "memory_gb": memory_gb | {"total": expected.total / GB},
        "memory_recomputing_gb": recomputing / GB,
        "free_gb": free / GB,
        "fits": fits,
        "largest_length": largest_length(one_example, free),
        "largest_batch": largest_batch(inputs, free),
    }


def report_text(found: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {size:,}" for name, size in found["parts"].items())
    memory_gb = found["memory_gb"]
    sizes = (f"{name} {size:.2f}" for name, size in memory_gb.items() if name != "total")
    rank = f", rank {found['rank']}" if found["rank"] else ""
    where = f" on {', '.join(found['targets'])}" if found["targets"] else ""
    name = METHODS[found["method"]].name
    share = 100 * found["trainable"] / found["total"]
    lines = [
        f"{found['model']}: {found['family']}, {found['parameters']:,} weights, "
        f"{found['layers']} layers, {found['width']} wide, reads {found['context']:,} tokens. "
        f"Can: {', '.join(found['tasks'])}.",
        f"Parts: {parts}.",
        f"{name}{rank}{where}: {found['trainable']:,} of {found['total']:,} weights train "
        f"({share:.2g} %).",
        f"Memory for {found['batch']} × {found['length']} tokens in {found['precision']}: "
        f"{memory_gb['total']:.2f} GB ({', '.join(sizes)}).",
        _fit_sentence(found),
        f"At most {found['largest_length']:,} tokens, one example at a time; "
        f"at most {found['largest_batch']} examples of {found['length']} tokens together.",
    ]
    return "\n".join(lines)


def _fit_sentence(found: dict[str, Any]) -> str:
    free = f"{found['free_gb']:.1f} GB are free"
    recomputing = f"{found['memory_recomputing_gb']:.2f} GB"
    if found["fits"] == "yes":
        return f"It fits: {free}."
    if found["fits"] == "recomputing":
        return f"It fits only with gradient checkpointing ({recomputing}): {free}."
    return f"It does not fit, not even with gradient checkpointing ({recomputing}): {free}."
