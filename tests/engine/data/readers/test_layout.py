"""Tables whose first lines are odd: separator, header and names are judged from many lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.data.readers.excel.workbook import cell_text
from engine.errors import DataError
from tests.engine.data.malformed import workbook
from tests.engine.data.readers.reading import read_made

PAIRS = [(f"What is number {n}?", f"It is the number {n}, of course.") for n in range(12)]
PAIR_NAMES = ["Frage", "Antwort"]


def lines(mark: str = ",", *, end: str = "", start: str = "") -> str:
    """Twelve questions with answers; ``start`` and ``end`` stand around each."""
    made = (f'{start}{one}{mark}"{two}"{end}\n' for one, two in PAIRS)
    return "".join(made)


def numbered(header: str, first: int, mark: str = ",") -> str:
    made = (f'{first + n}{mark}{one}{mark}"{two}"\n' for n, (one, two) in enumerate(PAIRS))
    return header + "".join(made)


@pytest.mark.parametrize(
    ("content", "columns", "note"),
    [
        ("FAQ of the year 2024\nFrage,Antwort\n" + lines(), PAIR_NAMES, "“FAQ of the year 2024”"),
        ("FAQ 2024;;\n;;\nFrage;Antwort;\n" + lines(";", end=";"), PAIR_NAMES, "“FAQ 2024”"),
        ("Report, March 2024\nquestion,answer\n" + lines(), ["question", "answer"], "“Report"),
        (
            "The shop, by Bob, in May\nFrage,Antwort\n" + lines(),
            PAIR_NAMES,
            "“The shop by Bob in May”",
        ),
        (
            "| Frage | Antwort |\n|---|:-:|\n"
            + "".join(f"| {one} | {two} |\n" for one, two in PAIRS),
            PAIR_NAMES,
            "2 columns without a name",
        ),
        ("# exported on Monday, by Bob\nFrage,Antwort\n" + lines(), PAIR_NAMES, "exported on"),
        ("\n\n  \nFrage\tAntwort\n" + lines("\t"), PAIR_NAMES, ""),
        ("sep=;\nFrage;Antwort\n" + lines(";"), PAIR_NAMES, ""),
        ('"sep=|"\nFrage|Antwort\n' + lines("|"), PAIR_NAMES, ""),
        ("\ufeff\ufeffFrage;Antwort\n" + lines(";"), PAIR_NAMES, ""),
        ('Export "2024" of all\nFrage,Antwort\n' + lines(), PAIR_NAMES, "Export"),
        ('"Export of 2024\nFrage,Antwort\n' + lines(), PAIR_NAMES, "Export of 2024"),
        ('"Export" of 2024\nFrage,Antwort\n' + lines(), PAIR_NAMES, "Line 1: its quotation"),
        ('"Frage";Antwort\n' + lines(";"), PAIR_NAMES, ""),
        ("Frage,Antwort,\n" + lines(), PAIR_NAMES, ""),
        ("Frage,Antwort\n" + lines(end=","), PAIR_NAMES, "1 column without a name"),
        ("Frage,Antwort,,,\n" + lines(end=",,,"), PAIR_NAMES, "3 columns without a name"),
        ("Frage,Antwort,Quelle\n" + lines(), PAIR_NAMES, "'Quelle' left out"),
        ("Frage,Antwort\n" + lines(end=",note"), [*PAIR_NAMES, "column 3"], "'column 3'"),
        (numbered(",Frage,Antwort\n", 0), PAIR_NAMES, "only numbers the rows"),
        (numbered("Frage,Antwort\n", 1), PAIR_NAMES, "only numbers the rows"),
        (numbered("Liste\n\n;Frage;Antwort\n", 0, ";"), PAIR_NAMES, "only numbers the rows"),
        ("Frage;;Antwort\n" + lines(";;"), PAIR_NAMES, "1 column without a name"),
    ],
)
def test_an_odd_first_line_does_not_lose_a_table(
    tmp_path: Path, content: str, columns: list[str], note: str
) -> None:
    found = read_made(tmp_path, "a.csv", content)
    assert not found.bad, found.bad
    assert [list(row) for row in found.rows] == [columns] * len(PAIRS), found.notes
    assert [tuple(row.values())[:2] for row in found.rows] == PAIRS
    assert note in found.said and bool(note) == bool(found.notes)


@pytest.mark.parametrize(
    ("content", "columns", "rows"),
    [
        ("text\nYes, it is so\nNo, it is not\nWell, perhaps\nOh, no\n", ["text"], 4),
        (
            "Name,Text\nNote,Hello there my friend\nBob,What is it now?\nAnn,No\n",
            ["Name", "Text"],
            3,
        ),
        ("a,\nb,c\nd,e\nf,g\n", ["column 1", "column 2"], 4),
        (",text\n0,One sentence.\n1,Two sentences.\n2,Three.\n", ["text"], 3),
        ("label,text\nham,\nspam,Buy now\nham,Hello\nham,Bye\n", ["label", "text"], 4),
        ("x;y\n1,5;2,5\n2,5;3,5\n3,5;1,0\n", ["x", "y"], 3),
    ],
)
def test_a_plain_first_line_stays_what_it_is(
    tmp_path: Path, content: str, columns: list[str], rows: int
) -> None:
    found = read_made(tmp_path, "a.csv", content)
    assert [list(row) for row in found.rows] == [columns] * rows and not found.bad, found


def test_a_value_in_a_column_without_a_name_is_noted(tmp_path: Path) -> None:
    content = "Frage,Antwort,\n" + lines(end=",") * 20 + "a,b,c\n"
    found = read_made(tmp_path, "a.csv", content)
    assert len(found.rows) == 240
    assert found.bad == [
        "Row 241 has a value in column 3, which has no name. Name the column, or remove the value."
    ]


@pytest.mark.parametrize(
    ("above", "columns", "note"),
    [
        ([["Our questions of 2024", "", ""]], PAIR_NAMES, "“Our questions of 2024”"),
        ([["Our questions", "", ""], ["", "", ""], ["as of May", "", ""]], PAIR_NAMES, "as of May"),
        ([["", "Our questions", ""]], PAIR_NAMES, "“Our questions”"),
        ([], PAIR_NAMES, ""),
    ],
)
def test_a_title_above_a_sheet_is_passed_over(
    tmp_path: Path, above: list[list[str]], columns: list[str], note: str
) -> None:
    rows = [*above, [*PAIR_NAMES, ""], *([*pair, ""] for pair in PAIRS)]
    found = read_made(tmp_path, "a.xlsx", workbook(rows=rows))
    assert [list(row) for row in found.rows] == [columns] * len(PAIRS) and not found.bad
    assert note in found.said


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.30000000000000004, "0.3"), (1 / 3, "0.333333333333333"), (2.0, "2"), (1e15, "1" + "0" * 15),
     (-0.1, "-0.1"), (7, "7"), ("007", "007"), (123456.789, "123456.789")],
)  # fmt: skip
def test_a_number_is_as_excel_shows_it(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_columns_are_named_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the column 'Frage' appears twice"):
        read_made(tmp_path, "a.csv", "Titel\nFrage,Frage\n" + lines())
