"""Renders the chat template, and traces which characters of the text each message wrote.

The template's own loops over the messages are made to write marks that say which message they are
at, and its generation blocks to write marks at both ends. The text itself stays the template's:
where the marks would change it, the trace is not used.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import Template, nodes
from transformers import PreTrainedTokenizerBase

from engine.data.messages import Message
from engine.errors import DataError, ModelError
from engine.work import compat
from engine.work.encode.messages import ADVICE, Tool
from engine.work.encode.render_limits import limit_rendering, require_proportion

Span = tuple[int, int]  # characters: start, end

# A mark is MARK_OPEN, one of < > [ ], then for < the loop and the message, for > the loop, and
# MARK_CLOSE. The characters are private ones: a row that contains them renders differently once
# they are taken out again, and then the trace is not used.
MARK_OPEN, MARK_CLOSE = "\U000f0010", "\U000f0011"
MARK = re.compile(f"{MARK_OPEN}([<>\\[\\]])(\\d*),?(\\d*){MARK_CLOSE}")


class Rendered(NamedTuple):
    """A conversation as text, with its trace."""

    text: str
    # What each message wrote; messages that wrote nothing are absent.
    pieces: dict[int, list[Span]]
    # What stands in the template's generation blocks.
    generation: list[Span]
    # Whether ``pieces`` can be relied on.
    traced: bool

    def turn_span(self, index: int) -> Span | None:
        """The one place where a message was written; None where there is none, or more than one."""
        spans = [span for span in self.pieces.get(index, []) if self.text[slice(*span)].strip()]
        return spans[0] if self.traced and len(spans) == 1 else None

    def turn_text(self, index: int) -> str:
        """What stands in the one place of a message; empty where there is none."""
        span = self.turn_span(index)
        return self.text[slice(*span)] if span else ""


def render_chat(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: list[Tool] | None,
    prompt: bool = False,
    template: str | None = None,
) -> str:
    """The conversation as text; ``prompt`` adds the generation prompt. Raises DataError.

    ``template``: the source of another template than the tokenizer's.
    """
    try:
        with limit_rendering():
            text = tokenizer.apply_chat_template(
                messages,
                chat_template=template,
                tools=tools,
                tokenize=False,
                add_generation_prompt=prompt,
            )
    except ModelError:
        raise
    # A template may raise whatever it likes, for example on a system turn.
    except Exception as error:
        raise DataError(
            f"The model's chat template does not accept this conversation ({error}). {ADVICE}"
        ) from error
    require_proportion(text, messages)
    return text


def render_traced(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: list[Tool] | None,
    prompt: bool = False,
) -> Rendered:
    """``render_chat`` with the trace."""
    plain = render_chat(tokenizer, messages, tools, prompt)
    untraced = Rendered(plain, {}, [], traced=False)
    chat = compat.template_messages(messages)
    tracer = _Tracer(chat)
    try:
        with limit_rendering():
            text = _traced_template(tokenizer.get_chat_template(tools=tools)).render(
                messages=chat,
                tools=compat.template_data(tools),
                documents=None,
                add_generation_prompt=prompt,
                **tokenizer.special_tokens_map,
                hone_open=tracer.open_turn,
                hone_close=tracer.close_turn,
            )
    # The plain template rendered well, so only the tracing failed.
    except Exception:
        return untraced
    found = _parse_marks(text)
    return found if found.text == plain else untraced


class _Tracer:
    """Writes the marks; knows messages by identity, since templates slice and rename the list."""

    def __init__(self, chat: list[Message]) -> None:
        self.index = {id(message): index for index, message in enumerate(chat)}
        self.running: set[int] = set()

    def open_turn(self, item: Any, loop: int) -> str:
        """The mark at the start of a loop's body; empty where the loop is not at a message."""
        index = self.index.get(id(item)) if isinstance(item, dict) else None
        if index is None:
            return ""
        self.running.add(loop)
        return f"{MARK_OPEN}<{loop},{index}{MARK_CLOSE}"

    def close_turn(self, loop: int) -> str:
        """The mark at the end of a loop's body; empty for a loop over other things than messages.

        Even an invisible mark there would make an empty text a true one.
        """
        return f"{MARK_OPEN}>{loop}{MARK_CLOSE}" if loop in self.running else ""


@lru_cache(maxsize=16)
def _traced_template(source: str) -> Template:
    """The template with calls that write marks around loop bodies and generation blocks."""
    environment = compat.compile_chat_template(source).environment
    tree = environment.parse(source)
    for number, loop in enumerate(list(tree.find_all(nodes.For))):
        if isinstance(loop.target, nodes.Name):
            item, which = nodes.Name(loop.target.name, "load"), nodes.Const(number)
            start, end = _call_node("hone_open", item, which), _call_node("hone_close", which)
            loop.body = [start, *loop.body, end]
            loop.number = number
    _insert_marks(tree)
    tree.set_environment(environment)
    code = environment.compile(tree)
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def _call_node(name: str, *arguments: nodes.Expr) -> nodes.Output:
    call = nodes.Call(nodes.Name(name, "load"), list(arguments), [], None, None)
    return nodes.Output([call], lineno=1)


def _insert_marks(node: nodes.Node) -> None:
    """Put marks around the content of generation blocks, and close loops after them.

    The second close is for a loop that ends with ``break``.
    """
    for field in node.fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            setattr(node, field, [new for child in value for new in _with_marks(child)])
    for child in node.iter_child_nodes():
        _insert_marks(child)


def _with_marks(child: Any) -> list[Any]:
    if isinstance(child, nodes.CallBlock) and _is_generation(child):
        start, end = (
            nodes.Output([nodes.TemplateData(f"{MARK_OPEN}{kind}{MARK_CLOSE}")], lineno=1)
            for kind in "[]"
        )
        return [start, *child.body, end]
    if isinstance(child, nodes.For) and hasattr(child, "number"):
        return [child, _call_node("hone_close", nodes.Const(child.number))]
    return [child]


def _is_generation(block: nodes.CallBlock) -> bool:
    called = block.call.node
    return isinstance(called, nodes.ExtensionAttribute) and called.name == "_generation_support"


class _Pieces:
    """Collects a text and what each message wrote of it.

    A character belongs to the innermost turn that is open where it stands. What a turn writes
    inside another's, such as the id of the call that a tool answers, is not part of its own place.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.spans: dict[int, list[Span]] = {}
        self.depths: dict[int, int] = {}  # loops within loops in which each message's spans stand
        self.turns: list[tuple[int, int]] = []  # open now, outermost first: loop, message

    def add_text(self, part: str) -> None:
        depth = len(self.turns)
        if part and self.turns:
            self._add_to_message(self.turns[-1][1], part, depth)
        self.parts.append(part)
        self.length += len(part)

    def _add_to_message(self, message: int, part: str, depth: int) -> None:
        if part.strip() and depth < self.depths.get(message, depth + 1):
            self.depths[message], self.spans[message] = depth, []
        if depth > self.depths.get(message, depth):
            return
        spans, end = self.spans.setdefault(message, []), self.length + len(part)
        if spans and spans[-1][1] == self.length:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((self.length, end))

    def end_turn(self, loop: int) -> None:
        """A turn that ended with ``continue`` wrote no end: the next mark of its loop ends it."""
        for at, (number, _) in enumerate(self.turns):
            if number == loop:
                del self.turns[at:]
                return


def _parse_marks(text: str) -> Rendered:
    """Take the marks out of a rendered text."""
    pieces, generation = _Pieces(), list[Span]()
    blocks: list[int] = []  # where the generation blocks that are open now began
    position = 0
    for mark in MARK.finditer(text):
        pieces.add_text(text[position : mark.start()])
        position = mark.end()
        kind, loop, message = mark.groups()
        if kind == "[":
            blocks.append(pieces.length)
        elif kind == "]" and blocks:
            generation.append((blocks.pop(), pieces.length))
        elif kind in "<>":
            pieces.end_turn(int(loop))
            if kind == "<":
                pieces.turns.append((int(loop), int(message)))
    pieces.add_text(text[position:])
    return Rendered("".join(pieces.parts), pieces.spans, generation, traced=bool(pieces.spans))
