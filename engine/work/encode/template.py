"""Who wrote which characters: a conversation through the tokenizer's chat template, with each turn's place in the text.

The template's own loops over the messages are made to tell which message they are at, and its generation marks to
tell where they stand. The text itself stays the template's: where telling would change it, nothing is told.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import Template, nodes
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import (
    _alias_reasoning_fields,
    _compile_jinja_template,
    _plain_template_data,
)

from engine.errors import DataError
from engine.work.encode.messages import ADVICE, Message, Tool

Span = tuple[int, int]  # characters: start, end

# A mark is OPEN, one of < > [ ], for < the loop and the message, for > the loop, CLOSE. The characters are of a private
# plane: a row that holds them renders differently once they are taken out again, and then nothing is told.
MARK_OPEN, MARK_CLOSE = "\U000f0010", "\U000f0011"
MARK = re.compile(f"{MARK_OPEN}([<>\\[\\]])(\\d*),?(\\d*){MARK_CLOSE}")


class Rendered(NamedTuple):
    """A conversation as text."""

    text: str
    pieces: dict[
        int, list[Span]
    ]  # what each message's turn of a loop wrote; messages that wrote nothing are absent
    marked: list[Span]  # what stands in generation marks
    told: bool  # whether the pieces can be relied on


def render_chat(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: list[Tool] | None,
    prompt: bool = False,
) -> str:
    """The plain text; raises DataError where the template refuses the conversation."""
    try:
        text: str = tokenizer.apply_chat_template(
            messages, tools=tools, tokenize=False, add_generation_prompt=prompt
        )
    except (
        Exception
    ) as error:  # a template may raise whatever it likes, for example on a system turn
        raise DataError(
            f"The model's chat template does not accept this conversation ({error}). {ADVICE}"
        ) from error
    return text


def render_traced(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: list[Tool] | None,
    prompt: bool = False,
) -> Rendered:
    """The text with the place of each turn in it; raises DataError where the template refuses the conversation."""
    plain = render_chat(tokenizer, messages, tools, prompt)
    silent = Rendered(plain, {}, [], told=False)
    chat = _alias_reasoning_fields(_plain_template_data(messages))
    teller = _Tracer(chat)
    variables = {
        **tokenizer.special_tokens_map,
        "hone_open": teller.open,
        "hone_close": teller.close,
    }
    try:
        template = _traced_template(tokenizer.get_chat_template(tools=tools))
        text = template.render(
            messages=chat,
            tools=_plain_template_data(tools),
            documents=None,
            add_generation_prompt=prompt,
            **variables,
        )
    except Exception:  # the plain render went well, so only the telling failed
        return silent
    found = _parse_marks(text)
    return found if found.text == plain else silent


class _Tracer:
    """Writes the marks; knows the messages by identity, since templates slice, filter and rename the list."""

    def __init__(self, chat: list[Message]) -> None:
        self.index = {id(message): index for index, message in enumerate(chat)}
        self.running: set[int] = set()

    def open(self, item: Any, loop: int) -> str:
        index = self.index.get(id(item)) if isinstance(item, dict) else None
        if index is None:
            return ""
        self.running.add(loop)
        return f"{MARK_OPEN}<{loop},{index}{MARK_CLOSE}"

    def close(self, loop: int) -> str:
        """Nothing for a loop over other things: even an invisible mark would make an empty text a true one."""
        return f"{MARK_OPEN}>{loop}{MARK_CLOSE}" if loop in self.running else ""


@lru_cache(maxsize=16)
def _traced_template(source: str) -> Template:
    """The template with calls that tell where each turn of a loop begins and ends, and marks for generation blocks."""
    environment = _compile_jinja_template(source).environment
    tree = environment.parse(source)
    for number, loop in enumerate(list(tree.find_all(nodes.For))):
        if isinstance(loop.target, nodes.Name):
            item, which = nodes.Name(loop.target.name, "load"), nodes.Const(number)
            loop.body = [
                _call_node("hone_open", item, which),
                *loop.body,
                _call_node("hone_close", which),
            ]
            loop.number = number
    _insert_marks(tree)
    tree.set_environment(environment)
    code = environment.compile(tree)
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def _call_node(name: str, *arguments: nodes.Expr) -> nodes.Output:
    return nodes.Output(
        [nodes.Call(nodes.Name(name, "load"), list(arguments), [], None, None)], lineno=1
    )


def _insert_marks(node: nodes.Node) -> None:
    """Generation blocks become their content between marks; a loop is followed by its end, which `break` leaves out."""
    for field in node.fields:
        value = getattr(node, field, None)
        if not isinstance(value, list):
            continue
        new: list[Any] = []
        for child in value:
            if isinstance(child, nodes.CallBlock) and _is_generation(child):
                start, end = (
                    nodes.Output([nodes.TemplateData(f"{MARK_OPEN}{kind}{MARK_CLOSE}")], lineno=1)
                    for kind in "[]"
                )
                new += [start, *child.body, end]
            elif isinstance(child, nodes.For) and hasattr(child, "number"):
                new += [child, _call_node("hone_close", nodes.Const(child.number))]
            else:
                new.append(child)
        setattr(node, field, new)
    for child in node.iter_child_nodes():
        _insert_marks(child)


def _is_generation(block: nodes.CallBlock) -> bool:
    called = block.call.node
    return isinstance(called, nodes.ExtensionAttribute) and called.name == "_generation_support"


def _parse_marks(text: str) -> Rendered:
    """Take the marks out again; a character belongs to the innermost turn that is open where it stands.

    What a turn writes within another's, such as the number of the call that a tool answers, is not its place.
    """
    parts: list[str] = []
    pieces: dict[int, list[Span]] = {}
    depths: dict[int, int] = {}  # of each message's pieces, in loops within loops
    marked: list[Span] = []
    turns: list[tuple[int, int]] = []  # open now, outermost first: loop, message
    blocks: list[int] = []  # generation marks open now: where they began
    length = position = 0

    def take(part: str) -> None:
        nonlocal length
        if part.strip() and turns and len(turns) < depths.get(turns[-1][1], len(turns) + 1):
            depths[turns[-1][1]], pieces[turns[-1][1]] = len(turns), []
        if part and turns and len(turns) <= depths.get(turns[-1][1], len(turns)):
            spans = pieces.setdefault(turns[-1][1], [])
            if spans and spans[-1][1] == length:
                spans[-1] = (spans[-1][0], length + len(part))
            else:
                spans.append((length, length + len(part)))
        parts.append(part)
        length += len(part)

    for mark in MARK.finditer(text):
        take(text[position : mark.start()])
        position = mark.end()
        kind, loop, index = mark.groups()
        if kind == "[":
            blocks.append(length)
        elif kind == "]" and blocks:
            marked.append((blocks.pop(), length))
        elif kind in "<>":
            # A turn that ended with `continue` left no end of its own: the next one of its loop ends it.
            at = next(
                (at for at, (number, _) in enumerate(turns) if number == int(loop)), len(turns)
            )
            del turns[at:]
            if kind == "<":
                turns.append((int(loop), int(index)))
    take(text[position:])
    return Rendered("".join(parts), pieces, marked, told=bool(pieces))
