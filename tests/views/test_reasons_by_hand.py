"""Why a stage that its program carries out by hand ran."""

import pathlib

from milepost.model.rows import RunRow
from milepost.process import ProcessStageHandler
from milepost.testing import memory_workspace
from milepost.views.why import why_stages

CONFIG = {"stages": {"load": {"sequence": 1}, "score": {"sequence": 2}}}


def test_why_says_what_is_true_of_a_stage_that_no_reason_was_recorded_of(tmp_path: pathlib.Path) -> None:
    """One that was carried out by hand, and one that has not begun."""
    with ProcessStageHandler(None, CONFIG, workspace=memory_workspace(tmp_path)) as handler:
        handler.initialize_process("nightly")
        handler.start_stage("load")
        handler.complete_stage("load", result_data=[1])
        assert handler.underway is not None
        said = [each.reason for each in why_stages(handler.underway.store, handler.underway.run)]
    assert said == [
        "its program carries it out by hand: it runs whenever the program calls it, and nothing of it is reused",
        "it has not begun",
    ]


def test_why_says_that_a_run_ended_before_it_came_to_a_stage(tmp_path: pathlib.Path) -> None:
    """Who asks why after a run ended early is told its cause, and not that something has yet to begin."""
    with ProcessStageHandler(None, CONFIG, workspace=memory_workspace(tmp_path)) as handler:
        handler.initialize_process("nightly")
        handler.start_stage("load")
        handler.complete_stage("load", success=False, result_data={"error": "no file"})
        handler.close()
        assert handler.underway is not None
        store, run = handler.underway.store, handler.underway.store.get(RunRow)
        assert run is not None
        said = {each.stage: (each.state, each.reason) for each in why_stages(store, run)}
    assert said["score"] == ("pending", "the run failed before it came to this: failed: load")
