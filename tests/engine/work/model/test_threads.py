"""One thread where a pass is small: by what is computed, not by how fast it happened to be."""

from __future__ import annotations

import os

import pytest
import torch

from engine.estimate.duration import flops_per_token
from engine.spec.method import MethodSpec
from engine.work.model.describe import inspect_model
from engine.work.model.threads import ONE_THREAD_FLOPS, suited_threads

CPU, CARD = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_within(flops: float, device: torch.device = CPU) -> int:
    with suited_threads(flops, device):
        return torch.get_num_threads()


def test_a_small_pass_has_one_thread_and_a_large_one_all(two_threads) -> None:
    assert threads_within(ONE_THREAD_FLOPS) == 1
    assert torch.get_num_threads() == 2, "as before"
    assert threads_within(1.1 * ONE_THREAD_FLOPS) == 2
    assert threads_within(1, CARD) == 2
    with pytest.raises(RuntimeError), suited_threads(1, CPU):
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_the_environment_decides_where_it_says_a_number(two_threads, monkeypatch) -> None:
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "2")
    assert threads_within(1) == 2


def test_the_pocket_model_with_the_first_sample_is_small() -> None:
    """16 rows of about 30 tokens."""
    each = flops_per_token(inspect_model("pocket"), MethodSpec(rank=16), 30)
    assert 16 * 30 * each < ONE_THREAD_FLOPS / 2
