"""Substages: weights, order, what begins and completes by itself."""

import pytest

from milepost.errors import DependencyError, InvalidDataError, ProcessManagementError, ProgressError
from milepost.model.rows import EventRow, StageRow


@pytest.fixture
def processing(handler):
    """A handler whose stage `processing` runs."""
    handler.start_stage("data_loading")
    handler.complete_stage("data_loading")
    handler.start_stage("processing")
    return handler


def progress(handler):
    return handler.stages["processing"]["progress"]


def test_the_weights_make_the_stage_s_progress(processing):
    """Read counts three, join one, tidy nothing; what is told stays when it is more."""
    processing.start_substage("processing", "read")
    processing.track_substage_progress("processing", "read", 0.5, "half of the files", {"files": 5})
    assert 0.375 == progress(processing)
    processing.complete_substage("processing", "read")
    assert 0.75 == progress(processing)
    processing.track_progress("processing", 0.9, "nearly")
    processing.start_substage("processing", "join")
    assert 0.9 == progress(processing)
    processing.complete_substage("processing", "join")
    assert 1.0 == progress(processing)
    assert "half of the files" == processing.stages["processing"]["tracking_data"][0]["message"]


def test_substages_wait_for_each_other(processing):
    """A refused one is told what it lacks, and nothing has changed."""
    before = processing.get_process_summary()
    with pytest.raises(DependencyError, match="Cannot start substage join of stage processing: it depends on read"):
        processing.start_substage("processing", "join")
    assert before == processing.get_process_summary()
    processing.start_substage(3, 1)
    processing.complete_substage(3, 1)
    assert "running" == processing.start_substage(3, 2)["status"]


def test_a_stage_waits_for_its_required_substages(processing):
    """Once its substages are used; until then a stage may be completed without them."""
    processing.start_substage("processing", "read")
    said = "Cannot complete stage processing: required substages not completed: read"
    with pytest.raises(DependencyError, match=said):
        processing.complete_stage("processing", success=True)
    assert "running" == processing.get_stage_status("processing")["status"]
    processing.complete_substage("processing", "read")
    assert "completed" == processing.complete_stage("processing")["status"]


def test_substages_may_be_left_unused(processing):
    """A configuration that declares substages asks nobody to use them."""
    assert "completed" == processing.complete_stage("processing")["status"]


def test_skipping(processing):
    """With a reason, counted as done; a required one is not skipped."""
    with pytest.raises(ProcessManagementError, match="it is required"):
        processing.skip_substage("processing", "read", "no time")
    skipped = processing.skip_substage("processing", "tidy", "nothing to tidy")
    assert ("skipped", "nothing to tidy") == (skipped["status"], skipped["skip_reason"])
    assert skipped == processing.skip_substage("processing", "tidy", "twice")


def test_a_failed_substage_is_tried_again(processing):
    """It is counted, its error stands until it starts again, and the configured retries stand beside it."""
    processing.start_substage("processing", "read")
    failed = processing.complete_substage("processing", "read", success=False, result_data={"error": "no disk"})
    assert ("failed", "no disk", 1) == (failed["status"], failed["error_message"], failed["attempts"])
    again = processing.start_substage("processing", "read")
    assert ("running", None, 2) == (again["status"], again["error_message"], again["attempts"])
    join = processing.stages["processing"]["substages"]["join"]
    assert (True, 2) == (join["retry_on_failure"], join["max_retries"])


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda h: h.start_substage("processing", "raed"), InvalidDataError, "no substage 'raed'. Did you mean 'read'"),
        (lambda h: h.start_substage("report", "x"), InvalidDataError, "'loop': True takes any name"),
        (lambda h: h.complete_substage("processing", "read"), ProcessManagementError, "it is pending, not running"),
        (lambda h: h.track_substage_progress("processing", "read", "half"), ProgressError, "not 'half'"),
        (lambda h: h.start_substage("documents", "x"), ProcessManagementError, "the stage is pending, not running"),
        (lambda h: h.start_substage("documents", ""), InvalidDataError, "an item's name is a text of 1 to 200"),
        (lambda h: h.track_substage_progress("documents", "x", 1), ProcessManagementError, "x was not started"),
    ],
)
def test_what_is_refused_changes_nothing(processing, workspace, call, error, said):
    """No row and no event is written, and the summary is the same."""
    before = processing.get_process_summary()
    events = len(workspace.store.rows(EventRow, run=processing.current_process_id))
    with pytest.raises(error, match=said):
        call(processing)
    assert before == processing.get_process_summary()
    assert events == len(workspace.store.rows(EventRow, run=processing.current_process_id))


AUTO = {
    "stages": {
        "work": {
            "auto_complete_on_substages": True,
            "substages": {
                "a": {"auto_start": True},
                "b": {"auto_start": True, "dependencies": ["a"]},
                "c": {"optional": True},
            },
        },
        "loop": {"loop": True, "auto_complete_on_substages": True},
        "after": {},
    }
}


def test_what_begins_and_completes_by_itself(make):
    """Substages that waited begin when they can, and the last completes the stage, so that the next may start."""
    handler = make(AUTO)
    handler.initialize_process("by itself")
    work = handler.start_stage("work")
    assert ("running", "pending") == (work["substages"]["a"]["status"], work["substages"]["b"]["status"])
    handler.complete_substage("work", "a")
    assert ("running", "running") == (work["status"], work["substages"]["b"]["status"])
    handler.complete_substage("work", "b", result_data={"rows": 3})
    assert ("completed", 1.0) == (work["status"], work["progress"])
    handler.start_stage("loop", items_total=2)
    for item in ("x", "y"):
        handler.start_substage("loop", item)
        handler.complete_substage("loop", item)
    assert "completed" == handler.get_stage_status("loop")["status"]
    handler.start_stage("after")


def test_substages_have_rows_under_their_stage(processing, workspace):
    """As faces show them: with their parent, in order, ended when the stage has ended."""
    processing.start_substage("processing", "read")
    processing.complete_substage("processing", "read")
    processing.start_substage("processing", "join")
    processing.complete_stage("processing")
    rows = workspace.store.rows(StageRow, run=processing.current_process_id, parent="processing")
    assert {"processing/read": "completed", "processing/join": "interrupted", "processing/tidy": "pending"} == {
        row.stage: row.state for row in rows
    }
    positions = [row.position for row in sorted(rows, key=lambda row: row.position)]
    stage = workspace.store.get(StageRow, run=processing.current_process_id, stage="processing")
    assert [stage.position + n for n in (1, 2, 3)] == positions
