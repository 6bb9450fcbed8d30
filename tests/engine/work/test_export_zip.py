"""What is in an exported zip: another program follows its README and gets Hone's own answers."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from engine.data.rows import labelled_text, read_rows
from engine.model.hub import ORIGIN_FILE, ModelOrigin
from engine.runs.engine import Engine
from engine.runs.export import zips
from engine.runs.export.readme import FILES
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.spec_file import load_spec_yaml
from engine.store.run_dir import RunDir
from engine.work.desk import DeskWorker
from engine.work.merge import merge_run
from engine.work.serve import Report
from engine.work.train.train import train
from tests.conftest import SMALL
from tests.engine.work.train.labelled_runs import coloured, judged, learn, priced

NASTY = "My `<b>` | *pirate*\n# two"
ASKED = "Where do fish live?"
TEXT_FILES = {".json", ".yaml", ".md", ".jinja"}
SHORT = {"optim": {"epochs": 1}}


def report() -> Report:
    return Report(io.StringIO(), 0)


def desk_reply(run: RunDir, words: str) -> str:
    """What Hone itself replies."""
    asked = [{"role": "user", "content": words}]
    question = {"run": str(run.path), "base": asked, "tuned": asked, "plain_text": False}
    question |= {"temperature": 0.0, "max_new_tokens": 64, "id": 1}
    return str(DeskWorker().chat(question, report())[1]).strip()


def unzipped(archive: Path, folder: Path) -> Path:
    """The one folder of a zip, in an empty place; its names are plain."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert all(re.fullmatch(r"[\w./-]+", name, re.ASCII) for name in opened.namelist())
        opened.extractall(folder)
    [inside] = folder.iterdir()
    return inside


def code_of(readme: str) -> list[str]:
    """The blocks of Python in a README, in their order."""
    return re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S)


def follow_readme(folder: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the first block of the README prints, asked other words."""
    [lines, *_] = code_of((folder / "README.md").read_text(encoding="utf-8"))
    monkeypatch.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(lines.replace("'Hello!'", repr(words)).replace('"Hello!"', repr(words)), {})
    return out.getvalue().strip()


def require_no_trace(folder: Path, *words: str) -> None:
    """No text in a folder names a path of this machine, or any of these words."""
    for file in folder.rglob("*"):
        if file.suffix in TEXT_FILES and file.name != "tokenizer.json":
            text = file.read_text(encoding="utf-8")
            for word in (str(presets.PRESETS_FOLDER), "/tmp/", "local_files_only", *words):
                assert word not in text, f"{word} in {file.name}"


@pytest.fixture(scope="module")
def pirate(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run of the pocket model in fp32, where replies do not hang on how they are batched."""
    engine = Engine(tmp_path_factory.mktemp("pirate") / "workspace", supervise=False)
    values = SMALL | {"optim": SMALL["optim"] | {"epochs": 0.2}, "place": {"precision": "fp32"}}
    run = engine.start(specs.make_spec(values))
    train(run)
    run.set_meta(name=NASTY)
    return run


def test_an_adapter_replies_as_in_hone(
    pirate: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (pirate.adapter / "adapter_config.json").read_bytes()
    folder = unzipped(zips.adapter_zip(pirate), tmp_path / "elsewhere")
    assert set(FILES) - {"model.safetensors", "config.json", "labels.json"} <= {
        file.name for file in folder.iterdir()
    }
    require_no_trace(folder, read_rows(pirate.held_out_file)[0]["messages"][0]["content"])
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "pocket"
    assert (pirate.adapter / "adapter_config.json").read_bytes() == kept
    assert specs.make_spec(load_spec_yaml(folder / "hone-spec.yaml")) == pirate.spec
    shutil.copytree(presets.POCKET_MODEL, folder / "pocket")  # as the README says
    said = follow_readme(folder, ASKED, monkeypatch)
    assert said and said == desk_reply(pirate, ASKED)


def test_a_merged_model_replies_as_in_hone(
    pirate: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge_run(pirate, "fp32")
    folder = unzipped(zips.merged_zip(pirate, "fp32"), tmp_path / "elsewhere")
    require_no_trace(folder)
    readme = (folder / "README.md").read_text()
    assert "library_name: transformers" in readme and "not needed to load" in readme
    assert follow_readme(folder, ASKED, monkeypatch) == desk_reply(pirate, ASKED)
    assert "PeftModel" in code_of(readme)[1] and "PeftModel" not in code_of(readme)[0]


def test_a_readme_says_what_it_is_and_quotes_nobody(pirate: RunDir, tmp_path: Path) -> None:
    folder = unzipped(zips.adapter_zip(pirate), tmp_path / "elsewhere")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert r"# My \`\<b\>\` \| \*pirate\* \# two" + "\n" in readme
    view = pirate.view()
    assert f"| loss | {view.first_loss:.3f} | {view.kept.loss:.3f} |" in readme
    assert "LoRA, rank 8, alpha 16" in readme and "700 examples to learn from" in readme
    assert "apache-2.0" in readme and "keeps its licence" in readme
    assert len(code_of(readme)) == 2 and "### The merged model" in readme
    for row in [*read_rows(pirate.train_file)[:50], *read_rows(pirate.held_out_file)]:
        assert row["messages"][-1]["content"] not in readme


@pytest.mark.parametrize(
    ("rows", "goal", "method"),
    [(judged, "classify", "lora"), (coloured, "multilabel", "full"), (priced, "regress", "lora")],
)
def test_labels_have_the_same_probabilities_as_in_hone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Any, goal: str, method: str
) -> None:
    run = learn(tmp_path, rows(60), data={"goal": goal}, method={"kind": method}, **SHORT)
    text = labelled_text(read_rows(run.held_out_file)[0])
    answer = DeskWorker().classify({"run": str(run.path), "text": text}, report())
    folder = unzipped(zips.adapter_zip(run), tmp_path / "elsewhere")
    require_no_trace(folder, text)
    if method == "lora":
        shutil.copytree(run.spec.model.source, folder / "bert")
    said = follow_readme(folder, text, monkeypatch)
    if goal == "regress":
        assert float(said) == pytest.approx(answer["tuned"]["value"], rel=1e-6)
        return
    shares = {label: float(share) for share, label in map(str.split, said.splitlines())}
    expected = dict(zip(answer["labels"], answer["tuned"]["probabilities"], strict=True))
    assert shares == pytest.approx(expected, abs=1e-6)


def test_a_base_model_of_the_hub_is_named_with_its_commit(tmp_path: Path) -> None:
    """Its licence files come along, and a result without a tokenizer gets that of its base."""
    run = learn(tmp_path, judged(40), **SHORT)
    commit, folder = "c" * 40, tmp_path / "meta-llama--Tiny"
    shutil.copytree(tmp_path / "bert", folder)
    origin = {"repo": "meta-llama/Tiny", "revision": commit, "licence": "llama3.2", "date": ""}
    about = ModelOrigin.model_validate(origin | {"bytes": 1, "files": {}})
    (folder / ORIGIN_FILE).write_text(about.model_dump_json())
    (folder / "LICENSE.txt").write_text("Terms.")
    spec = run.spec.model_dump()
    spec["model"]["source"] = str(folder)
    run.set_spec(specs.make_spec(spec))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (run.adapter / name).unlink()
    inside = unzipped(zips.adapter_zip(run), tmp_path / "elsewhere")
    config = json.loads((inside / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "meta-llama/Tiny" and config["revision"] == commit
    readme = (inside / "README.md").read_text()
    assert "base_model: meta-llama/Tiny" in readme and "Built with Llama" in readme
    assert "base = 'meta-llama/Tiny'  # the folder" in code_of(readme)[0]
    assert f"from_pretrained(base, revision='{commit}', dtype=\"float32\"" in code_of(readme)[0]
    assert "AutoTokenizer.from_pretrained(folder)" in code_of(readme)[0]
    assert (inside / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert (inside / "licence-of-the-base-model" / "LICENSE.txt").read_text() == "Terms."
    assert load_spec_yaml(inside / "hone-spec.yaml")["model"]["source"] == "hub:meta-llama/Tiny"
    shutil.rmtree(folder)
    later = unzipped(zips.adapter_zip(run), tmp_path / "later")
    assert "AutoTokenizer.from_pretrained(base)" in (later / "README.md").read_text()
    assert "ask the maker" in (later / "README.md").read_text()
