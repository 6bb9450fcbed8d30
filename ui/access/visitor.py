"""Who asks: a visitor, as the guard of the page has recognised him."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.errors import RunError

NOT_ADMITTED = "Hone does not know who asks. Reload the page."


class Visitor(NamedTuple):
    """A person at a page."""

    owner: str  # whose files he sees: "" for the workspace's own, else a name below owners/
    name: str = ""  # what the page calls him; empty where nobody has a name
    admin: bool = False


LOCAL_VISITOR = Visitor("", admin=True)


def visitor_of(request: Any) -> Visitor:
    """The visitor that the guard has put into a request; raises RunError where there is none.

    ``request`` is a Starlette request, or Gradio's wrapper around one.
    """
    visitor = getattr(getattr(request, "state", None), "visitor", None)
    if not isinstance(visitor, Visitor):
        raise RunError(NOT_ADMITTED)
    return visitor
