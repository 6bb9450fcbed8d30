"""Marks of good and bad, in the spelling of many tools and languages, and columns of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from engine.data.columns import names as known
from engine.data.columns.cells import is_blank
from engine.data.columns.table import Columns
from engine.data.schema import Schema
from engine.spec.run import Shape

# Words that say of anything whether it is so; they are marks beside an answer alone.
_YES_WORDS = (
    "true 1 yes y t on ja oui vrai si sí sim sì да да́ 是 对 真 はい 正 네 예 evet doğru tak prawda "
    "verdadero verdadeiro vero wahr waar richtig sant نعم हाँ"
)
_NO_WORDS = (
    "false 0 -1 no n f off nein non faux não nao нет 否 不 不是 假 いいえ 誤 아니요 아니오 "
    "nie fałsz falso falsch onwaar nee nej لا नहीं hay\u0131r yanl\u0131\u015f"
)
# Words that judge.
_GOOD_WORDS = (
    "good great best better thumbs_up thumb_up thumbsup thumbup up upvote upvoted like liked "
    "love chosen choose accept accepted approve approved correct right pass passed ok okay "
    "valid keep kept helpful desirable desired preferred satisfied satisfactory success "
    "successful win won positive usable useful safe verified gold include included gut "
    "korrekt akzeptiert angenommen bon bien correcte accepté bueno correcto aceptado aprobado "
    "bom correto aprovado buono corretto goed dobry хорошо хороший верно правильно 好 正确 赞 喜欢 "
    "通过 接受 良い 正解 좋음 iyi 👍 ✅ ✔ ✓ ☑ ❤ 💚 🟢 😀 😊 🙂 ⭐ 🆗 👌 💯 + o ○"
)
_BAD_WORDS = (
    "bad poor worse worst thumbs_down thumb_down thumbsdown thumbdown down downvote downvoted "
    "dislike disliked hate rejected reject refuse refused decline declined disapproved "
    "incorrect wrong fail failed not_ok invalid discard discarded drop dropped delete deleted "
    "unhelpful not_helpful undesirable undesired unsatisfied unsatisfactory dissatisfied "
    "failure lose lost negative unusable useless unsafe exclude excluded error cancelled "
    "canceled schlecht inkorrekt abgelehnt mauvais incorrecte rejeté refusé malo mal "
    "incorrecto rechazado mau ruim incorreto rejeitado cattivo sbagliato scorretto slecht zły "
    "плохо плохой неверно неправильно 坏 差 错 错误 踩 不好 拒绝 悪い 不正解 나쁨 kötü "
    "👎 ❌ ✖ ✗ ✘ ❎ 💔 🔴 😞 😠 🙁 ☹ 🚫 🗑 - x ×"
)
_UNDECIDED_WORDS = (
    "ignore ignored skip skipped unsure maybe pending draft todo unknown unclear undecided "
    "partial partially partly partially_correct needs_review in_review review to_review open "
    "flagged unverified unreviewed duplicate spam neutral submitted neither tie both na n/a "
    "none offen unklar unsicher"
)
MOOD_WORDS = {"positive", "negative"}  # as often what a text feels as what an answer is worth
# Words in the name of a column that says whether a row is good, or whether it is not.
_VERDICT_NAMES = (
    "verdict status correct correctness approved approval accepted acceptance quality valid "
    "validity verified verification usable keep include decision judgement judgment outcome "
    "passed review reviewed grade gold state helpful helpfulness good acceptable ok"
)
_AGAINST_NAMES = (
    "cancelled canceled rejected discard discarded incorrect wrong invalid bad flag flagged "
    "exclude excluded deleted error errors skip skipped spam hallucinated hallucination "
    "duplicate ignore ignored broken"
)
SCORE_NAMES = {
    "rating",
    "score",
    "scores",
    "stars",
    "rank",
    "reward",
    "points",
    "votes",
    "upvotes",
    "downvotes",
    "likes",
    "dislikes",
}
YES_WORDS = frozenset(_YES_WORDS.split())
NO_WORDS = frozenset(_NO_WORDS.split())
GOOD_WORDS = frozenset(_GOOD_WORDS.split())
BAD_WORDS = frozenset(_BAD_WORDS.split())
UNDECIDED_WORDS = frozenset(_UNDECIDED_WORDS.split())
VERDICT_NAMES = frozenset(_VERDICT_NAMES.split())
AGAINST_NAMES = frozenset(_AGAINST_NAMES.split())
OPINIONS = GOOD_WORDS | BAD_WORDS
MOST_WORDS = 12  # different ones; a column with more holds no marks
SKIN = re.compile("[\ufe0f\u200d\U0001f3fb-\U0001f3ff]")
WHOLE_NUMBER = re.compile(r"([-+]?\d{1,6})(?:[.,]0+)?")
NAME_PARTS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")


def plain_word(value: Any) -> str:
    """A mark as the tables here write it: "Thumbs Up" as thumbs_up, 1.0 as 1."""
    text = SKIN.sub("", str(value).casefold()).strip().strip("'\"`").strip()
    if len(text) > 1:
        text = text.strip(":.!* ") or text
    if number := WHOLE_NUMBER.fullmatch(text):
        return str(int(number[1]))
    return re.sub(r"[\s_\-]+", "_", text) if len(text) > 1 else text


def read_mark(value: Any) -> bool | None:
    """Whether a mark says good or bad; None where it says neither."""
    word = plain_word(value)
    if word in YES_WORDS or word in GOOD_WORDS:
        return True
    return False if word in NO_WORDS or word in BAD_WORDS or word == "-1" else None


def words_of(values: Iterable[Any]) -> set[str]:
    """The different marks of a column, of which empty fields have none; the first few."""
    words: set[str] = set()
    for value in values:
        if not is_blank(value):
            words.add(plain_word(value))
        if len(words) > MOST_WORDS:
            break
    return words


def are_marks(values: Iterable[Any]) -> bool:
    """Whether a column says of each answer that it is good or bad.

    Words that judge, true and false need not be there both.
    """
    words = words_of(values)
    if not words or len(words) > 2 or any(read_mark(word) is None for word in words):
        return False
    both = len({read_mark(word) for word in words}) == 2
    return both or words <= OPINIONS | {"true", "false"}


def judges(values: Iterable[Any]) -> bool:
    """Whether a column's words themselves are a judgement: accept and reject, not yes and no."""
    words = words_of(values)
    judging = len(words) > 1 and words <= OPINIONS | UNDECIDED_WORDS
    return judging and bool(words & OPINIONS) and bool(words - MOOD_WORDS)


def name_words(column: str) -> set[str]:
    """The words of a column's name, in lower case."""
    return {word.lower() for word in NAME_PARTS.split(column) if word}


def is_against(column: str) -> bool:
    """Whether a column's yes means that a row is bad: "was_cancelled"."""
    return bool(name_words(column) & AGAINST_NAMES)


def is_verdict_name(column: str) -> bool:
    """Whether a column's name says that it judges its row, for or against it."""
    return bool(name_words(column) & (VERDICT_NAMES | AGAINST_NAMES))


def says_bad(column: str, value: str) -> bool:
    """Whether a value of a column says that its row is not to be learned."""
    word = plain_word(value)
    if word in BAD_WORDS or word in UNDECIDED_WORDS - {"neutral", "submitted", "none"}:
        return True
    if is_against(column):
        return word in YES_WORDS
    return word in NO_WORDS


# --- the column that holds them ---


def add_mark(table: Columns, found: Schema, roles: Mapping[str, str] | None = None) -> Schema:
    """The schema as feedback, where a column marks its answers; asked where it only may do so.

    ``roles`` are those of feedback, where they are not the schema's own.
    """
    mark, sure = find_mark(table, found)
    if not mark:
        return found
    reason = f"{found.reason} '{mark}' says whether the answer is good."
    marked = Schema(Shape.FEEDBACK, reason, {**(roles or found.roles), "mark": mark})
    if sure and found.certain:
        return marked
    words = f"{found.reason} All answers are learned as good ones; '{mark}' is not used."
    return marked.doubted(alternative=found._replace(reason=words))


def find_mark(table: Columns, found: Schema) -> tuple[str, bool]:
    """The column that marks the answers, and whether that is sure; empty where there is none."""
    rest = [column for column in table.columns if column not in found.roles.values()]
    marks = [one for one in rest if are_marks(table.values(one)) and not is_against(one)]
    named = [table.names[name] for name in known.MARK_COLUMNS if name in table.names]
    for column in named:
        if column in marks:
            return column, not words_of(table.values(column)) <= MOOD_WORDS
    for column in marks:
        words = words_of(table.values(column))
        if len(words) > 1 and (is_verdict_name(column) or judges(table.values(column))):
            return column, False
    return "", False
