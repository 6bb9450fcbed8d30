"""The options of app.py, from its command line and environment. Knows nothing of the page."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from engine.spec.limits import Mode
from engine.store.files import PROJECT_FOLDER

DEFAULT_PORT = 7860


class Options(NamedTuple):
    """How Hone is to be served."""

    home: Path
    port: int
    models: list[Path]
    no_browser: bool
    no_token: bool
    users: Path | None
    host: str
    demo: bool

    @property
    def in_space(self) -> bool:
        """Whether this is a Hugging Face Space: everybody can reach it, through its proxy."""
        return "SPACE_ID" in os.environ

    @property
    def mode(self) -> Mode:
        """Who may come in."""
        if self.users:
            return "users"
        return "demo" if self.demo or self.in_space else "local"


def read_options(arguments: Sequence[str] | None) -> Options:
    """The options; ends the program where they contradict each other, or with --help."""
    parser = _argument_parser()
    found = Options(**vars(parser.parse_args(arguments)))
    if found.users and found.demo:
        parser.error("--demo and --users exclude each other")
    if found.host and not found.users:
        parser.error("--host lets others in, so it needs --users FILE")
    return found


def prepare_folders(options: Options) -> None:
    """Make the workspace's folders that Gradio needs, and tell it; ends the program where it fails.

    Before Gradio is imported, which makes its temporary folder at that moment.
    """
    os.umask(0o077)  # what is in the workspace is nobody else's business
    folder = options.home.resolve() / "tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        end_without_home(options, error)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)


def end_without_home(options: Options, error: OSError) -> NoReturn:
    """End the program: the workspace cannot be written."""
    problem = f"Hone cannot keep its files in {options.home}: {error.strerror}."
    print(problem, "Choose another folder with --home.", file=sys.stderr)
    raise SystemExit(2)


def _port_number(text: str) -> int:
    """A port number, for argparse."""
    if not text.isdigit() or not 1 <= int(text) <= 65435:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port; give a number from 1 to 65435")
    return int(text)


def _argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="app.py", description="Hone: fine-tune a language model in your browser."
    )
    home = PROJECT_FOLDER / "workspace"
    parser.add_argument("--home", type=Path, default=home, help="where Hone keeps its files")
    about = f"port to serve on (default {DEFAULT_PORT}; the next free one if taken)"
    parser.add_argument("--port", type=_port_number, default=DEFAULT_PORT, help=about)
    about = "a folder with model folders to choose from; may be repeated"
    folders: dict[str, Any] = {"type": Path, "action": "append", "default": [], "metavar": "DIR"}
    parser.add_argument("--models", help=about, **folders)
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    about = "let everybody in who reaches the page on this machine"
    parser.add_argument("--no-token", action="store_true", help=about)
    about = "several users, who log in: their names and passwords (start.py user add NAME)"
    parser.add_argument("--users", type=Path, metavar="FILE", help=about)
    about = "an address of this machine to serve on, for other machines; needs --users"
    parser.add_argument("--host", default="", metavar="ADDRESS", help=about)
    about = "a public demo: every browser has files of its own, with tight limits"
    parser.add_argument("--demo", action="store_true", help=about)
    return parser
