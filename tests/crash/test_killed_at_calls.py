"""Killed on entry of a chosen system call: nothing told is lost, nothing is half there, and it goes on rightly."""

import pytest
from trials import killed_at, points_of, spread

WORKERS = {"executor": "workers", "workers": 2}


def test_a_kill_at_any_of_a_hundred_calls_loses_nothing_told(lab):
    points = spread(points_of(lab), 100)
    assert [] == [text for texts in lab.each(lambda point: killed_at(lab, point), points) for text in texts]


@pytest.mark.torture
def test_a_kill_at_every_call_loses_nothing_told(lab):
    points = points_of(lab)
    assert [] == [text for texts in lab.each(lambda point: killed_at(lab, point), points) for text in texts]
