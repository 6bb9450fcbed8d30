"""A plan names everything that is wrong with a run at once; page and command line say the same."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from engine.__main__ import main as cli
from engine.errors import SpecError
from engine.process import oneshot
from engine.process.desk import Desk
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.spec_file import changed_spec, dump_spec_yaml
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend
from tests.ui.fakes import INFO, FakeDesk
from ui.context import Context

SPEC = specs.make_spec({"data": {"source": "sample:pirate"}})
RANK = (
    "Rank (method.rank): k_proj is only 128 wide, so a rank of 200 is no adapter for it. "
    "Set it to 128 or less."
)
TARGETS = "Pocket has no module called nothing."
LENGTH = "Longest example (data.max_length): Pocket reads at most 512 tokens at once; it is 600."
MEMORY = "Memory: even one example at a time needs about "
DISK = "The disk is too full for a run: "


@pytest.fixture(autouse=True)
def fake_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every engine, the command line's too, asks a desk without torch."""
    fake = FakeDesk()
    for name in ("inspect_model", "count_tokens", "measure_speed"):
        answer = getattr(fake, name)
        monkeypatch.setattr(Desk, name, lambda _, *asked, answer=answer: answer(*asked))


@pytest.fixture
def engine(home: Path):
    made = Engine(home, FakeBackend(steps=3, seconds=0.001))
    yield made
    made.close()


def shrink_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the machine less memory than any run needs, whatever is closed."""
    monkeypatch.setattr("engine.hardware.free_memory_gb", lambda _: 0.01)
    monkeypatch.setattr("engine.hardware.total_memory_gb", lambda _: 0.02)


ALL = ["method.rank=200", "data.max_length=600", "method.targets=[nothing, k_proj]"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["method.rank=200", "method.targets=[k_proj]"], [RANK]),
        (["data.max_length=600"], [LENGTH]),
        (["method.targets=[q_proj, nothing]"], [TARGETS]),
        ([], [MEMORY]),
        (ALL, [LENGTH, TARGETS, RANK, MEMORY]),
    ],
    ids=["rank", "length", "targets", "memory", "all"],
)
@pytest.mark.slow
def test_train_and_again_refuse_what_the_page_refuses_in_the_same_words(
    engine: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: list[str],
    said: list[str],
) -> None:
    first, home = engine.start(SPEC), engine.store.home
    wait_for(first, idle)
    if MEMORY in said:
        shrink_machine(monkeypatch)
    spec, file = changed_spec(SPEC, changes), home / "spec.yaml"
    file.write_text(dump_spec_yaml(spec))
    again = [word for change in changes for word in ("--set", change)]
    found = []
    for command in (["train", str(file)], ["again", first.id, *again]):
        assert cli([*command, "--home", str(home)]) == 2
        found.append(capsys.readouterr().err.strip())
    ctx = Context(engine)
    ctx.count_tokens("pocket", ctx.prepare(spec.data), spec.data)
    with pytest.raises(SpecError) as caught:
        ctx.plan(spec, wait=True).require()
    assert found == [str(caught.value)] * 2
    lines = found[0].split("\n")
    assert len(lines) == len(said)
    assert all(line.startswith(words) for line, words in zip(lines, said, strict=True))
    assert [run.id for run in engine.store.all_runs()] == [first.id] and not engine.queue()


def test_data_model_and_disk_are_named_together(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free percent")
    monkeypatch.setattr(psutil, "disk_usage", lambda path: usage(100, 100, 0, 100.0))
    values = {"model": {"source": "/nowhere"}, "data": {"source": "dataset:0123456789abcdef"}}
    found = engine.plan(specs.make_spec(values)).problems
    model, data, disk = (one.text for one in found)
    assert [one.field for one in found] == ["model.source", "data.source", ""]
    assert "is not a folder" in model and "no dataset" in data and disk.startswith(DISK)


def test_a_preference_method_that_the_rows_do_not_allow_is_a_problem(
    engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "marked.jsonl"
    row = '{"prompt": "Question %s?", "completion": "Answer %s", "label": %s}'
    rows = (row % (at, at, ["true", "false"][at % 2]) for at in range(80))
    file.write_text("\n".join(rows))
    source = oneshot.add_dataset_files(engine.store, [(file, file.name)])
    for method, count in (("dpo", 1), ("kto", 0), ("auto", 0)):
        values = {"data": {"source": source}, "method": {"preference": method}}
        problems = engine.plan(specs.make_spec(values)).problems
        assert len(problems) == count
        assert all("compares two answers to the same question" in one.text for one in problems)


def test_a_plan_without_problems_holds_what_the_page_shows(engine: Engine) -> None:
    plan = engine.plan(SPEC)
    plan.require()
    assert plan.case and plan.forecast and plan.prepared
    assert plan.case.info == INFO and plan.rows == plan.prepared.train
    assert plan.seconds is None and engine.estimate_time(plan, measure=True)


def test_a_run_that_fits_once_others_are_closed_may_start(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.hardware.free_memory_gb", lambda _: 0.01)
    plan = engine.plan(SPEC)
    assert plan.problems == () and plan.forecast and plan.forecast.fit is None


def test_a_new_run_says_what_automatic_stands_for(engine: Engine) -> None:
    """Labels make a classifier; what was decided is kept with the run."""
    spec = specs.make_spec({"data": {"source": "sample:reviews"}})
    plan = engine.plan(spec)
    assert plan.spec.data.goal == "classify" and plan.case and plan.case.labels == 2
    run = engine.start_plan(plan)
    assert run.spec.data.goal == "classify"
    written = engine.plan(changed_spec(spec, ["data.goal=write"]))
    assert written.spec.data.goal == "write" and written.case and not written.case.labels
    assert engine.plan(SPEC).spec == SPEC


def test_only_labels_have_a_head_to_train(engine: Engine) -> None:
    head = ["method.kind=head"]
    labelled = specs.make_spec({"data": {"source": "sample:reviews"}, "method": {"kind": "head"}})
    assert not engine.plan(labelled).problems
    problems = engine.plan(changed_spec(SPEC, head)).problems
    assert any("only a model that chooses labels has a new head" in one.text for one in problems)
    with pytest.raises(SpecError, match="only a model that chooses labels has a new head"):
        changed_spec(SPEC, [*head, "data.goal=write"])
