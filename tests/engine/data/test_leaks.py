"""No row is held out whose like is learned from; where that cannot be told, it is said."""

from __future__ import annotations

import json
import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.likeness.overlap import UNSEEN, Overlap, describe_overlap, name_overlap
from engine.data.likeness.substance import SubstanceCollector
from engine.data.likeness.words import plain_letters
from engine.data.prepared import Prepared
from tests.engine.data.leaks import GREETINGS, LEAKS, NAMES, PAIRS, THINGS, TICKETS, Leak
from tests.engine.data.made_rows import find, make_rows, to_jsonl


def leaked_rows(prepared: Prepared, substance: dict[str, object]) -> list[str]:
    """The held-out rows whose substance a training row has, too."""
    learned = {substance[key_of(row)] for row in prepared.train_rows()}
    held_out = map(key_of, prepared.held_out_rows())
    return [key for key in held_out if substance[key] in learned]


def key_of(row: dict) -> str:
    if "messages" in row:
        return json.dumps([turn["content"] for turn in row["messages"]])
    asked = row.get("text") or row.get("prompt") or row.get("question")
    if "label" in row or "text" in row:
        return asked
    return f"{asked}|{row.get('completion', row.get('answer', ''))}"


@pytest.mark.parametrize("leak", LEAKS, ids=[leak.title for leak in LEAKS])
def test_what_leaks_in_made_up_data(leak: Leak, add_rows, prepare) -> None:
    chance = random.Random(7)
    made = list(leak.build(chance))
    chance.shuffle(made)
    rows = [row for row, _ in made]
    labelled = "label" in rows[0]
    keys = [row["text"] if labelled else key_of(row) for row in rows]
    substance = dict(zip(keys, (what for _, what in made), strict=True))
    if labelled:  # prepared rows call the text a prompt
        substance |= {f"{row['text']}|{row['label']}": what for row, what in made}
    prepared = prepare(add_rows(rows))
    leaks = leaked_rows(prepared, substance)
    print(f"{leak.title}: {len(leaks)} of {prepared.held_out} held out leak ({len(rows)} rows)")
    assert len(leaks) <= leak.missed * prepared.held_out
    assert not leaks or prepared.overlap.wording
    assert 0.05 * len(rows) <= prepared.held_out <= 0.2 * len(rows)


def test_a_translation_cannot_be_seen_and_that_is_said(add_rows, prepare) -> None:
    texts = [f"{text} ({'abcdefghij'[n]})" for n in range(8) for pair in PAIRS for text in pair]
    rows = [
        {"text": f"{text} {NAMES[n % 14]} {THINGS[n % 12]} {n}"} for n, text in enumerate(texts)
    ]
    prepared = prepare(add_rows(rows))
    assert prepared.overlap and prepared.held_out
    said = describe_overlap(prepared.overlap)
    assert UNSEEN in said or "Expect less" in said


LEGITIMATE = {
    "five greetings, a thousand tickets": lambda text, n: GREETINGS[n % 5] + text,
    "one instruction before each text": lambda text, n: f"Classify this text:\n{text}",
    "one question after each text": lambda text, n: f"{text}\n\nIs this text a complaint?",
    "three sources": lambda text, n: f"[source {'abc'[n % 3]}] {text}",
}


@pytest.mark.parametrize("title", LEGITIMATE)
def test_a_frame_does_not_make_rows_alike(title: str, add_rows, prepare) -> None:
    chance = random.Random(3)
    syllables = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe")
    words = ["".join(chance.choices(syllables, k=3)) for _ in range(800)]
    texts = [" ".join(chance.choices(words, k=9)) for _ in range(600)]
    frame = LEGITIMATE[title]
    rows = [{"text": frame(text, n), "label": "ab"[n % 2]} for n, text in enumerate(texts)]
    prepared = prepare(add_rows(rows))
    assert prepared.held_out == 60 and prepared.overlap.wording <= 3
    assert not find(prepared, "kept together")


@pytest.mark.parametrize(
    "column", ["doc_id", "threadId", "Patient ID", "conversation-id", "author"]
)
def test_rows_of_one_whole_stay_together(column: str, add_rows, prepare) -> None:
    rows = [row | {column: f"whole {n % 20}"} for n, row in enumerate(make_rows(100))]
    prepared = prepare(add_rows(rows))
    wholes = [{int(row["prompt"].split()[-1][:-1]) % 20 for row in part}
              for part in (prepared.train_rows(), prepared.held_out_rows())]  # fmt: skip
    assert not wholes[0] & wholes[1] and prepared.held_out == 10


@pytest.mark.parametrize("column", ["class_id", "label_id", "page", "country", "identity"])
def test_other_columns_join_nothing(column: str, add_rows, prepare) -> None:
    rows = [row | {column: f"{n % 20}"} for n, row in enumerate(make_rows(100))]
    assert prepare(add_rows(rows)).held_out == 10
    assert not find(prepare(add_rows(rows)), "kept together")


def test_few_groups_are_held_out_whole_and_that_is_said(add_rows, prepare) -> None:
    rows = [{"text": f"{greeting}{text}", "label": label}
            for text, label in TICKETS[::6] for greeting in GREETINGS]  # fmt: skip
    prepared = prepare(add_rows(rows))
    assert prepared.held_out == 10
    said = find(prepared, "kept together")
    assert said.title == "The 10 rows held out say only 1 different thing"
    assert said.level == "warn" and "is 100 % of it" in said.text


def test_a_share_that_groups_do_not_allow_is_said(add_rows, prepare) -> None:
    rows = [{"prompt": f"{greeting}{text}", "completion": f"Answer {at}."}
            for at, (text, _) in enumerate(TICKETS[:6]) for greeting in GREETINGS]  # fmt: skip
    prepared = prepare(add_rows([*rows, make_rows(1)[0]]))
    said = find(prepared, "kept together")
    assert said.title.startswith(f"{prepared.held_out} row held out, where 6 were wanted")
    assert "6 groups" in said.text


@pytest.mark.parametrize(
    ("of_each", "title"),
    [(29, "Only about 26 rows of each label to learn from"), (40, "")],
)
def test_few_rows_of_each_label(of_each: int, title: str, add_rows, prepare) -> None:
    labels = ("good", "bad")
    rows = [{"text": row["prompt"], "label": labels[n % 2]}
            for n, row in enumerate(make_rows(2 * of_each))]  # fmt: skip
    said = find(prepare(add_rows(rows)), "few")
    assert (said.title if said and said.level == "warn" else "") == title


@pytest.mark.parametrize("greeting", ["Hello, ", "To whom it may concern: ", "hi there "])
def test_a_held_out_file_that_says_the_same_behind_greetings(
    greeting: str, add_files, prepare
) -> None:
    learned = [{"text": f"{other}{text}", "label": label} for text, label in TICKETS
               for other in ("", "Good day. ", "Dear shop ", "Well, ")]  # fmt: skip
    asked = [{"text": greeting + text, "label": label} for text, label in TICKETS[:10]]
    new = [{"text": f"{row['completion']} Yes.", "label": "praise"} for row in make_rows(10)]
    files = {"train.jsonl": to_jsonl(learned), "test.jsonl": to_jsonl([*asked, *new])}
    source = add_files(files)
    prepared = prepare(source)
    assert find(prepared, "leaked").count == 10
    assert prepare(source, fixes=("leaked",)).held_out == 10


@pytest.mark.parametrize(
    "change",
    [
        lambda text: unicodedata.normalize("NFD", text), str.upper,
        lambda text: text.replace("\u00e9", "e"), lambda text: text.replace(" ", "_"),
        lambda text: text.replace(" ", "\u00a0\u200b"),
        lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
    ],
)  # fmt: skip
def test_letters_written_otherwise_make_no_other_text(change, add_rows, prepare) -> None:
    texts = [f"Le caf\u00e9 {row['completion']}" for row in make_rows(40)]
    rows = [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(texts)]
    rows += [row | {"text": change(row["text"])} for row in rows]
    prepared = prepare(add_rows(rows))
    parts = [{plain_letters(row["prompt"]).replace("_", " ").split()[-1] for row in part}
             for part in (prepared.train_rows(), prepared.held_out_rows())]  # fmt: skip
    assert prepared.held_out and not parts[0] & parts[1]


WORDS = st.sampled_from(["", "!", "a", "b c", "7", "你", "\n", "hello there", "😀", "é", ",", "x"])
TEXT = st.lists(WORDS, max_size=8).map(" ".join)


@pytest.mark.slow
@given(st.lists(st.tuples(TEXT, TEXT), max_size=20), st.booleans())
def test_odd_texts_have_a_cluster_each(rows: list[tuple[str, str]], labels: bool) -> None:
    found, numbers = SubstanceCollector(), list(range(len(rows)))
    found.expect(len(rows))
    for question, answer in rows:
        found.add(question, answer, labels, [])
    for clusters in (
        found.find_clusters(numbers, labels),
        found.find_repeated_questions(numbers, labels),
    ):
        assert len(clusters) == len(rows)
        assert all(clusters[cluster] == cluster for cluster in clusters)
    overlap, alike = found.measure_overlap(numbers[::3], numbers[1::3], labels)
    assert len(alike) == overlap.wording <= overlap.compared <= overlap.of == len(numbers[::3])


# What is said beside a score.


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((20, 20, 12, 0), "12 are worded much like a training example. Expect less"),
        ((20, 20, 1, 0), "1 is worded much like a training example"),
        ((20, 20, 0, 3), "example; 3 have answers that training examples have, too."),
        ((500, 900, 0, 0), "Of 500 held-out examples that were looked at (900 in all), none"),
        ((1, 1, 1, 1), "Of 1 held-out example, 1 is worded much like"),
    ],
)  # fmt: skip
def test_a_sentence_of_what_was_found(found: tuple[int, ...], words: str) -> None:
    compared, of, wording, answers = found
    overlap = Overlap(compared=compared, of=of, wording=wording, answers=answers)
    said = describe_overlap(overlap)
    assert words in said and "honest" not in said
    assert ("Expect less" in said) == (2 * wording > compared)
    assert bool(name_overlap(overlap)) == bool(wording)


def test_nothing_is_promised_where_nothing_was_compared() -> None:
    assert "not looked at" in describe_overlap(None)
    assert describe_overlap(Overlap(compared=0, of=0, wording=0, answers=0)) == ""
