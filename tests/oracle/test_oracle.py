"""What Hone reports of a run is what a program without Hone computes from the run's files.

With ``-s`` a table is printed: for each kind and method the largest difference of a loss.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.data.rows import read_rows
from engine.runs.engine import Engine
from engine.store.run_dir import RunDir
from engine.work.encode.encode import IGNORE_INDEX, encode_row
from engine.work.encode.preferences import encode_preference
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model import classifier
from engine.work.model.base_and_tuned import open_trained_run
from tests.oracle.made_runs import HEAD_KINDS, KINDS, make_run
from tests.oracle.read_run import read_run
from tests.oracle.saved_run import SavedRun
from tests.test_rules import ROOT, imports

TOLERANCE = 1e-5
CASES = [(kind, method) for kind in KINDS for method in ("LoRA", "QLoRA", "all weights")]
CASES += [(kind, "head") for kind in HEAD_KINDS]
Table = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = Engine(tmp_path_factory.mktemp("oracle") / "workspace", supervise=False)
    yield made
    made.close()


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    found: Table = {}
    yield found
    print("\nlargest difference of a loss, by kind and method")
    for (kind, method), difference in found.items():
        print(f"{kind:<16} {method:<12} {difference:.1e}")


@pytest.mark.parametrize(("kind", "method"), CASES)
def test_a_program_without_hone_finds_the_same(
    engine: Engine, table: Table, kind: str, method: str
) -> None:
    run = make_run(engine, kind, method)
    view, found = run.view(), read_run(run.path)
    assert view.kept is not None and view.first_loss is not None
    pairs = [(view.kept.loss, found["loss"])]
    if "first_loss" in found:
        pairs.append((view.first_loss, found["first_loss"]))
    table[kind, method] = max(abs(reported - own) for reported, own in pairs)
    assert table[kind, method] <= TOLERANCE, pairs
    if kind in HEAD_KINDS:
        assert found["right"] == view.kept.accuracy
    else:
        said = [one.reply for one in view.samples if one.step == view.kept.step]
        assert found["replies"] == said and any(said)
    assert own_ids(run) == hone_ids(run)


def own_ids(run: RunDir) -> list[tuple[list[int], list[int]]]:
    """The training rows as the oracle reads them: ids, and the same where they are learned."""
    saved = SavedRun(run.path)
    found = []
    for row in saved.train:
        sides = [None, row["rejected"]] if "rejected" in row else [None]
        tokens = [saved.tokens(row, answer) for answer in sides]
        found += [(one.ids, one.labels) for one in tokens]
    return found


def hone_ids(run: RunDir) -> list[tuple[list[int], list[int]]]:
    """The training rows as Hone learns them."""
    trained, rows, data = open_trained_run(run), read_rows(run.train_file), run.spec.data
    tokenizer = load_tokenizer(trained.folder, data.template)
    if trained.head:
        ids = classifier.tokenize_texts(tokenizer, classifier.row_texts(rows), data).ids
        return [(one, [IGNORE_INDEX] * len(one)) for one in ids]
    if trained.kind == "prefer":
        sides = [side for row in rows for side in encode_preference(tokenizer, row, data)]
    else:
        sides = [encode_row(tokenizer, row, data) for row in rows]
    return [(list(one.ids), list(one.labels)) for one in sides]


def test_the_oracle_knows_no_hone() -> None:
    files = [ROOT / "tests" / "oracle" / f"{name}.py" for name in ("read_run", "losses")]
    files.append(ROOT / "tests" / "oracle" / "saved_run.py")
    used = {module for file in files for module, _ in imports(file)}
    ours = {one for one in used if one.split(".")[0] in ("engine", "ui", "app", "start", "tests")}
    assert "torch" in used and all(one.startswith("tests.oracle") for one in ours), ours
