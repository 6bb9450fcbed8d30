"""A bad model ends in one sentence, never in a traceback, a hang or somebody else's code.

Writes the table of messages, docs/model-errors.md.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine import hardware
from engine.errors import ModelError, RunError, SpecError
from engine.model import hub as hub_models
from engine.model import local, safety
from engine.model.check_method import check_method
from engine.spec.method import MethodSpec
from engine.spec.run import PlaceSpec
from engine.store.files import PROJECT_FOLDER
from engine.store.workspace import Store
from tests.engine.model.bad_models import BAD, Bad
from tests.engine.model.conftest import SECONDS, Tiny, open_whole, refusal
from tests.engine.model.spoil import CANARY
from tests.engine.tiny import save_model
from tests.engine.work.hub.hub_child import Child
from tests.engine.work.hub.hub_models import TWO, about, files, fill_models, sharded
from tests.engine.work.hub.hub_server import Hub

pytestmark = pytest.mark.slow

TABLE = PROJECT_FOLDER / "docs" / "model-errors.md"
SAID: dict[tuple[str, str], str] = {}  # group and title -> what was said


def notice(group: str, title: str, text: str, *words: str) -> None:
    """Keep what was said for the table; the words have to stand in it."""
    assert not [word for word in words if word not in text], text
    SAID[group, title] = text


# Folders


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: re.sub(r"\W+", "-", bad.title))
def test_a_bad_folder_is_refused(bad: Bad, folder: Path) -> None:
    bad.spoil(folder)
    text = refusal(lambda: open_whole(folder, bad.at))
    if bad.at != "gate":
        safety.check_model_folder(folder)
    assert "model" in text and not (folder.parent / CANARY).exists()
    notice(bad.group, bad.title, text.replace(str(folder.parent), "…"), *bad.words)


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
    fill_models(hub)
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


def test_no_room_for_a_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.hardware.psutil.disk_usage", lambda _: SimpleNamespace(free=10**7))
    text = refusal(lambda: hardware.require_disk(home, 0.5, "a run"))
    notice(DISK, "No room for a run", text, "too full for a run", "make room")


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
