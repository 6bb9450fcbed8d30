"""Bad data never ends in a traceback or a silent change: file, row and next step are named.

Writes the table of messages, docs/data-errors.md.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.data import datasets
from engine.data.quality.findings import Finding
from engine.data.quality.token_report import TokenReport
from engine.data.rows import Row
from engine.errors import DataError
from engine.process import oneshot
from engine.spec import presets
from engine.spec.run import DataSpec
from engine.store.files import PROJECT_FOLDER
from engine.store.workspace import Store
from tests.engine.data.asked_cases import ASKED, answer_to
from tests.engine.data.file_cases import FILES
from tests.engine.data.malformed import CASES as MALFORMED
from tests.engine.data.malformed import GOOD, NASTY, Case
from tests.engine.data.text_cases import TEXTS

CASES = [*MALFORMED, *ASKED, *FILES, *TEXTS]
TABLE = PROJECT_FOLDER / "docs" / "data-errors.md"
# Index of a case -> the case, what became of it, what was said.
SAID: dict[int, tuple[Case, str, str]] = {}

TOKENIZED = ("control", "lost", "cut")  # outcomes that only a tokenizer sees
LARGE = (13, 30)  # numbers of cases whose files have hundreds of megabytes


def give(case: Case, folder: Path, home: Path) -> tuple[str, list[str], list[Finding], str]:
    """Return (source, notes, findings, refusal) of a case's files.

    On disk they have our own names, as an upload has.
    """
    files = []
    for number, (name, content) in enumerate(case.files().items()):
        path = folder / f"upload-{number}"
        path.write_bytes(content)
        files.append((path, name))
    store = Store(home)
    start, before = time.monotonic(), psutil.Process().memory_info().rss
    try:
        source = oneshot.add_dataset_files(store, files)
        prepared = oneshot.prepare_rows(store, DataSpec(source=source))
    except DataError as error:
        return "", [], [], str(error)
    finally:
        grown = (psutil.Process().memory_info().rss - before) / 2**20
        assert grown < 500, f"memory grew by {grown:.0f} MB"
        # Two seconds on a machine that does nothing else; tests run beside each other.
        assert time.monotonic() - start < 10
    return source, datasets.load_dataset(store, source).notes, prepared.findings, ""


def is_slow(case: Case) -> bool:
    return case.outcome in TOKENIZED or case.number in LARGE


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.slow if is_slow(case) else ()) for case in CASES],
    ids=lambda case: f"{case.number}-{case.title[:24]}",
)
@pytest.mark.slow
def test_malformed(case: Case, tmp_path: Path, home: Path) -> None:
    source, notes, findings, refusal = give(case, tmp_path, home)
    store = Store(home)
    others = [finding for finding in findings if finding.kind != "few"]
    said = [refusal] if refusal else list(notes)
    said += [f"{one.title}. {one.text} {one.example} {one.button}" for one in others]
    if case.outcome in TOKENIZED:
        said += tokens_say(store, source)
    text = " ".join(said)
    for word in case.words:
        assert re.search(re.escape(word), text, re.IGNORECASE), f"{word!r} is not said in: {text}"
    assert "Traceback" not in text
    assert (case.outcome == "refused") == bool(refusal), text
    if refusal:
        assert not list(store.datasets.glob("[!.]*")) and not list(store.datasets.glob(".draft*"))
        SAID[CASES.index(case)] = case, "refused", refusal
        return
    stops = [finding for finding in findings if finding.level == "stop"]
    assert (case.outcome in ("fix", "asked")) == bool(stops), text
    if case.outcome == "accepted":
        assert not notes and not [finding for finding in findings if finding.level != "info"], text
    fixes = tuple(finding.fix for finding in stops if finding.fix)
    spec = DataSpec(source=source, fixes=fixes, **answer_to(stops))
    fixed = oneshot.prepare_rows(store, spec)
    assert case.rows is None or fixed.train + fixed.held_out == case.rows
    fixed.require_usable()
    if stops:
        with pytest.raises(DataError):
            oneshot.prepare_rows(store, DataSpec(source=source)).require_usable()
    outcomes = {"accepted": "accepted as it is", "fix": "to be fixed", "asked": "asked about"}
    outcome = outcomes.get(case.outcome, "accepted, and said")
    SAID[CASES.index(case)] = case, outcome, " ".join(text.split())


def tokens_say(store: Store, source: str) -> list[str]:
    """What the token report says with the pocket model."""
    from engine.work.encode.tokenizer import load_tokenizer

    spec = DataSpec(source=source, max_length=64, held_out=0.0)
    rows = list(oneshot.prepare_rows(store, spec).train_rows())
    return report_says(load_tokenizer(presets.POCKET_MODEL), rows, spec)


def report_says(tokenizer: Any, rows: list[Row], spec: DataSpec) -> list[str]:
    from engine.data.report import token_findings
    from engine.work.encode.preview import token_report

    numbers = list(range(len(rows)))
    counted = token_report(tokenizer, rows, numbers, len(rows), spec, lambda _: None)
    found = token_findings(TokenReport.model_validate(counted), spec)
    return [f"{finding.title}. {finding.text}" for finding in found]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_what_the_model_cannot_learn_or_read_is_said(number: int) -> None:
    from engine.work.encode.tokenizer import TABLE_ROWS
    from tests.engine.work.odd_models import CHATML, HEADINGS, make_tokenizer

    larger = make_tokenizer(CHATML)
    larger.add_tokens(["<tool>"], special_tokens=True)
    setattr(larger, TABLE_ROWS, len(larger) - 1)
    title, tokenizer, row, outcome, words = (
        ("A token that the model has no embedding for", larger,
         {"prompt": "Hi", "completion": "<tool> Yes."}, "to be fixed", "The text holds '<tool>'"),
        ("A chat format that ends no answer", make_tokenizer(HEADINGS),
         {"prompt": "Hi", "completion": "Yes."}, "accepted, and said",
         "cannot teach the model where"),
        ("Texts for a tokenizer without an end token", make_tokenizer(CHATML, eos=None),
         {"text": "Once."}, "accepted, and said", "has no end token"),
    )[number]  # fmt: skip
    said = report_says(tokenizer, [row], DataSpec(max_length=64))
    assert words in said[0], said
    case = Case(27, title, dict, "control", ())
    SAID[len(CASES) + number] = case, outcome, said[0]


def test_text_is_kept_as_it_is(tmp_path: Path, home: Path) -> None:
    wanted = {
        19: [("NA", "null"), ("None", "N/A")],
        20: [("007", "1e5")],
        36: [("=1+1", "+2"), ("-3", "@4")],
    }
    for case in CASES:
        if case.number in wanted:
            source, *_ = give(case, tmp_path, home)
            rows = [*datasets.load_dataset(Store(home), source).read_rows()]
            assert rows[: len(GOOD)] == GOOD
            others = [(row["prompt"], row["completion"]) for row in rows[len(GOOD) :]]
            assert others == wanted[case.number]


@pytest.mark.slow
def test_names_reach_no_path(tmp_path: Path, home: Path) -> None:
    for case in CASES:
        if case.number == 35:
            give(case, tmp_path, home)
    store = Store(home)
    sources = [source for source, _ in datasets.list_datasets(store) if "dataset:" in source]
    cards = [datasets.load_dataset(store, source) for source in sources]
    assert {card.name for card in cards} == set(NASTY)
    for card in cards:
        assert re.fullmatch(r"[0-9a-f]{16}", card.folder.name)
        assert card.folder.parent == store.datasets
    assert not list(tmp_path.glob("x.csv")) and len(cards[0].read_rows()) == len(GOOD)


def test_the_table_of_messages_is_up_to_date() -> None:
    """The table is made from what was said just now; a changed message is written into it."""
    if len(SAID) < len(CASES) + 3:
        pytest.skip("not all cases were run, or not in this process")
    lines = [
        "# What Hone says about bad data",
        "",
        "Made by `tests/engine/data/test_malformed.py`, which builds each of these inputs and "
        "reads what the app says.",
        "The numbers are those of the list that the tests follow; some inputs have several forms.",
        "",
        "| # | input | outcome | what is said |",
        "|---|---|---|---|",
    ]
    for _, (case, outcome, said) in sorted(
        SAID.items(), key=lambda one: (one[1][0].number, one[0])
    ):
        cells = (str(case.number), case.title, outcome, " ".join(said.split())[:600] or "–")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    text = "\n".join(lines) + "\n"
    if not TABLE.is_file() or TABLE.read_text(encoding="utf-8") != text:
        TABLE.write_text(text, encoding="utf-8")
        message = "docs/data-errors.md was out of date and has been written anew"
        assert os.environ.get("HONE_WRITE_DOCS"), message
