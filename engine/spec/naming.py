"""What a base model is called; and a new run, by its data and what differs from earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import NamedTuple

from engine.errors import HoneError
from engine.spec.method import METHODS
from engine.spec.objective import OBJECTIVE_NAMES
from engine.spec.run import RunSpec, spec_field
from engine.text import format_rate

LONGEST_NAME = 80  # characters, as RunSpec.name
LEAST_STEM = 24  # characters of the data's name that stay beside long differences
MOST_DIFFERENCES = 4  # that a name says; the rest is counted
# Settings that do nothing where no adapter is trained begin with one of these.
ADAPTER = tuple(
    f"method.{name}"
    for name in ("rank", "alpha", "dropout", "targets", "rslora", "init", "plus", "bias", "layers",
                 "save")
)  # fmt: skip


def model_name(source: str) -> str:
    """What people call the base model of this source."""
    return "Pocket model" if source == "pocket" else PurePath(source).name


class EarlierRun(NamedTuple):
    """An earlier run's id, name and the name of its data."""

    id: str
    name: str
    data: str
    load_spec: Callable[[], RunSpec]  # asked of one or two, since there may be hundreds


def choose_name(spec: RunSpec, data_name: str, earlier: Sequence[EarlierRun]) -> str:
    """A name that no earlier run has; ``earlier``: the owner's runs, newest first.

    The first run of some data is called as the data is, or as its settings say. A later one adds
    what differs from that first one, and a number where nothing does.
    """
    stem = spec.name or data_name.rsplit(".", 1)[0][:LONGEST_NAME]
    taken = {one.name.casefold() for one in earlier}
    same_name = [one for one in earlier if one.name.casefold() == stem.casefold()]
    same_data = [one for one in earlier if one.data == data_name]
    if not same_name and (spec.name or not same_data):
        return stem
    origin = next((one for one in earlier if one.id == spec.model.start), None)
    after = origin.name if origin and origin.data != data_name else ""
    differences = _differences_from_first(spec, same_name or same_data, after)
    if len(differences) > MOST_DIFFERENCES:
        more = len(differences) - MOST_DIFFERENCES + 1
        differences = [*differences[: MOST_DIFFERENCES - 1], f"{more} more"]
    name = _joined(stem, "".join(f", {one}" for one in differences))
    if name.casefold() not in taken:
        return name
    mark = " ({})" if differences else " {}"
    numbered = (_joined(name, mark.format(number)) for number in range(2, len(earlier) + 3))
    return next(one for one in numbered if one.casefold() not in taken)


def _differences_from_first(spec: RunSpec, runs: Sequence[EarlierRun], after: str) -> list[str]:
    """What differs from the oldest of these whose settings can be read."""
    for one in reversed(runs):
        with suppress(HoneError):
            return describe_differences(one.load_spec(), spec, after)
    return []


def describe_differences(reference: RunSpec, spec: RunSpec, after: str = "") -> list[str]:
    """What ``spec`` does otherwise than ``reference``, each in a few words, the weightiest first.

    Where it runs and what is asked during training are no differences. ``after``: the name of the
    run that it starts from, where that had other data.
    """
    found = [*_setting_differences(reference, spec)]
    if spec.model.start != reference.model.start:
        start = f"after {after[:LEAST_STEM]}" if after else "continued"
        found.insert(0, start if spec.model.start else "from the base model")
    return found


def _joined(stem: str, rest: str) -> str:
    """Both together in no more characters than a name may have."""
    rest = rest[: LONGEST_NAME - LEAST_STEM]
    return stem[: LONGEST_NAME - len(rest)].rstrip(" ,") + rest


def _setting_differences(reference: RunSpec, spec: RunSpec) -> Iterator[str]:
    said = set()
    for path, in_words in SETTINGS.items():
        if path.startswith(ADAPTER) and not spec.method.adapts:
            continue
        words = in_words(spec)
        if words not in said and _differs(reference, spec, path):
            said.add(words)
            yield words


def _differs(reference: RunSpec, spec: RunSpec, path: str) -> bool:
    if path != "method.alpha":
        return _value(reference, path) != _value(spec, path)
    # Left empty it follows the rank, and that is said already.
    old, new = reference.method, spec.method
    scales = old.scale_alpha * new.rank, new.scale_alpha * old.rank
    return old.scale_alpha != new.scale_alpha and scales[0] != scales[1]


def _value(spec: RunSpec, path: str) -> object:
    found: object = spec
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _targets(spec: RunSpec) -> str:
    names = spec.method.targets
    if names == ("all-linear",):
        return "all layers"
    return f"on {' and '.join(names)}" if len(names) < 3 else f"on {len(names)} modules"


def _titled(path: str) -> Callable[[RunSpec], str]:
    """A setting by its title and value, for those that have no shorter words."""
    title = str(spec_field(path).title)
    short = title.rpartition("(")[2].removesuffix(")")  # rsLoRA, where the title holds that
    name = short if "(" in title else title.lower()

    def in_words(spec: RunSpec) -> str:
        value = _value(spec, path)
        if isinstance(value, bool):
            return name if value else f"without {name}"
        return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"

    return in_words


# What a name says of each setting, in the order of what matters most.
SETTINGS: dict[str, Callable[[RunSpec], str]] = {
    "model.source": lambda spec: model_name(spec.model.source),
    "data.goal": lambda spec: OBJECTIVE_NAMES.get(spec.data.goal, "automatic goal").lower(),
    "method.kind": lambda spec: METHODS[spec.method.kind].name.partition(" (")[0],
    "method.rank": lambda spec: f"rank {spec.method.rank}",
    "optim.learning_rate": lambda spec: f"rate {format_rate(spec.optim.learning_rate, 6)}",
    "optim.epochs": lambda spec: f"{spec.optim.epochs:g} epoch" + "s" * (spec.optim.epochs != 1),
    "method.targets": _targets,
    "method.alpha": lambda spec: f"alpha {spec.method.scale_alpha}",
    "optim.effective_batch": lambda spec: f"batch {spec.optim.effective_batch}",
    "method.dropout": lambda spec: f"dropout {spec.method.dropout:g}",
    "optim.schedule": lambda spec: f"{spec.optim.schedule} schedule",
    "optim.warmup": lambda spec: f"warm-up {100 * spec.optim.warmup:g} %",
    "optim.weight_decay": lambda spec: f"weight decay {spec.optim.weight_decay:g}",
    "optim.optimizer": lambda spec: spec.optim.optimizer.replace("_", " "),
    "optim.patience": lambda spec: (
        "no early stopping" if spec.optim.patience == "off" else "early stopping"
    ),
    "data.max_length": lambda spec: f"{spec.data.max_length} tokens",
    "data.learn": lambda spec: f"learns {spec.data.learn}",
    "data.template": lambda spec: f"{spec.data.template} format",
    "data.system": lambda _: "another instruction",
    **dict.fromkeys(
        ("data.shape", "data.roles", "data.fixes", "data.left_out"), lambda _: "other rows"
    ),
    "method.rslora": _titled("method.rslora"),
    "method.init": lambda spec: f"starts {spec.method.init}",
    "method.plus": lambda spec: f"LoRA+ {spec.method.plus:g}",
    "method.bias": lambda _: "other biases",
    "method.layers": lambda spec: f"layers {spec.method.layers or 'all'}",
    "method.ranks": lambda _: "other ranks",
    "method.save": lambda _: "other modules in full",
    "method.preference": lambda spec: f"preference {spec.method.preference}",
    "method.beta": _titled("method.beta"),
    "data.held_out": lambda spec: f"{100 * spec.data.held_out:g} % held out",
    "data.held_out_source": lambda _: "other held-out data",
    "data.seed": lambda spec: f"seed {spec.data.seed}",
}
