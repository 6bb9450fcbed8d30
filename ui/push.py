"""The push channel: one WebSocket for each open page, over which it hears what has changed.

What is said are names of marks (engine.store.changes), never contents: the page then asks for what
it shows. So a page on which nothing happens asks for nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress

import anyio
from anyio.to_thread import run_sync
from starlette.websockets import WebSocket, WebSocketDisconnect

from engine.store.changes import QUEUE, Marks, marks_of, queue_mark
from engine.store.run_queue import RunQueue
from engine.store.workspace import Store

PATH = "/changes"
EVERYTHING = "*"
LOOK_SECONDS = 0.7
RENEW_SECONDS = 600.0  # after which the page opens another, so that it is asked who it is again
MOST_CHANNELS = 60  # of one owner
GONE = (WebSocketDisconnect, RuntimeError)  # the page went while something was said


class PushChannel:
    """Watches the disk for the owners of open pages; ``boot`` identifies this start of the app."""

    def __init__(self, store: Store, boot: str) -> None:
        self._store, self._boot = store, boot
        self._queue = RunQueue(store)
        self._open = Counter[str]()  # channels of each owner
        self._looks: dict[str, tuple[float, Marks]] = {}  # owner -> when, and what was found

    async def serve(self, socket: WebSocket, owner: str) -> None:
        """Tell a page what changes until it goes, or is to ask anew."""
        if self._open[owner] >= MOST_CHANNELS:
            await socket.close(1013)
            return
        self._open[owner] += 1
        try:
            await socket.accept()
            async with anyio.create_task_group() as both:
                both.start_soon(_wait_for_end, socket, both.cancel_scope)
                with suppress(*GONE):
                    with anyio.move_on_after(RENEW_SECONDS):
                        await self._tell(socket, owner)
                    await socket.close()
                both.cancel_scope.cancel()
        except GONE:
            pass
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]
                self._looks.pop(owner, None)

    async def _tell(self, socket: WebSocket, owner: str) -> None:
        known = await self._look(owner)
        await socket.send_json({"boot": self._boot, "changed": [EVERYTHING]})
        while True:
            await anyio.sleep(LOOK_SECONDS)
            marks = await self._look(owner)
            if changed := [name for name in marks | known if marks.get(name) != known.get(name)]:
                await socket.send_json({"changed": changed})
            known = marks

    async def _look(self, owner: str) -> Marks:
        """The owner's marks; pages that ask at about the same time share one look."""
        at, found = self._looks.get(owner, (-LOOK_SECONDS, {}))
        if time.monotonic() - at < LOOK_SECONDS / 2:
            return found
        store = self._store.for_owner(owner) if owner != self._store.owner else self._store
        found = await run_sync(self._look_now, store)
        self._looks[owner] = (time.monotonic(), found)
        return found

    def _look_now(self, store: Store) -> Marks:
        return marks_of(store) | {QUEUE: queue_mark(self._queue)}


async def _wait_for_end(socket: WebSocket, both: anyio.CancelScope) -> None:
    """End the channel when the page goes; what it sends is not listened to."""
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, KeyError):  # KeyError: it has sent bytes
        both.cancel()
