"""The Model tab's handlers as plain functions: models are described, folders opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.errors import ModelError, RunError
from engine.model.hub import HubModel, HubPage
from engine.spec import presets
from tests.ui.fakes import shown
from ui.access.visitor import DEMO_POLICY
from ui.context import Context
from ui.model import choose, find, tab
from ui.train import tab as train_tab


def test_a_model_is_read_once_and_then_described(ctx: Context) -> None:
    reading, about = tab.show_chosen_model(ctx, "pocket")
    assert "ten seconds" in reading and "5,000,000 weights" in about
    assert list(tab.show_chosen_model(ctx, "pocket")) == [about]


def test_a_folder_that_is_no_model_is_refused(ctx: Context, tmp_path: Path) -> None:
    for path, words in (
        (str(tmp_path), "no config.json"),
        ("/nowhere", "not a folder on this machine"),
        (" ", "first"),
    ):
        chosen, refused = find.open_folder(ctx, path)
        assert chosen == gr.skip() and refused["visible"] and words in refused["value"]


def test_folders_that_were_opened_stay_on_offer(ctx: Context, tmp_path: Path) -> None:
    ctx.load_model("pocket")
    for source in (str(tmp_path), "hub:owner/name", str(tmp_path / "gone")):
        ctx._models[source] = ctx.load_model("pocket")
    offered = [source for _, source in choose.model_choices(ctx, "pocket")]
    assert offered == ["pocket", str(tmp_path)]


def test_a_slow_look_up_does_not_undo_a_later_choice(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub may take seconds to answer; meanwhile another model is chosen."""
    found = HubModel.model_construct(name="slow/one")
    page = HubPage.model_construct(model=found, folder=Path("folder"))
    look_up, quick = choose.LookUp(), presets.known_models()[0].name
    meanwhile: list[Callable[[], object]] = []
    asked: list[str] = []

    def click(name: str, *then: Callable[[], object]) -> list[Any]:
        meanwhile.extend(then)
        return list(choose.choose_listed(ctx, look_up, gr.EventData(None, {"name": name})))

    def ask_hub(_: Context, name: str) -> HubPage:
        asked.append(name)
        if meanwhile:
            meanwhile.pop()()
        if name == "slow/gone":
            raise ModelError("The Hub did not answer.")
        return page

    def click_another() -> None:
        [(message, chosen)] = click(quick)
        assert not message["visible"] and chosen["value"] == f"hub:{quick}"

    def click_again() -> None:
        assert click("slow/one") == [(gr.skip(), gr.skip())], "it is looked up once"

    monkeypatch.setattr(Context, "refresh_hub_page", ask_hub)
    (_, waiting), (_, chosen) = click("slow/one", click_again)
    assert waiting == gr.skip() and chosen["value"] == "hub:slow/one"
    for choose_another in (click_another, lambda: tab.follow_choice("pocket", look_up)):
        for name in ("slow/one", "slow/gone"):
            [(message, waiting)] = click(name, choose_another)
            assert f"Looking up {name}" in message["value"] and waiting == gr.skip()
    with pytest.raises(ZeroDivisionError):
        click("slow/one", lambda: 1 // 0)
    assert len(click("slow/one")) == 2, "one that broke is not under way any more"
    assert asked == ["slow/one", *["slow/one", "slow/gone"] * 2, "slow/one", "slow/one"]


def test_folders_are_closed_in_the_demo(
    ctx: Context, tmp_path: Path, values: dict[str, Any]
) -> None:
    ctx.policy = DEMO_POLICY
    with pytest.raises(RunError, match="closed"):
        find.open_folder(ctx, str(tmp_path))
    values["model.source"] = str(tmp_path)  # as a client that skips the page would send it
    with pytest.raises(RunError, match="closed"):
        train_tab.start_run(ctx, *shown(values), **values)
