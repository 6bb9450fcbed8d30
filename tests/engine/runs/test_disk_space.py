"""What a full disk says, on a real small volume."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runs import disk_space
from tests.engine.work.train import killed_runs


@pytest.mark.slow
@pytest.mark.parametrize(("size", "count"), [(1000, 20), (7, 190)])
def test_whatever_torch_says_of_a_full_disk_is_understood(
    tmp_path: Path, size: int, count: int
) -> None:
    """Its words differ when it notices only at the end, as with many small optimizer states."""
    import torch

    with killed_runs.small_disk(tmp_path / "disk") as there:
        if not there:
            pytest.skip("a volume in memory cannot be mounted here")
        killed_runs.resize(tmp_path / "disk", 40_000)
        with pytest.raises(RuntimeError) as caught:
            torch.save(
                {f"a{at}": torch.zeros(size) for at in range(count)},
                tmp_path / "disk" / "weights.pt",
            )
        assert disk_space.is_disk_full(caught.value), caught.value
