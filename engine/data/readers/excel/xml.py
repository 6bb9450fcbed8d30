"""The XML inside a workbook, streamed: only the beginnings of tags and the texts are looked at."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from xml.parsers import expat

XML_CHUNK = 2**18
OnStart = Callable[[str, dict[str, str]], None]  # a tag begins: its name and attributes
OnText = Callable[[str], None]


def parse_part(
    archive: zipfile.ZipFile, part: str, start: OnStart, text: OnText | None = None
) -> None:
    """Stream a part of the archive through handlers; tags come without their namespaces."""

    def start_tag(tag: str, attributes: dict[str, str]) -> None:
        start(tag.rpartition(":")[2] if ":" in tag else tag, attributes)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start_tag
    parser.StartDoctypeDeclHandler = _refuse_doctype
    if text:
        parser.CharacterDataHandler = text
    with archive.open(part) as file:
        while chunk := file.read(XML_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> None:
    raise ValueError("its XML declares entities, which no workbook does")
