"""What a visitor may do beyond working with what is his own."""

from __future__ import annotations

from typing import NamedTuple

from engine.errors import RunError
from engine.spec.limits import Mode
from ui.access.visitor import Visitor

OWN_MACHINE = "Run Hone on your own machine."


class Policy(NamedTuple):
    """Permissions of a visitor, and what is said where he has none."""

    may_open_folders: bool  # open model folders of this machine by their path
    may_download: bool  # ask the Hub, download models and datasets, delete models
    folders_closed: str = ""
    hub_closed: str = ""

    def require_folders(self) -> None:
        """Raise RunError where folders may not be opened."""
        if not self.may_open_folders:
            raise RunError(self.folders_closed)

    def require_download(self) -> None:
        """Raise RunError where the Hub may not be asked: it is asked with this machine's token."""
        if not self.may_download:
            raise RunError(self.hub_closed)


LOCAL = Policy(may_open_folders=True, may_download=True)
USER = Policy(
    may_open_folders=False,
    may_download=False,
    folders_closed="Folders of this machine are closed to all but the administrator. Ask him "
    "for the model.",
    hub_closed="Only the administrator of this machine downloads and deletes what comes from the "
    "Hub. Ask him for it, or add the data as a file.",
)
DEMO = Policy(
    may_open_folders=False,
    may_download=False,
    folders_closed=f"Folders are closed in the public demo. {OWN_MACHINE}",
    hub_closed=f"The public demo downloads nothing and deletes no models. {OWN_MACHINE}",
)


def policy_of(mode: Mode, visitor: Visitor) -> Policy:
    """What a visitor may do in a mode."""
    if mode == "demo":
        return DEMO
    return LOCAL if mode == "local" or visitor.admin else USER
