"""What people wrote to each other, as conversations: in each, one of them has the model's part.

Whose answers are to be learned is for the user to say, so a row holds a conversation for each of
the persons who write most, in columns of their own: "answers of Ann", "answers of Bob".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from engine.data.columns.names import ANSWERS_OF
from engine.data.readers.table import NoRowsError
from engine.data.rows import Row
from engine.text import count_of

PAUSE = 8 * 3600  # seconds of silence after which another conversation begins
LATE_ANSWER = 48 * 3600  # seconds up to which what follows a pause may still be the answer
MOST_TURNS, MOST_CHARACTERS = 8, 2000  # of one conversation
MIN_PIECES = 4  # conversations that even a small chat is cut into
MOST_PERSONS = 6  # who are offered
LONGEST_NAME = 60
QUESTION_MARKS = ("?", "\uff1f")


class Said(NamedTuple):
    """A message: who wrote it, what, and when (seconds on any clock; None where unknown)."""

    who: str
    text: str
    when: float | None = None


Chat = Sequence[Said]  # in the order of time


def conversation_rows(chats: Sequence[Chat], name: str, notes: list[str]) -> Iterator[Row]:
    """Yield rows with one conversation for each person; raises NoRowsError where nobody answers."""
    persons = offered_persons(chats)
    joined = [_join_turns(chat) for chat in chats]
    # A small chat makes small conversations, so that there are enough of them.
    most_turns = min(MOST_TURNS, max(2, sum(map(len, joined)) // (2 * MIN_PIECES)))
    made = False
    for turns in joined:
        several = len({turn.who for turn in turns}) > 2
        for start, end in _pieces(turns, most_turns):
            found = {
                f"{ANSWERS_OF}{person}": _conversation(turns, start, end, person, several)
                for person in persons
            }
            if row := {column: messages for column, messages in found.items() if messages}:
                made = True
                yield row
    count = sum(map(len, chats))
    if not made:
        raise NoRowsError(
            f"'{name}' is a chat of {count_of(count, 'message')} in which nobody answers anybody, "
            "so there is nothing to learn. Export a chat of two or more persons."
        )
    notes.append(
        f"Read as a chat of {count_of(count, 'message')}. A new conversation begins after a pause "
        f"of {PAUSE // 3600} hours, or after {most_turns} turns; what one person wrote in several "
        "messages is one turn."
    )


def offered_persons(chats: Sequence[Chat]) -> list[str]:
    """Those who write most; who asks least comes first, being likelier the one who answers."""
    counts = Counter(said.who for chat in chats for said in chat)
    asked = Counter(
        said.who for chat in chats for said in chat if said.text.rstrip().endswith(QUESTION_MARKS)
    )
    most = [person for person, _ in counts.most_common(MOST_PERSONS)]
    return sorted(most, key=lambda person: round(asked[person] / counts[person], 1))


def _join_turns(chat: Chat) -> list[Said]:
    """What one person wrote in several messages, as one turn."""
    turns: list[Said] = []
    for said in chat:
        last = turns[-1] if turns else None
        if last and last.who == said.who and not _pause(last, said, PAUSE):
            turns[-1] = said._replace(text=f"{last.text}\n{said.text}")
        else:
            turns.append(said)
    return turns


def _pause(before: Said, after: Said, seconds: float) -> bool:
    if before.when is None or after.when is None:
        return False
    return abs(after.when - before.when) > seconds


def _pieces(turns: list[Said], most_turns: int) -> Iterator[tuple[int, int]]:
    """Where each conversation begins and ends among the turns."""
    start, size = 0, 0
    for at, turn in enumerate(turns):
        full = at - start >= most_turns or size > MOST_CHARACTERS
        if at > start and (full or _pause(turns[at - 1], turn, PAUSE)):
            yield start, at
            start, size = at, 0
        size += len(turn.text)
    if start < len(turns):
        yield start, len(turns)


def _conversation(
    turns: list[Said], start: int, end: int, person: str, several: bool
) -> list[dict[str, str]]:
    """The messages of a piece in which ``person`` is the assistant; empty where no answer is.

    The first turn behind the piece belongs to it where it answers the last one.
    """
    piece = turns[start:end]
    following = turns[end] if end < len(turns) else None
    answers = following is not None and following.who == person != piece[-1].who
    if following and answers and not _pause(piece[-1], following, LATE_ANSWER):
        piece = [*piece, following]
    # Of several persons the model has to know who says what.
    asked = "{0.who}: {0.text}" if several else "{0.text}"
    said = (
        ("assistant", turn.text) if turn.who == person else ("user", asked.format(turn))
        for turn in piece
    )
    return join_messages(said, "\n")


def join_messages(said: Iterable[tuple[str, str]], between: str) -> list[dict[str, str]]:
    """Messages of (role, text), from the first question to the last answer.

    What one side says at once is one message; ``between`` stands between its parts.
    """
    made: list[dict[str, str]] = []
    for role, text in said:
        if made and made[-1]["role"] == role:
            made[-1]["content"] += between + text
        elif made or role == "user":
            made.append({"role": role, "content": text})
    if made and made[-1]["role"] == "user":
        made.pop()
    return made
