"""What is noticed in texts: personal data, languages, near duplicates; and the split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.quality import pii
from engine.data.quality.languages import language_shares, script_shares
from engine.data.quality.near_duplicates import NearDuplicates
from engine.data.quality.split import choose_held_out
from tests.engine.data.made_rows import find, make_rows

NOT_PERSONAL = [
    "100-50-30-15 is 5", "450000-2000", "1-10015132-16", "2005-08-23 02:14", "1234567890123456",
    "0.9235687435", "a@b",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_PERSONAL)
def test_sums_dates_and_ids_are_not_personal(text: str) -> None:
    assert pii.find_pii(text) is None


def test_languages_and_scripts() -> None:
    texts = [
        "This is a plain English sentence about the weather.",
        "Das ist ein deutscher Satz über das Wetter heute.",
        "Это русское предложение для нас, сегодня дождь.",
    ]
    assert set(language_shares(texts)) == {"en", "de", "ru"}
    assert set(script_shares(texts)) == {"Latin", "Cyrillic"}


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["", "a", "b"])), min_size=2, max_size=200
    ),
    st.floats(0.0, 0.5),
    st.integers(0, 99),
)
def test_groups_are_never_torn_apart(rows, share: float, seed: int) -> None:
    items = [(group, bytes([group]), label, at) for at, (group, label) in enumerate(rows)]
    held = choose_held_out(items, share, seed)
    assert held == choose_held_out(list(reversed(items)), share, seed)
    inside = {item[0] for item in items if item[3] in held}
    assert held == {item[3] for item in items if item[0] in inside} and len(held) < len(items)
    if share == 0.0:
        assert not held


def test_no_label_is_held_out_as_a_whole() -> None:
    """Three labels whose rows say the same: none of them would be left to learn from."""
    alike = [(n % 3, bytes([n]), "abc"[n % 3], n) for n in range(60)]
    assert choose_held_out(alike, 0.1, 42) == set()
    other = [(3, b"x", "a", 60)]
    assert choose_held_out([*alike, *other], 0.1, 42) == {60}
    unlabelled = [(n % 3, bytes([n]), "", n) for n in range(60)]
    assert len(choose_held_out(unlabelled, 0.1, 42)) == 20


@given(st.lists(st.text(max_size=80), min_size=1, max_size=30))
def test_equal_texts_are_alike(texts: list[str]) -> None:
    alike = NearDuplicates()
    groups = [alike.add(text) for text in texts]
    for at, text in enumerate(texts):
        assert groups[at] == groups[texts.index(text)]


def test_a_prompt_that_asks_for_its_output_is_in_no_chat_format(add_rows, prepare) -> None:
    rows = [row | {"prompt": f"{row['prompt']}\n\nOutput:"} for row in make_rows(12)]
    assert not find(prepare(add_rows(rows)), "turns")
