"""What a page sends for an event: nothing that its own widgets could not have sent.

Gradio hands most values to the handlers as they came, so anything could arrive in any place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)
DEEPEST = 40  # lists and objects within each other
MOST_VALUES = 50_000  # in one body; the page sends a few hundred
STRANGE = "The page sent something that this button does not take. Reload the page."
FILE_MARK = {"_type": "gradio.FileData"}  # how Gradio marks what names a file
OwnsFile = Callable[[Path], bool]  # whether the visitor has uploaded the file at a path


class StrangeBody(ValueError):
    """A body that no page of Hone's sends; what to say is its text."""

    def __init__(self) -> None:
        super().__init__(STRANGE)


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request: finite numbers, whole letters, no endless nesting."""
    try:
        body = json.loads(raw, parse_constant=_no_constant)
        if b"\\ud" in raw.lower():  # half a letter (a lone surrogate) cannot be written to a file
            json.dumps(body, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise StrangeBody from None
    if not isinstance(body, dict):
        raise StrangeBody
    for one in _all_values(body):
        if isinstance(one, float) and not math.isfinite(one):
            raise StrangeBody
    return body


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _all_values(value: Any) -> Iterator[Any]:
    """Everything within a value; raises StrangeBody where that is too much, or too deep."""
    waiting, seen = [(value, 0)], 1
    while waiting:
        one, depth = waiting.pop()
        yield one
        if isinstance(one, dict | list):
            seen += len(one)
            if depth > DEEPEST or seen > MOST_VALUES:
                raise StrangeBody
            inside = one.values() if isinstance(one, dict) else one
            waiting.extend((part, depth + 1) for part in inside)


def session_of(body: dict[str, Any]) -> str:
    """The session that a body names."""
    session = body.get("session_hash")
    if not isinstance(session, str) or not SESSION.fullmatch(session):
        raise StrangeBody
    return session


def check_event(blocks: gr.Blocks, body: dict[str, Any], owns: OwnsFile) -> None:
    """Raise StrangeBody for an event that there is not, or with values of other widgets."""
    data, trigger, about = body.get("data"), body.get("trigger_id"), body.get("event_data")
    fn = blocks.fns.get(_number_of(body.get("fn_index")))
    named = trigger is None or _number_of(trigger) >= 0
    if fn is None or not isinstance(data, list) or not named or body.get("batched"):
        raise StrangeBody
    if _takes_event_data(fn.fn) and not isinstance(about, dict):
        raise StrangeBody
    if fn.cancels:  # Gradio replaces what it is given
        return
    if len(data) < len(fn.inputs):
        raise StrangeBody
    for block, value in zip(fn.inputs, data, strict=False):
        if not fits(block, value) or not _files_are_own(block, value, owns):
            raise StrangeBody


def check_server_call(blocks: gr.Blocks, body: dict[str, Any]) -> None:
    """Raise StrangeBody for a function that the page has not got."""
    block = blocks.blocks.get(_number_of(body.get("component_id")))
    name = body.get("fn_name")
    named = [fn.__name__ for fn in block.server_fns] if isinstance(block, gr.HTML) else []
    if name not in named or "data" not in body:
        raise StrangeBody


def _number_of(value: Any) -> int:
    """A whole number as it is; -1 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _takes_event_data(handler: Any) -> bool:
    """Whether a handler takes what a widget says of the event itself."""
    return gr.EventData in getattr(handler, "__annotations__", {}).values()


# --- values of widgets ---


def fits(block: Any, value: Any) -> bool:
    """Whether a widget of this kind can have this value."""
    if value is None or isinstance(block, gr.State):  # its value is the server's own
        return True
    for kind, test in TESTS:
        if isinstance(block, kind):
            return test(value)
    return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_choice(value: Any) -> bool:
    return _is_text(value) or _is_number(value)


def _is_turns(value: Any) -> bool:
    """The messages of a chat, as Gradio's own page sends them back.

    Other parts than text (``"type": "component"`` or ``"file"``) Gradio would build, fetch or open
    before any handler sees them.
    """
    return isinstance(value, list) and all(map(_is_turn, value))


def _is_turn(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= {"role", "content", "metadata", "options"}
        and isinstance(value.get("role"), str)
        and _is_content(value.get("content"))
        and value.get("metadata") is None
        and value.get("options") is None
    )


def _is_content(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return all(_is_text(part) or _is_text_part(part) for part in parts)


def _is_text_part(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= {"text", "type"}
        and _is_text(value.get("text"))
        and value.get("type", "text") == "text"
    )


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_files(value: Any) -> bool:
    return all(map(_is_file, value if isinstance(value, list) else [value]))


def _is_file(value: Any) -> bool:
    """A file as the page names it. Gradio would fetch or open what is named within it."""
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        return False
    plain = (part for key, part in value.items() if key != "meta")
    return value.get("meta", FILE_MARK) == FILE_MARK and not any(
        isinstance(part, dict | list) for part in plain
    )


TESTS: tuple[tuple[type, Callable[[Any], bool]], ...] = (
    (gr.Textbox, _is_text),
    (gr.HTML, _is_text),
    (gr.Checkbox, _is_flag),
    (gr.Number, _is_number),
    (gr.Slider, _is_number),
    (gr.Timer, _is_number),
    (gr.CheckboxGroup, _is_texts),
    (gr.Radio, _is_choice),
    (gr.Dropdown, _is_choice),
    (gr.Chatbot, _is_turns),
    (gr.File, _is_files),
    (gr.UploadButton, _is_files),
)
FILE_WIDGETS = (gr.File, gr.UploadButton)


def _files_are_own(block: Any, value: Any, owns: OwnsFile) -> bool:
    """Whether a value names no file, or only files that this visitor has uploaded."""
    if not isinstance(block, FILE_WIDGETS):
        return not any(
            isinstance(one, dict) and "path" in one and "meta" in one for one in _all_values(value)
        )
    files = value if isinstance(value, list) else [value]
    return all(one is None or owns(Path(one["path"])) for one in files)
