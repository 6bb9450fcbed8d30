"""A RunSpec as a YAML file, and settings such as ``optim.epochs=5`` from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from engine.errors import SpecError
from engine.spec.run import RunSpec, make_spec


def changed_spec(spec: RunSpec, settings: Iterable[str]) -> RunSpec:
    """The spec with settings such as ``optim.epochs=5``, values as YAML; raises SpecError."""
    values = spec.model_dump()
    for setting in settings:
        path, given, text = setting.partition("=")
        *parts, name = path.strip().split(".")
        target: Any = values
        for part in parts:
            target = target.get(part) if isinstance(target, dict) else None
        if not given or not isinstance(target, dict):
            raise SpecError(
                f"'{setting}' is not a setting with a value. Write it like optim.epochs=5."
            )
        try:
            target[name] = yaml.safe_load(text)
        except YAML_ERRORS:
            message = f"The value of '{setting}' cannot be read as YAML. Put it in quotes."
            raise SpecError(message) from None
    return make_spec(values)


# What PyYAML raises for texts that are no YAML, or whose values are not what their tags say.
YAML_ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError)


def load_spec_yaml(path: Path) -> dict[str, Any]:
    """The nested values of a spec file; raises SpecError where it is not a YAML mapping."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(
            f"The file '{path}' cannot be read: {error.strerror}. Check the name and the folder."
        ) from None
    except YAML_ERRORS as error:
        why = (str(error) or "it is damaged").splitlines()[0]
        raise SpecError(f"'{path.name}' cannot be read as YAML: {why}.") from None
    if not isinstance(values, dict):
        raise SpecError(
            f"'{path.name}' holds no settings. Start from one of presets/samples/*.yaml."
        )
    return values


def dump_spec_yaml(spec: RunSpec) -> str:
    """The spec as YAML that ``load_spec_yaml`` and ``make_spec`` read back to an equal spec."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
