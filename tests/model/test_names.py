"""Two-word names of runs."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from milepost.model.names import ADJECTIVES, NOUNS, name_for


@given(st.binary() | st.text())
def test_one_path_segment(seed):
    """Whatever the seed, the name is two short lower-case words, and the same each time."""
    assert re.fullmatch(r"[a-z]{3,9}-[a-z]{3,9}", name_for(seed))
    assert name_for(seed) == name_for(seed)


def test_enough_of_them():
    """There are more than 20,000 names, no word appears twice, and each is reached about equally often."""
    assert len(ADJECTIVES) * len(NOUNS) >= 20_000
    assert len({*ADJECTIVES, *NOUNS}) == len(ADJECTIVES) + len(NOUNS)
    names = [name_for(f"run {number}") for number in range(5000)]
    assert len(set(names)) > 4700
    assert len({name.split("-")[0] for name in names}) == len(ADJECTIVES)
    assert len({name.split("-")[1] for name in names}) == len(NOUNS)
