"""Tokens are made once for the same rows, tokenizer and settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.data.rows import RowWriter, read_rows
from engine.errors import DataError
from engine.model import local
from engine.spec.run import DataSpec
from engine.work.encode import cache
from engine.work.encode.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(local.checked_folder("pocket"))


def written(path: Path, rows: list[dict]) -> Path:
    with RowWriter(path) as writer:
        for row in rows:
            writer.add(json.dumps(row))
    return path


ROWS = [{"prompt": f"What is {n}?", "completion": f"It is the number {n}."} for n in range(30)]


def test_the_second_time_nothing_is_encoded(
    tmp_path: Path, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "rows.arrow", [*ROWS, {"prompt": "word " * 200, "completion": "No."}])
    data = DataSpec(max_length=64)
    first = cache.load_or_encode(tmp_path / "tokens", file, read_rows(file), tokenizer, data)
    assert (len(first.rows), first.lost, first.refused) == (30, 1, 0)
    assert first.lengths == [len(row["input_ids"]) for row in first.rows]
    assert first.rows["learned"] == [
        sum(label != -100 for label in row["labels"]) for row in first.rows
    ]
    monkeypatch.setattr(cache, "encode_rows", lambda *_: pytest.fail("encoded again"))
    again = cache.load_or_encode(
        tmp_path / "tokens", file, read_rows(file), tokenizer, data.model_copy(update={"seed": 1})
    )
    assert list(again.rows) == list(first.rows) and again.lost == 1


@pytest.mark.parametrize("change", [{"max_length": 32}, {"learn": "all"}, {"system": "Be brief."}])
def test_other_settings_make_other_tokens(tmp_path: Path, tokenizer, change: dict) -> None:
    file = written(tmp_path / "rows.arrow", ROWS)
    first = cache.load_or_encode(
        tmp_path / "tokens", file, read_rows(file), tokenizer, DataSpec(max_length=64)
    )
    second = cache.load_or_encode(
        tmp_path / "tokens",
        file,
        read_rows(file),
        tokenizer,
        DataSpec(**{"max_length": 64} | change),
    )
    assert len(list((tmp_path / "tokens").iterdir())) == 2
    assert list(first.rows) != list(second.rows) or change == {"max_length": 32}


@pytest.mark.parametrize("damage", ["left.json", "left.json cut", "tokens.arrow cut", "rows"])
def test_tokens_that_are_half_there_are_made_again(tmp_path: Path, tokenizer, damage: str) -> None:
    file = written(tmp_path / "rows.arrow", ROWS)
    first = list(
        cache.load_or_encode(
            tmp_path / "tokens", file, read_rows(file), tokenizer, DataSpec(max_length=64)
        ).rows
    )
    (folder,) = (tmp_path / "tokens").iterdir()
    name, _, cut = damage.partition(" ")
    if damage == "rows":
        (folder / "left.json").write_text('{"rows": 31, "lost": 0, "refused": 0}')
    elif cut:
        (folder / name).write_bytes(
            (folder / name).read_bytes()[:100] if name.endswith("w") else b""
        )
    else:
        (folder / name).unlink()
    again = cache.load_or_encode(
        tmp_path / "tokens", file, read_rows(file), tokenizer, DataSpec(max_length=64)
    )
    assert list(again.rows) == first
    assert [one.name for one in (tmp_path / "tokens").iterdir()] == [folder.name]


def test_what_fails_half_way_leaves_nothing(tmp_path: Path, tokenizer) -> None:
    bad = {
        "messages": [
            {"role": "tool", "content": "21"},
            {"role": "assistant", "content": "It is warm."},
        ]
    }
    file = written(tmp_path / "rows.arrow", [*ROWS, bad])
    with pytest.raises(DataError, match="Row 31"):
        cache.load_or_encode(
            tmp_path / "tokens", file, read_rows(file), tokenizer, DataSpec(max_length=64)
        )
    assert not list((tmp_path / "tokens").iterdir())


def test_old_tokens_go(tmp_path: Path, tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "TOKEN_SETS_KEPT", 2)
    file = written(tmp_path / "rows.arrow", ROWS[:3])
    for length in (40, 41, 42):
        cache.load_or_encode(
            tmp_path / "tokens", file, read_rows(file), tokenizer, DataSpec(max_length=length)
        )
    assert len(list((tmp_path / "tokens").iterdir())) == 2


@pytest.mark.parametrize("change", ["version", "library"])
def test_tokens_of_another_encoder_are_made_again(
    tmp_path: Path, tokenizer, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    file = written(tmp_path / "rows.arrow", ROWS[:3])

    def encode() -> None:
        cache.load_or_encode(
            tmp_path / "tokens", file, read_rows(file), tokenizer, DataSpec(max_length=64)
        )

    encode()
    if change == "version":
        monkeypatch.setattr(cache, "ENCODING_VERSION", cache.ENCODING_VERSION + 1)
    else:
        monkeypatch.setattr(cache, "version", lambda library: f"another {library}")
    encode()
    assert len(list((tmp_path / "tokens").iterdir())) == 2
