"""The method part of a RunSpec: what is trained, how large the adapter is, where it goes."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, Field, field_validator

MethodKind = Literal["lora", "qlora", "lora8", "dora", "head", "full"]


class Method(NamedTuple):
    """A method's name and help, as they are shown, and what it does with the weights."""

    name: str
    help: str
    adapts: bool = True  # small matrices are trained beside the frozen weights
    bits: int | None = None  # that a frozen weight is kept in; None for those of the precision


METHODS: dict[MethodKind, Method] = {
    "lora": Method(
        "LoRA", "Trains small matrices beside the frozen weights. Suits nearly everything."
    ),
    "qlora": Method(
        "QLoRA (4 bit)",
        "LoRA with the frozen weights in 4 bits. For models that would not fit otherwise; a little "
        "less accurate.",
        bits=4,
    ),
    "lora8": Method(
        "LoRA (8 bit)",
        "LoRA with the frozen weights in 8 bits. Needs less memory than LoRA and more than QLoRA; "
        "slower than both.",
        bits=8,
    ),
    "dora": Method(
        "DoRA",
        "LoRA that trains direction and size separately. Sometimes better at low ranks; takes half "
        "again as long.",
    ),
    "head": Method(
        "Only the new head",
        "Trains a new last layer and leaves the rest of the model as it is. The fastest; a first "
        "figure to beat.",
        adapts=False,
    ),
    "full": Method(
        "All weights (full fine-tuning)",
        "Trains all weights. For very large data; needs the most memory, and the model forgets "
        "other things more easily.",
        adapts=False,
    ),
}


class SpecPart(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Base of all parts of a spec: frozen, and an unknown key is an error rather than ignored.

    The string under a field is its help, as users read it.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        for field in cls.model_fields.values():
            if field.description:
                field.description = " ".join(field.description.split())


class MethodSpec(SpecPart):
    """What is trained: an adapter (LoRA, Hu et al. 2021), the head, or all weights."""

    kind: MethodKind = Field("lora", title="Method")
    """What is trained. LoRA suits nearly everything; QLoRA (4 bit) needs the least memory."""
    rank: int = Field(16, ge=1, le=256, title="Rank")
    """How much the adapter can learn. A higher rank learns more and needs more memory; 8 to 32 is
    usual."""
    alpha: int | None = Field(None, ge=1, le=1024, title="Alpha")
    """How strongly the adapter acts: its output is scaled by alpha / rank. Leave empty for twice
    the rank."""
    dropout: float = Field(0.0, ge=0.0, le=0.5, title="Dropout")
    """Share of the adapter's input that is left out at random. A little (0.05) helps against
    memorising."""
    targets: tuple[str, ...] = Field(("all-linear",), min_length=1, title="Target modules")
    """The parts of each layer that get an adapter. More parts learn more and need more memory."""
    rslora: bool = Field(False, title="Rank-stabilised scaling (rsLoRA)")
    """Scales by alpha / √rank, so that high ranks (64 and more) keep learning."""
    init: Literal["zero", "gaussian", "pissa", "olora"] = Field(
        "zero", title="How the adapter starts (initialisation)"
    )
    """Zero changes nothing at first. PiSSA and OLoRA start from the main directions of the weights,
    which can learn faster."""
    plus: float = Field(1.0, ge=1.0, le=64.0, title="Faster output matrix (LoRA+)")
    """How many times faster the adapter's output matrix learns than its input matrix. 1 is plain
    LoRA; the paper uses 16."""
    bias: Literal["none", "lora_only", "all"] = Field("none", title="Biases")
    """Which biases are trained: none, those of the adapted layers, or all."""
    layers: str = Field(
        "",
        max_length=200,
        pattern=r"^\s*(\d+\s*(-\s*\d+\s*)?(,\s*\d+\s*(-\s*\d+\s*)?)*)?$",
        title="Layers",
    )
    """Which layers get an adapter, counted from 0, such as 8-15 or 0,2,4. Leave empty for all."""
    save: tuple[str, ...] = Field(
        (), max_length=4, title="Modules trained in full (modules to save)"
    )
    """Modules that are trained in full beside the adapter, such as the embeddings. Needs much more
    memory."""
    ranks: dict[str, int] = Field({}, max_length=16, title="Ranks of single modules")
    """A different rank for some modules: one per line, such as q_proj: 32."""
    preference: Literal["auto", "dpo", "orpo", "kto"] = Field("auto", title="Preference method")
    """How better and worse answers are learned. Automatic takes DPO for pairs and KTO for single
    marks."""
    beta: float = Field(0.1, gt=0.0, le=10.0, title="Preference strength (beta)")
    """How close the model stays to the base model while it learns preferences. Higher stays closer.
    """

    @field_validator("layers")
    @classmethod
    def _check_ranges(cls, layers: str) -> str:
        if any(first > last or last > 9999 for first, last in _layer_ranges(layers)):
            raise ValueError("must be layers or ranges from a lower to a higher one, such as 8-15")
        return layers

    @field_validator("init", mode="before")
    @classmethod
    def _refuse_loftq(cls, init: object) -> object:
        """In PEFT 0.21, LoftQ computes on "cuda" and does not divide by alpha / rank."""
        if init == "loftq":
            raise ValueError(
                "cannot be LoftQ. PEFT computes it only on NVIDIA cards and leaves out alpha, so "
                "the adapter starts in the wrong place. Choose Zero with QLoRA (4 bit), or PiSSA "
                "with LoRA"
            )
        return init

    @property
    def scale_alpha(self) -> int:
        """Alpha as used: the given one, or twice the rank."""
        return self.alpha if self.alpha is not None else 2 * self.rank

    @property
    def adapts(self) -> bool:
        return METHODS[self.kind].adapts

    @property
    def bits(self) -> int | None:
        """Bits that a frozen weight is kept in; None for those of the precision."""
        return METHODS[self.kind].bits

    @property
    def layer_numbers(self) -> tuple[int, ...] | None:
        """The blocks that get an adapter; None for all."""
        ranges = _layer_ranges(self.layers)
        found = {number for first, last in ranges for number in range(first, last + 1)}
        return tuple(sorted(found)) if ranges else None

    def rank_of(self, name: str) -> int:
        return self.ranks.get(name, self.rank)


def _layer_ranges(layers: str) -> list[tuple[int, int]]:
    """The first and last block of each range, such as 8-15 or 4."""
    parts = [part.partition("-") for part in "".join(layers.split()).split(",") if part]
    return [(int(first), int(last or first)) for first, _, last in parts]


def describe_method(method: MethodSpec) -> str:
    """A method with what decides its size: LoRA, rank 16, alpha 32."""
    name = METHODS[method.kind].name
    return f"{name}, rank {method.rank}, alpha {method.scale_alpha}" if method.adapts else name


def short_method_name(method: MethodSpec) -> str:
    """A method for a narrow column: LoRA 16."""
    name = METHODS[method.kind].name
    return f"{name} {method.rank}" if method.adapts else name
