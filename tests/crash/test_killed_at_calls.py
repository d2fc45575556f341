"""Killed on entry of a chosen system call: nothing told is lost, nothing is half there, and it goes on rightly."""

import random

import pytest
from trials import killed_at, killed_one_after_another, points_of, spread

WORKERS = {"executor": "workers", "workers": 2}


def violations_of(lab, work, items):
    return [text for texts in lab.each(work, items) for text in texts]


def chains(points, *, count, length, seed):
    """Runs that are killed again and again, late points last, so that each session comes a little further."""
    dice = random.Random(seed)
    order = {point: number for number, point in enumerate(points)}
    return [sorted(dice.sample(points, length), key=order.__getitem__) for _ in range(count)]


def test_a_kill_at_any_of_a_hundred_calls_loses_nothing_told(lab):
    points = spread(points_of(lab), 100)
    assert [] == violations_of(lab, lambda point: killed_at(lab, point), points)


def test_a_kill_of_a_session_or_of_its_worker_at_any_call_loses_nothing_told(lab):
    """The count is each process's own: sometimes the session dies, sometimes a worker."""
    points = points_of(lab, {"do": "run", "options": WORKERS})
    points = spread([point for point in points if point.call != "openat"], 8)
    assert [] == violations_of(lab, lambda point: killed_at(lab, point, options=WORKERS), points)


def test_a_run_killed_and_continued_again_and_again_loses_nothing_told(lab):
    runs = chains(points_of(lab), count=4, length=6, seed=1)
    assert [] == violations_of(lab, lambda points: killed_one_after_another(lab, points), runs)


@pytest.mark.torture
def test_a_kill_at_every_call_loses_nothing_told(lab):
    assert [] == violations_of(lab, lambda point: killed_at(lab, point), points_of(lab))


@pytest.mark.torture
def test_a_kill_at_every_call_with_workers_loses_nothing_told(lab):
    points = spread(points_of(lab, {"do": "run", "options": WORKERS}), 300)
    assert [] == violations_of(lab, lambda point: killed_at(lab, point, options=WORKERS), points)


@pytest.mark.torture
def test_two_hundred_runs_killed_and_continued_again_and_again(lab):
    runs = chains(points_of(lab), count=200, length=10, seed=2)
    assert [] == violations_of(lab, lambda points: killed_one_after_another(lab, points), runs)
