"""``python -m engine``: the engine without a browser.

Exit code 0 only on real success, 1 where the work itself failed, 2 for a mistake of the user's,
with plain sentences on standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer
from typer.main import get_command

from engine.cli import adapter, check, deletion, results, runs, train
from engine.cli.options import PlainCommand
from engine.errors import HoneError
from engine.store.files import keep_private

COMMANDS: dict[str, Callable[..., None]] = {
    "train": train.train_from_file,
    "check": check.check_data,
    "inspect": check.show_model,
    "runs": runs.list_runs,
    "show": runs.show_run,
    "stop": runs.stop_run,
    "pause": runs.pause_run,
    "continue": train.continue_run,
    "extend": train.train_longer,
    "again": train.train_again,
    "queue": runs.list_queue,
    "move": runs.move_run,
    "reply": results.ask_models,
    "merge": results.merge_adapter,
    "score": results.score_models,
    "data": deletion.list_data,
    "delete": deletion.delete_run,
    "delete-data": deletion.delete_data,
    "delete-all": deletion.delete_all,
    "import-adapter": adapter.import_adapter,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    app = typer.Typer(
        help="Hone without a browser.",
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, command in COMMANDS.items():
        app.command(name, cls=PlainCommand)(command)
    try:
        get_command(app)(arguments, prog_name="python -m engine")
    except SystemExit as end:
        return int(end.code or 0)
    except HoneError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used: {error.strerror}.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
