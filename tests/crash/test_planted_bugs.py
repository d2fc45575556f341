"""The harness is tested too: each of these bugs, planted into the real code, is found, by what only it can cause."""

import random
import re

import pytest
from cuts import cuts, record, tried
from trials import killed_at, points_of, spread

LOST = r"told and lost: \['{}'"
HALF_AN_OBJECT = r"damaged: object .*(shorter than its header|bytes instead of)"


def shown(lab, work, items, sign):
    """The violations of all trials, two at a time, up to the first that shows the sign."""
    found = []
    for start in range(0, len(items), 2):
        found += [text for texts in lab.each(work, items[start : start + 2]) for text in texts]
        if any(re.search(sign, text) for text in found):
            return found
    raise AssertionError(f"{len(items)} trials did not show {sign}: {found}")


def unexplained(found, *explained):
    """The violations that the bug does not explain."""
    return [text for text in found if not any(re.search(each, text) for each in explained)]


# A kill loses nothing that the kernel has, so neither a missing sync nor anything else but the bug takes told rows.
@pytest.mark.parametrize(
    ("bug", "calls", "where", "sign", "also"),
    [
        ("acknowledge_before_commit", ["pwrite64"], ".milepost", LOST.format("StepRow"), ()),
        ("two_statements_without_a_transaction", ["pwrite64"], ".milepost", "is completed and has no result", ()),
        ("object_written_in_place", ["write", "fsync"], ".milepost/objects", HALF_AN_OBJECT, ()),
        ("position_saved_before_the_work", ["write"], "calls", "done, but never executed", ("wrong result",)),
    ],
)
def test_a_kill_at_a_call_finds(lab, bug, calls, where, sign, also):
    points = [point for point in points_of(lab, {"do": "run", "bug": bug}, places=[where]) if point.call in calls]
    points = spread(points, 100)
    random.Random(1).shuffle(points)
    found = shown(lab, lambda point: killed_at(lab, point, bug=bug), points, sign)
    assert [] == unexplained(found, sign, *also)


# What is committed at a barrier rests in the ledger, what a stage ends with in results: each bug loses its own kind.
@pytest.mark.parametrize(
    ("bug", "mode", "sign", "also"),
    [
        ("rename_without_fsync", "names first", HALF_AN_OBJECT, ()),
        ("rename_without_fsync", "torn", HALF_AN_OBJECT, ()),
        ("no_fsync_of_the_folder", "strict", LOST.format("object"), ("a row names it, but it is not there",)),
        ("sync_that_changes_no_page", "strict", LOST.format("StepRow"), (LOST.format("StageRow"),)),
        ("results_without_a_sync", "strict", LOST.format("ResultRow"), (LOST.format(r"\w+Row"),)),
    ],
)
def test_a_power_cut_finds(lab, bug, mode, sign, also):
    recording = record(lab, bug=bug, seconds=0.01)
    found = shown(lab, lambda cut: tried(lab, recording, cut), cuts(recording, 60, [mode]), sign)
    assert [] == unexplained(found, sign, *also)
