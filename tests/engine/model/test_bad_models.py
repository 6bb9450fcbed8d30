"""A bad model ends in one sentence, never in a traceback, a hang or somebody else's code.

Writes the table of messages, docs/model-errors.md.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import hardware
from engine.errors import HoneError, ModelError, RunError, SpecError
from engine.model import hub as hub_models
from engine.model import local, safety
from engine.model.check_method import check_method
from engine.spec import presets
from engine.spec.method import MethodSpec
from engine.spec.run import PlaceSpec
from engine.store.files import PROJECT_FOLDER
from engine.store.workspace import Store
from tests.engine.model.bad_models import BAD, CANARY, CONFIG, INDEX, TOKENS, Bad, pickled, program
from tests.engine.tiny import save_model
from tests.engine.work.hub.hub_models import TWO, Child, about, files, fill, sharded
from tests.engine.work.hub.hub_server import Hub

pytestmark = pytest.mark.slow

TABLE = PROJECT_FOLDER / "docs" / "model-errors.md"
SAID: dict[tuple[str, str], str] = {}  # group and title -> what was said
SECONDS = 5.0


class Tiny(NamedTuple):
    """Small real models, never to be changed."""

    llama: Path  # three shards
    bert: Path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    home = tmp_path_factory.mktemp("models")
    llama = save_model(home / "llama", "llama")
    from transformers import AutoModelForCausalLM

    whole = AutoModelForCausalLM.from_pretrained(llama)
    (llama / "model.safetensors").unlink()
    whole.save_pretrained(llama, max_shard_size="300KB")
    assert len(list(llama.glob("model-*-of-00003.safetensors"))) == 3
    return Tiny(llama, save_model(home / "bert", "bert"))


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    """A copy of the small model that a test may spoil."""
    return shutil.copytree(tiny.llama, tmp_path / "model")


def refusal(ask: Callable[[], object]) -> str:
    """What is said to something that has to fail, which comes in time and is fit for people."""
    begun = time.monotonic()
    with pytest.raises(HoneError) as caught:
        ask()
    assert time.monotonic() - begun < SECONDS
    text = str(caught.value)
    assert not re.search(r"Traceback|Error\b|Exception|errno|\n|0x[0-9a-f]{6}", text), text
    assert text.endswith(".") and text.count(". ") <= 4 and len(text) < 420, text
    return text


def notice(group: str, title: str, text: str, *words: str) -> None:
    """Keep what was said for the table; the words have to stand in it."""
    assert not [word for word in words if word not in text], text
    SAID[group, title] = text


def open_whole(folder: Path, at: str) -> None:
    """All that is asked of a model before it trains, up to a place."""
    from engine.work.encode.tokenizer import load_tokenizer
    from engine.work.model.describe import inspect_model
    from engine.work.model.load import choose_device, load_model

    local.checked_folder(str(folder))
    if at == "gate":
        return
    inspect_model(str(folder))
    if at == "tokens":
        load_tokenizer(folder)
    if at == "load":
        load_model(folder, choose_device(PlaceSpec(device="cpu", precision="fp32")))


# Folders


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: re.sub(r"\W+", "-", bad.title))
def test_a_bad_folder_is_refused(bad: Bad, folder: Path) -> None:
    bad.spoil(folder)
    text = refusal(lambda: open_whole(folder, bad.at))
    if bad.at != "gate":
        safety.check_model_folder(folder)
    assert "model" in text and not (folder.parent / CANARY).exists()
    notice(bad.group, bad.title, text.replace(str(folder.parent), "…"), *bad.words)


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


# What does not go together

TASK = "What does not go together"


def test_an_encoder_given_to_a_chat_task(tiny: Tiny) -> None:
    from engine.work.model.describe import inspect_model
    from engine.work.model.load import choose_device, load_model

    text = refusal(lambda: inspect_model(str(tiny.bert), "write"))
    notice(TASK, "An encoder for chat", text, "'bert'", "Choose a label", "causal")
    assert text == refusal(lambda: load_model(tiny.bert, choose_device(PlaceSpec(device="cpu"))))


def test_a_method_that_does_not_fit_the_model(tiny: Tiny) -> None:
    from engine.work.model.describe import inspect_model

    info = inspect_model(str(tiny.llama))
    for title, ask, kind, words in (
        ("Rank above the layer's width", lambda: check_method(info, MethodSpec(rank=65)),
            SpecError,
         ("method.rank", "q_proj", "64 wide", "Set it to 64 or less")),
        ("Targets that match nothing", lambda: check_method(info,
            MethodSpec(targets=("c_attn",))), ModelError,
         ("c_attn", "q_proj", "Choose the target modules")),
        ("Layers that are not there", lambda: check_method(info, MethodSpec(layers="7")),
            SpecError,
         ("method.layers", "from 0 to 2")),
        ("A context too short for the data", lambda: info.check_length(512), SpecError,
         ("256 tokens", "512", "Data tab")),
    ):  # fmt: skip
        with pytest.raises(kind) as caught:
            ask()
        notice(TASK, title, str(caught.value).splitlines()[0], *words)


def test_an_adapter_of_another_base(tiny: Tiny, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    from engine.work.model.load import choose_device, load_adapter, load_model

    place = choose_device(PlaceSpec(device="cpu", precision="fp32"))
    made, other = tmp_path / "adapter", tmp_path / "other"
    get_peft_model(
        load_model(tiny.llama, place), LoraConfig(r=4, target_modules=["q_proj"])
    ).save_pretrained(made)
    load_adapter(load_model(tiny.llama, place), made)
    for kind, more in (("llama", {"hidden_size": 32}), ("llama", {"num_hidden_layers": 2}),
                       ("llama", {"num_hidden_layers": 4}), ("gpt2", {})):  # fmt: skip
        base = load_model(save_model(other, kind, **more), place)
        with pytest.raises(RunError):
            text = refusal(lambda base=base: load_adapter(base, made))
            notice(
                TASK,
                "An adapter whose base is another",
                text,
                "another model",
                "Put that model back",
            )
            raise RunError(text)
        shutil.rmtree(other)
    file = made / "adapter_model.safetensors"
    os.truncate(file, file.stat().st_size - 10)
    text = refusal(lambda: load_adapter(load_model(tiny.llama, place), made))
    notice(TASK, "An adapter that is cut off", text, "cannot be loaded", "Continue the run")


# The disk and the Hub

DISK = "The disk and the Hub"


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    hub = Hub()
    fill(hub)
    hub.add("models", "hone/two", files(sharded()), more=about(1, 100), large=".safetensors")
    with hub.running():
        yield hub


@pytest.fixture(scope="module")
def child(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    child = Child(hub.url, tmp_path_factory.mktemp("home"))
    yield child
    child.close()


def test_what_goes_wrong_with_a_download(hub: Hub, child: Child, home: Path) -> None:
    store = Store(home)

    def failed(title: str, name: str, *words: str, **more: Any) -> None:
        answer = child.ask(store, "download_model", name=name, revision="", **more)
        assert answer["seconds"] < SECONDS and answer["kind"] == "ModelError"
        assert not [one for one in hub_models.list_downloaded(store) if one.whole]
        assert len(local.list_models([store.models])) == 1, "nothing half-written is offered"
        text = (
            answer["error"]
            .replace(hub.url, "https://the-hub")
            .replace(str(store.models), "workspace/models")
        )
        notice(DISK, title, text, *words)

    failed(
        "No room for a download", "hone/two", "0.4 MB more", "free", "Make room", free=256_300_000
    )
    hub.repos["models", "hone/two"].cut = {TWO[1]: 150_000}
    failed("A download that is cut", "hone/two", "broke off", "kept", "try again")
    hub.repos["models", "hone/two"].cut = {}
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        answer = child.ask(store, "download_model", name="hone/two", revision="", endpoint=url)
    assert answer["seconds"] < SECONDS
    text = answer["error"].replace(url, "https://the-hub")
    notice(DISK, "The Hub cannot be reached", text, "cannot be reached", "Check the network")
    failed("A gated model", "hone/gated", "gated", "terms", "HF_TOKEN")
    failed("A wrong token", "hone/small", "refused your token", token="hf_wrong")
    failed("A private model, or none", "hone/private", "no model 'hone/private'", "HF_TOKEN")
    failed("Pickles only, on the Hub", "unfit/pickles", "pytorch_model.bin", "harmful")
    failed("Code of its own, on the Hub", "hone/own-code", "auto_map", "never runs code")
    failed("Packed weights, on the Hub", "hone/packed-inside", "bitsandbytes", "made from")
    failed(
        "An index that leaves the folder, on the Hub",
        "hone/outside",
        "points outside",
        "Do not use",
    )
    assert child.ask(store, "download_model", name="hone/two", revision="")["done"], (
        "and then it goes on"
    )


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


def test_no_room_for_a_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.hardware.psutil.disk_usage", lambda _: SimpleNamespace(free=10**7))
    text = refusal(lambda: hardware.require_disk(home, 0.5, "a run"))
    notice(DISK, "No room for a run", text, "too full for a run", "make room")


# Whatever else


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


def test_the_table_of_messages_is_up_to_date() -> None:
    """A changed message is written into the table, to be looked at and committed."""
    if len(SAID) < len(BAD) + 18:
        pytest.skip("not all cases were run, or not in this process")
    lines = [
        "# What Hone says about models that cannot be used",
        "",
        "Made by `tests/engine/model/test_bad_models.py`, which makes each of these mistakes and "
        "reads what is said. None of",
        "the folders' programs and pickles is ever run: each would leave a file behind that the "
        "tests look for.",
    ]
    group = ""
    for (now, title), said in SAID.items():
        if now != group:
            lines += ["", f"## {now}", "", "| input | what is said |", "|---|---|"]
            group = now
        lines.append(
            "| "
            + " | ".join(cell.replace("|", "\\|") for cell in (title, " ".join(said.split())))
            + " |"
        )
    text = "\n".join(lines) + "\n"
    if not TABLE.is_file() or TABLE.read_text(encoding="utf-8") != text:
        TABLE.write_text(text, encoding="utf-8")
        assert os.environ.get("HONE_WRITE_DOCS"), (
            "docs/model-errors.md was out of date and has been written anew"
        )
