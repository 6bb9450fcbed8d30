"""Files of an odd layout, files that belong together, exports and bombs: as ``malformed.CASES``."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.engine.data.malformed import CSV, GOOD, LINES, Case, one, workbook
from tests.engine.data.readers.bombs import BOMBS, book, cell, far

COLUMNS = ["question", "answer"]
PAIRS = [[row["prompt"], row["completion"]] for row in GOOD]
ROWS = "\n".join(LINES)


def bomb(what: str) -> Callable[[], dict[str, bytes]]:
    name, make, _ = BOMBS[what]

    def files() -> dict[str, bytes]:
        content = make()
        return {name: content.encode() if isinstance(content, str) else content}

    return files


def task(text: str, *values: dict, cancelled: bool = False) -> dict:
    result = [{"from_name": "topic", "to_name": "text", "value": value} for value in values]
    made = [{"result": result, "was_cancelled": cancelled}] if result else []
    return {"id": 1, "data": {"text": text}, "annotations": made}


def tasks(*values: dict) -> str:
    return json.dumps([task(row["completion"], values[n % len(values)])
                       for n, row in enumerate(GOOD)])  # fmt: skip


def chat_lines(*persons: str) -> str:
    said = [text for pair in PAIRS for text in pair]
    return "\n".join(f"[01.02.24, 10:{n:02}:00] {persons[n % len(persons)]}: {text}"
                     for n, text in enumerate(said))  # fmt: skip


def sheet(*places: str) -> str:
    """Questions and answers in columns A and B; these cells are formulas that nobody solved."""
    rows = []
    for number, pair in enumerate([COLUMNS, *PAIRS], start=1):
        cells = (
            f'<c r="{at}{number}"><f>1+1</f></c>'
            if f"{at}{number}" in places
            else cell(f"{at}{number}", text)
            for at, text in zip("AB", pair, strict=True)
        )
        rows.append(f'<row r="{number}">{"".join(cells)}</row>')  # fmt: skip
    return "".join(rows)


SRT = "\n".join(f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\n{text}\n"
                for n, text in enumerate(text for pair in PAIRS for text in pair))  # fmt: skip
MERGED = '<mergeCells count="1"><mergeCell ref="B3:B4"/></mergeCells>'

FILES = [
    Case(42, "A title above the header", one("a.csv", "FAQ of 2024\n" + CSV),
         "noted", ("Skipped above the header: “FAQ of 2024”",), 12),
    Case(42, "A title above a sheet", lambda: {"a.xlsx": workbook(rows=[
        ["FAQ of 2024", ""], COLUMNS, *PAIRS])}, "noted", ("Skipped above the header",), 12),
    Case(42, "Separators at the ends of the rows",
         one("a.csv", CSV.replace("\n", ",\n")), "noted", ("1 column without a name",), 12),
    Case(42, "A column that only numbers the rows",
         one("a.csv", ",prompt,completion\n" + "".join(f'{n},{a},"{b}"\n'
                                                       for n, (a, b) in enumerate(PAIRS))),
         "noted", ("Column 1 has no name and only numbers the rows",), 12),
    Case(42, "More names in the header than columns",
         one("a.csv", CSV.replace("completion\n", "completion,source\n")),
         "noted", ("The header names 3 columns, the rows have 2", "'source'"), 12),
    Case(43, "A report beside the rows",
         lambda: {"a.jsonl": ROWS.encode(), "filter_report.json": b'{"reasons": [], "kept": 12}'},
         "noted", ("Not read, since the rows are in the other files", "filter_report.json"), 12),
    Case(43, "A report alone", one("report.json", '{"reasons": [], "kept": 12}'),
         "refused", ("report.json", "holds no list of examples")),
    Case(43, "One object with its own parts",
         one("a.json", json.dumps({"train": GOOD[:9], "test": GOOD[9:]})),
         "noted", ("The file holds its own parts; held out: 'test'",), 12),
    Case(43, "Rows whose texts lie deep inside",
         one("a.json", json.dumps([{"id": n, "data": {"boxes": [n]}} for n in range(8)])),
         "refused", ("no column that holds text", "'data'")),
    Case(44, "Tasks of Label Studio",
         one("a.json", tasks({"choices": ["yes"]}, {"choices": ["no"]})),
         "noted", ("export of Label Studio",), 12),
    Case(44, "Tasks of Label Studio that were skipped",
         one("a.json", json.dumps([*json.loads(tasks({"choices": ["yes"]}, {"choices": ["no"]})),
                                   task("A text.", {"choices": ["no"]}, cancelled=True)])),
         "noted", ("Left out: 1 task skipped by the annotators",), 12),
    Case(43, "A description of columns beside the rows",
         lambda: {"a.jsonl": ROWS.encode(), "dataset_info.json": json.dumps({"a": {
             "file_name": "a.jsonl", "columns": {"prompt": "prompt", "response": "reply"}}}
         ).encode()},
         "refused", ("'dataset_info.json' names a column 'reply'", "Correct it")),
    Case(44, "Marked passages of Label Studio",
         one("a.json", tasks({"start": 0, "end": 3, "labels": ["X"]})),
         "refused", ("mark passages of a text", "add a question with choices")),
    Case(44, "A chat of WhatsApp", one("chat.txt", chat_lines("Ann", "Bob")),
         "asked", ("chat between people (Bob, Ann)", "Two readings"), 8),
    Case(44, "A chat in which one person writes", one("chat.txt", chat_lines("Ann")),
         "refused", ("nobody answers anybody",)),
    Case(44, "Subtitles", one("a.srt", SRT), "noted", ("the times are left out",)),
    Case(45, "Formulas whose values are not stored", lambda: {"a.xlsx": book([sheet("B3", "B5")])},
         "fix", ("2 cells of 'S0' with a formula whose value is not stored", "in Excel"), 10),
    Case(45, "A merged area of several rows",
         lambda: {"a.xlsx": book([sheet().replace(cell("B4", PAIRS[2][1]), "")], merged=MERGED)},
         "noted", ("1 merged area of cells",), 12),
    Case(45, "A cell far away from the others", lambda: {"a.xlsx": book([far("ET1048576")])},
         "refused", ("reaches to the cell ET1048576", "Delete the cells")),
    Case(45, "One long text in 20,000 cells", bomb("one text in many cells"),
         "refused", ("hold 572 MB of text", "CSV")),
    Case(46, "A Parquet file that repeats one text 4,000,000 times",
         bomb("a dictionary of one short text"), "refused", ("would unpack to", "Export the rows")),
    Case(46, "A Parquet file of 6,000,000 empty fields", bomb("millions of empty fields"),
         "refused", ("but 6,000,000 values", "Export the rows")),
    Case(47, "A table of 200,000 columns", bomb("200,000 columns"),
         "refused", ("200000 columns", "at most 16384")),
    Case(47, "A row of 200,000 fields", bomb("200,000 keys"),
         "refused", ("200,000 fields", "at most 16,384")),
    Case(47, "Rows of which each has other fields", bomb("other keys in each row"),
         "refused", ("more than 16,384 different fields", "the same ones")),
]  # fmt: skip
