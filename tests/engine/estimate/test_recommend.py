"""What is recommended for which model, data and memory; and that it always can be started."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.quality.token_report import TokenReport
from engine.estimate import forecast, recommend
from engine.estimate.case import USABLE_SHARE, Case, Setup
from engine.estimate.lengths import Lengths, lengths_of_report
from engine.estimate.memory import bytes_needed
from engine.estimate.methods import suggest_changes
from engine.hardware import Machine
from engine.model.info import LinearModule, ModelInfo
from engine.spec import presets
from engine.spec import run as specs

GB = 2**30
SHORT = Lengths((0, 20, 40, 60), (50, 40, 10), 57)


def model(width: int = 256, layers: int = 4, kind: str = "llama", **more: Any) -> ModelInfo:
    """A model of this width; its figures belong together."""
    shapes = {
        "q_proj": (width, width),
        "v_proj": (width, width),
        "up_proj": (width, 3 * width),
        "down_proj": (3 * width, width),
    }
    modules = tuple(
        LinearModule(
            name=name, path=f"layers.*.{name}", ins=ins, outs=outs, layers=tuple(range(layers))
        )
        for name, (ins, outs) in shapes.items()
    )
    parameters = 32_000 * width + sum(module.weights for module in modules)
    values: dict[str, Any] = {
        "source": "x", "name": "X", "model_type": kind, "layers": layers, "hidden_size": width,
            "heads": 4,
        "kv_heads": 4, "vocab_size": 32_000, "context": 2048, "parameters": parameters,
            "dtype": "bfloat16",
        "megabytes": 1.0, "has_template": True, "modules": modules,
        "groups": {g: tuple(shapes) for g in ("fewest", "attention", "all")},
        "tasks": ("write", "classify"),
    }  # fmt: skip
    return ModelInfo(**(values | more))


def case(free: float = 16 * GB, device: Any = "cpu", **more: Any) -> Case:
    machine = Machine(device, "bf16", False, free, 100 * GB, True)
    values: dict[str, Any] = {"info": model(), "goal": "write", "rows": 700, "labels": 0}
    return Case(**(values | {"lengths": SHORT, "machine": machine} | more))


BIG = model(4096, 32)


@pytest.mark.parametrize(
    ("width", "kind", "lora", "full"),
    [(256, "llama", 2e-3, 2e-4), (576, "llama", 1e-3, 1e-4), (2048, "llama", 5e-4, 5e-5),
        (4096, "llama", 3e-4, 3e-5),
     (8192, "llama", 2e-4, 2e-5), (1024, "qwen3", 5e-4, 5e-5)],
)  # fmt: skip
def test_smaller_models_take_larger_steps(width: int, kind: str, lora: float, full: float) -> None:
    asked = case(info=model(width, kind=kind))
    assert recommend.recommend_learning_rate(asked, "lora")[0] == lora
    assert recommend.recommend_learning_rate(asked, "full")[0] == full


def test_preferences_and_encoders_take_smaller_ones() -> None:
    prefer = case(goal="prefer", preference="dpo", info=BIG)
    assert recommend.recommend_learning_rate(prefer, "lora")[0] == 1e-5
    assert recommend.recommend_learning_rate(prefer._replace(preference="orpo"), "lora")[0] == 1e-4
    encoder = case(
        goal="classify",
        labels=2,
        info=model(768, 12, kind="bert", tasks=("classify",), task="classify"),
    )
    assert recommend.recommend_learning_rate(encoder, "full")[0] == 5e-5
    assert recommend.recommend_learning_rate(encoder, "lora")[0] == 5e-4


@pytest.mark.parametrize(
    ("rows", "epochs", "rank"),
    [(60, 6, 16), (700, 4, 16), (6_000, 3, 32), (20_000, 2, 32), (90_000, 1, 64)],
)
def test_few_rows_take_more_passes_and_many_a_larger_adapter(
    rows: int, epochs: int, rank: int
) -> None:
    assert recommend.recommend_epochs(case(rows=rows))[0] == epochs
    assert recommend.recommend_rank(case(rows=rows))[0] == rank


def test_labels_and_preferences_need_little_room() -> None:
    assert recommend.recommend_rank(case(goal="classify", labels=3))[0] == 8
    assert recommend.recommend_rank(case(goal="prefer"))[0] == 8
    assert recommend.recommend_epochs(case(goal="prefer", rows=700))[0] == 2


def test_the_longest_row_stays_whole_where_it_does_not_cost_much() -> None:
    length, why = recommend.recommend_length(case(), specs.MethodSpec())
    assert length == 64 and "57 tokens" in why
    odd = Lengths((0, 50, 100, 5000), (960, 39, 1), 1900)
    length, why = recommend.recommend_length(case(lengths=odd), specs.MethodSpec())
    assert length == 64 and "are cut" in why
    long = Lengths((0, 1000, 4000), (10, 90), 3900)
    length, why = recommend.recommend_length(case(lengths=long), specs.MethodSpec())
    assert length == 2048 and "reads no more at once" in why
    assert (
        recommend.recommend_length(case(lengths=None, max_length=192), specs.MethodSpec())[0] == 192
    )


def test_the_batch_is_what_fits_and_the_effective_one_stays() -> None:
    wide = recommend.recommend_settings(case(info=BIG, free=80 * GB)).values
    assert (wide["optim.batch_size"], wide["optim.accumulation"]) == (16, 1)
    asked = case(info=BIG, lengths=Lengths((0, 1000, 2100), (10, 90), 2040))
    needs = [bytes_needed(asked, Setup(specs.MethodSpec(), 2048, batch, False)) for batch in (1, 4)]
    tight = recommend.recommend_settings(
        asked._replace(machine=asked.machine._replace(free=(needs[1] + 1) / USABLE_SHARE))
    ).values
    assert tight["method.kind"] == "lora"
    assert 1 <= tight["optim.batch_size"] <= 4
    assert tight["optim.batch_size"] * tight["optim.accumulation"] == 16
    least = bytes_needed(asked, Setup(specs.MethodSpec(), 2048))
    assert least < needs[0]
    tighter = recommend.recommend_settings(
        asked._replace(machine=asked.machine._replace(free=(least + 1) / USABLE_SHARE))
    ).values
    assert tighter["optim.checkpointing"] == "on" and tighter["optim.batch_size"] == 1


def test_which_method_when() -> None:
    def best(**more: Any) -> str:
        return recommend.recommend_settings(case(**more)).kind

    assert best() == "lora"
    assert best(rows=100_000) == "full"
    assert best(rows=100_000, info=BIG, free=24 * GB) == "lora"
    lora = bytes_needed(case(info=BIG), Setup(specs.MethodSpec(), 57))
    assert best(info=BIG, free=lora) == "qlora", "only in 4 bit there is room to spare"
    nothing = recommend.recommend_settings(case(info=BIG, free=GB))
    assert nothing.kind == "qlora" and "smaller model" in nothing.words
    kinds = [option.kind for option in nothing.options]
    assert "head" not in kinds and not any(option.fits for option in nothing.options)
    labels = recommend.recommend_settings(case(goal="classify", labels=2))
    assert "head" in [option.kind for option in labels.options]


def test_what_would_help_is_named() -> None:
    asked = case(info=BIG)
    asked = case(
        info=BIG,
        free=1 + bytes_needed(asked, Setup(specs.MethodSpec(kind="qlora"), 2048)) / USABLE_SHARE,
    )
    found = suggest_changes(asked, specs.MethodSpec(), 2048)
    assert "the 4-bit method (QLoRA)" in found
    assert "LoRA instead of all weights" in suggest_changes(
        case(info=BIG, free=24 * GB), specs.MethodSpec(kind="full"), 64
    )


def test_a_method_of_one_s_own_gets_values_that_suit_it() -> None:
    own = recommend.recommend_settings(case(), "full")
    assert own.values["method.kind"] == "full" and own.kind == "lora"
    assert "method.rank" not in own.values
    assert own.values["optim.learning_rate"] == 2e-4


@given(
    width=st.sampled_from([64, 256, 1024, 4096]),
    rows=st.integers(2, 200_000),
    longest=st.integers(5, 5000),
    free=st.floats(1e8, 1e11),
    goal=st.sampled_from(["write", "classify", "prefer"]),
    device=st.sampled_from(["cpu", "cuda"]),
    kind=st.sampled_from([None, "lora", "qlora", "full", "dora"]),
)
def test_whatever_is_recommended_is_a_valid_spec_with_a_reason_for_each_value(  # noqa: PLR0913  @given
    width: int, rows: int, longest: int, free: float, goal: Any, device: Any, kind: Any
) -> None:
    asked = case(
        free, device, info=model(width), rows=rows, goal=goal,
            labels=2 if goal == "classify" else 0,
        lengths=Lengths((0, longest // 2 + 1, longest + 1), (1, 2), longest),
        preference="dpo" if goal == "prefer" else "",
    )  # fmt: skip
    found = recommend.recommend_settings(asked, kind)
    spec = specs.make_spec(presets.nest_values(found.values))
    assert found.values.keys() == found.reasons.keys() and all(found.reasons.values())
    assert spec.data.max_length <= asked.info.context
    assert spec.optim.effective_batch in (4, 8, 16)
    planned = forecast.forecast_run(asked, spec)
    best = next(option for option in found.options if option.kind == spec.method.kind)
    if best.fits:
        assert planned.fit is not None, "what is said to fit can be laid out so that it does"


@pytest.mark.parametrize(
    ("preference", "words"), [("kto", "less steady"), ("dpo", "learns the same"), ("", "the same")]
)
def test_the_effect_of_stepping_down_is_stated(preference: str, words: str) -> None:
    goal: Any = "prefer" if preference else "write"
    spec = specs.make_spec({"optim": {"batch_size": 16}})
    needs = forecast.forecast_run(case(goal=goal, preference=preference), spec).needs
    planned = forecast.forecast_run(case(needs - 1, goal=goal, preference=preference), spec)
    assert planned.fit and planned.fit.batch == 8 and words in planned.effect
    spec = specs.make_spec({"optim": {"batch_size": 2}})
    needs = forecast.forecast_run(case(goal=goal, preference=preference), spec).needs
    planned = forecast.forecast_run(case(needs - 1, goal=goal, preference=preference), spec)
    assert planned.fit and planned.fit.batch == (2 if preference == "kto" else 1)
    assert "learns the same" in planned.effect


# --- lengths ---


def test_lengths_of_a_report() -> None:
    report = TokenReport(rows=0, measured=0, tokens=0, learned=0, cut=0, lost=0, longest=0)
    assert lengths_of_report(report) is None
    counted = {"edges": [0, 10, 20, 30], "counts": [5, 4, 1], "longest": 27}
    found = lengths_of_report(report.model_copy(update=counted))
    assert found and (found.quantile(0.5), found.quantile(0.9), found.quantile(1.0)) == (10, 20, 27)
    assert found.rows_longer_than(27) == 0 and found.rows_longer_than(20) == 1
    assert found.rows_longer_than(9) == 5
    assert found.mean(1000) == pytest.approx((5 * 5 + 4 * 15 + 23.5) / 10)
    assert found.mean(1000) < found.mean_padded(4, 1000) < found.mean_padded(64, 1000) <= 27
    assert found.mean_padded(64, 8) <= 8
