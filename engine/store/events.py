"""The events that a worker reports; engine.store.event_log writes and reads them.

The names of kinds and fields are on users' disks: they never change, and new fields have defaults.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.spec.batch import BatchLayout
from engine.store.score_events import EventBase, NumberScore, Perplexity, Scored


class _LayoutEvent(EventBase):
    batch: int
    accumulation: int
    checkpointing: bool

    @property
    def layout(self) -> BatchLayout:
        return BatchLayout(self.batch, self.accumulation, self.checkpointing)


StageName = Literal["", "start", "wait", "read", "load", "test", "check", "train"]


class Phase(EventBase):
    """The worker began something that takes a while, such as loading the model."""

    kind: Literal["phase"] = "phase"
    text: str
    stage: StageName = ""  # empty in events that are older than this field


class Started(EventBase):
    """Training is about to take its first step of this attempt."""

    kind: Literal["started"] = "started"
    pid: int
    device: str
    precision: str
    reasons: dict[str, str] = Field({})  # automatic choice -> why
    trainable: int
    total: int
    steps: int  # optimizer steps in the whole run
    epochs: float
    rows: int
    held_out: int
    tokens: int  # in the training rows, once through
    learned: int  # of these, tokens with a loss
    cut: int  # rows cut at the length limit
    resumed_from: int = 0  # step; 0 is a fresh start
    # Events that are older than the fields from here on have their defaults.
    goal: str = ""  # engine.spec.objective.ObjectiveKind
    preference: str = ""  # dpo, orpo or kto, where it learns to prefer
    rank: int = 0  # of the adapter; 0 where there is none
    versions: dict[str, str] = Field({})  # of Python and the libraries
    data_hash: str = ""  # of the rows, see engine.model.fingerprint
    model_hash: str = ""  # of the base model


class Proving(_LayoutEvent):
    """The longest examples are about to be trained on once, to see whether this layout fits."""

    kind: Literal["proving"] = "proving"
    length: int  # tokens of the longest example


class Proved(EventBase):
    """The layout of the last ``proving`` event fits into memory."""

    kind: Literal["proved"] = "proved"
    memory_gb: float  # peak so far, with the optimizer's states
    seconds: float  # of one forward and backward pass of this batch


class SteppedDown(_LayoutEvent):
    """The layout did not fit: the run goes on with a smaller one of the same effective batch."""

    kind: Literal["stepped_down"] = "stepped_down"
    why: str
    compared: bool = False  # KTO compares the examples of a batch: there are fewer now


class Estimated(EventBase):
    """The estimates before the first step, for the report to compare with what came."""

    kind: Literal["estimated"] = "estimated"
    trainable: int  # from the config alone
    memory_gb: float  # peak, from the config alone
    parts: dict[str, float] = Field({})  # of the memory, in GB
    seconds_low: float  # of the whole run, from the pass that was measured
    seconds_high: float
    checks_seconds: float = 0.0  # of these, by the first check; 0 until it was made
    advised_rate: float = 0.0  # the learning rate that is advised for this model and method


class Step(EventBase):
    """One optimizer step."""

    kind: Literal["step"] = "step"
    step: int
    epoch: float
    loss: float
    lr: float
    grad_norm: float | None = None
    tokens: int  # tokens seen since the start of the run
    seconds: float  # spent training since the start of the run, all attempts
    memory_gb: float  # peak of this process (CPU) or of the card's allocator (GPU)


class Evaluated(EventBase):
    """The held-out loss was measured."""

    kind: Literal["evaluated"] = "evaluated"
    step: int
    loss: float
    seconds: float
    accuracy: float | None = None  # share of right labels, for runs that choose labels


class Sampled(EventBase):
    """The model was asked one of the sample prompts."""

    kind: Literal["sampled"] = "sampled"
    step: int
    prompt: str
    reply: str


class Saved(EventBase):
    """A checkpoint is complete on disk."""

    kind: Literal["saved"] = "saved"
    step: int
    best: bool  # it is the best so far and now stands in adapter/
    checks_seconds: float = 0.0  # spent in checks since the start of the run, all attempts
    seconds: float = 0.0  # spent since the start of the run, all attempts


class Warned(EventBase):
    """Something the user should know; the run goes on or can go on."""

    kind: Literal["warned"] = "warned"
    text: str


class Stopped(EventBase):
    """The run ended because the user asked."""

    kind: Literal["stopped"] = "stopped"
    step: int
    kept: bool  # False: cancelled, nothing of this attempt was saved


class Paused(EventBase):
    """The run was saved and waits for the user, who asked for it or must make room on the disk."""

    kind: Literal["paused"] = "paused"
    step: int
    why: str = ""  # and what to do; empty where the user asked


class Failed(EventBase):
    """The run ended by an error; the traceback is in worker.log."""

    kind: Literal["failed"] = "failed"
    text: str


class Finished(EventBase):
    """The run reached its end and its result is in adapter/."""

    kind: Literal["finished"] = "finished"
    step: int
    seconds: float
    memory_gb: float
    early: bool = False  # before its last step, since held-out loss did not improve any more
    checks_seconds: float = 0.0  # of the seconds, spent in checks


class Extended(EventBase):
    """A finished run is to go on, for this many epochs in all."""

    kind: Literal["extended"] = "extended"
    epochs: float


class Imported(EventBase):
    """An adapter that another program made was added: its files are in adapter/, nothing ran."""

    kind: Literal["imported"] = "imported"
    base_name: str = ""  # its base model, as its own config says
    made_with: str = ""  # the version of PEFT, as its own config says
    model_hash: str = ""  # of the base model that it was added for


class Merging(EventBase):
    """A merge worker began."""

    kind: Literal["merging"] = "merging"
    precision: str


class Merged(EventBase):
    """A merge ended; ``ok`` only where the merged model agrees with base plus adapter."""

    kind: Literal["merged"] = "merged"
    ok: bool
    precision: str
    largest: float | None = None  # largest difference of a logit on real prompts
    share: float | None = None  # of the largest logit
    tolerance: float | None = None  # allowed share
    agree: int | None = None  # greedy replies that are equal
    prompts: int | None = None
    megabytes: float | None = None
    text: str = ""


class Scoring(EventBase):
    """Scoring of base and tuned model began; a score or ``warned`` says how it ended."""

    kind: Literal["scoring"] = "scoring"


Event = Annotated[
    Phase | Started | Proving | Proved | SteppedDown | Estimated | Step | Evaluated | Sampled
    | Saved | Warned | Stopped | Paused | Failed | Finished | Extended | Imported | Merging | Merged
    | Scoring | Scored | NumberScore | Perplexity,
    Field(discriminator="kind"),
]  # fmt: skip
