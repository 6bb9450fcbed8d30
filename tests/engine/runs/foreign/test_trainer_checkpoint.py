"""What a Trainer leaves behind, and what Hone itself exports, added on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.__main__ import main as cli
from engine.runs.engine import Engine
from engine.runs.export import zips
from engine.store.run_dir import RunDir
from tests.conftest import SMALL

QUESTION = [{"role": "user", "content": "Where do fish live?"}]


def test_they_answer_as_the_run_does(
    trained: tuple[Engine, RunDir], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, run = trained
    home = tmp_path / "workspace"
    zipped = shutil.copy(zips.adapter_zip(run), tmp_path / "exported.zip")
    result = (run.adapter / "adapter_model.safetensors").read_bytes()
    checkpoint = next(
        folder
        for folder in run.checkpoints.glob("checkpoint-*")
        if (folder / "adapter_model.safetensors").read_bytes() == result
    )
    assert {"optimizer.pt", "trainer_state.json"} <= {one.name for one in checkpoint.iterdir()}
    at_home = ["--home", str(home), "--json"]
    assert cli(["import-adapter", str(checkpoint), "--base", "pocket", *at_home]) == 0
    more = ["--data", "sample:pirate", "--name", "Again"]
    assert cli(["import-adapter", str(zipped), *more, *at_home]) == 0, "its config names the base"
    made = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["state"] for one in made] == ["imported", "imported"]
    assert [one["name"] for one in made] == [checkpoint.name, "Again"]
    *_, expected = other.desk.chat(run, QUESTION, QUESTION, max_new_tokens=12)
    engine = Engine(home, supervise=False)
    for one in made:
        again = engine.store.run(one["run"])
        *_, said = engine.desk.chat(again, QUESTION, QUESTION, max_new_tokens=12)
        assert said == expected
        assert again.spec.method.rank == SMALL["method"]["rank"]
        assert {file.name for file in again.adapter.iterdir()} == {
            "adapter_config.json", "adapter_model.safetensors", "asking.json",
            "chat_template.jinja", "generation_config.json",
        }  # fmt: skip
    engine.close()


def test_what_the_command_refuses(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_home = ["--home", str(home)]
    (tmp_path / "adapter_model.bin").write_bytes(b"\x80\x04cos\nsystem\n")
    for arguments, words in (
        ([str(tmp_path / "none")], "is not a folder on this machine"),
        ([str(tmp_path)], "adapter_model.bin, a format (pickle)"),
        ([str(tmp_path), "--data", "none.csv"], "there is no file"),
    ):
        assert cli(["import-adapter", *arguments, *at_home]) == 2
        assert words in capsys.readouterr().err
    assert not list((home / "runs").iterdir())
