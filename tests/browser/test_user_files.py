"""Files and folders of users: good ones become a merged model, bad ones get a plain message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.spec import presets
from engine.store.run_view import RunState
from engine.store.workspace import Store
from tests.browser.conftest import OpenPage, Serve, go, picture, unfold
from tests.conftest import idle, wait_for


def upload_file(page: Any, path: Path) -> None:
    go(page, "Data")
    page.locator("#upload input[type=file]").set_input_files(path)


def from_upload_to_merged_model(open_page: OpenPage, serve: Serve, home: Path, path: Path) -> None:
    url = serve(home)
    page = open_page(url)
    upload_file(page, path)
    page.locator("#data-facts", has_text=path.stem).wait_for(timeout=30_000)
    page.locator("#data-facts", has_text="a row, longest").wait_for(timeout=60_000)
    picture(page, f"8-file-{path.stem}")
    go(page, "Train")
    page.locator("#train-facts", has_text="weights").wait_for()
    page.locator("#field-optim-epochs input").fill("1")
    unfold(page, "#more")
    unfold(page, "#more-during-training")
    page.locator("#field-sampling-checks input").first.fill("2")
    page.locator("#start").click()
    page.wait_for_function("document.querySelector('#live .run-state')?.textContent")
    run = next(Store(home).all_runs())
    wait_for(run, lambda run: idle(run) and run.view().ended is not None, 280)
    assert run.state() == RunState.FINISHED, run.view().ended
    assert run.view().best is not None
    assert run.spec.optim.epochs == 1 and run.spec.sampling.checks == 2
    go(page, "Export")
    page.locator("#merge:enabled").click()
    page.locator("#export-merged", has_text="replies are the same").wait_for(timeout=120_000)
    assert all(merged.ok for merged in run.view().merged.values()) and run.view().merged


def test_a_file_of_ones_own(open_page: OpenPage, serve: Serve, home: Path, tmp_path: Path) -> None:
    rows = presets.bundled_samples()[0].train_file.read_text(encoding="utf-8").split("\n")[:60]
    path = tmp_path / "my-pirate.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    from_upload_to_merged_model(open_page, serve, home, path)


@pytest.mark.parametrize(
    "file",
    ["openai_chat/toy_chat_fine_tuning.jsonl", "llamafactory/identity.json"],
    ids=["openai", "alpaca"],
)
def test_real_files_that_nobody_wrote_for_hone(
    open_page: OpenPage, serve: Serve, home: Path, shared_data: Path, file: str
) -> None:
    from_upload_to_merged_model(open_page, serve, home, shared_data / "datasets" / file)


def test_bad_files_get_a_plain_message_and_the_app_goes_on(
    open_page: OpenPage, serve: Serve, home: Path, tmp_path: Path
) -> None:
    bad = {
        "notes.docx": ("x", "this file type is not accepted: it is a Word document"),
        "empty.jsonl": ("", "is empty"),
        "columns.csv": (
            "one,two\n" + "".join(f"a {n},b {n}\n" for n in range(6)),
            "Which column is which?",
        ),
        "<img src=x onerror=alert(1)>.zip": ("PK", "archives are not accepted"),
    }
    good = [{"prompt": f"Say {n}.", "completion": f"{n}."} for n in range(8)]
    url = serve(home)
    page = open_page(url)
    for name, (content, words) in bad.items():
        path = tmp_path / name
        path.write_text(content)
        upload_file(page, path)
        page.get_by_text(words).first.wait_for(timeout=15_000)
    # Rows without an answer are named, and can be left out.
    path = tmp_path / "half.jsonl"
    path.write_text(
        "\n".join(json.dumps(row) for row in [*good, {"prompt": "Say nine.", "completion": ""}])
    )
    upload_file(page, path)
    page.get_by_text("Row 9: no answer").first.wait_for(timeout=15_000)
    picture(page, "9-bad-rows")
    page.locator("#fix-unusable", has_text="Leave it out").click()
    page.locator("#fix-unusable", has_text="Undo").wait_for(timeout=15_000)
    page.locator("#data-facts", has_text="half").wait_for(timeout=15_000)


def test_folders_that_are_no_safe_model_are_refused(
    open_page: OpenPage, serve: Serve, home: Path, tmp_path: Path
) -> None:
    pickled, coded = tmp_path / "pickled", tmp_path / "coded"
    pickled.mkdir()
    (pickled / "config.json").write_text('{"model_type": "llama"}')
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    coded.mkdir()
    (coded / "config.json").write_text(
        '{"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "evil.Model"}}'
    )
    url = serve(home)
    page = open_page(url)
    go(page, "Model")
    page.get_by_role("button", name="A folder on this machine").click()
    wanted = (
        (tmp_path / "no", "not a folder"),
        (pickled, "harmful code"),
        (coded, "run code of its own"),
    )
    for folder, words in wanted:
        page.locator("#model-folder input, #model-folder textarea").first.fill(str(folder))
        page.get_by_role("button", name="Use this folder").click()
        page.get_by_text(words).first.wait_for(timeout=15_000)
