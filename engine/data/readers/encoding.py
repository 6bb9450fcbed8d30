"""Bytes to lines of text: which encoding, and one line at a time however large the file."""

from __future__ import annotations

import codecs
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from engine.data.quality.languages import sure
from engine.data.readers.table import ROW_LIMIT, Options
from engine.errors import DataError

ENCODINGS = {
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": "Windows-1252 (Western Europe)",
    "cp1250": "Windows-1250 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8_r": "KOI8-R (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "gb18030": "GB18030 or GBK (Chinese)",
    "big5": "Big5 (Chinese)",
    "cp932": "Shift-JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "cp949": "CP949 or EUC-KR (Korean)",
}
LATIN = {  # encoding -> languages written in it
    "cp1252": {
        "en",
        "de",
        "fr",
        "es",
        "pt",
        "it",
        "nl",
        "sv",
        "da",
        "no",
        "nb",
        "nn",
        "fi",
        "is",
        "ca",
        "gl",
        "eu",
    },
    "cp1250": {"pl", "cs", "sk", "hu", "sl", "hr", "ro", "bs", "sq"},
    "cp1254": {"tr", "az"},
}
CHUNK = 2**20
WIDE = 0.25  # share of bytes above 127 from which letters may take two bytes
SAMPLE = 2**18  # bytes of lines with other than ASCII that the guess is made from


class Line(NamedTuple):
    number: int  # counted from 1
    text: str
    too_long: bool = False  # then the text is its beginning


def decide_encoding(path: Path, name: str, options: Options, notes: list[str]) -> Options:
    """The options with the encoding in which the file is read; what is not plain UTF-8 is named in a note."""
    if options.encoding:
        if options.encoding not in ENCODINGS:
            raise DataError(
                f"'{options.encoding}' is not an encoding that Hone knows: {', '.join(ENCODINGS)}."
            )
        notes.append(f"Read as {ENCODINGS[options.encoding]}, as you chose.")
        return options
    encoding = _find(path, name, notes)
    return dataclasses.replace(options, encoding=encoding)


def _find(path: Path, name: str, notes: list[str]) -> str:
    with path.open("rb") as file:
        head = file.read(CHUNK)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        notes.append("Read as UTF-16.")
        return "utf-16"
    pairs = head[: len(head) // 2 * 2]
    if (zeros := pairs.count(0)) > len(pairs) // 5:
        if zeros < len(pairs) * 0.6 and (not any(pairs[::2]) or pairs[::2].count(0) > 0.9 * zeros):
            notes.append("Read as UTF-16.")
            return "utf-16-be"
        if pairs[1::2].count(0) > 0.9 * zeros:
            notes.append("Read as UTF-16.")
            return "utf-16-le"
        raise DataError(f"'{name}' contains binary data, not text. Is it really a text file?")
    if _is_utf8(path):
        return "utf-8-sig"
    right, wrong, sample = _judge(path)
    if right >= wrong:  # some lines are UTF-8 beyond doubt: the file was put together from several
        notes.append("The file is UTF-8, but some of its rows hold other bytes.")
        return "utf-8-sig"
    from charset_normalizer import from_bytes

    # Chinese, Japanese and Korean text is mostly high bytes; a few among plain letters are accents.
    wide = sum(byte > 127 for byte in sample) > WIDE * len(sample)
    choices = [
        one
        for one in ENCODINGS
        if not one.startswith("utf") and (wide or one.startswith(("cp12", "koi")))
    ]
    found = from_bytes(sample, cp_isolation=choices).best()
    if found is None:
        raise DataError(
            f"'{name}' is text in an encoding that cannot be told. Save it again with the encoding UTF-8."
        )
    # Encodings that give the very same letters are one answer; the usual one is named.
    alike = {codecs.lookup(one).name for one in (found.encoding, *found.could_be_from_charset)}
    encoding = next((one for one in ENCODINGS if codecs.lookup(one).name in alike), "cp1252")
    if encoding in LATIN:
        encoding = _latin(sample, encoding)
    shown = next(
        (
            one
            for one in sample.decode(encoding, errors="replace").splitlines()
            if not one.isascii()
        ),
        "",
    )
    notes.append(
        f"'{name}' is not UTF-8; it looks like {ENCODINGS[encoding]}: “{_around(shown)}”. "
        "If this looks wrong, choose another encoding."
    )
    return encoding


def _latin(sample: bytes, guess: str) -> str:
    """Which of the encodings of Latin letters: the one in which the text is of a language that is written so."""
    found: dict[str, float] = {}
    for encoding, codes in LATIN.items():
        try:
            found[encoding] = sure(sample.decode(encoding), codes)
        except UnicodeDecodeError:
            continue
    return max(found, key=lambda one: (found[one], one == "cp1252", one == guess), default=guess)


def _around(text: str) -> str:
    """A few words about the first letter that is not ASCII."""
    at = next((index for index, letter in enumerate(text) if not letter.isascii()), 0)
    return text[max(0, at - 20) : at + 30].strip()


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK):
                if (
                    not chunk.isascii() or decoder.getstate()[0]
                ):  # looking is ten times as fast as decoding
                    decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _judge(path: Path) -> tuple[int, int, bytes]:
    """Lines with other than ASCII that are UTF-8, those that are not, and a sample of the latter."""
    right = wrong = 0
    sample = bytearray()
    with path.open("rb") as file:
        while line := file.readline(CHUNK):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                right += 1
            except UnicodeDecodeError:
                wrong += 1
                if len(sample) < SAMPLE:
                    sample += line[: SAMPLE - len(sample)].rstrip(b"\r\n") + b"\n"
    return right, wrong, bytes(sample)


def read_lines(path: Path, name: str, encoding: str) -> Iterator[Line]:
    """The lines of a text file without their ends, whichever those are; one longer than a row may be comes cut.

    Split at line ends alone: U+2028 and its like may stand inside a text. Raises DataError for a wrong encoding.
    """
    with _open(path, name, encoding) as file:
        number = 0
        while text := file.readline(ROW_LIMIT + 1):
            number += 1
            if text.endswith("\n"):
                yield Line(number, text[:-1])
            elif len(text) <= ROW_LIMIT:  # the file's last line
                yield Line(number, text)
            else:
                while (rest := file.readline(ROW_LIMIT)) and not rest.endswith("\n"):
                    pass
                yield Line(number, text[:100], too_long=True)


def read_text(path: Path, name: str, encoding: str) -> str:
    """A whole text file, its line ends made plain; raises DataError for a wrong encoding."""
    with _open(path, name, encoding) as file:
        return file.read()


@contextmanager
def _open(path: Path, name: str, encoding: str) -> Iterator[TextIO]:
    errors = (
        "surrogateescape" if encoding.startswith("utf-8") else "strict"
    )  # single rows are named by engine.data.readers
    try:
        with path.open(encoding=encoding, errors=errors, newline=None) as file:
            yield file
    except UnicodeError as error:
        wanted = ENCODINGS.get(encoding, "UTF-16")
        reason = getattr(error, "reason", error)
        raise DataError(
            f"'{name}' cannot be read as {wanted} ({reason}). Choose another encoding, or save it as UTF-8."
        ) from None
