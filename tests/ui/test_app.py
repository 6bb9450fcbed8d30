"""The page as a whole: it builds, it is wired, and its process stays small."""

from __future__ import annotations

import ast
import gc
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

import app
from engine.store.files import PROJECT_FOLDER
from tests.ui.fakes import fake_engine
from ui import form, serve, theme
from ui.context import Context

# Gradio leaves event loops open; they are collected here, where that is expected.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    engine = fake_engine(tmp_path_factory.mktemp("page") / "workspace")
    yield app.create_app(Context(engine))
    engine.close()
    gc.collect()


def test_every_field_is_on_the_page(blocks: gr.Blocks) -> None:
    ids = {block.elem_id for block in blocks.blocks.values()}
    shown = set(form.FORM_PATHS) - set(form.STATE_PATHS)
    assert {"field-" + path.replace(".", "-") for path in shown} <= ids


def test_tabs_hold_nothing_but_tabs(blocks: gr.Blocks) -> None:
    """Anything else among them shifts Gradio's count, and tabs that are opened appear twice."""
    tabs = [block for block in blocks.blocks.values() if isinstance(block, gr.Tabs)]
    assert tabs and all(isinstance(child, gr.Tab) for one in tabs for child in one.children)


def test_every_control_has_a_label_and_help(blocks: gr.Blocks) -> None:
    asked = (gr.Slider, gr.Number, gr.Dropdown, gr.Radio, gr.CheckboxGroup, gr.Textbox)
    for block in blocks.blocks.values():
        if isinstance(block, asked) and block.elem_id not in ("message", "order"):
            assert block.label and block.info, block.elem_id


def test_handlers_are_named_and_private(blocks: gr.Blocks) -> None:
    for fn in blocks.fns.values():
        assert fn.api_visibility == "private", fn.name
        assert fn.name != "<lambda>"


def test_a_click_in_a_list_of_models_is_not_dropped_while_another_is_looked_up(
    blocks: gr.Blocks,
) -> None:
    modes = [fn.trigger_mode for fn in blocks.fns.values() if fn.name == "choose_listed"]
    assert modes == ["multiple"] * 3


def test_a_run_s_settings_reach_all_of_the_form(blocks: gr.Blocks) -> None:
    found = {fn.name: (len(fn.inputs), len(fn.outputs)) for fn in blocks.fns.values()}
    assert found["use_settings"] == found["use_adapter"] == (1, 4 + len(form.FORM_PATHS))
    assert found["choose_data"] == (4, len(form.FORM_PATHS) - 2 + 6)
    assert {"extend_run", "press_queue_button", "set_value", "show_start"} <= found.keys()


def test_the_page_names_no_other_machine(blocks: gr.Blocks) -> None:
    look = theme.launch_options()
    for text in (look["css"], theme.head_scripts(), str(theme.make_theme()._stylesheets)):
        assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text


def test_no_class_is_styled_in_two_stylesheets_of_the_page() -> None:
    """One of them would change what the other draws on another tab."""
    found: dict[str, list[str]] = {}
    for name in theme.STYLES:
        styles = re.sub(r"/\*.*?\*/", "", theme.read_asset(name), flags=re.S)
        selectors = ",".join(re.findall(r"([^{}]+)\{", styles)).split(",")
        for one in {text.strip() for text in selectors}:
            if re.fullmatch(r"\.[\w-]+", one) and one != ".dark":  # each has its own colours
                found.setdefault(one, []).append(name)
    assert len(found) > 50 and not {one: names for one, names in found.items() if len(names) > 1}


@pytest.mark.slow
def test_the_app_process_imports_no_torch() -> None:
    heavy = ("torch", "transformers", "peft", "trl", "datasets")
    code = f"import app, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_FOLDER, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "path", sorted((PROJECT_FOLDER / "ui").glob("*.py")), ids=lambda path: path.name
)
def test_files_stay_short_and_know_their_place(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") < 400
    nodes = ast.walk(ast.parse(source))
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not [name for name in names if name.startswith("engine.work")]


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_said_before_gradio_makes_one(tmp_path: Path) -> None:
    """Gradio makes its temporary folder when it is imported: in the workspace, or nowhere."""
    (tmp_path / "file").write_text("")
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "app.py", "--home", str(tmp_path / "file" / "workspace")],
        cwd=PROJECT_FOLDER,
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
        check=False,
    )
    assert done.returncode == 2 and "cannot keep its files" in done.stderr
    assert "Traceback" not in done.stderr and not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0"])
def test_a_taken_port_gives_the_next(host: str) -> None:
    """On the address that is served: a port that is taken on another one may be free on it."""
    with socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve.free_port(port, host) > port
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.3", 0))
        elsewhere.listen()
        port = elsewhere.getsockname()[1]
        assert serve.free_port(port, "127.0.0.2") == port


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.name.invalid"])
def test_an_address_of_no_machine_is_said_to_be_wrong(host: str) -> None:
    with pytest.raises(SystemExit, match=f"cannot be served on '{host}'.*--host"):
        serve.free_port(7860, host)
