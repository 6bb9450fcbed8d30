"""What ships as data: samples as their scripts write them, the pocket model, its exam."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.coach.scores import SAMPLE_SCORERS
from engine.spec import presets
from engine.store.files import PROJECT_FOLDER

pytestmark = pytest.mark.slow

SAMPLES = [sample.id for sample in presets.bundled_samples()]
ANSWERS = ("completion", "output", "label")
POCKET_SCRIPTS = PROJECT_FOLDER / "presets" / "pocket"


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def in_the_makers_folder(code: str, *arguments: str) -> str:
    """Run code beside make.py in a process: the makers' modules have names that others use, too."""
    words = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(words, cwd=POCKET_SCRIPTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


@pytest.fixture(scope="module")
def maker():
    sys.path.insert(0, str(PROJECT_FOLDER / "presets" / "samples"))
    before = set(sys.modules)
    yield importlib.import_module("make")
    sys.path.remove(str(PROJECT_FOLDER / "presets" / "samples"))
    sys.path.remove(str(POCKET_SCRIPTS))
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(PROJECT_FOLDER / "presets") in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def test_the_samples_come_out_again_byte_by_byte(maker, tmp_path: Path) -> None:
    maker.main(tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(
        f"{name}.{part}.jsonl" for name in SAMPLES for part in ("train", "heldout")
    )
    for name in written:
        assert (tmp_path / name).read_bytes() == (
            PROJECT_FOLDER / "presets" / "samples" / name
        ).read_bytes(), name


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_large_enough_and_repeats_nothing(maker, name: str) -> None:
    sample = next(sample for sample in presets.bundled_samples() if sample.id == name)
    train, held_out = read_rows(sample.train_file), read_rows(sample.held_out_file)
    assert 200 <= len(train) <= 2000 and len(held_out) >= 50
    said = [maker.words(row) for row in (*held_out, *train)]
    near = [
        (i, j)
        for i, one in enumerate(said)
        for j in range(i)
        if maker.likeness(one, said[j]) >= maker.TOO_NEAR
    ]
    assert not near
    assert sample.train_file.with_name(f"{name}.md").is_file()


@pytest.mark.parametrize("name", SAMPLE_SCORERS)
def test_a_score_knows_right_from_wrong(name: str) -> None:
    sample = next(sample for sample in presets.bundled_samples() if sample.id == name)
    rows = read_rows(sample.held_out_file)

    def answer(row: dict) -> str:
        return (
            row["messages"][-1]["content"]
            if "messages" in row
            else next(row[name] for name in ANSWERS if name in row)
        )

    assert all(SAMPLE_SCORERS[name].right(answer(row), row) for row in rows)
    others = [*rows[1:], rows[0]]
    wrong = sum(
        SAMPLE_SCORERS[name].right(answer(other), row)
        for row, other in zip(rows, others, strict=True)
    )
    assert wrong <= 0.6 * len(rows), "another row's answer is mostly wrong"
    assert not any(SAMPLE_SCORERS[name].right("", row) for row in rows)


def test_the_pocket_model_is_what_it_should_be() -> None:
    config = json.loads((presets.POCKET_MODEL / "config.json").read_text())
    assert config["model_type"] == "llama" and config["max_position_embeddings"] == 512
    assert sum(file.stat().st_size for file in presets.POCKET_MODEL.glob("*.safetensors")) <= 16e6
    assert "generation" in (presets.POCKET_MODEL / "chat_template.jinja").read_text()
    assert (
        json.loads((presets.POCKET_MODEL / "tokenizer.json").read_text())["model"]["type"] == "BPE"
    )


@pytest.mark.slow
def test_the_shipped_weights_pass_the_exam_of_their_card() -> None:
    """All 200 questions, and the very number that the card tells."""
    code = (
        "import torch; from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "from exam import sit_exam\n"
        "from world import held_out; torch.set_num_threads(2);"
        "model = AutoModelForCausalLM.from_pretrained('model', dtype='float32').eval();"
        "tokenizer = AutoTokenizer.from_pretrained('model')\n"
        "print(sum(a.right for a in sit_exam(model, tokenizer, held_out(200))))"
    )
    right = int(in_the_makers_folder(code))
    card = (presets.POCKET_MODEL / "README.md").read_text(encoding="utf-8")
    told = int(card.split("| held-out questions | ")[1].split()[0])
    assert abs(right - told) <= 2, (
        "the card's figure was measured before the weights were rounded to bf16"
    )
    assert right >= 150


@pytest.mark.slow
def test_a_making_that_was_interrupted_ends_in_the_same_weights(tmp_path: Path) -> None:
    code = (
        "import sys, torch; from pathlib import Path; from corpus import batch\n"
        "from transformers import AutoTokenizer\n"
        "from training import new_trainee, rate, train_step\n"
        "torch.set_num_threads(1); tokenizer = AutoTokenizer.from_pretrained('model')\n"
        "state = Path(sys.argv[1])\n"
        "def go(trainee, end):\n"
        "    while trainee.step < end:\n"
        "        rows = batch(tokenizer, 1, trainee.step, 1)\n"
        "        train_step(trainee, rows, rate(trainee.step, 4, 1e-3))\n"
        "    return trainee\n"
        "straight = go(new_trainee(tokenizer, 1), 4)\n"
        "go(new_trainee(tokenizer, 1), 2).save(state)\n"
        "again = new_trainee(tokenizer, 99); again.load(state); go(again, 4)\n"
        "pairs = zip(straight.model.parameters(), again.model.parameters(), strict=True)\n"
        "print(all(torch.equal(a, b) for a, b in pairs), again.tokens == straight.tokens)"
    )
    assert in_the_makers_folder(code, str(tmp_path / "state.pt")) == "True True"
