"""What goes wrong with the Hub, in plain words, and how long its first answer is waited for.

The same for datasets and models; knows nothing about what either holds.
"""

from __future__ import annotations

import errno
import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from huggingface_hub import constants, errors, get_token
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # kept there for others, the library says

from engine.errors import DataError, HoneError, ModelError

FIRST_ANSWER_SECONDS = 4.0  # seconds until a server that does not answer counts as unreachable; starting to ask takes one more
LOGIN_ADVICE = "set HF_TOKEN to a token of yours (or run 'hf auth login') and start Hone again"

Answer = TypeVar("T")


class HubKind(NamedTuple):
    """What is asked for, and the words that differ by it."""

    word: str
    shelf: str  # the page where all of its sort are found
    pages: str  # what the address of one page begins with
    error: type[HoneError]
    instead: str  # what can be done without the Hub
    smaller: str
    kept: str  # what becomes of half a download


DATASET = HubKind(
    "dataset", "datasets", "datasets/", DataError, "add the data as a file", "ask for a smaller slice",
    "nothing of it was used",
)  # fmt: skip
MODEL = HubKind(
    "model", "models", "", ModelError, "choose a model that is on this machine", "choose a smaller model",
    "what came is kept, and the next try goes on from there",
)  # fmt: skip


def first_answer(thing: HubKind, name: str, ask: Callable[[], Answer]) -> Answer:
    """What the Hub answers; raises the thing's error if the name is none, or if no answer comes in time."""
    try:
        return _with_timeout(FIRST_ANSWER_SECONDS, ask)
    except errors.HFValidationError:
        raise thing.error(invalid_name_error(thing, name)) from None
    except (httpx.TransportError, ConnectionError, TimeoutError, queue.Empty) as error:
        raise thing.error(
            f"The Hub ({constants.ENDPOINT}) cannot be reached. Check the network, or {thing.instead}."
        ) from error


def _with_timeout(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """Ask, but wait no longer than this: without a network, looking up the address alone may take half a minute."""
    answers: queue.SimpleQueue[tuple[Answer | None, Exception | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:
            answers.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    answer, error = answers.get(timeout=seconds)
    if error:
        raise error
    return answer  # type: ignore[return-value]  # an answer where there is no error


@contextmanager
def explained_errors(thing: HubKind, name: str) -> Iterator[None]:
    """Turn every failure of the Hub, the network, the disk and the card into the thing's error."""
    try:
        yield
    except HoneError:
        raise
    except Exception as error:
        wrapped = isinstance(
            error, errors.LocalEntryNotFoundError
        )  # around whatever befell the first request
        raise thing.error(
            explain_hub_error(thing, name, error.__cause__ or error if wrapped else error)
        ) from error


def invalid_name_error(thing: HubKind, name: str) -> str:
    return f"'{name[:100]}' is not a {thing.word}'s name. Write it as on its page: owner/name, without an address."


def explain_hub_error(thing: HubKind, name: str, error: BaseException) -> str:
    """What is wrong, and what to do."""
    page = f"{constants.ENDPOINT}/{thing.pages}{name}"
    code = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else 0
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, errors.GatedRepoError):
        login = "" if get_token() else f", then {LOGIN_ADVICE}"
        return f"The {thing.word} '{name}' is gated: its owner has terms. Accept them on {page}{login}."
    if isinstance(error, errors.RepositoryNotFoundError) or (code == 401 and not get_token()):
        return (
            f"There is no {thing.word} '{name}' that you may read. Check the name on "
            f"{constants.ENDPOINT}/{thing.shelf}. If it is a private one, {LOGIN_ADVICE}."
        )
    if isinstance(error, errors.DisabledRepoError):
        return f"The Hub has closed the {thing.word} '{name}'. Choose another one."
    if code in (401, 403):
        return f"The Hub refused your token for '{name}' ({code}). To change it, {LOGIN_ADVICE}."
    if code == 429 or code >= 500:
        return f"The Hub is too busy at the moment, or has a fault ({code}). Wait some minutes and try again."
    if code == 400:
        return (
            f"The Hub did not understand what was asked about '{name}' ({code}). Try other words."
        )
    if code:
        return f"'{name}' changed or lost a file while it was read ({code}). Try again."
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full. Make room, or {thing.smaller}; then try again."
    if number in (errno.EACCES, errno.EROFS, errno.EPERM):
        return "The folder for downloads cannot be written. Check who owns the workspace."
    if isinstance(
        error, httpx.TransportError | ConnectionError | TimeoutError
    ) or "Consistency check" in str(error):
        return f"The download of '{name}' broke off. Check the network and try again; {thing.kept}."
    if isinstance(error, json.JSONDecodeError):
        return (
            f"What answers at {constants.ENDPOINT} is not the Hub: perhaps a network's page to log in. "
            "Open it in a browser, then try again."
        )
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return f"The {thing.word} '{name}' cannot be read ({type(error).__name__}: {reason}). Choose another one."
