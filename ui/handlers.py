"""Wraps handlers for Gradio: fixed first arguments, named outputs, errors as messages on the page.

A handler that is given the page's context gets the view of it that belongs to the visitor who asks.
An expected error (engine.errors) becomes a message in plain words. Anything else is a bug in Hone:
it is logged with its traceback under an id, and the page shows the id.
"""

from __future__ import annotations

import html
import inspect
import itertools
import logging
import secrets
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import DataError, HoneError, ModelError, RunError, SpecError
from engine.store.run_dir import OWNERS
from ui.access.event_body import STRANGE

Values = dict[Component, Any]  # of a handler whose inputs are a set
Updates = dict[Component, Any]  # the widgets that an event changes; all others stay as they are
APP_LOG = logging.getLogger("hone")
# No progress is shown for an event. Otherwise Gradio searches its whole tree of components for each
# output at every stage of every event, which takes seconds when a page with fifty fields opens.
QUIET: dict[str, Any] = {
    "show_progress": "hidden",
    "show_progress_on": [],
    "api_visibility": "private",
}
LATEST: dict[str, Any] = {"trigger_mode": "always_last", **QUIET}
EACH_CHANGE: dict[str, Any] = {"trigger_mode": "multiple", **QUIET}
NamedOutputs = Mapping[str, Component] | None
Call = Callable[..., Any]  # a handler with its first arguments; it takes the request before others
FOLLOW_LINK = """(link) => { const a = document.createElement("a");
    a.href = link; a.download = ""; document.body.append(a); a.click(); a.remove(); }"""
ERROR_TITLES = {
    SpecError: "Check the settings",
    DataError: "This data cannot be used as it is",
    ModelError: "This model cannot be used",
    RunError: "That is not possible now",
}


def log_to_file(path: Path) -> None:
    """Write errors to a file of at most a few megabytes."""
    handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    APP_LOG.handlers = [handler]
    APP_LOG.setLevel(logging.INFO)


def error_message(error: Exception) -> tuple[str, str]:
    """Title and text for the page; an unexpected error is logged first."""
    if isinstance(error, HoneError):
        return ERROR_TITLES.get(type(error), "That did not work"), str(error)
    if isinstance(error, FileNotFoundError) and _owner_is_gone(error):
        text = "All that is yours was deleted meanwhile by another page of yours. Reload this page."
        return "This is not there any more", text
    number = secrets.token_hex(3)
    APP_LOG.error("bug %s", number, exc_info=error)
    return (
        "Something went wrong in Hone",
        f"This is a mistake in Hone, not yours. Its details are in app.log ({number}).",
    )


def _owner_is_gone(error: OSError) -> bool:
    """Whether a file is missing together with all that its owner had."""
    folders = Path(error.filename or "").parents
    return any(one.parent.name == OWNERS and not one.exists() for one in folders)


def bind(
    handler: Callable[..., Any], *first: Any, outputs: NamedOutputs = None
) -> Callable[..., Any]:
    """The handler with its first arguments fixed, as a plain function whose errors are messages.

    Gradio gives it the request, which says whose view of a first argument the handler gets.
    With ``outputs``, components by name, the handler returns or yields ``{name: value}``; what it
    does not name stays as it is. Inputs have names where the event gets ``inputs_kwargs``.
    """

    signature, hints = inspect.signature(handler), typing.get_type_hints(handler)
    left = list(signature.parameters.values())[len(first) :]
    declared = [hints.get(one.name) for one in left]

    def call(request: Any, *args: Any, **named: Any) -> Any:
        given = map(_never_none, args, itertools.chain(declared, itertools.repeat(None)))
        filled = {name: "" if value is None else value for name, value in named.items()}
        return handler(*_of_visitor(first, request), *given, **filled)

    is_generator = inspect.isgeneratorfunction(handler)
    wrapper = (_wrap_generator if is_generator else _wrap_function)(call, outputs)
    # Gradio finds special arguments by annotation.
    asked = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wrapper.__name__ = handler.__name__
    shown: Any = wrapper  # mypy knows no signature of a function
    shown.__signature__ = signature.replace(parameters=[asked, *left])
    wrapper.__annotations__ = hints | {"request": gr.Request}
    return wrapper


def _never_none(value: Any, declared: Any) -> Any:
    """An empty text where a handler takes a text: a list in which nothing is chosen gives None."""
    if declared == Values and isinstance(value, dict):
        return {
            widget: "" if one is None and isinstance(widget, gr.Dropdown) else one
            for widget, one in value.items()
        }
    return "" if value is None and declared is str else value


def _of_visitor(first: tuple[Any, ...], request: Any) -> tuple[Any, ...]:
    """The first arguments, of which the page's context (ui.context) is the visitor's own view."""
    if first and hasattr(first[0], "for_request"):
        return first[0].for_request(request), *first[1:]
    return first


def _wrap_function(call: Call, outputs: NamedOutputs) -> Call:
    def run(request: Any = None, *args: Any, **named: Any) -> Any:
        with _errors_as_messages():
            return _by_component(call(request, *args, **named), outputs)

    return run


def _wrap_generator(call: Call, outputs: NamedOutputs) -> Call:
    def run(request: Any = None, *args: Any, **named: Any) -> Iterator[Any]:
        with _errors_as_messages():
            for answer in call(request, *args, **named):
                yield _by_component(answer, outputs)

    return run


def _by_component(answer: Any, outputs: NamedOutputs) -> Any:
    """``{component: value}``, as Gradio takes it; it does not take an empty one."""
    if outputs is None:
        return answer
    return {outputs[name]: value for name, value in answer.items()} or gr.skip()


def event_text(event: gr.EventData, name: str) -> str:
    """What a widget says of its event under a name; raises SpecError where it says no such thing.

    A page can send anything here.
    """
    value = getattr(event, name, None)
    if not isinstance(value, str):
        raise SpecError(STRANGE)
    return value


def set_value(value: Any) -> Any:
    """Set the outputs of an event to what the handler is bound to."""
    return value


HIDDEN: dict[str, Any] = gr.update(visible=False)


def download_on_click(button: gr.Button, make_file: Callable[..., Any], inputs: Any) -> None:
    """Make a file when ``button`` is pressed, then take it away.

    ``make_file`` returns a link of ui.access.downloads.
    """
    with button.parent:  # beside the tabs it would count as one
        link = gr.HTML(visible=False)
    made = button.click(make_file, inputs, link, **QUIET)
    made.success(None, link, None, js=FOLLOW_LINK, api_visibility="private")


@contextmanager
def _errors_as_messages() -> Iterator[None]:
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        title, text = error_message(error)
        # Gradio 6.31 heads every message with "Error", so the title is in the text.
        shown = f"<b>{title}</b><br>" + html.escape(text).replace("\n", "<br>")
        raise gr.Error(shown, duration=20, print_exception=False) from None
