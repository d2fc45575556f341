"""The harness is tested too: each of these bugs, planted into the real code, has to be found by it."""

import random

import pytest
from cuts import cuts, record, tried
from trials import killed_at, points_of, spread


def first_found(lab, work, items):
    """The violations of the first trial, of two at a time, that finds any."""
    for start in range(0, len(items), 2):
        found = [text for texts in lab.each(work, items[start : start + 2]) for text in texts]
        if found:
            return found
    return []


@pytest.mark.parametrize(
    ("bug", "calls", "signs"),
    [
        ("acknowledge_before_commit", ["pwrite64"], ["told and lost: ['StepRow'", "told and lost: ['StageRow'"]),
        ("two_statements_without_a_transaction", ["pwrite64"], ["is completed and has no result"]),
        ("object_written_in_place", ["write", "fsync"], ["damaged: object"]),
        ("position_saved_before_the_work", ["pwrite64"], ["never executed", "wrong result"]),
    ],
)
def test_a_kill_at_a_call_finds(lab, bug, calls, signs):
    points = [point for point in points_of(lab, {"do": "run", "bug": bug}) if point.call in calls]
    points = spread(points, 100)
    random.Random(1).shuffle(points)
    found = first_found(lab, lambda point: killed_at(lab, point, bug=bug), points)
    assert found, f"{len(points)} kills did not find it"
    assert any(sign in text for sign in signs for text in found), found


@pytest.mark.parametrize(
    ("bug", "mode", "signs"),
    [
        ("rename_without_fsync", "names first", ["damaged: object"]),
        ("rename_without_fsync", "torn", ["damaged: object"]),
        ("no_fsync_of_the_folder", "strict", ["told and lost: ['object'", "damaged: object"]),
        ("sync_that_changes_no_page", "strict", ["told and lost: ['StepRow'", "told and lost: ['StageRow'"]),
        ("results_without_a_sync", "strict", ["told and lost: ['ResultRow'", "told and lost: ['DecisionRow'"]),
    ],
)
def test_a_power_cut_finds(lab, bug, mode, signs):
    recording = record(lab, bug=bug, seconds=0.01)
    states = cuts(recording, 60, [mode])
    found = first_found(lab, lambda cut: tried(lab, recording, cut), states)
    assert found, f"{len(states)} states did not find it"
    assert any(sign in text for sign in signs for text in found), found
