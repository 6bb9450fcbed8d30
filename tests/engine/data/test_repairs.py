"""What is wrong within texts is found, and put right by its button; good texts stay as they are."""

# ruff: noqa: RUF001  the texts mean these letters

from __future__ import annotations

import pytest

from engine.data.quality.languages import language_shares
from engine.spec.run import Shape
from tests.engine.data.made_rows import find, labelled_rows, make_rows, rows_of

# Fix -> texts that have what it mends, and the same as they should be.
FOUND = {
    "invisible": [
        ("a bell\x07 rings here", "a bell rings here"),
        ("zero\u200bwidth space inside", "zerowidth space inside"),
        ("\ufeffa mark at the start of it", "a mark at the start of it"),
        ("a soft\u00adhyphen within a word", "a softhyphen within a word"),
        ("turned \u202eround\u202c letters here", "turned round letters here"),
        ("an escape \x1b[0m sequence in it", "an escape [0m sequence in it"),
        ("joined a\u200db letters of Latin", "joined ab letters of Latin"),
        ("tags\U000e0041\U000e0042 that nobody sees", "tags that nobody sees"),
        ("a picture \ufffc was here", "a picture  was here"),
        ("filled\u3164up and\u115f filled", "filledup and filled"),
        ("data\U000e0150\U000e0151 hidden in variants", "data hidden in variants"),
        ("an Arabic \u061cmark and\u2800 Braille", "an Arabic mark and Braille"),
    ],
    "garbled": [
        ("Das ist fÃ¼r dich", "Das ist für dich"),
        ("Itâ€™s caffÃ¨ for â‚¬5", "It’s caffè for €5"),
        ("20 Â°C in MÃ¼nchen", "20 °C in München"),
        ("ÐŸÑ€Ð¸Ð²ÐµÑ‚ everybody", "Привет everybody"),
        ("read twice: fÃƒÂ¼r", "read twice: für"),
        ("a smile ðŸ˜€ here", "a smile 😀 here"),
        ("that\x92s an old quote", "that’s an old quote"),
    ],
    "stamps": [
        ("12.03.24, 14:22 - Anna: Are you there?", "Anna: Are you there?"),
        ("[3/12/24, 2:22:05 PM] Bob Smith: I am", "Bob Smith: I am"),
        ("1\n00:00:01,000 --> 00:00:04,000\nHello to you", "Hello to you"),
        ("00:01.000 --> 00:04.000 align:start\nBye then", "Bye then"),
        ("[14:22] <anna> does it work", "<anna> does it work"),
        ("Anna, [12.03.24 14:22]\nhello there", "Anna\nhello there"),
        ("[00:12.00]La la la it sings", "La la la it sings"),
        ("14:22\tAnna\tAre you there?", "Anna\tAre you there?"),
        ("09:15:22\t From  Anna : Hello", "Anna : Hello"),
        ("09:15:22 From Anna to Everyone:\n\tHello", "Anna to Everyone:\n\tHello"),
        ("[Anna] [\uc624\ud6c4 3:22] Hello there", "[Anna] Hello there"),
        ("May 12, 2024  9:15:22 AM\nAnna\nHello", "Anna\nHello"),
    ],
}
GOOD = [
    "Tabs\tand\nlines are fine", "👨\u200d👩\u200d👧 a family",
    "می\u200cخواهم بروم", "שלום \u200eabc",
    "ESPAÑA, São Paulo, Å, NÃO, naïve, “Å”", "l’été à 20 °C – ça va",
    "Ελληνικά и русский",
    "Meet me at 14:22 on 12.03.24 - note: bring it", "The score was 3:22.", "Ratio 12:30: good",
    "\U0001f3f4\U000e0067\U000e0062\U000e007f a flag", "\u8fba\U000e0100 a name",
    "It rang at 9:15\tand at noon", "On May 12, 2024 9:15 AM it rang", "\u2801\u2800\u2803",
    "Output: 12", "<human> is a tag",
    "<b>old</b> <s>new</s>", "## Input\nA heading of mine", "Use the word User: or Human: here",
    "x[INSTALL] y", "a -> b --> c", "#### Answer\n12",
]  # fmt: skip


def with_texts(texts: list[str]) -> list[dict[str, str]]:
    """Good rows and these, which are questions and answers in turn."""
    made = make_rows(40)
    for at, text in enumerate(texts):
        made[at]["completion" if at % 2 else "prompt"] = text
    return made


@pytest.mark.parametrize("fix", FOUND)
def test_what_is_wrong_within_texts(fix: str, add_rows, prepare) -> None:
    wrong, right = zip(*FOUND[fix], strict=True)
    source = add_rows(with_texts(list(wrong)))
    prepared = prepare(source, held_out=0.0)
    found = find(prepared, fix)
    assert (found.count, found.fix, found.level) == (len(wrong), fix, "warn")
    assert found.button and found.example and found.rows == list(range(1, len(wrong) + 1))
    assert list(prepared.train_rows()) == with_texts(list(wrong))
    fixed = prepare(source, held_out=0.0, fixes=(fix,))
    assert list(fixed.train_rows()) == with_texts(list(right))
    assert find(fixed, fix).done and find(fixed, fix).count == len(wrong)


def test_good_texts_are_let_alone(add_rows, prepare) -> None:
    fixes = ("invisible", "garbled", "stamps", "turns", "commas")
    prepared = prepare(add_rows(with_texts(GOOD)), held_out=0.0, fixes=fixes)
    assert not [one for one in prepared.findings if one.fix in fixes]
    assert list(prepared.train_rows()) == with_texts(GOOD)


def test_texts_of_every_shape_are_mended(add_rows, prepare) -> None:
    pair = [{"prompt": "Why so\u200b?", "chosen": f"Da\u200brum {n}.", "rejected": f"N\u200bo {n}."}
            for n in range(9)]  # fmt: skip
    turns = [("user", "H\u200bi"), ("assistant", "Y\u200bo")]
    chat = [
        {"messages": [{"role": role, "content": f"{said} {n}"} for role, said in turns]}
        for n in range(9)
    ]
    for rows in (pair, chat, [{"text": f"Pla\u200bin number {n}"} for n in range(9)]):
        prepared = prepare(add_rows(rows), fixes=("invisible",))
        assert find(prepared, "invisible").count == 9
        assert "\u200b" not in str(rows_of(prepared))


def test_a_row_of_which_nothing_is_left_is_left_out(add_rows, prepare) -> None:
    rows = [{"text": row["completion"]} for row in make_rows(20)]
    times = [{"text": f"00:00:0{n},000 --> 00:00:0{n},900"} for n in range(1, 4)]
    prepared = prepare(add_rows([*rows, *times]), held_out=0.0, fixes=("stamps",))
    assert list(prepared.train_rows()) == rows and find(prepared, "stamps").count == 3


# Prompts in a chat format already -> what stands in it, by role.
TEMPLATED = [
    ("[INST] What is up? [/INST]", "Fine </s>", ["What is up?", "Fine"]),
    ("<s>[INST] <<SYS>>\nBe kind\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]",
     "So long</s>", ["Be kind", "Hi", "Hello", "Bye", "So long"]),
    ("<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
     "<|im_start|>assistant\n", "Yo<|im_end|>", ["Be kind", "Hi", "Yo"]),
    ("<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", "Yo<|eot_id|>", ["Hi", "Yo"]),
    ("Below is an instruction that describes a task. Write a response.\n\n### Instruction:\nAdd\n\n"
     "### Input:\n1 2\n\n### Response:\n", "3", ["Add\n\n1 2", "3"]),
    ("<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n", "x<end_of_turn>", ["hi", "x"]),
    ("USER: hi there\nASSISTANT:", "hello", ["hi there", "hello"]),
    ("<|user|>\nhi<|end|>\n<|assistant|>", "ok<|end|>", ["hi", "ok"]),
    ("<\uff5cUser\uff5c>hi<\uff5cAssistant\uff5c>", "ok<\uff5cend\u2581of\u2581sentence\uff5c>",
     ["hi", "ok"]),
    ("<|prompter|>hi<|endoftext|><|assistant|>", "ok<|endoftext|>", ["hi", "ok"]),
    ("<|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|>"
     "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", "ok<|END_OF_TURN_TOKEN|>", ["hi", "ok"]),
    ("<|header_start|>user<|header_end|>\n\nhi<|eot|><|header_start|>assistant<|header_end|>\n\n",
     "ok<|eot|>", ["hi", "ok"]),
    ("<|start|>user<|message|>hi<|end|><|start|>assistant", "ok<|return|>", ["hi", "ok"]),
    ("GPT4 Correct User: hi<|end_of_turn|>GPT4 Correct Assistant:", "ok", ["hi", "ok"]),
    ("<|im_user|>user<|im_middle|>hi<|im_end|><|im_assistant|>assistant<|im_middle|>", "ok",
     ["hi", "ok"]),
    ("<human>: hi\n<bot>:", "ok", ["hi", "ok"]),
    ("Instruct: hi\nOutput:", "ok", ["hi", "ok"]),
    ("<reserved_106>hi<reserved_107>", "ok", ["hi", "ok"]),
    ("<|start_of_role|>user<|end_of_role|>hi<|end_of_text|>\n"
     "<|start_of_role|>assistant<|end_of_role|>", "ok<|end_of_text|>", ["hi", "ok"]),
]  # fmt: skip


def said_in(row: dict) -> list[str]:
    if "messages" in row:
        return [turn["content"] for turn in row["messages"]]
    return [row["prompt"], row["completion"]]


def test_prompts_that_are_in_a_chat_format_already(add_rows, prepare) -> None:
    rows = [{"prompt": asked, "completion": answer} for asked, answer, _ in TEMPLATED]
    source = add_rows([*rows, *make_rows(20)])
    found = find(prepare(source), "turns")
    assert found.count == len(TEMPLATED) and "[INST]" in found.example
    fixed = prepare(source, held_out=0.0, fixes=("turns",)).train_rows()
    assert [said_in(row) for row in fixed[: len(rows)]] == [said for _, _, said in TEMPLATED]
    assert fixed[1]["messages"][0]["role"] == "system"


def test_marks_of_the_worse_answer_go_with_the_others(add_rows, prepare) -> None:
    rows = [{"prompt": f"Why {n}?", "chosen": f"So {n}.</s>", "rejected": f"Not so {n}.</s>"}
            for n in range(12)]  # fmt: skip
    alone = [row | {"chosen": f"So {n}."} for n, row in enumerate(rows)]
    for source in (add_rows(rows), add_rows(alone)):
        assert find(prepare(source), "turns").count == 12
        fixed = rows_of(prepare(source, fixes=("turns",)))
        assert len(fixed) == 12 and "</s>" not in str(fixed)
        assert {row["rejected"] for row in fixed} == {f"Not so {n}." for n in range(12)}


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (["1 234,5", "2'500,25", "3,5"], ["1234.5", "2500.25", "3.5"]),
        (["3,5", "4", "2,75", "10,0"], ["3.5", "4", "2.75", "10.0"]),
        (["1.234,5", "12,5", "-3,25", "7"], ["1234.5", "12.5", "-3.25", "7"]),
        (["0,125", "0,250", "0,5", "1,0"], ["0.125", "0.250", "0.5", "1.0"]),
    ],
)
def test_decimal_commas(labels: list[str], numbers: list[str], add_rows, prepare) -> None:
    source = add_rows(labelled_rows(labels * 5))
    found = find(prepare(source, held_out=0.0), "commas")
    assert found.level == "warn" and found.count == 5 * sum("," in label for label in labels)
    fixed = prepare(source, held_out=0.0, fixes=("commas",))
    assert [row["completion"] for row in fixed.train_rows()] == numbers * 5


@pytest.mark.parametrize(
    "labels",
    [
        ["1,234", "5,678", "9,012"],
        ["a,b", "c", "d"],
        ["3.5", "4", "5"],
        ["0,1", "1", "0,1,4"],
        ["1,2,3", "0,2", "3"],
        ["12", "3,12", "3,4,12"],
    ],
)
def test_what_may_be_thousands_or_no_number(labels: list[str], add_rows, prepare) -> None:
    assert not find(prepare(add_rows(labelled_rows(labels * 5))), "commas")


@pytest.mark.parametrize("text", ["caf\ufffd au lait", "\ufffd\ufffd", "A m\ufffdn walks"])
def test_lost_letters(text: str, add_rows, prepare) -> None:
    source = add_rows([*make_rows(20), {"prompt": text, "completion": "So it is."}])
    found = find(prepare(source), "lost")
    assert (found.count, found.rows, found.button) == (1, [21], "Leave it out")
    assert len(rows_of(prepare(source, fixes=("lost",)))) == 20


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (["spam", "ham"], 2),
        (["spam", "ham", "ham"], 1),
        (["spam", "ham", "other", "ham"], 4),
        (["spam", "spam", "spam"], 0),
    ],
)
def test_one_text_with_several_labels(said: list[str], count: int, add_rows, prepare) -> None:
    texts = ["Buy it now!", "buy it  now", "BUY IT NOW", "Buy it now"]
    rows = labelled_rows(["spam", "ham", "other"] * 10)
    rows += [{"text": text, "label": label} for text, label in zip(texts, said, strict=False)]
    source = add_rows(rows)
    found = find(prepare(source), "contradictions")
    assert (found.count if found else 0) == count
    left = rows_of(prepare(source, fixes=("contradictions",)))
    assert len(left) == len(rows) - count


def test_one_question_with_short_and_with_long_answers(add_rows, prepare) -> None:
    short = [{"question": "Is it open on Sunday?", "answer": answer} for answer in ("Yes.", "no")]
    long = [{"question": "Tell me a story.", "answer": f"Once upon a time there was {what}."}
            for what in ("a hen", "a king", "an old boat")]  # fmt: skip
    rows = [{"question": row["prompt"], "answer": row["completion"]} for row in make_rows(20)]
    prepared = prepare(add_rows([*rows, *short, *long]))
    assert find(prepared, "contradictions").count == 2
    assert find(prepared, "several answers").count == 3
    assert find(prepared, "several answers").level == "info"


def test_one_instruction_for_all_rows_is_no_contradiction(add_rows, prepare) -> None:
    rows = [{"question": "Write a word.", "answer": f"Word{n}"} for n in range(30)]
    assert not find(prepare(add_rows(rows)), "contradictions")


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["你叫什么名字", "我叫小明", "今天天气很好"], "zh"),
        (["お名前は何ですか", "東京に住んでいます"], "ja"),
        (["안녕하세요", "저는 학생입니다"], "ko"),
        (["สวัสดีครับ", "ขอบคุณ"], "th"),
        (["Καλημέρα", "Ευχαριστώ πολύ"], "el"),
    ],
)
def test_short_texts_of_scripts_that_tell_their_language(texts: list[str], code: str) -> None:
    assert language_shares(texts) == {code: 1.0}


def test_labels_keep_their_shape_with_every_fix(add_rows, prepare) -> None:
    fixes = ("invisible", "garbled", "stamps", "turns", "commas", "lost", "contradictions")
    prepared = prepare(add_rows(labelled_rows(["a", "b"] * 10)), fixes=fixes)
    assert prepared.shape == Shape.LABEL and prepared.train == 18
