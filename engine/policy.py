"""What a visitor may do. Asked inside handlers, since hidden controls can be called all the same."""

from __future__ import annotations

from typing import NamedTuple

from engine.errors import RunError


class Policy(NamedTuple):
    """Permissions of everybody who reaches this app."""

    may_open_folders: bool  # name model folders of this machine
    may_download: bool  # ask the Hub for models, bring them here, remove them

    def require_folders(self) -> None:
        """Raise RunError where folders are closed."""
        if not self.may_open_folders:
            raise RunError(
                "Folders of this machine are closed in the public demo. Run Hone on your own machine."
            )

    def require_download(self) -> None:
        """Raise RunError where models are neither brought nor removed."""
        if not self.may_download:
            raise RunError(
                "The public demo downloads and removes no models. Run Hone on your own machine."
            )


LOCAL = Policy(may_open_folders=True, may_download=True)
DEMO = Policy(may_open_folders=False, may_download=False)
