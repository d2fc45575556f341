"""The documented calls of a stage handler, without a manager."""

import logging
import re

import pytest

from milepost.errors import InvalidDataError, InvalidStageSequenceError, ProcessManagementError
from milepost.model.rows import DecisionRow, EventRow, RunRow, StageRow
from milepost.process import ProcessStageHandler


def through_loading(handler):
    handler.start_stage("data_loading")
    handler.complete_stage("data_loading", success=True)


def test_before_there_is_a_process(make):
    """The summary says so, and no other call works."""
    handler = make()
    assert {"status": "not_initialized"} == handler.get_process_summary()
    assert not handler.initialized
    with pytest.raises(ProcessManagementError, match="call initialize_process"):
        handler.start_stage("data_loading")


def test_basic_usage(make, workspace):
    """The document's first block: each call is on record and the summary has the documented shape."""
    handler = make()
    process_id = handler.initialize_process("My Process", "Process description")
    stage = handler.start_stage("data_loading")
    handler.record_stage_decision(
        "data_loading", "selections", {"apply_selection": True, "filters": ["field1", "field2"]}
    )
    handler.track_progress(
        "data_loading", 0.5, "Loading data from source files", {"files_processed": 5, "total_files": 10}
    )
    assert 0.5 == stage["progress"]
    done = handler.complete_stage(
        "data_loading",
        success=True,
        result_data={"rows_loaded": 1000, "files_processed": 10, "metrics": {"rows": 1000}},
    )
    summary = handler.get_process_summary()

    assert re.fullmatch(r"proc_\d{14}_[0-9a-f]{8}", process_id)
    assert process_id == handler.current_process_id == summary["id"]
    assert "completed" == done["status"] == summary["stages"]["data_loading"]["status"]
    assert {"apply_selection": True, "limit": 10, "filters": ["field1", "field2"]} == done["decisions"]["selections"]
    assert {"files_processed": 5, "total_files": 10} == done["tracking_data"][0]["metadata"]
    assert 1000 == done["result_data"]["rows_loaded"]
    assert 1 / 5 == summary["progress"]
    assert {"completed": 1, "pending": 4} == summary["status_counts"]
    assert summary["active_stage"] is None
    assert 1 == summary["stages"]["data_loading"]["decision_count"]

    run = workspace.store.get(RunRow, id=process_id)
    assert ("My Process", handler.run_name) == (run.process, run.name)
    row = workspace.store.get(StageRow, run=process_id, stage="data_loading")
    assert ('{"rows":1000}', 1.0) == (row.metrics, row.progress)
    assert done["result_data"] == workspace.objects.get(row.address)
    decision = workspace.store.get(DecisionRow, run=process_id, name="selections")
    assert ("data_loading", "chosen") == (decision.stage, decision.source)
    assert '{"apply_selection":false,"limit":10}' == decision.default


def test_the_documented_keys(handler):
    """A stage dict and a stage in the summary have the keys that programs read."""
    stage = handler.stages["processing"]
    assert {
        "id", "name", "sequence", "requires_previous", "validation_required", "auto_complete_on_substages", "status",
        "decisions", "started_at", "completed_at", "error_message", "tracking_data", "algorithms", "substages",
        "tracking_id", "result_data",
    } <= stage.keys()  # fmt: skip
    assert {
        "name", "id", "status", "sequence", "started_at", "completed_at", "error_message", "current_algorithm",
        "decision_count", "progress", "substages",
    } <= handler.get_process_summary()["stages"]["processing"].keys()  # fmt: skip


def test_decisions_for_a_stage_that_has_not_begun(handler):
    """A nested decision is recorded as it is, before its stage starts."""
    choice = {"algorithm": "example_algorithm", "parameters": {"threshold": 0.75, "max_iterations": 100}}
    handler.record_stage_decision("processing", "algorithm_selection", choice)
    assert choice == handler.stages["processing"]["decisions"]["algorithm_selection"]


def test_progress_of_chunks(handler, workspace):
    """The document's loop over chunks: one row a chunk, the last at 1.0."""
    through_loading(handler)
    handler.start_stage("processing")
    total = 5
    for i in range(total):
        handler.track_progress(
            "processing", min((i + 1) / total, 1.0), f"Processed {i + 1} of {total}", {"chunk": i + 1}
        )
    tracked = handler.stages["processing"]["tracking_data"]
    assert [0.2, 0.4, 0.6, 0.8, 1.0] == [one["progress"] for one in tracked]
    events = workspace.store.rows(EventRow, run=handler.current_process_id, kind="progress_tracked")
    assert 5 == len(events)


def handled(handler, results, logger):
    """Best practice 6, as printed."""
    try:
        handler.start_stage("processing")
        handler.complete_stage("processing", success=True, result_data=results)
    except Exception as e:
        logger.error(f"Processing failed: {str(e)}")
        handler.complete_stage("processing", success=False, result_data={"error": str(e)})


def test_the_pattern_of_the_document_when_all_goes_well(handler, caplog):
    """The stage is completed with its result."""
    through_loading(handler)
    handled(handler, [1, 2], logging.getLogger("job"))
    assert ("completed", [1, 2]) == tuple(handler.stages["processing"][key] for key in ("status", "result_data"))
    assert [] == caplog.records


def test_the_pattern_of_the_document_does_not_mask_what_went_wrong(handler, caplog):
    """A refused start is logged with its own words and recorded as a failure; nothing escapes; later it can start."""
    handled(handler, [], logging.getLogger("job"))
    said = "Cannot start stage processing: previous stage data_loading not completed"
    assert [f"Processing failed: {said}"] == [record.message for record in caplog.records]
    stage = handler.stages["processing"]
    assert ("failed", said) == (stage["status"], stage["error_message"])
    through_loading(handler)
    handled(handler, [3], logging.getLogger("job"))
    assert "completed" == stage["status"]


def test_the_text_of_a_wrong_order(handler):
    """Exactly as documented, and it names what is missing."""
    with pytest.raises(InvalidStageSequenceError) as raised:
        handler.start_stage("processing")
    assert "Cannot start stage processing: previous stage data_loading not completed" == str(raised.value)
    assert ("data_loading",) == raised.value.missing


def test_a_new_process_ends_the_former(handler, workspace):
    """The former run is not left running, and its stages do not show in the new one."""
    former = handler.current_process_id
    through_loading(handler)
    assert former != handler.initialize_process("Another")
    assert "interrupted" == workspace.store.get(RunRow, id=former).state
    assert "pending" == handler.get_stage_status("data_loading")["status"]


@pytest.mark.parametrize("name", ["", "  ", 7, None, "x" * 201])
def test_a_process_needs_a_name(make, name):
    """What is no name is refused before anything is made."""
    handler = make()
    with pytest.raises(InvalidDataError, match="a process's name is a printable text"):
        handler.initialize_process(name)
    assert not handler.initialized


def test_is_what_the_package_exports():
    """By both of its documented ways in."""
    import milepost

    assert milepost.ProcessStageHandler is ProcessStageHandler
