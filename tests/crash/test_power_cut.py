"""A power cut at a chosen system call: what is owed at that durability is there, and the run goes on rightly."""

import pytest
from cuts import cuts, record, tried

LATE_SECONDS = 2.0  # a barrier is due after 0.1 s; a busy machine may be late, a broken ticker never comes


def violations_of(lab, recording, count):
    states = cuts(recording, count)
    assert len(states) > min(count, 300)  # of equal states one is tried
    return [text for texts in lab.each(lambda cut: tried(lab, recording, cut), states) for text in texts]


@pytest.mark.parametrize(("durability", "count"), [("group", 70), ("power", 30)])
def test_what_is_owed_survives_a_power_cut_anywhere(lab, durability, count):
    assert [] == violations_of(lab, record(lab, durability=durability), count)


@pytest.mark.torture
@pytest.mark.parametrize("durability", ["group", "power"])
def test_what_is_owed_survives_a_power_cut_at_every_call(lab, durability):
    assert [] == violations_of(lab, record(lab, durability=durability), 1000)


def test_steps_wait_for_a_barrier_no_longer_than_promised(lab):
    """At durability "group" a step is beyond a power cut 100 ms after it was told, or shortly thereafter."""
    folder = lab.fresh(seconds=0.02)
    assert 0 == lab.carry_out(folder, {"do": "run", "with_times": True})
    waiting, longest = None, 0.0
    for line in (folder / "times").read_text().splitlines():
        at, kind = line.split()
        waiting = float(at) if waiting is None and kind == "StepRow" else waiting
        if kind == "barrier" and waiting is not None:
            longest, waiting = max(longest, float(at) - waiting), None
    assert waiting is None
    assert 0.0 < longest < LATE_SECONDS
