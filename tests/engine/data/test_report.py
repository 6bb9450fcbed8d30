"""The report on data without a browser: its words, its JSON and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.store.files import PROJECT_FOLDER

SAMPLE = PROJECT_FOLDER / "presets" / "samples" / "pirate.train.jsonl"


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["check", *words])
    return code, capsys.readouterr().out


@pytest.mark.slow
def test_good_data_is_usable(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = check(capsys, str(SAMPLE))
    assert code == 0 and said.rstrip().endswith("Usable.")
    rows = "700 rows: 630 to learn from, 70 held out"
    for words in ("chat messages", "messages = 'messages'", rows, "tokens in 630"):
        assert words in said


@pytest.mark.slow
def test_warnings_and_stops_have_their_own_codes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = SAMPLE.read_text(encoding="utf-8").splitlines()[:40]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([*rows, rows[0]]), encoding="utf-8")
    code, said = check(capsys, str(path), "--json")
    found = json.loads(said)
    assert code == 1 and found["usable"] and found["rows"] == 41
    repeated = next(one for one in found["findings"] if one["kind"] == "duplicates")
    assert (repeated["count"], repeated["rows"], repeated["level"]) == (1, [41], "warn")
    path.write_text(
        "\n".join([*rows, '{"messages": [], "id": 41}', '{"messages": [{}]}']), encoding="utf-8"
    )
    code, said = check(capsys, str(path))
    assert code == 2 and "Row 42: turn 1" in said
    assert said.rstrip().endswith("Not usable as it is.")


@pytest.mark.slow
def test_both_readings_are_shown_as_the_model_would_see_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "faq.csv"
    rows = (f"K{n % 2};Wo steht Ding {n}?;Im Fach {n}, links.\n" for n in range(12))
    path.write_text("Kategorie;Eins;Zwei\n" + "".join(rows), encoding="utf-8")
    code, said = check(capsys, str(path))
    assert code == 2 and "MUST BE FIXED: Which column is which?" in said
    first, _, second = said.partition("Reading 2: Classify")
    assert "Wo steht Ding 0?<|end|><|assistant|>[[Im Fach 0, links.<|end|>]]" in first
    assert "[[K0]]" in second and 'data.roles: {"text": "Eins"' in second


@pytest.mark.slow
def test_answers_that_are_cut_away_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = check(capsys, str(SAMPLE), "--length", "16", "--json")
    found = json.loads(said)
    assert code == 1 and found["tokens"]["cut"] > 500
    cut = next(one for one in found["findings"] if one["kind"] == "cut")
    assert "longer than 16 tokens" in cut["title"]


def test_what_cannot_be_read_is_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["check", str(tmp_path / "absent.csv")]) == 2
    assert "There is no file" in capsys.readouterr().err
    (tmp_path / "empty.csv").touch()
    code, said = check(capsys, str(tmp_path / "empty.csv"))
    assert code == 2 and "'empty.csv' is empty" in said
