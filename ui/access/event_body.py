"""What a page sends for an event: nothing that its own widgets could not have sent.

Gradio hands most values to the handlers as they came, so anything could arrive in any place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import gradio as gr
from pydantic import BaseModel, Field, Strict, StrictBool, TypeAdapter, ValidationError
from pydantic_core import from_json

from ui.access.messages import Refused

BODY_LEVELS = 40  # lists and objects within each other
BODY_VALUES = 50_000  # in one body; the page sends a few hundred
STRANGE = "The page sent something that this button does not take. Reload the page."
OwnsFile = Callable[[Path], bool]  # whether the visitor has uploaded the file at a path


class StrangeBody(Refused):
    """A body that no page of Hone's sends; what to say is its text."""

    def __init__(self) -> None:
        super().__init__(STRANGE)


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request: finite numbers, whole letters, no endless nesting."""
    try:
        body = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise StrangeBody from None
    if not isinstance(body, dict):
        raise StrangeBody
    for one in _all_values(body):
        if isinstance(one, float) and not math.isfinite(one):
            raise StrangeBody
    return body


def _all_values(value: Any) -> Iterator[Any]:
    """Everything within a value; raises StrangeBody where that is too much, or too deep."""
    waiting, seen = [(value, 0)], 1
    while waiting:
        one, depth = waiting.pop()
        yield one
        if isinstance(one, dict | list):
            seen += len(one)
            if depth > BODY_LEVELS or seen > BODY_VALUES:
                raise StrangeBody
            inside = one.values() if isinstance(one, dict) else one
            waiting.extend((part, depth + 1) for part in inside)


def check_event(blocks: gr.Blocks, body: dict[str, Any], owns: OwnsFile) -> None:
    """Raise StrangeBody for an event that there is not, or with values of other widgets."""
    data, trigger, about = body.get("data"), body.get("trigger_id"), body.get("event_data")
    fn = blocks.fns.get(_number_of(body.get("fn_index")))
    named = trigger is None or _number_of(trigger) >= 0
    if fn is None or not isinstance(data, list) or not named or body.get("batched"):
        raise StrangeBody
    takes_event = gr.EventData in getattr(fn.fn, "__annotations__", {}).values()
    if takes_event and not isinstance(about, dict):
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


# --- values of widgets ---


class TextPart(BaseModel, extra="forbid"):
    """Text within a turn. Other kinds (component, file) Gradio would build, fetch or open before
    any handler sees them."""

    text: str
    type: Literal["text"] = "text"


class ChatTurn(BaseModel, extra="forbid"):
    """A message of a chat, as Gradio's own page sends it back."""

    role: str
    content: str | TextPart | list[str | TextPart]
    metadata: None = None
    options: None = None


class FileMark(BaseModel, extra="forbid"):
    """How Gradio marks what names a file."""

    kind: Literal["gradio.FileData"] = Field(alias="_type")


class NamedFile(BaseModel, extra="allow"):
    """A file as the page names it. Gradio would fetch or open what is named within it."""

    __pydantic_extra__: dict[str, str | float | None]
    path: str
    meta: FileMark = FileMark(_type="gradio.FileData")


Number = Annotated[float, Strict(), Field(gt=-(2**63), lt=2**63)]
FILE_WIDGETS = (gr.File, gr.UploadButton)
# What widgets can hold, by their kinds.
VALUES: dict[tuple[type, ...], TypeAdapter[Any]] = {
    (gr.Textbox, gr.HTML): TypeAdapter(str),
    (gr.Checkbox,): TypeAdapter(StrictBool),
    (gr.Number, gr.Slider, gr.Timer): TypeAdapter(Number),
    (gr.CheckboxGroup,): TypeAdapter(list[str]),
    (gr.Radio, gr.Dropdown): TypeAdapter(str | Number),
    (gr.Chatbot,): TypeAdapter(list[ChatTurn]),
    FILE_WIDGETS: TypeAdapter(NamedFile | list[NamedFile]),
}


def fits(block: Any, value: Any) -> bool:
    """Whether a widget of this kind can have this value."""
    if value is None or isinstance(block, gr.State):  # its value is the server's own
        return True
    adapter = next((one for kinds, one in VALUES.items() if isinstance(block, kinds)), None)
    try:
        return adapter is not None and adapter.validate_python(value) is not None
    except ValidationError:
        return False


def _files_are_own(block: Any, value: Any, owns: OwnsFile) -> bool:
    """Whether a value names no file, or only files that this visitor has uploaded."""
    if not isinstance(block, FILE_WIDGETS):
        return not any(
            isinstance(one, dict) and "path" in one and "meta" in one for one in _all_values(value)
        )
    files = value if isinstance(value, list) else [value]
    return all(one is None or owns(Path(one["path"])) for one in files)
