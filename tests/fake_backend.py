"""A backend that makes up events and files at once, for tests of the page and the queue."""

from __future__ import annotations

import os
import time

from engine.store import events as ev
from engine.store.files import write_json
from engine.store.run_dir import RunDir


class FakeBackend:
    """Plausible events and files at once; ``fail`` ends the run with that message after a step."""

    def __init__(self, steps: int = 20, seconds: float = 0.02, fail: str = "") -> None:
        self.steps, self.seconds, self.fail = steps, seconds, fail

    def work(self, run: RunDir, job: str) -> int:
        """Act as a worker would, holding the run's lock."""
        with run.lock.acquire(timeout=5):
            if run.queued != job:
                return 0
            if job == "train":
                # Before the mark goes, so that nobody sees a run that neither waits nor works.
                run.emit(ev.Phase(text="Loading the model."))
            run.queue_mark.unlink(missing_ok=True)
            if job == "train":
                return self._train(run)
            if job == "score":
                return self._score(run)
            return self._merge(run, job.removeprefix("merge-"))

    def _score(self, run: RunDir) -> int:
        figures = {"base": 61.2, "tuned": 9.4, "tokens": 400, "rows": 8, "of": 8}
        run.emit(ev.Perplexity(what="the answers", **figures))
        return 0

    def _train(self, run: RunDir) -> int:
        before = run.view()
        done, steps, epochs = before.step, before.total_steps or self.steps, run.spec.optim.epochs
        run.emit(
            ev.Started(
                pid=os.getpid(), device="CPU", precision="fp32", trainable=10, total=100,
                steps=steps, epochs=epochs, rows=8, held_out=2, tokens=64, learned=32, cut=0,
                resumed_from=done, reasons={"precision": "nothing is computed"},
            )
        )  # fmt: skip
        if not done:
            self._check(run, 0)
        for step in range(done + 1, steps + 1):
            self._step(run, step, epochs, step / steps)
            if self.fail:
                run.emit(ev.Failed(text=self.fail))
                return 1
            if run.stop_mark.exists():
                self._stop(run, step, run.stop_mark.read_text())
                return 0
            if step % 5 == 0 or step == steps:
                self._check(run, step)
        run.emit(ev.Finished(step=steps, seconds=steps / 5, memory_gb=0.5))
        return 0

    def _step(self, run: RunDir, step: int, epochs: float, share: float) -> None:
        time.sleep(self.seconds)
        run.emit(
            ev.Step(
                step=step, epoch=epochs * share, loss=_made_up_loss(step), lr=1e-3 * (1 - share),
                tokens=step * 40, seconds=step / 5, memory_gb=0.5,
            )
        )  # fmt: skip

    def _stop(self, run: RunDir, step: int, how: str) -> None:
        if how == "keep":
            self._check(run, step)
        if how == "pause":
            run.emit(ev.Paused(step=step))
        else:
            run.emit(ev.Stopped(step=step, kept=how == "keep"))

    def _check(self, run: RunDir, step: int) -> None:
        reply = f"Arr {step}!" if step else "I am a model."
        run.emit(ev.Evaluated(step=step, loss=_made_up_loss(step), seconds=step / 5))
        run.emit(ev.Sampled(step=step, prompt="Who are you?", reply=reply))
        if step:
            method = run.spec.method
            config = {"r": method.rank, "lora_alpha": method.scale_alpha}
            run.adapter.mkdir(exist_ok=True)
            write_json(run.adapter / "adapter_config.json", config)
            (run.adapter / "adapter_model.safetensors").write_bytes(b"fake")
            (run.checkpoints / f"checkpoint-{step}").mkdir(parents=True, exist_ok=True)
            run.emit(ev.Saved(step=step, best=True))

    def _merge(self, run: RunDir, precision: str) -> int:
        run.emit(ev.Merging(precision=precision))
        time.sleep(self.seconds)
        run.merged(precision).mkdir(parents=True, exist_ok=True)
        (run.merged(precision) / "model.safetensors").write_bytes(b"fake")
        run.emit(
            ev.Merged(
                ok=True, precision=precision, largest=1e-5, share=1e-6, tolerance=1e-4, agree=8,
                prompts=8, megabytes=0.1,
            )
        )  # fmt: skip
        return 0


def _made_up_loss(step: int) -> float:
    return 3 / (1 + step / 4) + 0.5
