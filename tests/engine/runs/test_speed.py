"""How long runs take: only a run like the planned one tells its speed."""

from __future__ import annotations

from engine.estimate.duration import Workload
from engine.estimate.lengths import lengths_of_report
from engine.hardware import choose_machine
from engine.process import oneshot
from engine.runs.engine import Engine
from engine.runs.speed import ALIKE_TIMES, SpeedHistory
from engine.spec.batch import BatchLayout
from engine.store.run_dir import RunDir


def test_rows_of_another_kind_or_length_tell_nothing(trained: tuple[Engine, RunDir]) -> None:
    engine, run = trained
    spec, began = run.spec, run.view().started
    assert began
    rows = oneshot.prepare_rows(engine.store, spec.data).train_rows()
    lengths = lengths_of_report(engine.desk.count_tokens("pocket", rows, spec.data))
    assert lengths
    info = engine.desk.inspect_model("pocket")
    job = Workload(info, spec, began.rows, began.held_out, lengths)
    history, layout = SpeedHistory(engine.store), BatchLayout(8, 1, False)
    machine = choose_machine(spec.place, spec.method, engine.store.home)

    def known(job: Workload) -> bool:
        return history.estimate(job, machine, layout) is not None

    assert known(job)
    assert not known(job._replace(info=info.model_copy(update={"task": "classify"})))
    for times, alike in ((ALIKE_TIMES - 0.2, True), (ALIKE_TIMES + 0.2, False)):
        edges = tuple(round(times * edge) for edge in lengths.edges)
        longer = lengths._replace(edges=edges, longest=round(times * lengths.longest))
        free = spec.model_copy(update={"data": spec.data.model_copy(update={"max_length": 4096})})
        assert known(job._replace(spec=free, lengths=longer)) is alike
