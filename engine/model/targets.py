"""Groups of target modules: which linear layers of an architecture a recipe adapts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from engine.model.info import LinearModule
from engine.spec.presets import PRESETS_FOLDER, read_yaml


@cache
def _load_architectures() -> dict[str, dict[str, list[str]]]:
    return read_yaml(PRESETS_FOLDER / "architectures.yaml")


def target_groups(
    model_type: str, modules: Iterable[LinearModule]
) -> tuple[dict[str, tuple[str, ...]], str]:
    """The groups fewest, attention and all; and, where they are all the same, the reason."""
    fit = [module for module in modules if not module.refused]
    every = tuple(dict.fromkeys(module.name for module in fit))
    inside = {module.name for module in fit if module.part == "attention"}
    wanted = _load_architectures().get(model_type) or _load_architectures()["default"]
    groups = {
        name: tuple(n for n in every if n in wanted[name] and n in inside)
        for name in ("fewest", "attention")
    }
    if groups["fewest"]:
        return groups | {"all": every}, ""
    reason = (
        f"Hone does not know the attention layers of this architecture ({model_type}): none has a "
        "usual name (q_proj, query, query_key_value and the like). Every group therefore means all "
        "linear layers."
    )
    return dict.fromkeys(("fewest", "attention", "all"), every), reason
