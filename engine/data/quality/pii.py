"""Text that looks like somebody's e-mail address, telephone or card number."""

from __future__ import annotations

import re

EMAIL = re.compile(r"[\w.+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
# Written as people write telephone numbers: with a +, with an area code in brackets, with a leading
# 0, or 212-555-0123. Sums (100-50-30), dates and table ids are not.
TELEPHONE = re.compile(
    r"(?<![\w.,/-])(?:\+\d[\d ().-]{7,18}\d|\(\d{2,5}\)[ -]?\d[\d -]{4,12}\d"
    r"|0\d{1,5}[ -]?\d[\d -]{4,10}\d|\d{3}[-. ]\d{3}[-. ]\d{4})(?![\w/-])"
)
CARD_NUMBER = re.compile(
    r"(?<![\w.,/-])(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -]?)\d{6}\2\d{5})(?![\w/-])"
)
REGIONS = ("US", "GB", "DE", "FR", "IN")  # tried for a number without its country


def find_pii(text: str) -> tuple[str, str] | None:
    """Return the first personal data in a text as (kind, what was found), or None."""
    if "@" in text and (found := EMAIL.search(text)):
        return "e-mail address", found[0]
    if number := next(filter(is_card, (match[0] for match in CARD_NUMBER.finditer(text))), ""):
        return "card number", number
    if number := next(filter(is_telephone, (match[0] for match in TELEPHONE.finditer(text))), ""):
        return "telephone number", number
    return None


def is_card(number: str) -> bool:
    """Whether a card can have this number: length, first digit, check digit (ISO/IEC 7812)."""
    digits = [int(one) for one in number if one.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in (3, 4, 5, 6) or len(set(digits)) < 2:
        return False
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(odd) + sum(sum(divmod(2 * one, 10)) for one in even)) % 10 == 0


def is_telephone(number: str) -> bool:
    """Whether one of some large countries gives out such a number."""
    import phonenumbers  # here: it is slow to import, and most texts hold no such number

    for region in (None,) if number.startswith("+") else REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False
