"""Bytes to lines of text: which encoding, and one line at a time however large the file."""

from __future__ import annotations

import codecs
import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from engine.data.quality.languages import language_probability
from engine.data.readers.table import ROW_LIMIT, ReadOptions
from engine.errors import DataError

ENCODINGS = {
    "utf-8-sig": "UTF-8", "utf-16": "UTF-16",
    "cp1252": "Windows-1252 (Western Europe)", "cp1250": "Windows-1250 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)", "koi8_r": "KOI8-R (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)", "cp1254": "Windows-1254 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)", "cp1256": "Windows-1256 (Arabic)",
    "gb18030": "GB18030 or GBK (Chinese)", "big5": "Big5 (Chinese)",
    "cp932": "Shift-JIS (Japanese)", "euc_jp": "EUC-JP (Japanese)",
    "cp949": "CP949 or EUC-KR (Korean)",
}  # fmt: skip
LATIN_LANGUAGES = {  # encoding -> languages (ISO 639-1) written in it
    "cp1252": {"en", "de", "fr", "es", "pt", "it", "nl", "sv", "da", "no", "nb", "nn", "fi", "is",
               "ca", "gl", "eu"},
    "cp1250": {"pl", "cs", "sk", "hu", "sl", "hr", "ro", "bs", "sq"},
    "cp1254": {"tr", "az"},
}  # fmt: skip
# A few words around the first letter that is not ASCII.
EXCERPT = re.compile(r"[ -~]{0,20}[^\x00-\x7f][^\r\n]{0,29}")
READ_CHUNK = 2**20
WIDE_SHARE = 0.25  # share of bytes above 127 from which letters may take two bytes
SAMPLE_BYTES = 2**18  # of lines that are not ASCII, from which the encoding is guessed


class TextLine(NamedTuple):
    """A line without its end."""

    number: int  # counted from 1
    text: str
    too_long: bool = False  # then the text is only its beginning


def decide_encoding(path: Path, name: str, options: ReadOptions, notes: list[str]) -> ReadOptions:
    """Return the options with the file's encoding, noted unless it is UTF-8; raises DataError."""
    if not options.encoding:
        return dataclasses.replace(options, encoding=_detect_encoding(path, name, notes))
    if options.encoding not in ENCODINGS:
        raise DataError(
            f"'{options.encoding}' is not an encoding that Hone knows: {', '.join(ENCODINGS)}."
        )
    notes.append(f"Read as {ENCODINGS[options.encoding]}, as you chose.")
    return options


def _detect_encoding(path: Path, name: str, notes: list[str]) -> str:
    with path.open("rb") as file:
        head = file.read(READ_CHUNK)
    if utf16 := _utf16(head, name):
        notes.append("Read as UTF-16.")
        return utf16
    if _is_utf8(path):
        return "utf-8-sig"
    right, wrong, sample = _count_utf8_lines(path)
    # Some lines are UTF-8 beyond doubt: the file was put together from several.
    if right >= wrong:
        notes.append("The file is UTF-8, but some of its rows hold other bytes.")
        return "utf-8-sig"
    encoding = _guess_encoding(sample, name)
    excerpt = EXCERPT.search(sample.decode(encoding, errors="replace"))
    shown = excerpt[0].strip() if excerpt else ""
    notes.append(
        f"'{name}' is not UTF-8; it looks like {ENCODINGS[encoding]}: “{shown}”. "
        "If this looks wrong, choose another encoding."
    )
    return encoding


def _utf16(head: bytes, name: str) -> str:
    """The kind of UTF-16, by its mark or its zero bytes; raises DataError for binary data."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    pairs = head[: len(head) // 2 * 2]
    zeros = pairs.count(0)
    if zeros <= len(pairs) // 5:
        return ""
    first, second = pairs[::2], pairs[1::2]
    if zeros < len(pairs) * 0.6 and (not any(first) or first.count(0) > 0.9 * zeros):
        return "utf-16-be"
    if second.count(0) > 0.9 * zeros:
        return "utf-16-le"
    raise DataError(f"'{name}' contains binary data, not text. Is it really a text file?")


def _guess_encoding(sample: bytes, name: str) -> str:
    """The most probable encoding of text that is not UTF-8; raises DataError without one."""
    from charset_normalizer import from_bytes

    # Chinese, Japanese and Korean text is mostly high bytes; elsewhere only accents are.
    wide = sum(byte > 127 for byte in sample) > WIDE_SHARE * len(sample)
    names = ("cp", "koi", "gb", "big", "euc") if wide else ("cp12", "koi")
    choices = [one for one in ENCODINGS if one.startswith(names)]
    found = from_bytes(sample, cp_isolation=choices).best()
    if found is None:
        raise DataError(
            f"'{name}' is text in an unknown encoding. Save it again with the encoding UTF-8."
        )
    # Encodings that give the very same letters are one answer; the usual one is named.
    alike = {codecs.lookup(one).name for one in (found.encoding, *found.could_be_from_charset)}
    encoding = next((one for one in ENCODINGS if codecs.lookup(one).name in alike), "cp1252")
    return _choose_latin(sample, encoding) if encoding in LATIN_LANGUAGES else encoding


def _choose_latin(sample: bytes, guess: str) -> str:
    """Among the encodings of Latin letters, the one whose languages fit the decoded text best."""
    found: dict[str, float] = {}
    for encoding, codes in LATIN_LANGUAGES.items():
        try:
            found[encoding] = language_probability(sample.decode(encoding), codes)
        except UnicodeDecodeError:
            continue
    return max(found, key=lambda one: (found[one], one == "cp1252", one == guess), default=guess)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while chunk := file.read(READ_CHUNK):
                # isascii is ten times as fast as decoding.
                if not chunk.isascii() or decoder.getstate()[0]:
                    decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _count_utf8_lines(path: Path) -> tuple[int, int, bytes]:
    """Of the lines that are not ASCII: how many are UTF-8, how many not, and a sample of these."""
    right = wrong = 0
    sample = bytearray()
    with path.open("rb") as file:
        while line := file.readline(READ_CHUNK):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                right += 1
            except UnicodeDecodeError:
                wrong += 1
                if len(sample) < SAMPLE_BYTES:
                    sample += line[: SAMPLE_BYTES - len(sample)].rstrip(b"\r\n") + b"\n"
    return right, wrong, bytes(sample)


def read_lines(path: Path, name: str, encoding: str) -> Iterator[TextLine]:
    """Yield the lines of a text file without their ends; of one over ``ROW_LIMIT``, the beginning.

    Split at line ends alone: U+2028 and its like may stand inside a text.
    Raises DataError for a wrong encoding.
    """
    with _open_text(path, name, encoding) as file:
        number = 0
        while text := file.readline(ROW_LIMIT + 1):
            number += 1
            if text.endswith("\n"):
                yield TextLine(number, text[:-1])
            elif len(text) <= ROW_LIMIT:  # the file's last line
                yield TextLine(number, text)
            else:
                while (rest := file.readline(ROW_LIMIT)) and not rest.endswith("\n"):
                    pass
                yield TextLine(number, text[:100], too_long=True)


def read_text(path: Path, name: str, encoding: str) -> str:
    """Return a whole text file with plain line ends; raises DataError for a wrong encoding."""
    with _open_text(path, name, encoding) as file:
        return file.read()


@contextmanager
def _open_text(path: Path, name: str, encoding: str) -> Iterator[TextIO]:
    # Broken bytes of UTF-8 become surrogates, so that engine.data.readers.table can name the row.
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    try:
        with path.open(encoding=encoding, errors=errors, newline=None) as file:
            yield file
    except UnicodeError as error:
        wanted = ENCODINGS.get(encoding, "UTF-16")
        reason = getattr(error, "reason", error)
        raise DataError(
            f"'{name}' cannot be read as {wanted} ({reason}). "
            "Choose another encoding, or save it as UTF-8."
        ) from None
