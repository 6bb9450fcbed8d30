"""The bars of lengths and labels."""

from __future__ import annotations

import re

import pytest

from ui import charts


@pytest.mark.parametrize(
    ("limit", "over", "marked"),
    [(30, 1, ["66.7"]), (20, 2, ["33.3"]), (40, 0, ["100.0"]), (90, 0, [])],
)
def test_lengths_over_the_limit_stand_out(limit: int, over: int, marked: list[str]) -> None:
    drawn = charts.length_chart([10, 20, 30, 40], [5, 1500, 0], limit)
    assert re.findall(r"height:([\d.]+)%", drawn) == ["0.3", "100.0", "0.0"]
    assert drawn.count('class="over"') == over and re.findall(r"left:([\d.]+)%", drawn) == marked
    assert 'title="1,500 rows of 20 to 30 tokens"' in drawn and f"limit {limit}" in drawn


def test_labels_are_counted_and_what_is_not_shown_is_said() -> None:
    drawn = charts.label_chart({"<b>": 1000, "x" * 40: 10} | {f"label {n}": 1 for n in range(21)})
    assert "&lt;b&gt;" in drawn and "<b>" not in drawn and "x" * 23 + "…</th>" in drawn
    assert drawn.count("<tr>") == charts.MOST_LABELS and "and 3 more" in drawn
    assert re.findall(r"width:([\d.]+)%", drawn)[:3] == ["100.0", "1.0", "0.1"]


def test_losses_are_drawn_for_wide_and_for_narrow_screens() -> None:
    points = [(float(step), 4 - step / 500) for step in range(0, 1001, 10)]
    drawn = charts.loss_curves_svg(points, points, points[::20], 1000)
    wide, narrow = (part for part in drawn.split("<svg") if part)
    for part, kind, width in ((wide, "wide", 960), (narrow, "narrow", 320)):
        assert f'class="curves {kind}"' in part and f'viewBox="0 0 {width} ' in part
        xs = [float(x) for x in re.findall(r"[ \"](\d+\.\d),", part)]
        assert min(xs) > 0 and max(xs) <= width and ">best<" in part
    assert narrow.count("<line") <= wide.count("<line")
    assert charts.loss_curves_svg([], [], [], None) == ""
