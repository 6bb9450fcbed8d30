"""Adding an adapter on the Runs tab: by upload, zip or folder, and by nobody else's files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from engine.errors import HoneError
from engine.runs import warm_start
from engine.spec.data import Shape
from engine.spec.limits import DEMO
from engine.spec.spec_file import changed_spec
from engine.store.run_dir import DataSummary, RunDir
from engine.store.run_view import RunState
from tests.engine.model.made_adapters import OUTER, save_adapter
from tests.ui.fakes import fake_engine, lay_out
from ui.access.visitor import Visitor
from ui.compare.run_list import refresh_runs
from ui.context import Context
from ui.runs import add_adapter, tab
from ui.runs.add_adapter import Picking
from ui.runs.rows import COLUMNS, Cell, run_row
from ui.train import fill_form
from ui.train.live import shown_run

pytestmark = pytest.mark.slow

WEIGHTS = "adapter_model.safetensors"


def made(folder: Path, width: int = 256, layers: int = 6, **config: Any) -> Path:
    """An adapter for the made-up desk's model, or for one of another size."""
    shapes = {}
    for layer in range(layers):
        path = f"{OUTER}model.layers.{layer}.self_attn.q_proj"
        shapes |= {f"{path}.lora_A.weight": (4, width), f"{path}.lora_B.weight": (width, 4)}
    save_adapter(folder, shapes, **{"base_model_name_or_path": "model"} | config)
    return folder


def press(ctx: Context, values: dict[str, Any], **own: Any) -> tuple[str, list[RunDir]]:
    """What the page says after the button, and the runs that there are."""
    runs = lay_out(lambda: tab.RunsTab(ctx))
    picking = Picking(lambda one, run: tab.show_run(one, runs, run), runs.shown)
    asked = {"files": None, "folder": "", "base": "", "with_data": False} | own
    *_, last = add_adapter.add_from_page(ctx, runs.adding, picking, **values, **asked)
    said = last[runs.adding.problem]
    shown = str(said.get("value", "")) if isinstance(said, dict) else str(said)
    return shown, list(ctx.engine.store.all_runs())


def uploaded(ctx: Context, *files: Path) -> list[str]:
    for file in files:
        ctx.uploads.note(ctx.visitor.owner, file)
    return [str(file) for file in files]


def test_by_its_files_and_the_uploads_go(
    ctx: Context, values: dict[str, Any], tmp_path: Path
) -> None:
    folder = made(tmp_path / "a")
    said, (run,) = press(ctx, values, files=uploaded(ctx, *folder.iterdir()))
    assert not said and run.state() == RunState.IMPORTED and run.meta["name"] == "Adapter"
    assert run.spec.model.source == "pocket" and run.spec.method.targets == ("q_proj",)
    assert not list(folder.iterdir()) and (run.adapter / WEIGHTS).is_file()
    row = run_row(run)
    assert row and row["label"] == "Added" and row["cells"][list(COLUMNS).index("rate")] == Cell()
    assert refresh_runs(ctx)["value"] == run.id
    assert shown_run(ctx, "") is None, "the Train tab shows what was trained here"


def test_a_zip_with_data_takes_its_rows_and_format(
    ctx: Context, values: dict[str, Any], tmp_path: Path
) -> None:
    folder = made(tmp_path / "a")
    (folder / "chat_template.jinja").write_text("<|im_start|>")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"out/{file.name}")
    files = uploaded(ctx, tmp_path / "mine.zip")
    said, (run,) = press(ctx, values, files=files, with_data=True)
    assert not said and run.meta["name"] == "mine" and run.meta["data"] == "Pirate"
    assert run.spec.data.template == "chatml" and not (tmp_path / "mine.zip").exists()
    assert "perhaps on some of these held-out examples" in run.view().warnings[0]
    filled = fill_form.use_adapter(ctx, run.id)
    assert filled["data.source"]["value"] == "sample:pirate"


def test_a_folder_without_data_leaves_the_data_of_the_form(
    ctx: Context, values: dict[str, Any], tmp_path: Path
) -> None:
    folder = made(tmp_path / "checkpoint-30")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "of its own"}')
    said, (run,) = press(ctx, values, folder=f" {folder} ")
    assert not said and run.meta["name"] == "checkpoint-30" and list(folder.iterdir())
    assert "asked in another one" in run.view().warnings[0]
    filled = fill_form.use_adapter(ctx, run.id)
    assert "data.source" not in filled and filled["model.start"] == run.id
    spec = warm_start.warm_start_spec(run)
    assert spec.method.alpha == 8
    store, rows = ctx.engine.store, DataSummary(Shape.CHAT)
    for kind in ("lora", "qlora", "lora8"):
        warm_start.require_compatible(store, changed_spec(spec, [f"method.kind={kind}"]), rows)
    with pytest.raises(HoneError, match=r"Method .*: it is LoRA"):
        warm_start.require_compatible(store, changed_spec(spec, ["method.kind=dora"]), rows)


@pytest.mark.parametrize(
    ("config", "base", "words"),
    [
        ({"base_model_name_or_path": "someone/unknown"}, "", "Which base model was"),
        ({"base_model_name_or_path": ""}, "", "Its config names no base model."),
        ({}, "/no/such/model", "is not a folder on this machine"),
        ({"width": 512}, "", "for another model than"),
        ({"width": 512}, "pocket", "for another model than"),
        ({"peft_type": "IA3"}, "", "of the kind &#x27;IA3&#x27;"),
        ({"base_model_name_or_path": "<img src=x>"}, "", "&lt;img src=x&gt;"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_kept(  # noqa: PLR0913  fixtures and a case
    ctx: Context, values: dict[str, Any], tmp_path: Path, config: dict[str, Any], base: str,
    words: str,
) -> None:  # fmt: skip
    said, runs = press(ctx, values, folder=str(made(tmp_path / "a", **config)), base=base)
    assert words in said and not runs and not list(ctx.engine.store.runs.iterdir())


def test_nothing_chosen_and_files_of_others(
    ctx: Context, values: dict[str, Any], tmp_path: Path
) -> None:
    assert "Choose the adapter" in press(ctx, values)[0]
    folder = made(tmp_path / "a")
    ctx.uploads.note("another", folder / WEIGHTS)
    for files in ([str(folder / WEIGHTS)], ["/etc/passwd"], [7], "x"):
        said, runs = press(ctx, values, files=files)
        assert "was not uploaded from this page" in said and not runs
    assert (folder / WEIGHTS).is_file()


def test_in_the_demo_no_folder_is_opened_and_each_has_his_own(
    home: Path, values: dict[str, Any], tmp_path: Path
) -> None:
    engine = fake_engine(home, limits=DEMO)
    ctx = Context(engine).for_visitor(Visitor("a-visitor"))
    folder = made(tmp_path / "a")
    said, _ = press(ctx, values, folder=str(folder))
    assert "Folders are closed in the public demo" in said
    _, (run,) = press(ctx, values, files=uploaded(ctx, *folder.iterdir()))
    assert run.path.is_relative_to(home / "owners" / "a-visitor")
    assert not list(engine.store.all_runs())
    engine.close()
