"""What others are told of a base model."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.hub import ORIGIN_FILE, ModelOrigin
from engine.model.named_base import ASK_THE_MAKER, DEMANDS, NamedBase, name_base
from engine.spec.presets import known_models

COMMIT = "a" * 40


def downloaded(folder: Path, repo: str, licence: str) -> str:
    """A model folder as a download leaves it."""
    path = folder / repo.replace("/", "--")
    path.mkdir()
    origin = {"repo": repo, "revision": COMMIT, "licence": licence, "date": "", "bytes": 1}
    (path / ORIGIN_FILE).write_text(
        ModelOrigin.model_validate(origin | {"files": {}}).model_dump_json()
    )
    return str(path)


def test_the_pocket_model_has_a_name_of_its_own() -> None:
    assert name_base("pocket") == NamedBase("pocket", licence="apache-2.0")
    assert name_base("pocket").shown == "Pocket model"


@pytest.mark.parametrize(
    ("repo", "licence", "found"),
    [("Qwen/Qwen3-0.6B", "", "apache-2.0"), ("someone/tiny", "mit", "mit"), ("a/b", "", "")],
)
def test_a_downloaded_model_is_known_by_its_name_on_the_hub(
    tmp_path: Path, repo: str, licence: str, found: str
) -> None:
    expected = NamedBase(repo, True, COMMIT, found)
    assert name_base(downloaded(tmp_path, repo, licence)) == expected
    assert expected.terms == ASK_THE_MAKER if not found else found in expected.terms


def test_a_folder_of_ones_own_gives_its_name_and_no_path(tmp_path: Path) -> None:
    assert name_base(str(tmp_path / "house style")) == NamedBase("house style")
    assert name_base("hub:Qwen/Qwen3-0.6B").licence == "apache-2.0"


def test_the_demands_of_every_recommended_models_licence_are_known() -> None:
    assert {one.licence for one in known_models()} <= set(DEMANDS)
    assert "Read it before" in NamedBase("a/b", True, licence="bigscience-rail-1.0").terms
