"""``python -m engine``: the same engine without a browser.

Exit code 0 only on real success, 1 where the work itself failed, 2 for a mistake of the user's, with one
plain sentence on standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import hardware
from engine.coach import coach, expected, scores
from engine.data import datasets, report
from engine.data.readers import Options
from engine.errors import DataError, HoneError, RunError, SpecError
from engine.estimate import report as inspection
from engine.process import locate, oneshot
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.method import NAMES
from engine.store import events as ev
from engine.store.files import ROOT
from engine.store.run_dir import RunDir
from engine.store.run_view import State

SUPERVISED = ("train", "continue", "extend", "again", "merge", "score")


def main(arguments: list[str] | None = None) -> int:
    """Parse, do, say; the exit code."""
    options = _parser().parse_args(arguments)
    engine = scratch = None
    try:
        if options.command == "check":  # leaves nothing in the workspace
            scratch = tempfile.TemporaryDirectory(prefix="hone-")
            options.home = Path(scratch.name)
        engine = Engine(options.home, supervise=options.command in SUPERVISED)
        return int(options.do(engine, options))
    except HoneError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used: {error.strerror}.", file=sys.stderr)
    except KeyboardInterrupt:
        print("Left. A worker that has begun goes on; 'show' tells how far it is.", file=sys.stderr)
        return 130
    finally:
        if engine:
            engine.close()
        if scratch:
            scratch.cleanup()
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description="Hone without a browser.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, do: Any, text: str, run: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument(
            "--home", type=Path, default=ROOT / "workspace", help="where Hone keeps its files"
        )
        made.add_argument("--json", action="store_true", help="print JSON instead of sentences")
        if run:
            made.add_argument("run", help="the run's id, or 'last' for the newest")
        made.set_defaults(do=do)
        return made

    train = command("train", _train, "Train as a spec file says, to the end.", run=False)
    train.add_argument("spec", type=Path, help="a YAML file such as presets/samples/pirate.yaml")
    look = command(
        "check",
        _check,
        "Report on data: shape, tokens, what is wrong. Exit code 0, 1 or 2.",
        run=False,
    )
    look.add_argument("files", type=Path, nargs="+", help="files that belong together")
    look.add_argument("--model", default="pocket", help="a base model: 'pocket', or a folder")
    look.add_argument("--length", type=int, default=256, help="longest example in tokens")
    look.add_argument(
        "--template", default="model", help="chat format, where it is not the model's own"
    )
    look.add_argument(
        "--encoding", default="", help="how letters are stored, where it is found wrongly"
    )
    look = command(
        "inspect", _inspect, "What a model is, what would train, and whether it fits.", run=False
    )
    look.add_argument(
        "model",
        help="'pocket', a folder, or owner/name of the Hugging Face Hub (only its config comes)",
    )
    look.add_argument("--task", choices=["write", "classify"], help="what it is built for")
    look.add_argument("--method", choices=list(NAMES), default="lora", help="what is trained")
    look.add_argument("--rank", type=int, default=16, help="of the adapter")
    look.add_argument(
        "--targets", default="all", help="fewest, attention, all, or names with commas"
    )
    look.add_argument("--length", type=int, default=256, help="longest example in tokens")
    look.add_argument("--batch", type=int, default=8, help="examples together")
    look.add_argument("--labels", type=int, default=2, help="to choose from, with --task classify")
    command("runs", _runs, "List all runs.", run=False)
    command("show", _show, "Show one run.")
    command("stop", _stop, "Stop a run after its current step and keep what it has learned.")
    command(
        "pause",
        _pause,
        "Stop a run for a while after its current step; 'continue' takes it up again.",
    )
    command("continue", _continue, "Go on with a run that was paused or ended early.")
    more = command("extend", _extend, "Train a finished run for more epochs.")
    more.add_argument("epochs", type=float, help="how many more")
    again = command("again", _again, "Train anew with the settings of a run, some of them changed.")
    again.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUE",
        help="such as optim.learning_rate=5e-4; repeat",
    )
    command("queue", _queue, "List what waits, the next one first.", run=False)
    move = command("move", _move, "Change the place of a run that waits.")
    move.add_argument("where", choices=["up", "down", "first"])
    reply = command("reply", _reply, "Ask base and tuned model the same.")
    reply.add_argument("--prompt", required=True, help="what to say to both")
    reply.add_argument("--max-new-tokens", type=int, default=128, help="longest reply")
    reply.add_argument(
        "--temperature", type=float, default=0.0, help="0 gives the most likely reply"
    )
    merge = command("merge", _merge, "Merge the adapter into the base model and check the result.")
    merge.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    command("score", _score, "Score base and tuned model on the held-out rows, beside each other.")
    return parser


def _run(engine: Engine, options: argparse.Namespace) -> RunDir:
    if options.run == "last":
        newest = next((run for run in engine.store.all_runs() if run.readable), None)
        if newest is None:
            raise RunError("There is no run yet. Train one first.")
        return newest
    return engine.store.run(options.run)


def _say(options: argparse.Namespace, text: str, values: dict[str, Any]) -> None:
    print(json.dumps(values, ensure_ascii=False) if options.json else text, flush=True)


def _train(engine: Engine, options: argparse.Namespace) -> int:
    values = specs.load_yaml(options.spec)
    values.pop("about", None)  # the title and summary of a bundled sample
    if isinstance(values.get("data"), dict) and "file" in values["data"]:
        # A file beside the spec file, read and kept as the page does with an upload.
        name = values["data"].pop("file")
        if not isinstance(name, str) or not (path := options.spec.parent / name).is_file():
            raise SpecError(
                f"data.file: there is no file '{name}' beside {options.spec.name}. Check its name."
            )
        values["data"]["source"] = oneshot.add_files(engine.store, [(path, path.name)])
    return _follow(engine, engine.start(specs.make(values)), options)


def _check(engine: Engine, options: argparse.Namespace) -> int:
    """0 usable, 1 usable with warnings, 2 not usable."""
    if missing := next((file for file in options.files if not file.is_file()), None):
        raise SpecError(f"There is no file '{missing}'. Check its name.")
    files = [(file.resolve(), file.name) for file in options.files]
    try:
        source = oneshot.add_files(engine.store, files, Options(encoding=options.encoding))
    except DataError as error:
        _say(options, str(error), {"usable": False, "error": str(error)})
        return 2
    values = {"source": source, "max_length": options.length, "template": options.template}
    spec = specs.make({"data": values}).data
    prepared = engine.prepare(spec)
    tokens = engine.desk.measure(options.model, prepared.rows(), spec) if prepared.train else None
    found = report.report(datasets.load(engine.store, source), prepared, tokens, spec)
    code = report.exit_code(found)
    verdict = ("Usable.", "Usable, with warnings.", "Not usable as it is.")[code]
    _say(options, f"{report.sentences(found)}\n{verdict}", {"usable": code < 2, **found})
    return code


def _inspect(engine: Engine, options: argparse.Namespace) -> int:
    """0 where it fits, 1 where it does not."""
    if min(options.length, options.batch, options.labels) < 1:
        raise SpecError("--length, --batch and --labels must be at least 1.")
    source, folder = locate.locate(engine.store, options.model)
    info = engine.desk.inspect(source, options.task, folder)
    values = {"kind": options.method, "rank": options.rank}
    specs.make(
        {"method": values | ({"kind": "lora"} if options.method == "head" else {})}
    )  # bounds, in words
    method = inspection.method_for(info, options.method, options.rank, options.targets)
    machine = hardware.machine(specs.PlaceSpec(), method, engine.store.home)
    asked = {"length": options.length, "batch": options.batch, "labels": options.labels}
    found = inspection.report(info, method, machine, hardware.bf16(machine.device), **asked)
    _say(options, inspection.sentences(found), found)
    return 0 if found["fits"] != "no" else 1


def _continue(engine: Engine, options: argparse.Namespace) -> int:
    run = _run(engine, options)
    engine.resume(run.id)
    return _follow(engine, run, options)


def _extend(engine: Engine, options: argparse.Namespace) -> int:
    run = _run(engine, options)
    engine.extend(run.id, options.epochs)
    return _follow(engine, run, options)


def _again(engine: Engine, options: argparse.Namespace) -> int:
    spec = specs.changed(_run(engine, options).spec, options.set)
    return _follow(engine, engine.start(spec), options)


def _queue(engine: Engine, options: argparse.Namespace) -> int:
    found = [{"run": one.run.id, "job": one.job} for one in engine.queue()]
    lines = [f"{at}. {one['run']:<48} {one['job']}" for at, one in enumerate(found, 1)]
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join(lines) or "Nothing waits.")
    return 0


def _move(engine: Engine, options: argparse.Namespace) -> int:
    engine.move(_run(engine, options).id, options.where)
    return _queue(engine, options)


def _follow(engine: Engine, run: RunDir, options: argparse.Namespace) -> int:
    """Print a run's progress until it ends; Ctrl-C stops and keeps."""
    offset = len(run.events_file.read_bytes()) if run.events_file.exists() else 0
    if not options.json:
        print(f"Run {run.id}", flush=True)
    while True:
        try:
            settled = engine.at_work != run.id  # else it is about to be said how its worker ended
            state = run.state()
            events, offset = ev.read(run.events_file, offset)
            for event in events:
                _tell(event, options)
            if settled and not state.live:
                break
            time.sleep(0.3)
        except KeyboardInterrupt:
            print("Stopping after this step; what was learned is kept.", file=sys.stderr)
            engine.stop(run.id)
    view = run.view()
    sentence = coach.say(view, state)
    _say(options, sentence.words, _summary(run))
    return 0 if state in (State.FINISHED, State.STOPPED) else 1


def _tell(event: ev.Event, options: argparse.Namespace) -> None:
    if options.json:
        return
    match event:
        case ev.Phase() | ev.Warned():
            print(event.text, flush=True)
        case ev.Started():
            share = 100 * event.trainable / event.total
            print(f"{event.trainable:,} of {event.total:,} weights train ({share:.1f} %).")
            print(f"{event.precision} on {event.device}: {event.reasons['precision']}.")
            for name in ("batch", "loss"):
                if name in event.reasons:
                    print(f"{name.capitalize()}: {event.reasons[name]}.")
            print(
                f"{event.rows} examples, {event.held_out} held out, {event.steps} steps.",
                flush=True,
            )
        case ev.Evaluated():
            print(
                f"step {event.step:>5}  held-out loss {event.loss:.4f}  {event.seconds:.0f} s",
                flush=True,
            )


def _summary(run: RunDir) -> dict[str, Any]:
    view = run.view()
    best = view.kept
    return {
        "run": run.id,
        "name": run.meta["name"],
        "state": run.state(view).value,
        "model": run.spec.model.source,
        "data": run.spec.data.source,
        "coach": coach.say(view, run.state(view))._asdict(),
        "step": view.step,
        "steps": view.total_steps,
        "held_out_loss_before": view.first_loss,
        "held_out_loss_best": best.loss if best else None,
        "best_step": best.step if best else None,
        "seconds": view.last.seconds if view.last else None,
        "trainable": view.started.trainable if view.started else None,
        "memory_gb": view.last.memory_gb if view.last else None,
        "expected": [one._asdict() for one in expected.outcome(view, run.state(view))],
        "merged": {name: one.model_dump() for name, one in view.merged.items()},
        "score": view.scored.model_dump() if view.scored else None,
    }


def _runs(engine: Engine, options: argparse.Namespace) -> int:
    rows = [_summary(run) for run in engine.store.all_runs() if run.readable]
    lines = [
        f"{r['run']:<48} {r['state']:<12} {r['step']}/{r['steps']}  best {r['held_out_loss_best']}"
        for r in rows
    ]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        print("\n".join(lines) or "There is no run yet.")
    return 0


def _show(engine: Engine, options: argparse.Namespace) -> int:
    run = _run(engine, options)
    view = run.view()
    sentence = coach.say(view, run.state(view))
    summary = _summary(run)
    lines = [
        f"{key}: {value}" for key, value in summary.items() if key not in ("expected", "coach")
    ]
    told = [
        f"{one['what']}: expected {one['expected']}, real {one['real']}"
        for one in summary["expected"]
    ]
    _say(options, "\n".join([sentence.words, *told, *lines]), summary)
    return 0


def _stop(engine: Engine, options: argparse.Namespace) -> int:
    return _end(engine.stop, engine, options)


def _pause(engine: Engine, options: argparse.Namespace) -> int:
    return _end(engine.pause, engine, options)


def _end(end: Callable[[str], None], engine: Engine, options: argparse.Namespace) -> int:
    run = _run(engine, options)
    end(run.id)
    while run.state().live:
        time.sleep(0.1)
    _say(options, f"'{run.meta['name']}' is {run.state().value}.", _summary(run))
    return 0


def _reply(engine: Engine, options: argparse.Namespace) -> int:
    if not options.prompt.strip():
        raise SpecError("--prompt: say something.")
    ask = [{"role": "user", "content": options.prompt}]
    stream = engine.desk.chat(
        _run(engine, options).id, ask, ask, options.temperature, options.max_new_tokens
    )
    base, tuned = list(stream)[-1]
    _say(options, f"base:  {base}\ntuned: {tuned}", {"base": base, "tuned": tuned})
    return 0


def _wait(run: RunDir) -> None:
    while run.queued or run.alive:
        time.sleep(0.2)


def _merge(engine: Engine, options: argparse.Namespace) -> int:
    run = _run(engine, options)
    engine.merge(run.id, options.precision)
    _wait(run)
    done = run.view().merged.get(options.precision)
    if done is None or not done.ok:
        print(
            done.text if done else "The merge ended without a result. The log has the details.",
            file=sys.stderr,
        )
        return 1
    text = (
        f"Merged into {run.merged(options.precision)}. Largest difference of a logit {done.largest:.2g}, "
        f"{done.share:.2g} of the largest logit (allowed {done.tolerance:g}); "
        f"{done.agree} of {done.prompts} replies are the same."
    )
    _say(options, text, done.model_dump())
    return 0


def _score(engine: Engine, options: argparse.Namespace) -> int:
    run = _run(engine, options)
    before = run.view()
    engine.score(run.id)
    _wait(run)
    view = run.view()
    done = view.scored
    if done is None or done == before.scored:
        print(
            view.score_problem or "Scoring ended without a result. The log has the details.",
            file=sys.stderr,
        )
        return 1
    _say(options, "\n".join(scores.sentences(done)), done.model_dump())
    return 0


if __name__ == "__main__":
    sys.exit(main())
