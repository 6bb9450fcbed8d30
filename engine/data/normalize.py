"""Rows of every shape in the three forms that the rest of Hone knows.

    {"messages": [{"role": "system" | "user" | "assistant" | "tool", "content": text}, ...]}
    {"prompt": text, "completion": text}
    {"text": text}

An assistant's turn may have "tool_calls" and "weight": 0 (read, not learned); beside the messages "tools" may
stand. A preference keeps its worse answer as "rejected", feedback its mark as "good".
"""

from __future__ import annotations

import json
import re
from typing import Any

from engine.data.schema import Schema
from engine.errors import DataError
from engine.spec.run import Shape

Row = dict[str, Any]
Message = dict[str, Any]

ROLE_NAMES = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant", "chatgpt": "assistant",
    "function_call": "assistant", "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool",
}  # fmt: skip
MEDIA_FIELDS = (
    "images",
    "videos",
    "audios",
    "image",
    "audio",
)  # what LLaMA-Factory and others put beside a chat
SPEAKERS = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")
MARKS = {
    "true": True,
    "1": True,
    "good": True,
    "yes": True,
    "false": False,
    "0": False,
    "bad": False,
    "no": False,
}


def normalize_row(row: Row, recognised: Schema, names: dict[str, str] | None = None) -> list[Row]:
    """One row in normal form, or several where it holds several examples; raises DataError that says what is wrong.

    ``names`` gives the class names that numbers stand for.
    """
    roles = recognised.roles
    match recognised.shape:
        case Shape.TEXT:
            return [{"text": _field_text(row, roles["text"], "text")}]
        case Shape.LABEL:
            texts = [
                _field_text(row, roles[role], "text")
                for role in ("text", "second")
                if role in roles
            ]
            return [
                {
                    "prompt": "\n\n".join(texts),
                    "completion": _read_label(row, roles["label"], names or {}),
                }
            ]
        case Shape.CHAT:
            return [_normalize_chat(row, roles)]
        case Shape.PREFERENCE:
            return [_normalize_preference(row, roles)]
        case Shape.FEEDBACK:
            return [_normalize_feedback(row, roles)]
    return _prompt_and_answer(row, roles)


def _prompt_and_answer(row: Row, roles: dict[str, str]) -> list[Row]:
    """Prompt and completion, with the input behind the prompt."""
    found = row.get(roles["completion"])
    if (
        isinstance(found, list)
        and found
        and all(isinstance(one, dict) and "output" in one for one in found)
    ):
        inner = {"prompt": "prompt", "input": "input", "completion": "output"}
        prompt = _field_text(row, roles["prompt"], "question")
        return [
            one
            for instance in found
            for one in _prompt_and_answer({"prompt": prompt, **instance}, inner)
        ]
    asked = row.get(roles["prompt"])
    if isinstance(asked, list) and any(
        isinstance(turn, dict) for turn in asked
    ):  # turns, as TRL has them
        answers = (
            found
            if isinstance(found, list)
            else [make_turn("assistant", _answer_text(found, "good"))]
        )
        return [{"messages": _system_turn(row, roles) + read_messages([*asked, *answers])}]
    prompt = _field_text(row, roles["prompt"], "question")
    answer = _field_text(row, roles["completion"], "answer")
    if "input" in roles and row.get(roles["input"]) not in (None, ""):
        prompt = f"{prompt}\n\n{_field_text(row, roles['input'], 'input')}"
    if system := _system_turn(row, roles):
        return [{"messages": [*system, make_turn("user", prompt), make_turn("assistant", answer)]}]
    return [{"prompt": prompt, "completion": answer}]


def _normalize_chat(row: Row, roles: dict[str, str]) -> Row:
    _refuse_media(row)
    system, messages = _system_turn(row, roles), read_messages(row.get(roles["messages"]))
    if system and messages[0]["role"] == "system":
        system = []  # the conversation's own
    made: Row = {"messages": system + messages}
    if "tools" in roles and (tools := read_tools(row.get(roles["tools"]))):
        made["tools"] = tools
    return made


def _normalize_preference(row: Row, roles: dict[str, str]) -> Row:
    _refuse_media(row)
    before, chosen = _read_prompt(row, roles), row.get(roles["chosen"])
    rejected = row.get(roles["rejected"])
    if not before and isinstance(chosen, str) and isinstance(rejected, str):
        chosen, rejected = _split_speakers(chosen), _split_speakers(rejected)
    if (
        isinstance(chosen, list)
        and isinstance(rejected, list)
        and max(len(chosen), len(rejected)) > 1
    ):
        # Both hold the whole conversation; an answer can only be better than another to the same question.
        if chosen[:-1] != rejected[:-1]:
            raise DataError(
                "its two conversations differ before the last answer, so the answers cannot be compared."
            )
        before = [*before, *chosen[:-1]] if isinstance(before, list) else chosen[:-1]
    made = [_answer_text(one, name) for one, name in ((chosen, "better"), (rejected, "worse"))]
    if isinstance(before, str):
        _field_text({"prompt": before}, "prompt", "question")
        if not (system := _system_turn(row, roles)):
            return {"prompt": before, "completion": made[0], "rejected": made[1]}
        before = [*system, make_turn("user", before)]
    return {
        "messages": read_messages([*before, make_turn("assistant", made[0])]),
        "rejected": made[1],
    }


def _split_speakers(text: str) -> str | list[Message]:
    """A conversation written as one text of "Human:" and "Assistant:" parts (HH-RLHF) as turns; else the text."""
    parts = SPEAKERS.split(text)
    if len(parts) < 5 or parts[0].strip():
        return text
    roles = {"human": "user", "assistant": "assistant"}
    return [
        make_turn(roles[who.lower()], said.strip())
        for who, said in zip(parts[1::2], parts[2::2], strict=True)
    ]


def _answer_text(value: Any, which: str) -> str:
    """The text of an answer that is a text, a turn, or a list that ends with one."""
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, dict):
        value = read_content(value.get("content", value.get("value")), 1)[0]
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"no {which} answer: the field is empty or holds no text.")
    return value


def _normalize_feedback(row: Row, roles: dict[str, str]) -> Row:
    _refuse_media(row)
    mark = str(row.get(roles["mark"], "")).strip().lower()
    if mark not in MARKS:
        raise DataError(f"'{roles['mark']}' is {mark or 'empty'}, where true or false is needed.")
    before = _read_prompt(row, roles)
    if isinstance(before, list):
        answer = (
            [make_turn("assistant", _answer_text(row.get(roles["completion"]), "good"))]
            if "completion" in roles
            else []
        )
        return {
            "messages": _system_turn(row, roles) + read_messages([*before, *answer]),
            "good": MARKS[mark],
        }
    if "completion" not in roles:
        raise DataError(
            f"'{roles['prompt']}' is a text and not a conversation, so a column for the answer is needed."
        )
    return _prompt_and_answer(row, roles)[0] | {"good": MARKS[mark]}


def _read_prompt(row: Row, roles: dict[str, str]) -> Any:
    """What stands before the answer: a text, a list of turns, or nothing."""
    value = row.get(roles["prompt"]) if "prompt" in roles else []
    if value is None or not isinstance(value, str | list):
        raise DataError(f"no question: the field '{roles['prompt']}' is empty or holds no text.")
    return value


def _refuse_media(row: Row) -> None:
    if media := next((name for name in MEDIA_FIELDS if row.get(name)), ""):
        raise DataError(f"it comes with {media}, which Hone cannot train on.")


def _system_turn(row: Row, roles: dict[str, str]) -> list[Message]:
    if "system" not in roles or not row.get(roles["system"]):
        return []
    return [make_turn("system", _field_text(row, roles["system"], "system text"))]


def make_turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _field_text(row: Row, column: str, what: str) -> str:
    """A field's text; numbers (a label's class number) are taken as they are written."""
    value = row.get(column)
    if isinstance(value, list | dict):
        raise DataError(
            f"expected text in '{column}', got {'a list' if isinstance(value, list) else 'an object'}."
        )
    if value is None or not str(value).strip():
        raise DataError(f"no {what}: the field '{column}' is empty.")
    return str(value)


def _read_label(row: Row, column: str, names: dict[str, str]) -> str:
    """A row's label; several, given as a list, with commas between them."""
    value = row.get(column)
    labels = value if isinstance(value, list) and value else [value]
    texts = [_field_text({column: one}, column, "label").strip() for one in labels]
    return ", ".join(names.get(one, one) for one in texts)


def read_messages(turns: Any) -> list[Message]:
    """OpenAI's role/content or ShareGPT's from/value turns, checked."""
    if isinstance(turns, str) and turns.lstrip().startswith("[{"):  # a table's cell
        try:
            turns = json.loads(turns)
        except (ValueError, RecursionError):
            raise DataError("its conversation is not valid JSON.") from None
    if isinstance(turns, str | dict):
        raise DataError("expected a list of turns, got something else.")
    if not isinstance(turns, list) or not turns:
        raise DataError("the conversation is empty.")
    messages: list[Message] = []
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, dict):
            raise DataError(f"turn {number} is not an object with a role and a content.")
        message = _read_turn(turn, number)
        if message["role"] == "system" and messages:
            raise DataError(f"turn {number} is a system turn, which must come first.")
        if messages and message["role"] == messages[-1]["role"] != "tool":
            raise DataError(f"turns {number - 1} and {number} are both the {message['role']}'s.")
        messages.append(message)
    if not any(message["role"] == "assistant" for message in messages):
        raise DataError("the conversation has no assistant answer.")
    if not any(message["role"] == "assistant" for message in messages[1:]):
        raise DataError("the assistant's only answer comes first, with no question before it.")
    if not any(
        message["role"] == "assistant" and message.get("weight") != 0 for message in messages
    ):
        raise DataError("all its answers have the weight 0, so there is nothing to learn.")
    return messages


def _read_turn(turn: Row, number: int) -> Message:
    role = str(turn.get("role", turn.get("from", "")))
    if role.lower() not in ROLE_NAMES:
        raise DataError(
            f"turn {number} has the unknown role '{role}'. Known are system, user, assistant and tool."
        )
    name, value = ROLE_NAMES[role.lower()], turn.get("content", turn.get("value"))
    calls = _read_calls(turn, number)
    if role.lower() == "function_call":
        content, calls = "", [_read_call(value, number)]
    else:
        content, more = read_content(value, number)
        calls += more
    if calls and name != "assistant":
        raise DataError(
            f"turn {number} calls a tool, but it is the {name}'s. Only the assistant can."
        )
    if not content.strip() and not calls and name != "tool":
        raise DataError(f"turn {number} is empty.")
    message = make_turn(name, content)
    if calls:
        message["tool_calls"] = calls
    if name == "tool" and turn.get("name"):
        message["name"] = str(turn["name"])
    weight = turn.get("weight", turn.get("loss_weight"))
    if name == "assistant" and weight is not None:
        if weight not in (0, 1):
            raise DataError(
                f"turn {number} has the weight {weight}; known are 0 (not learned) and 1."
            )
        if weight == 0:
            message["weight"] = 0
    return message


def read_content(value: Any, number: int) -> tuple[str, list[Message]]:
    """A turn's text, and the tools that its parts call. Thinking is kept as models write it."""
    if not isinstance(value, list):
        if value is not None and not isinstance(value, str):
            what = {"dict": "an object", "bool": "true or false"}.get(
                type(value).__name__, "a number"
            )
            raise DataError(f"turn {number}: expected text, got {what}.")
        return value or "", []
    texts, calls = "", []
    for part in value:
        kind = part.get("type") if isinstance(part, dict) else None
        text = str(part.get("text", part.get("value", ""))) if isinstance(part, dict) else ""
        if kind == "text":
            texts += text
        elif kind == "reasoning":
            texts += f"<think>\n{text.strip()}\n</think>\n\n"
        elif kind == "tool_call":
            calls.append(_read_call(text, number))
        else:
            raise DataError(f"turn {number} holds something other than text.")
    return texts, calls


def _read_calls(turn: Row, number: int) -> list[Message]:
    """OpenAI's tool calls of a turn, new or old form."""
    calls = turn.get("tool_calls") or []
    if not isinstance(calls, list):
        raise DataError(f"turn {number}: 'tool_calls' is not a list.")
    if turn.get("function_call"):
        calls = [*calls, turn["function_call"]]
    return [
        _read_call(call.get("function", call) if isinstance(call, dict) else call, number)
        for call in calls
    ]


def _read_call(value: Any, number: int) -> Message:
    """One call. Arguments that are JSON texts, even twice, become what they say: templates write them out."""
    try:
        value = json.loads(value) if isinstance(value, str) else value
        name, arguments = value["name"], value.get("arguments", value.get("parameters", {}))
        for _ in range(2):
            arguments = (
                json.loads(arguments)
                if isinstance(arguments, str) and arguments.strip()
                else arguments
            )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(
            f"turn {number} calls a tool in a form that cannot be read (name and arguments)."
        ) from None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict | None):
        raise DataError(
            f"turn {number} calls a tool without a name, or with arguments that are no object."
        )
    return {"type": "function", "function": {"name": name, "arguments": arguments or {}}}


def read_tools(value: Any) -> list[Row]:
    """The tools that a conversation may use, each as OpenAI's {"type": "function", "function": {...}}."""
    if isinstance(value, str):
        if not value.strip():
            return []
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise DataError("its list of tools is not valid JSON.") from None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise DataError("its tools are not a list of objects.")
    return [one if "function" in one else {"type": "function", "function": one} for one in value]


def with_system(messages: list[Message], system: str) -> list[Message]:
    """The messages after the run's own system turn; those that bring one keep theirs."""
    if not system.strip() or (messages and messages[0]["role"] == "system"):
        return messages
    return [{"role": "system", "content": system.strip()}, *messages]


def as_table_row(row: Row, shape: Shape) -> Row:
    """A normal row in the columns that make it recognised as its shape again: the other direction of ``normal``."""
    if "text" in row:
        return {"text": row["text"]}
    if shape == Shape.LABEL and "prompt" in row:
        return {"text": row["prompt"], "label": row["completion"]}
    if "rejected" not in row:
        return {
            key: row[key]
            for key in ("messages", "tools", "prompt", "completion", "good")
            if key in row
        }
    if "messages" in row:
        *before, answer = row["messages"]
        return {"messages": before, "chosen": answer["content"], "rejected": row["rejected"]}
    return {"prompt": row["prompt"], "chosen": row["completion"], "rejected": row["rejected"]}


RawRow = dict[str, Any]


ANSWER_COLUMNS = (
    "completion",
    "output",
    "label",
)  # columns that hold it, in normal rows and in raw ones


def last_answer(row: RawRow) -> str:
    """The last answer of a row that is not plain text."""
    if "messages" in row:
        said = [turn.get("content") for turn in row["messages"] if turn["role"] == "assistant"]
        return str(said[-1] or "").strip()
    return str(next(row[column] for column in ANSWER_COLUMNS if column in row)).strip()
