"""``python -m engine inspect``: what a model is and whether it fits, in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.errors import ModelError, SpecError
from engine.estimate import report
from engine.estimate.case import Setup, case_of_model
from engine.hardware import Machine
from engine.process.hub import locate_model
from engine.store.workspace import Store
from tests.engine.estimate.test_recommend import GB, model


@pytest.mark.slow
def test_the_pocket_model_in_words_and_as_json(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "inspect", "pocket", "--home", str(home), "--rank", "8", "--targets", "fewest",
        "--length", "64", "--batch", "2",
    ]  # fmt: skip
    assert main(asked) == 0
    words = capsys.readouterr().out
    assert "4,262,144 weights" in words and "q_proj, v_proj" in words and "It fits" in words
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trainable"] == 4 * 8 * 2 * (256 + 256)
    assert found["total"] == 4_262_144 + found["trainable"]
    assert sum(found["parts"].values()) == found["parameters"]
    parts = {name: size for name, size in found["memory_gb"].items() if name != "total"}
    assert sum(parts.values()) == pytest.approx(found["memory_gb"]["total"], rel=0.01)
    assert 64 <= found["largest_length"] <= 512 and found["largest_batch"] >= 2
    assert found["fits"] == "yes"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--rank", "999"], "must be at most 256"),
        (["--length", "9999"], "reads at most 512"),
        (["--length", "0"], "must be at least 1"),
        (["--targets", "nothing"], "no module called nothing"),
        (["--method", "head"], "--task classify"),
    ],
)
def test_mistakes_are_said(
    home: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert main(["inspect", "pocket", "--home", str(home), *more]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_a_head_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        "inspect", "pocket", "--home", str(home), "--task", "classify", "--method", "head",
        "--labels", "3", "--json",
    ]  # fmt: skip
    assert main(asked) == 0
    assert json.loads(capsys.readouterr().out)["trainable"] == 3 * 256


def test_what_does_not_fit_is_said_with_an_exit_code_of_its_own() -> None:
    info = model(4096, 32)
    method = report.method_from_words(info, "lora", 16, "all")
    machine = Machine("cpu", "bf16", False, GB, GB, True)
    found = report.report_model(case_of_model(info, 2, machine), Setup(method, 256, 8))
    assert found["fits"] == "no" and found["largest_length"] == 0 and found["largest_batch"] == 0
    assert "It does not fit" in report.report_text(found)


def test_models_are_found_by_what_people_call_them(home: Path, tmp_path: Path) -> None:
    store = Store(home)
    assert locate_model(store, "pocket") == ("pocket", None)
    assert locate_model(store, str(tmp_path)) == (str(tmp_path), None)
    with pytest.raises(ModelError, match="not a folder"):
        locate_model(store, "/nowhere/at/all")
    with pytest.raises(ModelError, match="not a model's name"):
        locate_model(store, "a/b/c\0")


def test_targets_are_a_group_or_names() -> None:
    info = model()
    assert report.method_from_words(info, "lora", 8, "q_proj, v_proj").targets == (
        "q_proj",
        "v_proj",
    )
    assert report.method_from_words(info, "lora", 8, "all").targets == info.groups["all"]
    with pytest.raises(SpecError):
        report.method_from_words(info, "head", 8, "all")
