"""Who asks, as the guard of the page has recognised him, and what he may do beyond his own."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.errors import RunError
from engine.spec.limits import Mode

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


# --- what he may do ---

OWN_MACHINE = "Run Hone on your own machine."


class Policy(NamedTuple):
    """What a visitor may not do, as the sentence that he is told; empty where he may."""

    folders_closed: str = ""
    hub_closed: str = ""

    @property
    def may_open_folders(self) -> bool:
        """Open model folders of this machine by their path."""
        return not self.folders_closed

    @property
    def may_download(self) -> bool:
        """Ask the Hub, download models and datasets, delete models."""
        return not self.hub_closed

    def require_folders(self) -> None:
        """Raise RunError where folders may not be opened."""
        if not self.may_open_folders:
            raise RunError(self.folders_closed)

    def require_download(self) -> None:
        """Raise RunError where the Hub may not be asked: it is asked with this machine's token."""
        if not self.may_download:
            raise RunError(self.hub_closed)


LOCAL_POLICY = Policy()
USER_POLICY = Policy(
    folders_closed="Folders of this machine are closed to all but the administrator. Ask him "
    "for the model.",
    hub_closed="Only the administrator of this machine downloads and deletes what comes from the "
    "Hub. Ask him for it, or add the data as a file.",
)
DEMO_POLICY = Policy(
    folders_closed=f"Folders are closed in the public demo. {OWN_MACHINE}",
    hub_closed=f"The public demo downloads nothing and deletes no models. {OWN_MACHINE}",
)


def policy_of(mode: Mode, visitor: Visitor) -> Policy:
    """What a visitor may do in a mode."""
    if mode == "demo":
        return DEMO_POLICY
    return LOCAL_POLICY if mode == "local" or visitor.admin else USER_POLICY
