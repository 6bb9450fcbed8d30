"""Chats between people, from several programs: conversations for each person, without the noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.datasets import load_dataset
from engine.data.ingest import ingest_files
from engine.data.prepare import prepare_dataset
from engine.data.readers.chats import whatsapp as whatsapp_lines
from engine.data.readers.table import NoRowsError
from engine.data.upload import Upload
from engine.spec.run import DataSpec, Shape
from engine.store.files import PROJECT_FOLDER
from engine.store.workspace import Store
from tests.engine.data.made_rows import find
from tests.engine.data.readers.reading import read_made

CASES = PROJECT_FOLDER.parent / "shared" / "cases" / "12-telegram-discord-whatsapp"
SAID = [("Ann", f"Where is shelf {n}?") if n % 2 == 0 else ("Bob", f"On floor {n}, left.")
        for n in range(16)]  # fmt: skip
DAY = 86_400


def telegram(said: list[tuple[str, str]]) -> dict:
    messages = [{"id": n, "type": "message", "date": f"2024-01-01T10:{n:02}:00", "from": who,
                 "text": text} for n, (who, text) in enumerate(said)]  # fmt: skip
    messages.insert(3, {"id": 99, "type": "service", "actor": "Ann", "action": "phone_call"})
    messages.insert(5, {"id": 98, "type": "message", "from": "Bob", "photo": "x.jpg", "text": ""})
    return {"name": "Chat", "type": "personal_chat", "messages": messages}


def discord(said: list[tuple[str, str]]) -> dict:
    messages = [{"type": "Default", "timestamp": f"2024-01-01T10:{n:02}:00+00:00", "content": text,
                 "author": {"id": who, "name": who.lower(), "nickname": who}}
                for n, (who, text) in enumerate(said)]  # fmt: skip
    return {"guild": {"id": "1"}, "channel": {"id": "2"}, "messages": messages}


def messenger(said: list[tuple[str, str]]) -> dict:
    messages = [{"sender_name": who, "timestamp_ms": 1_700_000_000_000 + n * 1000, "content": text}
                for n, (who, text) in enumerate(said)]  # fmt: skip
    return {"participants": [{"name": "Ann"}, {"name": "Bob"}], "messages": messages[::-1]}


def slack(said: list[tuple[str, str]]) -> list:
    messages = [{"type": "message", "user": who, "text": text, "ts": f"{1_700_000_000 + n}.0001"}
                for n, (who, text) in enumerate(said)]  # fmt: skip
    return [*messages, {"type": "message", "subtype": "channel_join", "user": "Eve", "text": "in",
                        "ts": "1"}]  # fmt: skip


def account(said: list[tuple[str, str]]) -> dict:
    return {"personal_information": {"first_name": "Bob"}, "chats": {"list": [telegram(said)]}}


def discord_table(said: list[tuple[str, str]]) -> str:
    lines = [f'"{who}","{who}","2024-01-01T10:{n:02}:00","{text}","",""'
             for n, (who, text) in enumerate(said)]  # fmt: skip
    return "\n".join(["AuthorID,Author,Date,Content,Attachments,Reactions", *lines])


STAMPS = {
    "iOS, German": "[01.01.24, 10:{:02}:00] {}: {}",
    "iOS, US": "\u200e[1/13/24, 10:{:02}:00\u202fPM] {}: {}",
    "Android, German": "01.01.24, 10:{:02} - {}: {}",
    "Android, US": "1/13/24, 10:{:02}\u202fPM - {}: {}",
    "Android, ISO": "2024-01-31 10:{:02} - {}: {}",
    "Android, French": "31/01/2024 à 10:{:02} - {}: {}",
    "Android, Spanish": "31/1/24, 10:{:02} p. m. - {}: {}",
    "Android, Chinese": "2024/1/31 下午10:{:02} - {}: {}",
    "Android, Finnish": "31.1.2024 klo 10.{:02} - {}: {}",
    "Android, Arabic": "\u200f31\u200f/1\u200f/2024، 10:{:02} م - {}: {}",
    "Korean": "2024년 1월 31일 오후 10:{:02}, {} : {}",
}


def whatsapp(form: str, said: list[tuple[str, str]] = SAID) -> str:
    lines = [form.format(n, who, text) for n, (who, text) in enumerate(said)]
    system = form.replace(" : {}", ": {}").replace(
        " {}: {}", " Messages are end-to-end encrypted. Nobody reads them."
    )
    omitted = form.format(59, "Bob", "<Media omitted>")
    return "\n".join([system.format(0), *lines, "and a second line", omitted]) + "\n"


def contents(row: dict, person: str) -> list[str]:
    return [message["content"] for message in row[f"answers of {person}"]]


@pytest.mark.parametrize("form", [telegram, discord, messenger, slack, account])
def test_chats_in_json(tmp_path: Path, form: Any) -> None:
    found = read_made(tmp_path, "result.json", json.dumps(form(SAID)))
    assert len(found.rows) == 8 and not found.bad
    assert list(found.rows[0]) == ["answers of Bob", "answers of Ann"]  # who asks less comes first
    assert contents(found.rows[0], "Bob") == [text for _, text in SAID[:2]]
    assert contents(found.rows[0], "Ann") == [text for _, text in SAID[1:3]]
    # Each answer is learned once.
    told = [one for row in found.rows for one in contents(row, "Bob")]
    assert told == [text for _, text in SAID]
    assert "16 messages" in found.said


def test_a_channel_as_a_table(tmp_path: Path) -> None:
    found = read_made(tmp_path, "channel.csv", discord_table(SAID))
    told = [one for row in found.rows for one in contents(row, "Bob")]
    assert told == [text for _, text in SAID] and not found.bad


@pytest.mark.parametrize("form", STAMPS.values(), ids=STAMPS)
def test_chats_of_whatsapp(tmp_path: Path, form: str) -> None:
    found = read_made(tmp_path, "chat.txt", whatsapp(form))
    assert not found.bad and len(found.rows) == 8
    told = [one for row in found.rows for one in contents(row, "Bob")]
    assert told == [*(text for _, text in SAID[:-1]), SAID[-1][1] + "\nand a second line"]
    text = json.dumps(found.rows)
    assert "omitted" not in text and "encrypted" not in text and "10:" not in text


@pytest.mark.parametrize(
    ("said", "person", "told"),
    [
        # Several messages of one person are one turn.
        ([("Ann", "a"), ("Ann", "b"), ("Bob", "c"), ("Bob", "d")] * 4, "Bob", ["a\nb", "c\nd"]),
        # Of several persons the model is told who speaks.
        ([("Ann", "a"), ("Eve", "e"), ("Bob", "c")] * 4, "Bob", ["Ann: a\nEve: e", "c"]),
        ([("Bob", "first"), ("Ann", "a"), ("Bob", "c")] * 4, "Bob", ["a", "c\nfirst"]),
    ],
)
def test_turns_are_whole(
    tmp_path: Path, said: list[tuple[str, str]], person: str, told: list[str]
) -> None:
    found = read_made(tmp_path, "result.json", json.dumps(telegram(said)))
    assert contents(found.rows[0], person)[:2] == told


def test_a_pause_begins_another_conversation(tmp_path: Path) -> None:
    said = [
        ("Ann", "a?"),
        ("Bob", "b"),
        ("Ann", "Good night."),
        ("Ann", "New day"),
        ("Bob", "Yes."),
    ]
    times = (0, 60, 120, 3 * DAY, 3 * DAY + 60)
    messages = [{"sender_name": who, "timestamp": 1_700_000_000 + at, "content": text}
                for (who, text), at in zip(said, times, strict=True)]  # fmt: skip
    found = read_made(tmp_path, "a.json", json.dumps({"messages": messages}))
    assert [contents(row, "Bob") for row in found.rows] == [["a?", "b"], ["New day", "Yes."]]


def test_a_monologue_is_refused_truly(tmp_path: Path) -> None:
    with pytest.raises(NoRowsError, match="nobody answers anybody"):
        read_made(tmp_path, "a.json", json.dumps(telegram([("Ann", "a")] * 6)))


@pytest.mark.parametrize(
    "text",
    [
        "10:30 - Lunch: soup\n11:00 - Talk: data\n12:00 - Walk: park\n13:00 - Nap: bed\n",
        "1. First point: yes\n2. Second point: no\n3. Third: perhaps\n4. Fourth: never\n",
        "\n".join(f"[2024-01-31 10:00:{n:02}] ERROR module{n}: it failed" for n in range(9)),
    ],
)
def test_other_texts_are_no_chats(tmp_path: Path, text: str) -> None:
    assert all("text" in row for row in read_made(tmp_path, "a.txt", text).rows)


@pytest.mark.parametrize("name", ["result.json", "discord.json", "whatsapp.txt"])
def test_whose_answers_to_learn_is_asked(tmp_path: Path, store: Store, name: str) -> None:
    if not CASES.is_dir():
        pytest.skip(f"needs the shared case {CASES.name}")
    source = ingest_files(store, [Upload(CASES / name, name)])
    dataset = load_dataset(store, source)
    assert dataset.shape == Shape.CHAT and not dataset.certain and dataset.alternative
    offered = {dataset.roles["messages"], dataset.alternative["roles"]["messages"]}
    assert {one.lower() for one in offered} == {"answers of bob", "answers of ann"}
    for column in offered:
        spec = DataSpec(source=source, shape=Shape.CHAT, roles={"messages": column})
        prepared = prepare_dataset(store, spec)
        prepared.require_usable()
        assert prepared.train + prepared.held_out >= 8


def test_the_readings_of_a_chat_in_which_a_person_comes_later(add_files, prepare) -> None:
    pairs = [("Cid", "Open today?", "Bob", "Yes, till six.")] * 5
    pairs += [("Bob", "Where are you?", "Ann", "On my way.")] * 5
    said = [turn for pair in pairs for turn in (pair[:2], pair[2:])]
    messages = [{"type": "message", "from": who, "text": f"{text} {n}",
                 "date_unixtime": str(3 * DAY * (n // 2) + n)}
                for n, (who, text) in enumerate(said)]  # fmt: skip
    prepared = prepare(add_files({"a.json": json.dumps({"messages": messages})}))
    first, second = find(prepared, "unsure").readings
    assert first.roles != second.roles and first.row and second.row
    assert first.number == 1 and second.number == 6


# --- subtitles ---

SRT = "".join(
    f"{n + 1}\n00:00:{n:02},000 --> 00:00:{n + 1:02},500\n"
    f"<i>Sentence {n} is said</i>\nhere &amp; now.\n\n"
    for n in range(40)
)
VTT = "WEBVTT - a film\n\nNOTE made\nby hand\n\n" + "".join(
    f"cue {n}\n00:{n:02}.000 --> 00:{n + 1:02}.500 align:start\n"
    f"<v Bob>Sentence {n} is said\nhere &amp; now.\n\n"
    for n in range(40)
)
SBV = "".join(f"0:00:{n:02}.000,0:00:{n + 1:02}.000\nSentence {n} is said\nhere & now.\n\n"
              for n in range(40))  # fmt: skip
TRANSCRIPT = "".join(f"0:{n:02}\nSentence {n} is said here & now.\n" for n in range(40))
LYRICS = "[ar:Somebody]\n" + "".join(f"[00:{n:02}.10]Sentence {n} is said here & now.\n"
                                     for n in range(40))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.srt", SRT), ("a.vtt", VTT), ("a.sbv", SBV), ("a.lrc", LYRICS), ("a.txt", TRANSCRIPT),
     ("a.txt", SRT), ("subtitles.txt", VTT)],
)  # fmt: skip
def test_times_are_not_learned(tmp_path: Path, name: str, content: str) -> None:
    found = read_made(tmp_path, name, content)
    assert not found.bad and len(found.rows) >= 4 and "times are left out" in found.said
    text = " ".join(row["text"] for row in found.rows)
    assert text.split() == [
        word for n in range(40) for word in f"Sentence {n} is said here & now.".split()
    ]


def test_a_cue_may_be_an_example_of_its_own(tmp_path: Path) -> None:
    found = read_made(tmp_path, "a.srt", SRT, parts="line")
    assert found.rows[:2] == [{"text": "Sentence 0 is said"}, {"text": "here & now."}]


@pytest.mark.parametrize(
    ("stamp", "hour"),
    [("12:30\u202fAM", 0), ("12:30 PM", 12), ("1:30 a. m.", 1), ("上午12:30", 0), ("12:30", 12)],
)
def test_half_past_midnight(stamp: str, hour: int) -> None:
    begun = whatsapp_lines._begin(f"[1/13/24, {stamp}] Ann: Hello")
    assert begun and begun.minute == hour * 60 + 30
