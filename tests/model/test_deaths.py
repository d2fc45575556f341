"""The rule of three deaths, by what is recorded of an item."""

import pytest

from milepost.model.deaths import DIED, REBOOT, death, is_set_aside
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus

OTHER_ENDS = {
    "s": ProcessingStatus.SUCCESS,
    "w": ProcessingStatus.WARNING,
    "e": ProcessingStatus.ERROR,
    "f": ProcessingStatus.FAILED,
    "n": ProcessingStatus.SKIPPED,
}


def history(ends):
    """What is recorded of an item whose attempts ended so: d a death, r a restart of the machine, others as above."""
    rows = []
    for number, end in enumerate(ends, 1):
        row = StepRow(
            run="", step="ocr", item="a", attempt=number, status=ProcessingStatus.RUNNING, at=number, details="{}"
        )
        rows.append(row)
        if end in "dr":
            rows.append(death(row, REBOOT if end == "r" else "killed", number + 0.5, reversed(rows)))
        else:
            rows.append(StepRow(run="", step="ocr", item="a", attempt=number, status=OTHER_ENDS[end], at=number))
    return [row for row in rows if row.status is not ProcessingStatus.RUNNING]


@pytest.mark.parametrize(
    ("ends", "set_aside"),
    [
        ("dd", ""),
        ("ddd", "3"),
        ("ddsd", ""),
        ("ddwddd", "6"),
        ("dded", ""),
        ("ddfd", ""),
        ("ddnd", ""),
        ("rrrr", ""),
        ("ddr", ""),
        ("ddrd", "4"),
        ("rdrrdrd", "7"),
        ("dddd", "3"),
        ("dddddd", "36"),
        ("dddrddd", "37"),
    ],
)
def test_who_is_set_aside(ends, set_aside):
    """The third death in a row; restarts do not count, any other end and being set aside begin the count anew."""
    rows = history(ends)
    assert "".join(str(row.attempt) for row in rows if is_set_aside(row)) == set_aside
    assert all(row.error == f"{DIED}killed; given up after 3 times" for row in rows if is_set_aside(row))


def test_a_death_is_the_end_of_its_attempt():
    """It keeps what was said of the attempt, is dated to the last sign of life, and never before it began."""
    begun = StepRow(
        seq=9, run="r", step="s", item="a", attempt=2, status=ProcessingStatus.RUNNING, key="k", digest=b"d", at=5.0,
        details='{"a":1}', metrics='{"n":1}',
    )  # fmt: skip
    expected = StepRow(
        run="r", step="s", item="a", attempt=2, status=ProcessingStatus.ERROR, key="k", digest=b"d", at=7.5,
        seconds=2.5, details='{"a":1}', error=f"{DIED}killed",
    )  # fmt: skip
    assert death(begun, "killed", 7.5, [begun]) == expected
    early = death(begun, "killed", 4.0, [begun])
    assert (early.at, early.seconds) == (5.0, 0.0)
