"""The events that a worker reports; engine.store.event_log writes and reads them.

The names of kinds and fields are on users' disks: they never change, and new fields have defaults.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

EVENT_SCHEMA = 1


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    v: int = EVENT_SCHEMA
    time: float = Field(default_factory=time.time)  # seconds since 1970


class Phase(_Event):
    """The worker began something that takes a while, such as loading the model."""

    kind: Literal["phase"] = "phase"
    text: str


class Started(_Event):
    """Training is about to take its first step of this attempt."""

    kind: Literal["started"] = "started"
    pid: int
    device: str
    precision: str
    reasons: dict[str, str] = {}  # automatic choice -> why
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
    versions: dict[str, str] = {}  # of Python and the libraries
    data_hash: str = ""  # of the rows, see engine.model.fingerprint
    model_hash: str = ""  # of the base model


class Proving(_Event):
    """The longest examples are about to be trained on once, to see whether this layout fits."""

    kind: Literal["proving"] = "proving"
    batch: int
    accumulation: int
    checkpointing: bool
    length: int  # tokens of the longest example


class Proved(_Event):
    """The layout of the last ``proving`` event fits into memory."""

    kind: Literal["proved"] = "proved"
    memory_gb: float  # peak so far, with the optimizer's states
    seconds: float  # of one forward and backward pass of this batch


class SteppedDown(_Event):
    """The layout did not fit: the run goes on with a smaller one of the same effective batch."""

    kind: Literal["stepped_down"] = "stepped_down"
    batch: int
    accumulation: int
    checkpointing: bool
    why: str
    compared: bool = False  # KTO compares the examples of a batch: there are fewer now


class Estimated(_Event):
    """The estimates before the first step, for the report to compare with what came."""

    kind: Literal["estimated"] = "estimated"
    trainable: int  # from the config alone
    memory_gb: float  # peak, from the config alone
    parts: dict[str, float] = {}  # of the memory, in GB
    seconds_low: float  # of the whole run, from the pass that was measured
    seconds_high: float
    checks_seconds: float = 0.0  # of these, by the first check; 0 until it was made


class Step(_Event):
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


class Evaluated(_Event):
    """The held-out loss was measured."""

    kind: Literal["evaluated"] = "evaluated"
    step: int
    loss: float
    seconds: float
    accuracy: float | None = None  # share of right labels, for runs that choose labels


class Sampled(_Event):
    """The model was asked one of the sample prompts."""

    kind: Literal["sampled"] = "sampled"
    step: int
    prompt: str
    reply: str


class Saved(_Event):
    """A checkpoint is complete on disk."""

    kind: Literal["saved"] = "saved"
    step: int
    best: bool  # it is the best so far and now stands in adapter/
    checks_seconds: float = 0.0  # spent in checks since the start of the run, all attempts
    seconds: float = 0.0  # spent since the start of the run, all attempts


class Warned(_Event):
    """Something the user should know; the run goes on or can go on."""

    kind: Literal["warned"] = "warned"
    text: str


class Stopped(_Event):
    """The run ended because the user asked."""

    kind: Literal["stopped"] = "stopped"
    step: int
    kept: bool  # False: cancelled, nothing of this attempt was saved


class Paused(_Event):
    """The run was saved and waits for the user, who asked for it or must make room on the disk."""

    kind: Literal["paused"] = "paused"
    step: int
    why: str = ""  # and what to do; empty where the user asked


class Failed(_Event):
    """The run ended by an error; the traceback is in worker.log."""

    kind: Literal["failed"] = "failed"
    text: str


class Finished(_Event):
    """The run reached its end and its result is in adapter/."""

    kind: Literal["finished"] = "finished"
    step: int
    seconds: float
    memory_gb: float
    early: bool = False  # before its last step, since held-out loss did not improve any more
    checks_seconds: float = 0.0  # of the seconds, spent in checks


class Extended(_Event):
    """A finished run is to go on, for this many epochs in all."""

    kind: Literal["extended"] = "extended"
    epochs: float


class Imported(_Event):
    """An adapter that another program made was added: its files are in adapter/, nothing ran."""

    kind: Literal["imported"] = "imported"
    base_name: str = ""  # its base model, as its own config says
    made_with: str = ""  # the version of PEFT, as its own config says
    model_hash: str = ""  # of the base model that it was added for


class Merging(_Event):
    """A merge worker began."""

    kind: Literal["merging"] = "merging"
    precision: str


class Merged(_Event):
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


class Scoring(_Event):
    """Scoring of base and tuned model began; a score or ``warned`` says how it ended."""

    kind: Literal["scoring"] = "scoring"


class ComparedScore(BaseModel):
    """One figure of three: base model, tuned model, always the most frequent label or the mean."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    base: float
    tuned: float
    majority: float


class LabelScores(BaseModel):
    """The figures beside the count where the right answer is one of a few labels."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    majority: str  # the commonest label (or list of labels) of the training rows
    majority_right: int  # held-out rows that have it too
    accuracy: ComparedScore  # share of right replies
    macro_f1: ComparedScore  # mean F1 of the labels that the scored rows have, equally weighted
    no_label_base: int  # replies that are no label at all; each counts as wrong
    no_label_tuned: int
    micro_f1: ComparedScore | None = None  # over all labels at once, where rows have several


class Scored(_Event):
    """Right replies of base and tuned model to held-out rows."""

    kind: Literal["scored"] = "scored"
    what: str  # what counts as right, in words
    base: int  # right replies
    tuned: int
    rows: int  # held-out rows that were asked
    of: int | None = None  # held-out rows there are; None in events that are older than this field
    labels: LabelScores | None = None  # for rows with a label
    guessing: bool = False  # the base model's head is new, so that it guesses


class NumberScore(_Event):
    """Distance of the numbers that base and tuned model give from the right ones."""

    kind: Literal["number_score"] = "number_score"
    mean: float  # of the training rows
    error: ComparedScore  # mean absolute distance
    explained: ComparedScore | None  # R²; None where all right numbers are the same
    rows: int  # held-out rows that were measured
    of: int  # held-out rows there are
    guessing: bool = False  # the base model's head is new, so that it guesses


class Perplexity(_Event):
    """Perplexity of base and tuned model on held-out rows: exp of the mean loss of a token."""

    kind: Literal["perplexity"] = "perplexity"
    what: str  # of which tokens, in words
    base: float
    tuned: float
    tokens: int  # measured
    rows: int  # held-out rows that these stand in
    of: int  # held-out rows there are


ScoreEvent = Scored | NumberScore | Perplexity
Event = Annotated[
    Phase | Started | Proving | Proved | SteppedDown | Estimated | Step | Evaluated | Sampled
    | Saved | Warned | Stopped | Paused | Failed | Finished | Extended | Imported | Merging | Merged
    | Scoring | Scored | NumberScore | Perplexity,
    Field(discriminator="kind"),
]  # fmt: skip
