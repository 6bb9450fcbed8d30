"""Workers and apps forked from a process that has imported torch and gradio already, which saves
three to six seconds each.

``python -m tests.warm SOCKET MODULE ...`` is that process. ``WarmPopen`` asks it for a child
instead of starting Python anew, and is a ``subprocess.Popen`` in every other way: pipes, pid,
signals, exit code. A child that needs another environment for its imports (the Hub's address,
threads) is started anew, as is everything on Windows.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import re
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ADDRESS = "HONE_TEST_WARM"  # the environment variable that holds the socket's path
ONE_SHOT = ("engine.work.oneshot", "engine.data.ingest", "engine.data.prepare")  # no torch
WORKERS = (
    "engine.work.__main__",
    "engine.work.desk",
    "engine.work.merge",
    "engine.work.independent_check",
    "engine.work.evaluate.score",
    *(f"engine.work.train.{name}" for name in ("train", "sft", "classify", "preferences")),
    *ONE_SHOT,
    "app",
)
# Read when libraries are imported: a child that needs other values needs its own imports.
IMPORTED = re.compile(r"(HF|TRANSFORMERS|OMP|GOMP|MKL|PYTORCH|TOKENIZERS|LD|PYTHON)_?")
WARM = re.compile(r"engine\.work(\.oneshot|\.independent_check)?|tests\.[\w.]+")
OFFLINE = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"), "1")
OTHERWISE_ALIKE = (
    "PYTHONPATH",
    "PYTHONIOENCODING",
    "PYTHONUNBUFFERED",
    "TOKENIZERS_PARALLELISM",
    "HF_HUB_DISABLE_TELEMETRY",  # gradio says True where Hone says 1
)
READY_SECONDS = 60  # after which children start anew
LENGTH = 8  # bytes that say how long a message is


def send(pipe: socket.socket, message: Any, fds: tuple[int, ...] = ()) -> None:
    """A message as JSON with its length before it, and file descriptors with its first bytes."""
    data = json.dumps(message).encode()
    head = len(data).to_bytes(LENGTH, "big")
    if fds:
        socket.send_fds(pipe, [head], list(fds))
    else:
        pipe.sendall(head)
    pipe.sendall(data)


def receive(pipe: socket.socket) -> tuple[Any, list[int]]:
    """A message and its file descriptors; None where the other side has gone."""
    head, fds, _, _ = socket.recv_fds(pipe, LENGTH, 3)
    if len(head) < LENGTH:
        return None, fds
    size, data = int.from_bytes(head, "big"), b""
    while len(data) < size:
        data += pipe.recv(size - len(data))
    return json.loads(data), fds


class WarmPopen(subprocess.Popen[Any]):
    """A child of the warm process where it can be one, else an ordinary child."""

    warm: socket.socket | None = None

    def _execute_child(self, args: Any, *rest: Any) -> None:
        words = [str(word) for word in args] if isinstance(args, list | tuple) else []
        # Positions in CPython 3.11 to 3.13: folder, environment, the ends of three pipes.
        cwd, env, pipes = rest[4], dict(rest[5] or os.environ), rest[9:15]
        module = words[2] if words[:2] == [sys.executable, "-m"] else ""
        if not (WARM.fullmatch(module) and fits(env)):
            super()._execute_child(args, *rest)  # type: ignore[misc]
            return
        own = (pipes[0], pipes[3], pipes[5])
        given = tuple(fd if fd != -1 else standard for standard, fd in enumerate(own))
        self.warm = socket.socket(socket.AF_UNIX)
        self.warm.connect(os.environ[ADDRESS])
        send(self.warm, {"words": words[2:], "cwd": str(cwd or Path.cwd()), "env": env}, given)
        self.pid = receive(self.warm)[0]["pid"]
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _try_wait(self, flags: int) -> tuple[int, int]:
        if self.warm is None:
            return super()._try_wait(flags)  # type: ignore[misc,no-any-return]
        if flags & os.WNOHANG and not select.select([self.warm], [], [], 0)[0]:
            return 0, 0
        answer = receive(self.warm)[0]
        self.warm.close()
        return self.pid, answer["status"] if answer else signal.SIGKILL

    def _internal_poll(self, _deadstate: Any = None, **_: Any) -> int | None:
        if self.warm is None:
            return super()._internal_poll(_deadstate)  # type: ignore[misc,no-any-return]
        lock = self._waitpid_lock  # type: ignore[attr-defined]
        if self.returncode is None and lock.acquire(False):
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                lock.release()
        return self.returncode


def fits(env: dict[str, str]) -> bool:
    """Whether a child with this environment would import what the warm process has imported."""
    address = os.environ.get(ADDRESS, "")
    if not address or imported(env) != json.loads(Path(address + ".env").read_text()):
        return False
    end = time.monotonic() + READY_SECONDS
    while not Path(address).exists() and time.monotonic() < end:
        time.sleep(0.05)  # it imports the same, and has begun earlier
    return Path(address).exists()


def imported(env: dict[str, str]) -> dict[str, str]:
    """What imports depend on."""
    asked = {name: value for name, value in env.items() if IMPORTED.match(name)}
    for name in OTHERWISE_ALIKE:
        asked.pop(name, None)
    return OFFLINE | asked


class Server:
    """The warm process: forks a child for each question, and says how each ended."""

    def __init__(self, address: str) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(address)
        self.listener.listen(64)
        self.children: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Until standard input ends, which is when the tests have ended."""
        woken, wake = socket.socketpair()
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            ready, _, _ = select.select([self.listener, woken, sys.stdin], [], [])
            if sys.stdin in ready:
                signal.set_wakeup_fd(-1)
                return
            if woken in ready:
                woken.recv(4096)
            self.reap()
            if self.listener in ready:
                self.fork()

    def fork(self) -> None:
        """One child for one question."""
        pipe, _ = self.listener.accept()
        question, fds = receive(pipe)
        if question is None:
            return
        pid = os.fork()
        if pid == 0:
            become(question, fds)
        for fd in fds:
            os.close(fd)
        self.children[pid] = pipe
        with contextlib.suppress(OSError):
            send(pipe, {"pid": pid})

    def reap(self) -> None:
        """Tell whoever asked for a child how it ended."""
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with contextlib.suppress(OSError, KeyError):  # who asked may have been killed
                pipe = self.children.pop(pid)
                send(pipe, {"status": status})
                pipe.close()


def become(question: dict[str, Any], fds: list[int]) -> None:
    """In the child: run the module as ``python -m`` would; never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for standard, fd in enumerate(fds):
            os.dup2(fd, standard)
        os.closerange(3, 256)
        os.chdir(question["cwd"])
        random.seed()  # else all apps would have one id
        os.environ.clear()
        os.environ.update(question["env"])
        if ADDRESS in os.environ:  # what it starts in its turn is forked as well
            subprocess.Popen = WarmPopen  # type: ignore[misc]
        for number, mode in enumerate(("r", "w", "w")):
            name = ("stdin", "stdout", "stderr")[number]
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        module, *words = question["words"]
        name = f"{module}.__main__" if module == "engine.work" else module
        sys.modules.pop(name, None)  # else runpy warns that it is imported already
        sys.argv = [name, *words]
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def warm_process(folder: Path, preloaded: Sequence[str]) -> Iterator[None]:
    """The warm process for as long as the block lasts; children find it by the environment."""
    address = folder / "warm"
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment = os.environ | OFFLINE | quiet
    Path(str(address) + ".env").write_text(json.dumps(imported(environment)))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.warm", str(address), *preloaded],
        stdin=subprocess.PIPE,
        env=environment,
    )
    os.environ[ADDRESS] = str(address)
    try:
        yield
    finally:
        del os.environ[ADDRESS]
        process.communicate()


@contextlib.contextmanager
def cold() -> Iterator[None]:
    """Children that are started meanwhile start anew."""
    address = os.environ.pop(ADDRESS, None)
    try:
        yield
    finally:
        if address:
            os.environ[ADDRESS] = address


def main(address: str, *preloaded: str) -> None:
    """Import everything once, then serve."""
    server = Server(address + ".new")
    for name in preloaded:
        __import__(name)
    gc.collect()
    gc.freeze()
    Path(address + ".new").rename(address)
    server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
