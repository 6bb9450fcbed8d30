"""Which files of a dataset belong to which split, by its card and the files' names."""

from __future__ import annotations

from typing import Any

import pytest

from engine.work.hub.dataset_card import card_configs


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (
            [
                "data/train-00000-of-00001.parquet",
                "data/my_split-00000-of-00001-ab.parquet",
                "x.csv",
            ],
            "train my_split",
        ),
        (["train/a.csv", "eval/b.csv", "c.csv"], "train test"),
        (["sub/my-train.csv", "dev_1.csv", "notes.csv"], "train validation"),
        (["a.csv", "constrain.csv", "config.json", ".x/b.csv", "__y__/c.csv"], "train"),
    ],
    ids=["shards", "folders", "names", "all"],
)
def test_names_tell_the_splits_where_the_card_is_silent(files: list[str], splits: str) -> None:
    found = card_configs({}, files)["default"].splits
    assert sorted(found) == sorted(splits.split())
    assert not [
        path
        for paths in found.values()
        for path in paths
        if path in ("x.csv", "c.csv", "notes.csv")
    ]


@pytest.mark.parametrize(
    ("data_files", "train"),
    [
        ("*.csv", ["a.csv"]),
        ("**/*.csv", ["a.csv", "de/b.csv", "de/deep/c.csv"]),
        ("./de/*", ["de/b.csv"]),
        (["a.csv", "de/**"], ["a.csv", "de/b.csv", "de/deep/c.csv"]),
        ({"train": "de/?.csv", "test": ["a.csv"]}, ["de/b.csv"]),
        ([{"split": "train", "path": ["de/deep/*", "a.*"]}], ["a.csv", "de/deep/c.csv"]),
        ("/".join(["**"] * 40) + "/no.csv", []),
    ],
    ids=str,
)
def test_patterns_of_a_card(data_files: Any, train: list[str]) -> None:
    card = {"configs": [{"config_name": "one", "data_files": data_files}]}
    deep = "/".join(["x"] * 200) + "/d.txt"
    found = card_configs(card, ["a.csv", "de/b.csv", "de/deep/c.csv", deep])["one"].splits
    assert found.get("train", []) == train


def test_a_card_may_name_a_folder() -> None:
    card = {"configs": [{"config_name": "one", "data_dir": "./de", "data_files": "*.csv"}]}
    assert card_configs(card, ["a.csv", "de/b.csv"])["one"].splits == {"train": ["de/b.csv"]}
