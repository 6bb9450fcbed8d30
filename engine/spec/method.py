"""The method of a run: what is trained, how large the adapter is, where it goes. Part of engine.spec.run's RunSpec."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class SpecPart(BaseModel):
    """Base of all parts of a spec: frozen, and an unknown key is an error rather than ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MethodSpec(SpecPart):
    """What is trained: small matrices beside the frozen weights (LoRA, Hu et al. 2021), the head, or all weights."""

    kind: Literal["lora", "qlora", "lora8", "dora", "head", "full"] = Field(
        "lora",
        title="Method",
        description="What is trained. LoRA suits nearly everything. The 4-bit one needs the least memory (QLoRA).",
    )
    rank: int = Field(
        16,
        ge=1,
        le=256,
        title="Rank",
        description="How much the adapter can learn. Higher learns more and needs more memory; 8 to 32 is usual.",
    )
    alpha: int | None = Field(
        None,
        ge=1,
        le=1024,
        title="Alpha",
        description="How strongly the adapter acts: its output is scaled by alpha / rank. Empty follows the rank "
        "(twice the rank).",
    )
    dropout: float = Field(
        0.0,
        ge=0.0,
        le=0.5,
        title="Dropout",
        description="Share of the adapter's input left out at random. A little (0.05) helps against memorising.",
    )
    targets: tuple[str, ...] = Field(
        ("all-linear",),
        min_length=1,
        title="Target modules",
        description="The parts of each layer that get an adapter. More parts learn more and need more memory.",
    )
    rslora: bool = Field(
        False,
        title="Rank-stabilised scaling (rsLoRA)",
        description="Scales by alpha / √rank, so that high ranks (64 and more) keep learning.",
    )
    init: Literal["zero", "gaussian", "pissa", "olora"] = Field(
        "zero",
        title="How the adapter starts (initialisation)",
        description="Zero changes nothing at first. PiSSA and OLoRA start from the main directions of the weights, "
        "which can learn faster.",
    )
    plus: float = Field(
        1.0,
        ge=1.0,
        le=64.0,
        title="Faster second half (LoRA+)",
        description="How many times faster the adapter's output matrix learns than its input one; 1 is plain LoRA, "
        "16 is the paper's choice.",
    )
    bias: Literal["none", "lora_only", "all"] = Field(
        "none",
        title="Biases",
        description="Whether biases are trained too: none, those beside adapters, or all.",
    )
    layers: str = Field(
        "",
        max_length=200,
        pattern=r"^\s*(\d+\s*(-\s*\d+\s*)?(,\s*\d+\s*(-\s*\d+\s*)?)*)?$",
        title="Layers",
        description="Which layers get an adapter, counted from 0, such as 8-15 or 0,2,4. Empty takes all.",
    )
    save: tuple[str, ...] = Field(
        (),
        max_length=4,
        title="Parts trained whole (modules to save)",
        description="Parts that are trained whole beside the adapter, such as the embeddings. Needs much more memory.",
    )
    ranks: dict[str, int] = Field(
        {},
        max_length=16,
        title="Ranks of single modules",
        description="Another rank for some modules: one per line, such as q_proj: 32.",
    )
    preference: Literal["auto", "dpo", "orpo", "kto"] = Field(
        "auto",
        title="Preference method",
        description="How better and worse answers are learned. Automatic takes DPO for pairs and KTO for single marks.",
    )
    beta: float = Field(
        0.1,
        gt=0.0,
        le=10.0,
        title="Preference strength (beta)",
        description="How closely it stays to the base model while it learns preferences. Higher stays closer.",
    )

    @field_validator("layers")
    @classmethod
    def _rising(cls, layers: str) -> str:
        for part in layers.replace(" ", "").split(","):
            first, _, last = part.partition("-")
            if len(first) > 4 or len(last) > 4 or (last and int(first) > int(last)):
                raise ValueError(
                    "must be layers or ranges from a lower to a higher one, such as 8-15"
                )
        return layers

    @field_validator("init", mode="before")
    @classmethod
    def _no_loftq(cls, init: object) -> object:
        """PEFT 0.21's replace_lora_weights_loftq computes on "cuda" and does not divide by alpha / rank."""
        if init == "loftq":
            raise ValueError(
                "cannot be LoftQ. PEFT computes it on NVIDIA cards alone and leaves alpha out, so that the adapter "
                "does not start where it should. Choose Zero with the 4-bit method, or PiSSA with LoRA"
            )
        return init

    @property
    def scale_alpha(self) -> int:
        """Alpha as used: the given one, or twice the rank."""
        return self.alpha if self.alpha is not None else 2 * self.rank

    @property
    def adapts(self) -> bool:
        """Whether small matrices are put beside the weights."""
        return self.kind in ("lora", "qlora", "lora8", "dora")

    @property
    def bits(self) -> int | None:
        """Bits that a frozen weight is kept in; None for those of the precision."""
        return {"qlora": 4, "lora8": 8}.get(self.kind)

    @property
    def layer_numbers(self) -> tuple[int, ...] | None:
        """The blocks that get an adapter; None for all."""
        found: set[int] = set()
        for part in self.layers.replace(" ", "").split(",") if self.layers.strip() else []:
            first, _, last = part.partition("-")
            found |= set(range(int(first), int(last or first) + 1))
        return tuple(sorted(found)) if self.layers.strip() else None

    def rank_of(self, name: str) -> int:
        """The rank of a module."""
        return self.ranks.get(name, self.rank)


NAMES: dict[str, str] = {
    "lora": "LoRA",
    "qlora": "QLoRA (4 bit)",
    "lora8": "LoRA on 8 bit",
    "dora": "DoRA",
    "head": "Only the new head",
    "full": "All weights",
}


def describe_method(method: MethodSpec) -> str:
    """A method with what decides its size: LoRA, rank 16, alpha 32."""
    name = NAMES[method.kind]
    return f"{name}, rank {method.rank}, alpha {method.scale_alpha}" if method.adapts else name


def short_method_name(method: MethodSpec) -> str:
    """The same for a narrow column."""
    return f"{NAMES[method.kind]} {method.rank}" if method.adapts else NAMES[method.kind]
