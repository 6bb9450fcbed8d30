"""Questions and answers that carry the marks of a chat format already.

The format is written around each row later, so marks within it would stand there twice.
"""

from __future__ import annotations

import re
from itertools import chain

from engine.data.messages import Message, make_message
from engine.data.rows import Row
from engine.data.turns.roles import known_role

# What begins a turn, with the name of its role, in the formats of ChatML (Qwen), Llama 3 and 4,
# Granite, Gemma, Zephyr, Phi, DeepSeek and InternLM, Command-R, gpt-oss, Kimi, OpenChat, Together,
# Alpaca, Vicuna; and Llama 2, Mistral and Baichuan, whose marks have no names.
BEGINS = re.compile(
    r"<\|im_start\|>[ ]*(?P<a>\w+)\n?"
    r"|<\|(?:start_header_id|header_start|start_of_role)\|>(?P<b>\w+)"
    r"<\|(?:end_header_id|header_end|end_of_role)\|>\s*"
    r"|<start_of_turn>(?P<c>\w+)\n?"
    r"|<[|\uff5c](?P<d>(?i:user|assistant|system|prompter|bot|human))[|\uff5c]>:?\n?"
    r"|<\|START_OF_TURN_TOKEN\|><\|(?P<h>\w+)_TOKEN\|>"
    r"|<\|start\|>(?P<i>\w+)(?:<\|channel\|>\w+)?(?:<\|message\|>)?"
    r"|<\|im_(?:user|assistant|system)\|>(?P<j>\w+)<\|im_middle\|>"
    r"|(?:GPT4|Code)[ ](?:Correct[ ])?(?P<k>User|Assistant):[ ]?"
    r"|<(?P<l>human|bot)>:[ ]?"
    r"|(?P<asked><reserved_10[26]>)|(?P<said><reserved_10[37]>)"
    r"|^\#{2,3}[ ]*(?P<e>Instruction|Input|Response|Output|Human|Assistant|User|System|Question"
    r"|Answer)[ ]*:[ ]*\n?"
    r"|^(?P<f>USER|ASSISTANT|Human|Assistant|User)[ ]?:[ ](?=.*^(?:ASSISTANT|Assistant)[ ]?:)"
    r"|^(?P<g>ASSISTANT|Assistant)[ ]?:[ ]?\Z"
    r"|^(?P<m>Instruct):[ ](?=.*^Output:[ ]?\Z)|^(?P<n>Output):[ ]?\Z"
    r"|(?P<inst>\[INST\])[ ]?|[ ]?(?P<end>\[/INST\])[ ]?"
    r"|(?P<sys><<SYS>>)\n?|\n?(?P<endsys><</SYS>>)\n*",
    re.MULTILINE | re.DOTALL,
)
ENDS = re.compile(
    r"<\|im_end\|>\n?|<\|eot(?:_id)?\|>|<end_of_turn>\n?|<\|end\|>\n?|<\|endoftext\|>"
    r"|<\|begin_of_text\|>|<\|end_of_text\|>\n?|<\|end_of_turn\|>|<\|return\|>"
    r"|<\|END_OF_TURN_TOKEN\|>"
    r"|<\uff5c(?:begin|end)\u2581of\u2581sentence\uff5c>|<eo[ha]>\n?|\[gMASK\](?:<sop>)?"
    r"|<[be]os>|\A\s*<s>|<s>\s*\Z|</s>(?=\s*(?:<s>\s*)?\Z)"
)
# Headings that people write, too: marks only where one of them begins a turn of either side.
TELLING = {"instruction", "response", "human", "assistant"}
NAMELESS = {"inst": "user", "end": "assistant", "sys": "system", "endsys": "user",
            "asked": "user", "said": "assistant", "m": "user"}  # fmt: skip
PREAMBLE = re.compile(r"Below is an instruction that describes a task.*\Z", re.DOTALL)
# One of these is in every text with marks; looking for them is faster than looking for marks.
SIGNS = ("<|", "INST]", "_of_turn>", "s>", "##", "USER", "Human", "User:", "User :", "<\uff5c",
         " User:", "<human>", "<reserved_", "Instruct:", "Output:")  # fmt: skip


def find_marks(row: Row) -> str:
    """The first mark of a row's question or answer; empty where there is none."""
    for text, is_answer in _marked_texts(row):
        if not any(sign in text for sign in SIGNS):
            continue
        marks = [one for one in BEGINS.finditer(text) if not (is_answer and one["e"])]
        headings = {str(one["e"]).lower() for one in marks if one["e"]}
        if headings and not headings & TELLING:
            marks = [one for one in marks if not one["e"]]
        if not any(one["m"] for one in marks):  # "Output:" without "Instruct:"
            marks = [one for one in marks if not one["n"]]
        ends = (one for one in ENDS.finditer(text) if not text[one.end() :].strip())
        match = next(chain(marks, ends), None)
        is_struck = text.count("<s>") == text.count("</s>") and not text.startswith("<s>")
        if match and (marks or not is_struck or "s>" not in match[0]):
            return match[0].strip()
    return ""


def without_marks(row: Row) -> Row | None:
    """The row with turns in place of marks; None where no conversation comes of it."""
    if "rejected" not in row:
        return _with_turns(row)
    worse, made = _marked_answer(row["rejected"]), _with_turns(row)
    return made | {"rejected": worse} if made and worse else None


def _with_turns(row: Row) -> Row | None:
    if "messages" in row:
        found = []
        for turn in row["messages"]:
            parts = [turn] if turn["role"] == "system" else read_marked(turn["content"])
            if len(parts) != 1 or parts[0]["role"] not in ("", turn["role"]):
                return None
            found.append(turn | {"content": parts[0]["content"]})
        return row | {"messages": found}
    asked, answer = read_marked(row["prompt"]), _marked_answer(str(row["completion"]))
    if not answer:
        return None
    if [turn["role"] for turn in asked] in ([""], ["user"]):
        return row | {"prompt": asked[0]["content"], "completion": answer}
    turns = [turn for turn in asked if turn["role"] != "system"]
    alternate = ["user" if at % 2 == 0 else "assistant" for at in range(len(turns))]
    if [turn["role"] for turn in turns] != alternate or len(turns) % 2 == 0:
        return None
    kept = {key: value for key, value in row.items() if key not in ("prompt", "completion")}
    return {"messages": [*asked, make_message("assistant", answer)], **kept}


def _marked_answer(text: str) -> str:
    """An answer without its marks; empty where it is no single turn of the assistant's."""
    turns = read_marked(text)
    alone = len(turns) == 1 and turns[0]["role"] in ("", "assistant")
    return str(turns[0]["content"]) if alone else ""


def read_marked(text: str) -> list[Message]:
    """The turns of a text with marks; one without a role where there are none."""
    turns: list[Message] = []
    role, at = "", 0
    for match in [*BEGINS.finditer(text), None]:
        content = ENDS.sub("", text[at : match.start() if match else None]).strip()
        if not role:
            content = PREAMBLE.sub("", content).strip() if match else content
            role = "system" if match else ""
        if content and turns and turns[-1]["role"] == role:
            turns[-1]["content"] += f"\n\n{content}"
        elif content:
            turns.append(make_message(role, content))
        if match:
            at, role = match.end(), _role(match)
    return turns


def _role(match: re.Match[str]) -> str:
    name = str(match.lastgroup)
    role = NAMELESS.get(name) or known_role(match[name])
    return role if role in ("user", "assistant") else "system"


def _marked_texts(row: Row) -> list[tuple[str, bool]]:
    """Each text, and whether it is an answer."""
    if "text" in row:
        return []
    worse = [(row["rejected"], True)] if "rejected" in row else []
    if "messages" in row:
        said = [(turn["content"], turn["role"] == "assistant") for turn in row["messages"]]
        return said + worse
    return [(row["prompt"], False), (str(row["completion"]), True), *worse]
