"""Questions and answers that carry the marks of a chat format already.

The format is written around each row later, so marks within it would stand there twice.
"""

from __future__ import annotations

import re

from engine.data.messages import Message, make_message
from engine.data.rows import Row

# What begins a turn, with the name of its role, in the formats of ChatML (Qwen), Llama 3, Gemma,
# Zephyr and Phi, Alpaca, Vicuna; and Llama 2 and Mistral, whose marks have no names.
BEGINS = re.compile(
    r"<\|im_start\|>[ ]*(?P<a>\w+)\n?"
    r"|<\|start_header_id\|>(?P<b>\w+)<\|end_header_id\|>\s*"
    r"|<start_of_turn>(?P<c>\w+)\n?"
    r"|<\|(?P<d>user|assistant|system)\|>\n?"
    r"|^\#{2,3}[ ]*(?P<e>Instruction|Input|Response|Output|Human|Assistant|User|System|Question"
    r"|Answer)[ ]*:[ ]*\n?"
    r"|^(?P<f>USER|ASSISTANT|Human|Assistant|User)[ ]?:[ ](?=.*^(?:ASSISTANT|Assistant)[ ]?:)"
    r"|^(?P<g>ASSISTANT|Assistant)[ ]?:[ ]?\Z"
    r"|(?P<inst>\[INST\])[ ]?|[ ]?(?P<end>\[/INST\])[ ]?"
    r"|(?P<sys><<SYS>>)\n?|\n?(?P<endsys><</SYS>>)\n*",
    re.MULTILINE | re.DOTALL,
)
ENDS = re.compile(
    r"<\|im_end\|>\n?|<\|eot_id\|>|<end_of_turn>\n?|<\|end\|>\n?|<\|endoftext\|>|<\|begin_of_text\|>"
    r"|<[be]os>|\A\s*<s>|<s>\s*\Z|</s>(?=\s*(?:<s>\s*)?\Z)"
)
# Headings that people write, too: marks only where one of them begins a turn of either side.
TELLING = {"instruction", "response", "human", "assistant"}
ROLES = {
    "user": "user", "human": "user", "instruction": "user", "input": "user", "question": "user",
    "assistant": "assistant", "model": "assistant", "response": "assistant", "output": "assistant",
    "answer": "assistant", "system": "system",
}  # fmt: skip
NAMELESS = {"inst": "user", "end": "assistant", "sys": "system", "endsys": "user"}
PREAMBLE = re.compile(r"Below is an instruction that describes a task.*\Z", re.DOTALL)
# One of these is in every text with marks; looking for them is faster than looking for marks.
SIGNS = ("<|", "INST]", "_of_turn>", "s>", "##", "USER", "Human", "User:", "User :")


def find_marks(row: Row) -> str:
    """The first mark of a row's question or answer; empty where there is none."""
    for text, is_answer in _texts(row):
        if not any(sign in text for sign in SIGNS):
            continue
        marks = [one for one in BEGINS.finditer(text) if not (is_answer and one["e"])]
        headings = {str(one["e"]).lower() for one in marks if one["e"]}
        if headings and not headings & TELLING:
            marks = [one for one in marks if not one["e"]]
        match = next(iter(marks), None) or _end_of(text)
        is_struck = text.count("<s>") == text.count("</s>") and not text.startswith("<s>")
        if match and (marks or not is_struck or "s>" not in match[0]):
            return match[0].strip()
    return ""


def _end_of(text: str) -> re.Match[str] | None:
    """A mark that a text ends with."""
    return next((one for one in ENDS.finditer(text) if not text[one.end() :].strip()), None)


def without_marks(row: Row) -> Row | None:
    """The row with turns in place of marks; None where no conversation comes of it."""
    if "messages" in row:
        system = [turn for turn in row["messages"] if turn["role"] == "system"]
        turns = [turn for turn in row["messages"] if turn["role"] != "system"]
        found = [*system]
        for turn in turns:
            parts = read_marked(turn["content"])
            if len(parts) != 1 or parts[0]["role"] not in ("", turn["role"]):
                return None
            found.append(turn | {"content": parts[0]["content"]})
        return row | {"messages": found}
    asked, answer = read_marked(row["prompt"]), read_marked(str(row["completion"]))
    if len(answer) != 1 or answer[0]["role"] not in ("", "assistant"):
        return None
    if [turn["role"] for turn in asked] in ([""], ["user"]):
        return row | {"prompt": asked[0]["content"], "completion": answer[0]["content"]}
    turns = [turn for turn in asked if turn["role"] != "system"]
    alternate = ["user" if at % 2 == 0 else "assistant" for at in range(len(turns))]
    if [turn["role"] for turn in turns] != alternate or len(turns) % 2 == 0:
        return None
    kept = {key: value for key, value in row.items() if key not in ("prompt", "completion")}
    said = make_message("assistant", answer[0]["content"])
    return {"messages": [*asked, said], **kept}


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
    return NAMELESS.get(name) or ROLES.get(match[name].lower(), "system")


def _texts(row: Row) -> list[tuple[str, bool]]:
    """Each text, and whether it is an answer."""
    if "text" in row:
        return []
    if "messages" in row:
        return [(turn["content"], turn["role"] == "assistant") for turn in row["messages"]]
    return [(row["prompt"], False), (str(row["completion"]), True)]
