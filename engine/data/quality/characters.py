"""Characters that nobody can see, letters that were read in the wrong encoding, and lost ones."""

from __future__ import annotations

import re
import unicodedata

CONTROL = "\x01-\x08\x0b\x0c\x0e-\x1f\x7f"
# Zero-width space and joiners, marks of direction, soft hyphen, a byte-order mark within a text;
# fillers, marks of annotations and of objects; tags and selectors of variants.
FORMAT_MARKS = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
FILLERS = "\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\uffa0\ufff9-\ufffc"
TAGS, VARIANTS = "\U000e0001-\U000e007f", "\U000e0100-\U000e01ef"
INVISIBLE = re.compile(f"[{CONTROL}{FORMAT_MARKS}{FILLERS}{TAGS}{VARIANTS}]")
# Where these belong: flags of England, variants of Chinese characters, Braille, Hangul, Khmer.
PLACES = (
    (re.compile(f"[{TAGS}]"), re.compile("\U0001f3f4")),
    (re.compile(f"[{VARIANTS}]"), re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")),
    (re.compile("\u2800"), re.compile("[\u2801-\u28ff]")),
    (re.compile("[\u115f\u1160]"), re.compile("[\u1100-\u115e\u1161-\u11ff]")),
    (re.compile("[\u17b4\u17b5]"), re.compile("[\u1780-\u17b3]")),
)
OVERRIDES = "\u202d\u202e"  # show letters in another order than they stand in
# UTF-8 read as Windows-1252 or Latin-1: Latin letters with accents, signs, quotes and dashes; other
# alphabets, of which one pair alone may be meant as it stands.
_REST = "\x80-\xbf€‚ƒ„†‡ˆ‰Š‹ŒŽ•˜™š›œžŸ"  # noqa: RUF001  meant
_QUOTES = "…‘’“”–—"  # noqa: RUF001  meant
GARBLED = re.compile(
    f"(?:[ÂÃ][{_REST}{_QUOTES}]|[ÄÅÐÑØÙ][{_REST}]"
    f"|â[\x80-\x9f€‚„†][{_REST}{_QUOTES}]"  # noqa: RUF001
    f"|ðŸ[{_REST}{_QUOTES}]{{2}}"
    f"|ï¿½|ï»¿)+|(?:[ÄÅÎÏÐÑØÙã][{_REST}{_QUOTES}]+){{2,}}"
)
# Windows-1252's quotes and dashes, read as Latin-1, in which these are control characters.
UPPER_CONTROL = re.compile("[\x80-\x9f]")
LOST = "\ufffd"


def find_invisible(text: str) -> str:
    """Invisible characters of a text that its script does not need, as names; empty for none."""
    letters = dict.fromkeys(text[at] for at in _invisible(text))
    names = ((unicodedata.name(one, "control character").lower(), ord(one)) for one in letters)
    return ", ".join(f"{name} (U+{code:04X})" for name, code in names)


def remove_invisible(text: str) -> str:
    """The text without them."""
    gone = set(_invisible(text))
    return "".join(letter for at, letter in enumerate(text) if at not in gone)


def _invisible(text: str) -> list[int]:
    found = (match.start() for match in INVISIBLE.finditer(text))
    return [at for at in found if _is_out_of_place(text, at)]


def _is_out_of_place(text: str, at: int) -> bool:
    """Joiners belong into emoji and many scripts, marks of direction between two directions."""
    letter = text[at]
    if place := next((place for letters, place in PLACES if letters.match(letter)), None):
        return not place.search(text)
    near = text[max(0, at - 1) : at] + text[at + 1 : at + 2]
    if letter in "\u200c\u200d":
        return all(one.isascii() or unicodedata.name(one, "").startswith("LATIN") for one in near)
    if letter not in OVERRIDES and unicodedata.bidirectional(letter) in (
        "L", "R", "AL", "LRE", "RLE", "PDF", "LRI", "RLI", "FSI", "PDI",
    ):  # fmt: skip
        return not any(
            unicodedata.bidirectional(one) in ("R", "AL") for one in text if one != letter
        )
    return True


def find_garbled(text: str) -> str:
    """A word of the text whose letters were read in the wrong encoding; empty for none."""
    if text.isascii():
        return ""
    match = next((one for one in GARBLED.finditer(text) if _decoded(one[0]) is not None), None)
    match = match or UPPER_CONTROL.search(text)
    if match is None:
        return ""
    start, end = text.rfind(" ", 0, match.start()) + 1, text.find(" ", match.end())
    word = text[start : end if end >= 0 else None][:40]
    return f"{word} (for {repair_garbled(word)})"


def repair_garbled(text: str) -> str:
    """The text with letters as they were meant, where they can be told."""
    text = GARBLED.sub(lambda match: _decoded(match[0]) or match[0], text)
    return UPPER_CONTROL.sub(
        lambda match: match[0].encode("latin-1").decode("cp1252", "ignore"), text
    )


def _decoded(garbled: str) -> str | None:
    """What the bytes of such letters are in UTF-8; None where they are none."""
    for _ in range(2):  # some files went through it twice
        try:
            # Windows-1252 with the five bytes that it has no letter for.
            data = b"".join(
                letter.encode("latin-1" if letter < "\u0100" else "cp1252") for letter in garbled
            )
            garbled = data.decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            return None
        if not GARBLED.search(garbled):
            return garbled
    return None
