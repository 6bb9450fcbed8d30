"""What a tokenizer makes of prepared rows: a preview, and counts of cut and refused rows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class PreviewRow(BaseModel):
    """A row as the model will see it, with the tokens beyond the cut; or why it cannot be shown."""

    model_config = ConfigDict(frozen=True)
    tokens: list[str]
    learned: list[bool]  # whether each is a target token
    special: list[bool] = []  # control tokens, added by the tokenizer or the template
    kept: int | None = None  # tokens before the cut; None where all are
    length: int  # tokens before anything was cut or shortened
    problem: str = ""
    label: str = ""  # that is chosen for these tokens, where a head chooses it

    @property
    def cut(self) -> int:
        return self.length - (len(self.tokens) if self.kept is None else self.kept)


class ControlTokens(BaseModel):
    """Rows that hold one of the tokenizer's special tokens in their own texts."""

    model_config = ConfigDict(frozen=True)
    rows: int = 0
    tokens: list[str] = []  # the most frequent first
    example: int | None = None  # index of a row


class RefusedRows(BaseModel):
    """Rows whose loss mask is uncertain; they are in no other count."""

    model_config = ConfigDict(frozen=True)
    rows: int = 0
    first: int | None = None  # index of a row
    reason: str = ""  # of the first


class TokenReport(BaseModel):
    """Token counts over rows. Row indices are given for at most 20 rows of each kind."""

    model_config = ConfigDict(frozen=True)
    rows: int  # all
    measured: int  # of them, evenly spread; everything below counts these
    tokens: int  # after the cut
    learned: int  # target tokens; where labels are chosen, rows with one
    cut: int  # rows longer than the limit
    lost: int  # rows without any target token left
    longest: int  # tokens of the longest row before the cut
    edges: list[int] = []  # of the histogram of lengths before the cut; one more than counts
    counts: list[int] = []
    longest_rows: list[int] = []  # longest first
    cut_rows: list[int] = []  # those that lose most first
    lost_rows: list[int] = []
    control: ControlTokens = ControlTokens()
    refused: RefusedRows = RefusedRows()
    templated: int = 0  # plain texts that a chat template has written: read as they stand
    # Where nothing ends an answer, so that training cannot teach where it stops: what lacks an end.
    endless: Literal["", "format", "tokenizer"] = ""
