"""What is whole and safe passes the safety check; whatever else is refused, and nothing runs."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.model import safety
from engine.spec import presets
from engine.store.files import PROJECT_FOLDER
from tests.engine.model.conftest import SECONDS, Tiny, open_whole, refusal
from tests.engine.model.spoil import CANARY, CONFIG, INDEX, TOKENS, pickled, program

pytestmark = pytest.mark.slow


def test_the_canary_would_sing(tmp_path: Path) -> None:
    (folder := tmp_path / "model").mkdir()
    for spoil, command in (
        (pickled("x.bin"), ["-m", "pickle", "x.bin"]),
        (program("own.py"), ["own.py"]),
    ):
        spoil(folder)
        subprocess.run([sys.executable, *command], cwd=folder, check=True, capture_output=True)
        (tmp_path / CANARY).unlink()


def test_nothing_of_torch_is_needed_to_refuse(folder: Path) -> None:
    code = (
        "import sys; from engine.model import safety; "
        "print({'torch', 'transformers'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_FOLDER, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_good_folders_pass(tiny: Tiny, folder: Path, tmp_path: Path) -> None:
    open_whole(folder, "load")
    # As it is in the Hub's cache, where each file is a link.
    cache = tmp_path / "models--hone--tiny"
    snapshot, blobs = cache / "snapshots" / ("0" * 40), cache / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, file in enumerate(sorted(folder.iterdir())):
        shutil.copy(file, blobs / f"{number:040x}")
        (snapshot / file.name).symlink_to(f"../../blobs/{number:040x}")
    open_whole(snapshot, "load")
    (snapshot / CONFIG).unlink()
    (snapshot / CONFIG).symlink_to(folder / CONFIG)
    assert "leads out" in refusal(lambda: safety.check_model_folder(snapshot))
    # Behind a link, since models may be on another disk.
    (tmp_path / "link").symlink_to(folder)
    safety.check_model_folder(tmp_path / "link")
    # What old configs hold, which does no harm.
    for name, more in (
        (
            CONFIG,
            {"attn_implementation": "flash_attention_2", "time_step_limit": [0.0, float("inf")]},
        ),
        (TOKENS, {"special_tokens_map_file": "/root/.cache/x.json", "model_max_length": 10**30}),
    ):
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | more))
    open_whole(folder, "tokens")
    open_whole(folder, "load")
    open_whole(tiny.bert, "tokens")


def test_a_model_that_is_only_looked_at_is_checked_too(tmp_path: Path) -> None:
    from engine.work.model.describe import inspect_model

    for more in (
        {"auto_map": {"AutoConfig": "own.Own"}},
        {"num_hidden_layers": 10**9},
        {"model_type": "own"},
    ):
        (tmp_path / CONFIG).write_text(json.dumps({"model_type": "llama"} | more))
        program("own.py")(tmp_path)
        refusal(lambda: inspect_model("hub:hone/own", folder=tmp_path))
        assert not (tmp_path.parent / CANARY).exists()


def test_half_a_download_is_no_model(folder: Path) -> None:
    """A partial download, at any point, is refused until the last byte is there."""
    there = [path for path in folder.iterdir() if path.name != "generation_config.json"]
    order = sorted(there, key=lambda path: (path.suffix == ".safetensors", path.name))
    content = {path: path.read_bytes() for path in order}
    for path in order:
        path.unlink()
    for path in order:
        for size in (0, len(content[path]) // 2, len(content[path]) - 1):
            path.write_bytes(content[path][:size])
            refusal(lambda: safety.check_model_folder(folder))
        path.write_bytes(content[path])
    safety.check_model_folder(folder)


# --- models spoilt at random ---


VALUES = [None, True, 0, -1, 1, 7, 10**6, 10**18, -(10**9), 0.5, 1e308, "", "x", "../x", "llama",
    [], [1], ["a"], {},
          {"a": 1}, {"rope_type": "x"}, [[1]], "float16", "é\n"]  # fmt: skip


KINDS = ["gpt2", "bert", "mixtral", "mamba2", "t5", "vit", "gemma3", "albert", "rwkv", "rag"]


def mutate(folder: Path, rng: random.Random) -> str:
    """Spoil one thing of a model; says what."""
    file = rng.choice(sorted(folder.iterdir()))
    kind = rng.choice(["value", "value", "value", "kind", "cut", "swap", "bytes", "drop"])
    if kind in ("value", "kind"):
        file = folder / (
            CONFIG if kind == "kind" else rng.choice([CONFIG, CONFIG, CONFIG, TOKENS, INDEX])
        )
        values = json.loads(file.read_text())
        key = rng.choice([*sorted(values), "attention_dropout", "head_dim", "n_positions"])
        more = {"model_type": rng.choice(KINDS)} if kind == "kind" else {key: rng.choice(VALUES)}
        file.write_text(json.dumps(values | more))
        return f"{file.name}: {more}"
    content, other = file.read_bytes(), rng.choice(sorted(folder.iterdir()))
    at = rng.randrange(min(len(content), 3000))
    if kind == "drop":
        file.unlink()
    elif kind == "cut":
        file.write_bytes(content[: rng.randrange(len(content))])
    elif kind == "bytes":
        file.write_bytes(content[:at] + rng.randbytes(rng.randrange(1, 9)) + content[at + 1 :])
    else:
        file.write_bytes(other.read_bytes())
    return f"{kind} {file.name} {other.name}"


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_spoilt_model_opens_or_is_refused(seed: int, tiny: Tiny, tmp_path: Path) -> None:
    from engine.work.model.describe import inspect_model

    rng = random.Random(seed)
    folder = shutil.copytree(tiny.llama, tmp_path / "model", dirs_exist_ok=True)
    what = mutate(folder, rng)
    begun = time.monotonic()
    try:
        safety.check_model_folder(folder)
        inspect_model(str(folder))
    except ModelError as error:
        assert str(error).endswith(".") and "model" in str(error), what
    finally:
        shutil.rmtree(folder)
    assert time.monotonic() - begun < SECONDS


def test_the_recommended_models_pass(tmp_path: Path) -> None:
    from engine.model import config_json

    for one in presets.known_models():
        (tmp_path / CONFIG).write_text(json.dumps(one.config))
        config_json.check_settings_files(tmp_path)
