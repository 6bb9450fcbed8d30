"""The 36 malformed inputs: how each is built, and what has to be said about it."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from typing import NamedTuple

GOOD = [
    {"prompt": f"Question {n}?", "completion": f"Answer number {n}, which is right."}
    for n in range(1, 13)
]
LINES = [json.dumps(row) for row in GOOD]
CSV = "prompt,completion\n" + "".join(f'{row["prompt"]},"{row["completion"]}"\n' for row in GOOD)


class Case(NamedTuple):
    number: int
    title: str
    files: Callable[[], dict[str, bytes]]  # name -> content
    outcome: str  # accepted, noted, fix, refused; cut, lost, control (only a tokenizer sees these)
    words: tuple[str, ...]  # that have to stand in what is said
    rows: int | None = None  # that are to be learned from and held out together


def one(name: str, content: str | bytes, encoding: str = "utf-8") -> Callable[[], dict[str, bytes]]:
    return lambda: {name: content if isinstance(content, bytes) else content.encode(encoding)}


def with_line(line: str | bytes, at: int = 3) -> bytes:
    """Good JSON lines with one other among them."""
    lines = [text.encode() for text in LINES]
    lines.insert(
        at, line if isinstance(line, bytes) else line.encode("utf-8", errors="surrogatepass")
    )
    return b"\n".join(lines) + b"\n"


def chat(*turns: tuple[str, str]) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in turns]})


def talks(*odd: str) -> str:
    good = [chat(("user", row["prompt"]), ("assistant", row["completion"])) for row in GOOD]
    return "\n".join([*good, *odd])


def zipped(names: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return out.getvalue()


def workbook(extra: dict[str, bytes] | None = None, rows: list[list[str]] | None = None) -> bytes:
    """A small .xlsx written by hand: inline strings on one sheet."""
    cells = rows or [["question", "answer"], *([row["prompt"], row["completion"]] for row in GOOD)]
    body = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>"
        for row in cells
    )
    schemas = "http://schemas.openxmlformats.org"
    kind = "application/vnd.openxmlformats"
    part = f"{kind}-officedocument.spreadsheetml"
    sheet, office = (
        f"{schemas}/spreadsheetml/2006/main",
        f"{schemas}/officeDocument/2006/relationships",
    )
    rels = f'<Relationships xmlns="{schemas}/package/2006/relationships">'
    types = [
        f'<Types xmlns="{schemas}/package/2006/content-types">',
        f'<Default Extension="rels" ContentType="{kind}-package.relationships+xml"/>',
        f'<Override PartName="/xl/workbook.xml" ContentType="{part}.sheet.main+xml"/>',
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{part}.worksheet+xml"/>',
        "</Types>",
    ]
    parts = {
        "[Content_Types].xml": "".join(types),
        "_rels/.rels": f'{rels}<Relationship Id="r1" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{sheet}" xmlns:r="{office}"><sheets>'
        '<sheet name="One" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{rels}<Relationship Id="r1" Type="{office}/worksheet" '
        'Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{sheet}">'
        f"<sheetData>{body}</sheetData></worksheet>",
    }
    return zipped({name: text.encode() for name, text in parts.items()} | (extra or {}))


PICKLE = b"\x80\x04K*."  # the number 42
XXE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
GERMAN = [
    ("Wie heißt du?", f"Ich heiße Größenwahn Nummer {n}, schöne Grüße aus Köln.") for n in range(12)
]
CHINESE = [("你叫什么名字", f"我叫小明今年{n}岁住在北京市海淀区很高兴认识你") for n in range(12)]
JAPANESE = [
    ("お名前は何ですか", f"私の名前は太郎です。東京に住んでいます。{n}番です。") for n in range(12)
]


def table(rows: list[tuple[str, str]], encoding: str) -> bytes:
    return ("prompt,completion\n" + "".join(f'"{a}","{b}"\n' for a, b in rows)).encode(encoding)


def parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(GOOD), out)
    return out.getvalue()


NASTY = ["../../x.csv", "CON.csv", "a" * 300 + ".csv", "new\nline.csv",
         "<img src=x onerror=alert(1)>.csv", ".hidden.csv", "=cmd.csv"]  # fmt: skip

CASES = [
    Case(1, "A file of 0 bytes", one("a.csv", ""), "refused", ("a.csv", "is empty")),
    Case(2, "A header and no rows", one("a.csv", "prompt,completion\n"),
         "refused", ("0 examples found", "at least 4")),
    Case(3, "CSV with a byte-order mark", one("a.csv", "\ufeff" + CSV), "accepted", (), 12),
    Case(4, "JSON with a byte-order mark", one("a.json", "\ufeff" + json.dumps(GOOD)),
         "accepted", (), 12),
    Case(5, "UTF-16", one("a.csv", CSV, "utf-16"), "noted", ("Read as UTF-16",), 12),
    Case(6, "Windows-1252", one("a.csv", table(GERMAN, "cp1252")),
         "noted", ("Windows-1252", "heißt", "choose another"), 12),
    Case(6, "GBK", one("a.csv", table(CHINESE, "gbk")),
         "noted", ("GB18030 or GBK", "choose another"), 12),
    Case(6, "Shift-JIS", one("a.csv", table(JAPANESE, "shift_jis")),
         "noted", ("Shift-JIS", "choose another"), 12),
    Case(7, "Two encodings in one file",
         one("a.jsonl", with_line('{"prompt": "Größe", "completion": "groß"}')
             + '{"prompt": "Größe", "completion": "x"}\n'.encode("cp1252")),
         "fix", ("Row 14", "bytes that are not UTF-8", "leave it out"), 13),
    Case(8, "NUL bytes", one("a.jsonl", with_line('{"prompt": "a\\u0000b", "completion": "c"}')),
         "fix", ("Row 4", "binary data"), 12),
    Case(9, "Half of a surrogate pair",
         one("a.jsonl", with_line('{"prompt": "a\\ud800b", "completion": "c"}')),
         "fix", ("Row 4", "broken character"), 12),
    Case(10, "Old line ends (CR alone)", one("a.csv", CSV.replace("\n", "\r")), "accepted", (), 12),
    Case(11, "U+2028 inside a JSONL text",
         one("a.jsonl", with_line('{"prompt": "one\u2028two", "completion": "three"}')),
         "accepted", (), 13),
    Case(12, "One field of 300 kB", one("a.csv", CSV + f"long,{'word ' * 60_000}\n"),
         "cut", ("1 row", "longer than"), 13),
    Case(13, "One line of 500 MB",
         lambda: {"a.jsonl": with_line(b'{"prompt": "' + b"x" * (500 * 2**20) + b'"}')},
         "fix", ("Line 4", "larger than the limit of 5 MB"), 12),
    Case(14, "A quote that is never closed", one("a.csv", CSV + '"open,b\nc,d\n'),
         "refused", ("quote opened on line 14", "never closed", "Close or remove it")),
    Case(15, "Ragged rows", one("a.csv", CSV + "a,b,c\n"),
         "fix", ("Row 13 has 3 values", "header has 2"), 12),
    Case(16, "A column name twice", one("a.csv", "p,p,q\n1,2,3\n4,5,6\n"),
         "refused", ("the column 'p' appears twice", "Rename or remove one")),
    Case(17, "A JSON key twice",
         one("a.jsonl", with_line('{"prompt": "a", "prompt": "b", "completion": "c"}')),
         "fix", ("Line 4 repeats the key 'prompt'",), 12),
    Case(18, "NaN and Infinity in JSON",
         one("a.jsonl", with_line('{"prompt": NaN, "completion": "c"}')),
         "fix", ("Line 4 holds NaN",), 12),
    Case(19, "'NA', 'null', 'None' as text", one("a.csv", CSV + "NA,null\nNone,N/A\n"),
         "accepted", (), 14),
    Case(20, "Leading zeros, 1e5", one("a.csv", CSV + "007,1e5\n"), "accepted", (), 13),
    Case(21, "A number of 5,000 digits",
         one("a.jsonl", with_line('{"prompt": ' + "9" * 5000 + ', "completion": "c"}')),
         "fix", ("Line 4 holds a number of 5000 digits",), 12),
    Case(22, "100,000 levels of nesting",
         one("a.jsonl", with_line('{"prompt": ' + "[" * 100_000 + "]" * 100_000 + "}")),
         "fix", ("Line 4 is nested too deeply", "64"), 12),
    Case(23, "A list where text should be",
         one("a.jsonl", with_line('{"prompt": ["a"], "completion": "c"}')),
         "fix", ("Row 4", "expected text in 'prompt', got a list"), 12),
    Case(24, "The last line cut off", one("a.jsonl", "\n".join([*LINES, '{"prompt": "a", "compl'])),
         "fix", ("Line 13, the last one, is incomplete", "cut off", "12 good rows"), 12),
    Case(25, "A JSON list in .jsonl", one("a.jsonl", json.dumps(GOOD)),
         "noted", ("one JSON list", "read as such"), 12),
    Case(25, "JSON lines in .json", one("a.json", "\n".join(LINES)),
         "noted", ("one example per line", "read as such"), 12),
    Case(26, "Chat with an unknown role",
         one("a.jsonl", talks(chat(("wizard", "a"), ("assistant", "b")))),
         "fix", ("Row 13", "unknown role 'wizard'"), 12),
    Case(26, "Two user turns in a row",
         one("a.jsonl", talks(chat(("user", "a"), ("user", "b"), ("assistant", "c")))),
         "fix", ("Row 13", "turns 1 and 2 are both the user's"), 12),
    Case(26, "Chat without an answer", one("a.jsonl", talks(chat(("user", "a")))),
         "fix", ("Row 13", "no assistant answer"), 12),
    Case(26, "Chat with an empty answer",
         one("a.jsonl", talks(chat(("user", "a"), ("assistant", " ")))),
         "fix", ("Row 13", "turn 2 is empty"), 12),
    Case(27, "Control tokens in the text",
         one("a.jsonl", with_line('{"prompt": "a<|end|>b", "completion": "c"}')),
         "control", ("1 row", "<|end|>"), 13),
    Case(27, "Texts in a chat format already",
         one("a.jsonl", "\n".join(json.dumps({"text": f"<|user|>Question {n}?<|end|><|assistant|>"
                                              f"Answer number {n}.<|end|>"}) for n in range(12))),
         "control", ("12 rows are in a chat format already", "as they stand"), 12),
    Case(28, "All rows longer than the limit",
         one("a.jsonl", "\n".join(json.dumps({"prompt": f"word {n} " * 300, "completion": "b"})
                                  for n in range(12))),
         "lost", ("12 of 12", "whole answer"), 12),
    Case(29, "All rows the same", one("a.jsonl", "\n".join([LINES[0]] * 12)),
         "noted", ("All rows are the same",), 12),
    Case(29, "The same rows in training and held out",
         lambda: {name: "\n".join(LINES).encode() for name in ("train.jsonl", "valid.jsonl")},
         "noted", ("12 of 12 held-out rows are also in the training data",), 24),
    Case(30, "An archive that unpacks to 200 MB",
         one("a.csv.gz", gzip.compress(b"a" * 200_000_000)),
         "refused", ("archives are not accepted", "Unpack it")),
    Case(30, "A workbook that unpacks to 2 GB",
         lambda: {"a.xlsx": workbook({f"xl/media/{n}.bin": b"\0" * 2**28 for n in range(8)})},
         "refused", ("would unpack to 2048 MB", "CSV")),
    Case(31, "An archive with ../ in it", one("a.zip", zipped({"../../x.csv": b"a"})),
         "refused", ("archives are not accepted",)),
    Case(31, "A workbook with ../ in it", lambda: {"a.xlsx": workbook({"../../x.csv": b"a"})},
         "refused", ("unsafe archive", "CSV")),
    Case(32, "A workbook with macros and an external entity",
         lambda: {"a.xlsm": workbook({"xl/vbaProject.bin": b"macro", "customXml/item1.xml": XXE})},
         "noted", ("formulas and macros are not run",), 12),
    Case(32, "A workbook of 17,000 columns",
         lambda: {"a.xlsx": workbook(rows=[[f"c{n}" for n in range(17_000)]] * 5)},
         "refused", ("17000 columns", "at most 16384", "CSV")),
    Case(33, "A Parquet file cut off", lambda: {"a.parquet": parquet()[:-200]},
         "refused", ("cannot be read as Parquet", "cut off", "again")),
    Case(33, "A picture named .csv", one("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8),
         "refused", ("is not a table file", "PNG image")),
    Case(33, "Text named .parquet", one("a.parquet", CSV), "refused", ("is not a Parquet file",)),
    Case(34, "A pickle", one("a.pkl", PICKLE), "refused", ("not accepted", "run code")),
    Case(34, "A pickle named .jsonl", one("a.jsonl", PICKLE), "refused", ("looks like a pickle",)),
    Case(34, "A program", one("a.py", b"print(1)"), "refused", ("not accepted", "never runs")),
    Case(34, "An Arrow file", one("a.arrow", b"ARROW1"), "refused", ("not accepted", "Arrow")),
    *(Case(35, f"The name {name[:30]!r}{'…' if len(name) > 30 else ''}", one(name, CSV), "accepted",
           (), 12) for name in NASTY),
    Case(36, "Cells that begin with = + - @", one("a.csv", CSV + "=1+1,+2\n-3,@4\n"),
         "accepted", (), 14),
]  # fmt: skip
