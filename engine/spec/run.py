"""RunSpec: everything that decides a run, in one frozen, checked value.

Each field has its bounds, its label and its help here and nowhere else; the page's widgets, the
checks, the command line and the docs read them from here. Knows nothing about where things are
stored or how they are trained.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from engine.errors import SpecError
from engine.spec.data import DataSpec as DataSpec
from engine.spec.data import Fix as Fix
from engine.spec.data import Shape as Shape
from engine.spec.method import MethodSpec, SpecPart
from engine.spec.optim import OptimSpec

# What Automatic stands for is known once the rows are, so then this is looked at again.
HEAD_NEEDS_LABELS = (
    "Method (method.kind): only a model that chooses labels has a new head to train. "
    "Choose LoRA, or on the Data tab to choose a label."
)


class ModelSpec(SpecPart):
    """Which base model."""

    source: str = Field("pocket", title="Base model")
    """The model to fine-tune. The pocket model ships with Hone; others come from the Hub or a
    folder."""
    start: str = Field("", pattern=r"^[a-z0-9-]{0,80}$", title="Starts from")
    """The id of another run whose adapter this one starts from; model, method and rank must be the
    same. Leave empty to start from the base model alone."""


class SamplingSpec(SpecPart):
    """What is measured and asked during training."""

    checks: int = Field(10, ge=1, le=100, title="Checks during the run")
    """How often the held-out loss is measured, the questions are asked and a checkpoint is saved.
    A long run is also checked a few times before the first of these; checks that would take more
    than a tenth of the time are left out."""
    save_minutes: float = Field(5.0, ge=0.0, le=1440.0, title="Checkpoint every (minutes)")
    """The most work that a crash or a power cut can cost. A run also saves at every check, and when
    you stop or pause it. 0 saves after every step."""
    prompts: tuple[str, ...] = Field((), max_length=5, title="Questions to ask during training")
    """One question per line. Leave empty to ask the first held-out ones."""
    max_new_tokens: int = Field(64, ge=1, le=4096, title="Longest reply (tokens)")
    """Replies are cut after this many tokens."""

    def steps_between_checks(self, steps: int) -> int:
        """Steps from one check to the next, in a run of so many steps."""
        return max(1, round(steps / self.checks))


FIRST_CHECK_STEPS = 25  # a check before this many steps would show little


def early_checks(every: int) -> list[int]:
    """Steps of the checks before the first regular one, which comes after ``every`` steps.

    Each half as far as the next: nobody waits a tenth of a long run for the first reply.
    """
    steps: list[int] = []
    while (every := every // 2) >= FIRST_CHECK_STEPS:
        steps.insert(0, every)
    return steps


class PlaceSpec(SpecPart):
    """On which device and in which precision it runs."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device")
    """Automatic uses the GPU (graphics card) where there is one."""
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", title="Precision")
    """Automatic uses bf16 (16-bit weights), which is faster, where the hardware computes in it."""


class RunSpec(SpecPart):
    """One run, whole."""

    name: str = Field("", max_length=80, title="Name")
    """What to call this run. Leave empty to use the data's name."""
    model: ModelSpec = ModelSpec()
    data: DataSpec = DataSpec()
    method: MethodSpec = MethodSpec()
    optim: OptimSpec = OptimSpec()
    sampling: SamplingSpec = SamplingSpec()
    place: PlaceSpec = PlaceSpec()

    @model_validator(mode="after")
    def _fits_together(self) -> RunSpec:
        method, found = self.method, []
        if "all-linear" in method.targets and len(method.targets) > 1:
            found.append("Target modules: choose either all-linear or single modules, not both.")
        if method.init in ("pissa", "olora"):
            found += [f"How the adapter starts (method.init): {one}" for one in self._init_faults()]
        if method.save and method.adapts and (method.bits or self.place.precision == "bf16"):
            found.append(
                "Modules trained in full (method.save): they are trained in 32 bits, which does "
                "not work with 4-bit, 8-bit or bf16 weights. Choose the method LoRA and the "
                "precision Automatic, or leave this empty."
            )
        if method.kind == "head" and self.data.goal in ("write", "prefer"):
            found.append(HEAD_NEEDS_LABELS)
        if any(not 1 <= rank <= 256 for rank in method.ranks.values()):
            found.append("Ranks of single modules (method.ranks): each must be from 1 to 256.")
        if found:
            raise ValueError("\n".join(found))
        return self

    def _init_faults(self) -> Iterable[str]:
        """Why PiSSA and OLoRA, which take the base weights apart, cannot be used."""
        method = self.method
        if method.bits:
            yield (
                "PiSSA and OLoRA change the base weights, which is not possible with 4-bit and "
                "8-bit weights. Choose Zero, or the method LoRA."
            )
        if method.kind == "dora":
            yield "DoRA has its own start. Choose Zero, or the method LoRA."
        if self.model.start and method.adapts:
            yield (
                "This run starts from another run's adapter (model.start), which PiSSA and OLoRA "
                "would change. Choose Zero."
            )
        if method.rslora and method.ranks:
            yield (
                "PiSSA and OLoRA cannot be combined with both rsLoRA and ranks of single modules. "
                "Choose Zero."
            )


def spec_field(path: str) -> FieldInfo:
    """The declaration of a field by its dotted path, for example ``optim.epochs``."""
    *parts, name = path.split(".")
    model: Any = RunSpec
    for part in parts:
        model = model.model_fields[part].annotation
    info: FieldInfo = model.model_fields[name]
    return info


def make_spec(values: dict[str, Any]) -> RunSpec:
    """A checked RunSpec from nested values; raises SpecError, which names every wrong field."""
    try:
        return RunSpec.model_validate(values)
    except ValidationError as error:
        found = [(_problem_path(one), _problem_sentence(one)) for one in error.errors()]
        raise SpecError("\n".join(text for _, text in found), fields=dict(found)) from None


# pydantic's kinds of problem in plain words; any other keeps pydantic's own sentence.
PROBLEM_TEXTS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "string_pattern_mismatch": "must be sample:NAME or dataset:ID",
    "tuple_type": "must be a list",
    "dict_type": "must be a group of settings",
    "model_type": "must be a group of settings",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "needs at least {min_length}",
    "too_long": "may have at most {max_length}",
    "string_too_long": "may have at most {max_length} characters",
    "literal_error": "must be one of {expected}",
    "finite_number": "must be a finite number",
}
# Instead of pydantic's sentence on a pattern.
FIELD_RULES = {
    "method.layers": "must be layers counted from 0, such as 8-15 or 0,2,4",
    "model.start": "must be the id of a run, as the Runs tab and 'runs' show it, or empty",
}


def _problem_path(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"])


def _problem_sentence(problem: Any) -> str:
    path = _problem_path(problem)
    if problem["type"] == "extra_forbidden":
        return f"'{path}' is not a setting of Hone. Check the spelling, or remove it."
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not path:
        return message
    rule = FIELD_RULES.get(path) or PROBLEM_TEXTS.get(problem["type"])
    rule = rule.format(**problem.get("ctx", {})) if rule else message
    given = "nothing is given" if problem["input"] is None else f"it is {problem['input']!r}"
    return f"{_field_title(path)} ({path}): {rule}; {given}."


def _field_title(path: str) -> str:
    """The title of a field, or of the field that an item belongs to."""
    try:
        return spec_field(".".join(path.split(".")[:2])).title or path
    except (KeyError, AttributeError):
        return path
