"""A power cut at a chosen system call: what is owed at that durability is there, and the run goes on rightly."""

import pytest
from cuts import cuts, record, tried


@pytest.mark.parametrize(("durability", "count"), [("group", 70), ("power", 30)])
def test_what_is_owed_survives_a_power_cut_anywhere(lab, durability, count):
    recording = record(lab, durability=durability)
    states = cuts(recording, count)
    assert len(states) > count
    assert [] == [text for texts in lab.each(lambda cut: tried(lab, recording, cut), states) for text in texts]
