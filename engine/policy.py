"""What a visitor may do. Asked inside handlers, since hidden controls can be called all the same."""

from __future__ import annotations

from typing import NamedTuple

from engine.errors import RunError


class Policy(NamedTuple):
    """Permissions of everybody who reaches this app."""

    may_open_folders: bool  # name model folders of this machine

    def require_folders(self) -> None:
        """Raise RunError where folders are closed."""
        if not self.may_open_folders:
            raise RunError("Folders of this machine are closed in the public demo. Run Hone on your own machine.")


LOCAL = Policy(may_open_folders=True)
DEMO = Policy(may_open_folders=False)
