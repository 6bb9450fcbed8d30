"""Wraps handlers for Gradio: fixed first arguments, named outputs, errors as messages on the page.

An expected error (engine.errors) becomes a message in plain words. Anything else is a bug in Hone:
it is logged with its traceback under an id, and the page shows the id.
"""

from __future__ import annotations

import functools
import html
import inspect
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
Outputs = Mapping[str, Component] | None
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
    number = secrets.token_hex(3)
    APP_LOG.error("bug %s", number, exc_info=error)
    return (
        "Something went wrong in Hone",
        f"This is a mistake in Hone, not yours. Its details are in app.log ({number}).",
    )


def bind(handler: Callable[..., Any], *first: Any, outputs: Outputs = None) -> Callable[..., Any]:
    """The handler with its first arguments fixed, as a plain function whose errors are messages.

    With ``outputs``, components by name, the handler returns or yields ``{name: value}``; what it
    does not name stays as it is. Inputs have names where the event gets ``inputs_kwargs``.
    """
    bound = functools.partial(handler, *first)
    is_generator = inspect.isgeneratorfunction(handler)
    wrapper = (_wrap_generator if is_generator else _wrap_function)(bound, outputs)
    # Gradio finds special arguments by annotation, and cannot do so on a partial object.
    wrapper.__name__ = handler.__name__
    wrapper.__signature__ = inspect.signature(bound)  # type: ignore[attr-defined]
    wrapper.__annotations__ = typing.get_type_hints(handler)
    return wrapper


def _wrap_function(bound: Callable[..., Any], outputs: Outputs) -> Callable[..., Any]:
    def run(*args: Any, **named: Any) -> Any:
        with _errors_as_messages():
            return _by_component(bound(*args, **named), outputs)

    return run


def _wrap_generator(bound: Callable[..., Any], outputs: Outputs) -> Callable[..., Any]:
    def run(*args: Any, **named: Any) -> Iterator[Any]:
        with _errors_as_messages():
            for answer in bound(*args, **named):
                yield _by_component(answer, outputs)

    return run


def _by_component(answer: Any, outputs: Outputs) -> Any:
    """``{component: value}``, as Gradio takes it; it does not take an empty one."""
    if outputs is None:
        return answer
    return {outputs[name]: value for name, value in answer.items()} or gr.skip()


def hide_widget() -> Any:
    """Hide the output of an event."""
    return gr.update(visible=False)


def download_on_click(
    button: gr.Button, make_file: Callable[..., Any], inputs: Any, file: gr.DownloadButton
) -> None:
    """Make a file when ``button`` is pressed, then click ``file``, the hidden button for it."""
    made = button.click(make_file, inputs, file, **QUIET)
    name = file.elem_id
    selector = f"#{name} a, #{name} button, a#{name}, button#{name}"
    click = f"() => setTimeout(() => document.querySelector('{selector}')?.click(), 300)"
    made.success(None, js=click, api_visibility="private")


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
