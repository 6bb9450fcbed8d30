"""A backend whose worker hangs, for tests of what is said then and of the button that ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil

from engine.store import events as ev
from engine.store import heartbeat
from engine.store.heartbeat import LifeSign
from engine.store.run_dir import RunDir


class Hangs:
    """A backend whose worker is a process of its own, which begins, saves, and then hangs."""

    worker: subprocess.Popen[bytes] | None = None

    def work(self, run: RunDir, job: str) -> int:
        with run.lock.acquire(timeout=5):
            run.queue_mark.unlink()
            if run.view().attempt:  # continued
                run.emit(ev.Finished(step=20, seconds=20, memory_gb=0.1))
                return 0
            self.worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
            if job.startswith("merge-"):
                run.emit(ev.Merging(precision=job.removeprefix("merge-")))
            else:
                self._begin(run)
            process = psutil.Process(self.worker.pid)
            began = process.create_time() - psutil.boot_time()
            heartbeat.write_sign(run.path, LifeSign(process.pid, began, time.monotonic() - 43))
            return self.worker.wait()

    def _begin(self, run: RunDir) -> None:
        about = {"device": "CPU", "precision": "fp32", "trainable": 10, "total": 100, "rows": 8}
        about |= {"held_out": 2, "tokens": 800, "learned": 300, "cut": 0}
        run.emit(ev.Started(pid=os.getpid(), steps=20, epochs=1, **about))
        for step in range(1, 11):
            figures = {"loss": 3 / step, "lr": 1e-3, "tokens": step * 40, "memory_gb": 0.5}
            run.emit(ev.Step(step=step, epoch=step / 20, seconds=step, **figures))
        run.emit(ev.Saved(step=5, best=True))
