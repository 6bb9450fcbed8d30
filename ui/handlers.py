"""How handlers meet Gradio: their context bound, and every error in plain words.

Expected errors (engine.errors) become a message on the page. Anything else is a bug of ours: it is
logged whole under an id, and the page shows the id.
"""

from __future__ import annotations

import functools
import html
import inspect
import logging
import secrets
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import gradio as gr

from engine.errors import DataError, HoneError, ModelError, RunError, SpecError

LOG = logging.getLogger("hone")
# What an event says of its own progress: nothing, to nobody. Else Gradio looks in its whole tree of components for each
# that any event can change, at every stage of every event: seconds, when a page with fifty fields opens.
QUIET: dict[str, Any] = {
    "show_progress": "hidden",
    "show_progress_on": [],
    "api_visibility": "private",
}
TITLES = {
    SpecError: "Check the settings",
    DataError: "This data cannot be used as it is",
    ModelError: "This model cannot be used",
    RunError: "That is not possible now",
}


def log_to(path: Path) -> None:
    """Send what goes wrong to a file of at most a few megabytes."""
    handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.handlers = [handler]
    LOG.setLevel(logging.INFO)


def explain(error: Exception) -> tuple[str, str]:
    """Title and text for the page; an unexpected error is logged first."""
    if isinstance(error, HoneError):
        return TITLES.get(type(error), "That did not work"), str(error)
    number = secrets.token_hex(3)
    LOG.error("bug %s", number, exc_info=error)
    return (
        "Something went wrong in Hone",
        f"This is a mistake in Hone, not yours. Its details are in app.log ({number}).",
    )


def bind(handler: Callable[..., Any], *first: Any) -> Callable[..., Any]:
    """The handler with its first arguments fixed, as a plain function whose errors are messages."""
    bound = functools.partial(handler, *first)
    wrapper = _generator(bound) if inspect.isgeneratorfunction(handler) else _function(bound)
    # Gradio finds special arguments by annotation, and cannot do so on a partial object.
    wrapper.__name__ = handler.__name__
    wrapper.__signature__ = inspect.signature(bound)  # type: ignore[attr-defined]
    wrapper.__annotations__ = typing.get_type_hints(handler)
    return wrapper


def _function(bound: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        with _plain_words():
            return bound(*args)

    return run


def _generator(bound: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Iterator[Any]:
        with _plain_words():
            yield from bound(*args)

    return run


@contextmanager
def _plain_words() -> Iterator[None]:
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        title, text = explain(error)
        # Gradio 6.31 heads every message with "Error" whatever its title, so the title stands in the text.
        shown = f"<b>{title}</b><br>" + html.escape(text).replace("\n", "<br>")
        raise gr.Error(shown, duration=20, print_exception=False) from None
