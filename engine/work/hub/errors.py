"""Explains errors of the Hub, the network and the disk, and limits the wait for a first answer.

The same for datasets and models; knows nothing about what either holds.
"""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

from huggingface_hub import constants, errors, get_token

# The library says that other programs may use it from there.
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

from engine.errors import DataError, HoneError, ModelError

# Until a server that does not answer counts as unreachable; starting to ask takes another second.
FIRST_ANSWER_SECONDS = 4.0
PAGE_SECONDS = 30  # until a page that is being sent counts as lost
LOGIN_ADVICE = "set HF_TOKEN to a token of yours (or run 'hf auth login') and start Hone again"
NETWORK_ERRORS = (httpx.TransportError, ConnectionError, TimeoutError)

Answer = TypeVar("Answer")


class HubKind(NamedTuple):
    """Datasets or models, and the words about them."""

    word: str  # its plural is the page where all of them are found
    pages: str  # what the address of one page begins with
    error: type[HoneError]
    instead: str  # what can be done without the Hub
    smaller: str
    kept: str  # what becomes of half a download


DATASET = HubKind(
    word="dataset",
    pages="datasets/",
    error=DataError,
    instead="add the data as a file",
    smaller="ask for a smaller slice",
    kept="nothing of it was used",
)
MODEL = HubKind(
    word="model",
    pages="",
    error=ModelError,
    instead="choose a model that is on this machine",
    smaller="choose a smaller model",
    kept="what came is kept, and the next try goes on from there",
)


def first_answer(kind: HubKind, name: str, ask: Callable[[], Answer]) -> Answer:
    """What the Hub answers; raises the kind's error for an invalid name or after a timeout.

    Without a network, looking up the address alone may take half a minute.
    """
    answer: Future[Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    # Not in a pool, whose threads the process would wait for at its end.
    threading.Thread(target=work, daemon=True).start()
    try:
        return answer.result(FIRST_ANSWER_SECONDS)
    except errors.HFValidationError:
        raise kind.error(
            f"'{name[:100]}' is not a {kind.word}'s name. Write it as on its page: owner/name, "
            "without an address."
        ) from None
    except NETWORK_ERRORS as error:
        raise kind.error(
            f"The Hub ({constants.ENDPOINT}) cannot be reached. Check the network, "
            f"or {kind.instead}."
        ) from error


def open_hub_page(kind: HubKind, ask: Callable[..., Answer], name: str, **options: Any) -> Answer:
    """A page with the sizes of its files; raises the kind's error, and the library's errors."""
    first = partial(ask, name, expand=["sha"], timeout=FIRST_ANSWER_SECONDS, **options)
    first_answer(kind, name, first)
    return ask(name, files_metadata=True, timeout=PAGE_SECONDS, **options)


@contextmanager
def explained_errors(kind: HubKind, name: str) -> Iterator[None]:
    """Turn every failure of the Hub, the network, the disk and the card into the kind's error."""
    try:
        yield
    except HoneError:
        raise
    except Exception as error:
        # The library wraps whatever went wrong with the first request in this one.
        wrapped = isinstance(error, errors.LocalEntryNotFoundError)
        reason = error.__cause__ or error if wrapped else error
        raise kind.error(explain_hub_error(kind, name, reason)) from error


def explain_hub_error(kind: HubKind, name: str, error: BaseException) -> str:
    """What is wrong, and what to do."""
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_refusal(kind, name, error)
    if isinstance(error, NETWORK_ERRORS) or "Consistency check" in str(error):
        return f"The download of '{name}' broke off. Check the network and try again; {kind.kept}."
    if isinstance(error, json.JSONDecodeError):
        return (
            f"What answers at {constants.ENDPOINT} is not the Hub: perhaps a network's page to log "
            "in. Open it in a browser, then try again."
        )
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full. Make room, or {kind.smaller}; then try again."
    if number in (errno.EACCES, errno.EROFS, errno.EPERM):
        return "The folder for downloads cannot be written. Check who owns the workspace."
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return (
        f"The {kind.word} '{name}' cannot be read ({type(error).__name__}: {reason}). "
        "Choose another one."
    )


def _explain_refusal(kind: HubKind, name: str, error: errors.HfHubHTTPError) -> str:
    """What an answer of the Hub with an error code means."""
    code = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        page = f"{constants.ENDPOINT}/{kind.pages}{name}"
        login = "" if get_token() else f", then {LOGIN_ADVICE}"
        return (
            f"The {kind.word} '{name}' is gated: its owner has terms. Accept them on {page}{login}."
        )
    if isinstance(error, errors.RepositoryNotFoundError) or (code == 401 and not get_token()):
        return (
            f"There is no {kind.word} '{name}' that you may read. Check the name on "
            f"{constants.ENDPOINT}/{kind.word}s. If it is a private one, {LOGIN_ADVICE}."
        )
    if isinstance(error, errors.DisabledRepoError):
        return f"The Hub has closed the {kind.word} '{name}'. Choose another one."
    return _explain_code(name, code)


def _explain_code(name: str, code: int) -> str:
    if code in (401, 403):
        return f"The Hub refused your token for '{name}' ({code}). To change it, {LOGIN_ADVICE}."
    if code == 400:
        return (
            f"The Hub did not understand what was asked about '{name}' ({code}). Try other words."
        )
    if code == 429 or code >= 500:
        return (
            f"The Hub is too busy at the moment, or has a fault ({code}). Wait some minutes and "
            "try again."
        )
    return f"'{name}' changed or lost a file while it was read ({code}). Try again."
