"""Which card is shown: the one that a worker will take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from engine import hardware

GIB = 2**30
# UUID, name, bytes, compute capability
CARDS = (
    ("GPU-11aa-22", "Old card", 8 * GIB, (7, 5)),
    ("GPU-33bb-44", "New card", 80 * GIB, (9, 0)),
)
Show = Callable[[str | None], hardware.Device]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Iterator[Show]:
    """The device with these CUDA_VISIBLE_DEVICES, on a machine with both cards."""
    nvml = hardware.pynvml

    def by_index(index: int) -> int:
        if index >= len(CARDS):
            raise nvml.NVMLError(nvml.NVML_ERROR_INVALID_ARGUMENT)
        return index

    fakes = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: len(CARDS),
        "nvmlDeviceGetHandleByIndex": by_index,
        "nvmlDeviceGetUUID": lambda card: CARDS[card][0],
        "nvmlDeviceGetName": lambda card: CARDS[card][1],
        "nvmlDeviceGetMemoryInfo": lambda card: SimpleNamespace(
            total=CARDS[card][2], free=CARDS[card][2] // 2
        ),
        "nvmlDeviceGetCudaComputeCapability": lambda card: CARDS[card][3],
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(nvml, name, fake)

    def device(visible: str | None) -> hardware.Device:
        clear_caches()
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return hardware.detect_device()

    yield device
    clear_caches()


def clear_caches() -> None:
    for cached in (hardware.first_card, hardware.detect_device, hardware.computes_in_bf16):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("visible", "name"),
    [
        (None, "Old card"),
        ("0,1", "Old card"),
        ("1", "New card"),
        (" 1 , 0", "New card"),
        ("GPU-33bb-44", "New card"),
        ("GPU-33", "New card"),
    ],
)
def test_the_first_visible_card_is_shown(show: Show, visible: str | None, name: str) -> None:
    assert show(visible)[:2] == ("cuda", name)


@pytest.mark.parametrize("visible", ["", "-1", "2", "GPU-55", "NoDevFiles", "-1,0"])
def test_no_visible_card_is_no_card(show: Show, visible: str) -> None:
    assert show(visible).kind == "cpu"


def test_memory_and_precision_are_those_of_that_card(show: Show) -> None:
    assert show("1").memory_gb == 80 and hardware.free_memory_gb("cuda") == 40
    assert hardware.computes_in_bf16("cuda")
    assert show("0").memory_gb == 8 and hardware.free_memory_gb("cuda") == 4
    assert not hardware.computes_in_bf16("cuda")


def test_a_machine_without_a_driver_has_no_card(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise hardware.pynvml.NVMLError(hardware.pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(hardware.pynvml, "nvmlInit", missing)
    assert show(None).kind == "cpu" and hardware.free_memory_gb("cuda") > 0
