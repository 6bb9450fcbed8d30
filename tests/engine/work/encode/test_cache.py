"""Tokens are made once for the same rows, tokenizer and settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.data.rows import read_rows
from engine.errors import DataError
from engine.spec.run import DataSpec
from engine.work.encode import cache
from tests.engine.work.encode.pocket_rows import REFUSED, write_numbered


def encode(tmp_path: Path, file: Path, tokenizer, **values) -> cache.EncodedRows:
    data = DataSpec(**{"max_length": 64} | values)
    return cache.load_or_encode(tmp_path / "tokens", file, read_rows(file), tokenizer, data)


ROWS = [{"prompt": f"What is {n}?", "completion": f"It is the number {n}."} for n in range(30)]


def test_the_second_time_nothing_is_encoded(
    tmp_path: Path, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_numbered(
        tmp_path / "rows.arrow", [*ROWS, {"prompt": "word " * 200, "completion": "No."}]
    )
    first = encode(tmp_path, file, tokenizer)
    assert (len(first.rows), first.lost, first.refused) == (30, 1, 0)
    assert first.lengths == [len(row["input_ids"]) for row in first.rows]
    labels = list(first.rows["labels"])
    assert first.rows["learned"] == [sum(one != -100 for one in row) for row in labels]
    monkeypatch.setattr(cache, "encode_rows", lambda *_: pytest.fail("encoded again"))
    again = encode(tmp_path, file, tokenizer, seed=1)
    assert list(again.rows) == list(first.rows) and again.lost == 1


@pytest.mark.parametrize("change", [{"max_length": 32}, {"learn": "all"}, {"system": "Be brief."}])
def test_other_settings_make_other_tokens(tmp_path: Path, tokenizer, change: dict) -> None:
    file = write_numbered(tmp_path / "rows.arrow", ROWS)
    first = encode(tmp_path, file, tokenizer)
    second = encode(tmp_path, file, tokenizer, **change)
    assert len(list((tmp_path / "tokens").iterdir())) == 2
    assert list(first.rows) != list(second.rows) or change == {"max_length": 32}


@pytest.mark.parametrize("damage", ["left.json", "left.json cut", "tokens.arrow cut", "rows"])
def test_tokens_that_are_half_there_are_made_again(tmp_path: Path, tokenizer, damage: str) -> None:
    file = write_numbered(tmp_path / "rows.arrow", ROWS)
    first = list(encode(tmp_path, file, tokenizer).rows)
    (folder,) = (tmp_path / "tokens").iterdir()
    name, _, cut = damage.partition(" ")
    if damage == "rows":
        (folder / "left.json").write_text('{"rows": 31, "lost": 0, "refused": 0}')
    elif cut:
        size = 100 if name.endswith("w") else 0
        (folder / name).write_bytes((folder / name).read_bytes()[:size])
    else:
        (folder / name).unlink()
    again = encode(tmp_path, file, tokenizer)
    assert list(again.rows) == first
    assert [one.name for one in (tmp_path / "tokens").iterdir()] == [folder.name]


def test_what_fails_half_way_leaves_nothing(tmp_path: Path, tokenizer) -> None:
    file = write_numbered(tmp_path / "rows.arrow", [*ROWS, REFUSED])
    with pytest.raises(DataError, match="Row 31"):
        encode(tmp_path, file, tokenizer)
    assert not list((tmp_path / "tokens").iterdir())


def test_old_tokens_go(tmp_path: Path, tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "TOKEN_SETS_KEPT", 2)
    file = write_numbered(tmp_path / "rows.arrow", ROWS[:3])
    for length in (40, 41, 42):
        encode(tmp_path, file, tokenizer, max_length=length)
    assert len(list((tmp_path / "tokens").iterdir())) == 2


@pytest.mark.parametrize("change", ["version", "library"])
def test_tokens_of_another_encoder_are_made_again(
    tmp_path: Path, tokenizer, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    file = write_numbered(tmp_path / "rows.arrow", ROWS[:3])
    encode(tmp_path, file, tokenizer)
    if change == "version":
        monkeypatch.setattr(cache, "ENCODING_VERSION", cache.ENCODING_VERSION + 1)
    else:
        monkeypatch.setattr(cache, "version", lambda library: f"another {library}")
    encode(tmp_path, file, tokenizer)
    assert len(list((tmp_path / "tokens").iterdir())) == 2
