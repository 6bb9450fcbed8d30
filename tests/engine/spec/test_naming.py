"""What a new run is called: what differs from the first of the same data; no name twice."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import SpecError
from engine.spec.naming import LONGEST_NAME, EarlierRun, choose_name, describe_differences
from engine.spec.run import RunSpec, make_spec


def spec(**changes: Any) -> RunSpec:
    """Settings for the tickets: ``method_rank=8`` is method.rank."""
    values: dict[str, Any] = {"data": {"source": "dataset:tickets"}}
    for name, value in changes.items():
        group, _, field = name.partition("_")
        if field:
            values.setdefault(group, {})[field] = value
        else:
            values[group] = value
    return make_spec(values)


def named(specs: list[RunSpec], data: str = "tickets.csv") -> list[str]:
    """The names of runs that are started one after the other."""
    earlier: list[EarlierRun] = []
    for at, one in enumerate(specs):
        name = choose_name(one, data, earlier)
        earlier.insert(0, EarlierRun(f"run-{at}", name, data, lambda one=one: one))
    return [one.name for one in reversed(earlier)]


def test_the_first_is_called_as_its_data_and_later_ones_say_what_differs() -> None:
    started = [
        spec(),
        spec(method_rank=8),
        spec(optim_learning_rate=5e-4, optim_epochs=1),
        spec(),
        spec(),
        spec(method_rank=8),
        spec(method_kind="qlora", method_targets=["q_proj", "v_proj"]),
        spec(optim_batch_size=4, optim_accumulation=2),
    ]
    assert named(started) == [
        "tickets",
        "tickets, rank 8",
        "tickets, rate 0.0005, 1 epoch",
        "tickets 2",
        "tickets 3",
        "tickets, rank 8 (2)",
        "tickets, QLoRA, on q_proj and v_proj",
        "tickets 4",
    ], "the batch of 4 × 2 is the same as 8"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_source": "hub:Qwen/Qwen3-0.6B"}, ["Qwen3-0.6B"]),
        ({"data_goal": "classify", "method_kind": "head", "method_rank": 4},
         ["choose a label", "Only the new head"]),
        ({"method_rank": 8, "method_alpha": 64}, ["rank 8", "alpha 64"]),
        ({"method_rank": 8, "method_alpha": 16}, ["rank 8"]),  # as it would be if left empty
        ({"method_rank": 8, "method_alpha": 32}, ["rank 8"]),  # as it was
        ({"method_alpha": 32}, []),
        ({"method_rslora": True}, ["rsLoRA"]),
        ({"optim_learning_rate": 0.02}, ["rate 0.02"]),
        ({"optim_learning_rate": 1.25e-5}, ["rate 1.25e-5"]),
        ({"optim_patience": "strict"}, ["early stopping"]),
        ({"data_fixes": ["lost"], "data_roles": {"a": "b"}}, ["other rows"]),
        ({"sampling_checks": 3, "place_device": "cpu"}, []),
    ],
)  # fmt: skip
def test_each_setting_has_its_words(changes: dict[str, Any], words: list[str]) -> None:
    assert describe_differences(spec(), spec(**changes)) == words


def test_a_run_from_an_adapter_says_so() -> None:
    first = EarlierRun("run-1", "tickets", "tickets.csv", spec)
    other = EarlierRun("run-0", "pirate, rank 8", "Pirate", RunSpec)
    earlier = [first, other]
    assert choose_name(spec(model_start="run-1"), "tickets.csv", earlier) == "tickets, continued"
    assert choose_name(spec(model_start="run-0"), "tickets.csv", earlier) == (
        "tickets, after pirate, rank 8"
    )


def test_a_name_that_was_given_stays_unless_it_is_taken() -> None:
    mine, again = spec(name="Mine"), spec(name="mine", optim_epochs=1)
    assert named([spec(), mine, again, mine]) == ["tickets", "Mine", "mine, 1 epoch", "Mine 2"]


def test_no_name_is_too_long_and_none_is_there_twice() -> None:
    many = {
        "method_rank": 8, "optim_learning_rate": 1e-5, "optim_epochs": 9, "optim_warmup": 0.2,
        "optim_schedule": "linear", "data_max_length": 64, "data_seed": 7,
    }  # fmt: skip
    found = named([spec(), spec(**many), spec(**many), spec(**many)], "a" * 90 + ".csv")
    assert len(set(found)) == 4 and all(len(name) <= LONGEST_NAME for name in found)
    assert found[1].endswith(", rank 8, rate 1e-5, 9 epochs, 4 more") and found[2].endswith(" (2)")


def test_an_earlier_run_whose_settings_are_damaged_is_passed_over() -> None:
    def refuse() -> RunSpec:
        raise SpecError("it is damaged")

    earlier = [
        EarlierRun("run-1", "tickets, rank 8", "tickets.csv", lambda: spec(method_rank=8)),
        EarlierRun("run-0", "tickets", "tickets.csv", refuse),
    ]
    assert choose_name(spec(method_rank=4), "tickets.csv", earlier[:1]) == "tickets, rank 4"
    assert choose_name(spec(method_rank=4), "tickets.csv", earlier) == "tickets 2"
