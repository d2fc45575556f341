import threading

import pytest

from milepost import Process, stage
from milepost.model.fingerprint.parts import Part, compare
from milepost.process.reasons import phrases

OLD = Part(name="decision:vat", kind="decision", digest="a", text="0.2")
NEW = Part(name="decision:vat", kind="decision", digest="b", text="0.25")


@pytest.mark.parametrize(
    ("before", "after", "phrase"),
    [([OLD], [NEW], "vat 0.2 → 0.25"), ([], [NEW], "vat 0.25 is new"), ([OLD], [], "vat is gone")],
)
def test_a_reason_reads_as_words(before, after, phrase):
    """What changed, what is new and what is gone are told apart."""
    assert phrases(compare(before, after)) == [phrase]


def test_a_result_that_was_never_stored_is_not_called_gone(workspace):
    """It runs again, and says why from the second time on."""

    @stage
    def lock():
        return threading.Lock()

    process = Process("locks", [lock])
    process.run(workspace=workspace)
    (planned,) = process.plan(workspace=workspace).stages
    assert planned.reason.startswith("its result was not stored")
