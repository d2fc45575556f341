"""Stages: their order, progress, repetition, results and what is refused."""

import math
from decimal import Decimal

import pytest

from milepost.errors import (
    Cancelled,
    DefinitionError,
    DependencyError,
    InvalidDataError,
    ProcessManagementError,
    ProgressError,
)
from milepost.model.rows import DecisionRow, EventRow, StageRow
from milepost.process import ProcessStageHandler
from milepost.process.watching import CANCEL_REQUESTED


def tracked(handler, stage="data_loading"):
    return handler.stages[stage]["tracking_data"]


def through(handler, *stages):
    for stage in stages:
        handler.start_stage(stage)
        handler.complete_stage(stage)


@pytest.mark.parametrize("told", [0.0, 0.25, Decimal("0.25"), 1])
def test_progress_is_any_number(handler, told):
    """As far as was told."""
    handler.start_stage("data_loading")
    handler.track_progress("data_loading", told, "")
    assert float(told) == handler.stages["data_loading"]["progress"]


def test_progress_never_goes_backwards(handler):
    """A message at 0 % is on record and takes nothing back; more than 1 is 1."""
    handler.start_stage("data_loading")
    for told in (0.5, 0.0, 0.2, 7.5):
        handler.track_progress("data_loading", told, f"told {told}")
        assert handler.stages["data_loading"]["progress"] >= 0.5
    assert [0.5, 0.0, 0.2, 1.0] == [one["progress"] for one in tracked(handler)]
    assert ["told 0.5", "told 0.0", "told 0.2", "told 7.5"] == [one["message"] for one in tracked(handler)]
    assert 1.0 == handler.stages["data_loading"]["progress"]


@pytest.mark.parametrize("told", [math.nan, math.inf, -0.1, "half", "0.5", None, True, [0.5], 10**400])
def test_what_is_no_progress_is_refused(handler, told):
    """And changes nothing."""
    handler.start_stage("data_loading")
    with pytest.raises(ProgressError, match="progress is a number from 0 to 1"):
        handler.track_progress("data_loading", told, "x")
    assert [] == tracked(handler)


def test_metadata_of_any_kind(handler):
    """What JSON cannot hold is kept as text, what is secret is not kept, and programs see what is on record."""
    handler.start_stage("data_loading")
    handler.track_progress("data_loading", 0.1, "password=hunter2", {"at": {1, 2}, "password": "hunter2", "n": (1, 2)})
    (one,) = tracked(handler)
    assert "***" == one["metadata"]["password"]
    assert [1, 2] == list(one["metadata"]["n"])
    assert "hunter2" not in str(one)


def test_progress_of_a_stage_that_does_not_run(handler):
    """Observation is no reason to break the work: it is recorded."""
    handler.track_progress("report", 0.5, "early")
    assert "pending" == handler.get_stage_status("report")["status"]
    assert ["early"] == [one["message"] for one in tracked(handler, "report")]


@pytest.mark.parametrize("stage", ["data_laoding", 99, None])
def test_an_unknown_stage(handler, stage):
    """Every call names the nearest."""
    for call in (
        lambda: handler.start_stage(stage),
        lambda: handler.track_progress(stage, 0.1, "x"),
        lambda: handler.complete_stage(stage, success=True),
        lambda: handler.complete_stage(stage, success=False),
        lambda: handler.record_stage_decision(stage, "x", {}),
        lambda: handler.skip_stage(stage, "x"),
        lambda: handler.get_stage_status(stage),
    ):
        with pytest.raises(InvalidDataError, match="there is no") as raised:
            call()
        if stage == "data_laoding":
            assert "Did you mean 'data_loading'?" in str(raised.value)


def test_success_of_a_stage_that_does_not_run(handler):
    """Is refused; a failure of it is recorded."""
    with pytest.raises(ProcessManagementError, match="it is pending, not running; call start_stage first"):
        handler.complete_stage("report", success=True)
    failed = handler.complete_stage("report", success=False, result_data={"error": "not today"})
    assert ("failed", "not today") == (failed["status"], failed["error_message"])


def test_a_failure_does_not_undo_what_is_completed(handler):
    """That somebody said so is on record; the stage and its result stay."""
    handler.start_stage("data_loading")
    handler.complete_stage("data_loading", result_data=[1])
    stage = handler.complete_stage("data_loading", success=False, result_data={"error": "afterthought"})
    assert ("completed", [1], "afterthought") == tuple(stage[key] for key in ("status", "result_data", "error_message"))


def test_an_error_without_words_is_the_one_at_hand(handler, workspace):
    """In an except branch the exception says what went wrong and where."""
    handler.start_stage("data_loading")
    try:
        raise KeyError("amount")
    except KeyError:
        stage = handler.complete_stage("data_loading", success=False)
    assert "KeyError: 'amount'" == stage["error_message"]
    row = workspace.store.get(StageRow, run=handler.current_process_id, stage="data_loading")
    assert "test_stages.py" in row.traceback
    assert "failed, and nobody said why" == handler.complete_stage("report", success=False)["error_message"]


def test_optional_stages_do_not_block(handler):
    """Not started they are in nobody's way; once they failed they have to be skipped or done."""
    through(handler, "data_loading", "processing")
    assert "pending" == handler.get_stage_status("checking")["status"]
    handler.start_stage("checking")
    handler.complete_stage("checking", success=False)
    with pytest.raises(ProcessManagementError, match="previous stage checking not completed"):
        handler.start_stage("documents")
    assert "skipped" == handler.skip_stage("checking", "not worth it")["status"]
    handler.start_stage("documents")


def test_only_optional_stages_are_skipped(handler):
    """Any other says how it could be."""
    with pytest.raises(ProcessManagementError, match="it is not optional; .* 'optional': True"):
        handler.skip_stage("report", "no")


def test_dependencies(make):
    """Declared ones hold whatever the sequence, and name all that is missing."""
    config = {"stages": {"a": {}, "b": {}, "c": {"requires_previous": False, "dependencies": ["a", 2]}}}
    handler = make(config)
    handler.initialize_process("deps")
    with pytest.raises(DependencyError, match="Cannot start stage c: it depends on a, b, not completed"):
        handler.start_stage("c")
    through(handler, "a")
    with pytest.raises(DependencyError, match="it depends on b, not completed"):
        handler.start_stage("c")
    through(handler, "b", "c")


def test_algorithms(handler, workspace):
    """The one that runs, with its parameters, is in the stage, the summary and the ledger; a slip is pointed out."""
    through(handler, "data_loading")
    with pytest.raises(InvalidDataError, match="Did you mean 'example_algorithm'"):
        handler.start_stage("processing", "exmaple_algorithm")
    assert "pending" == handler.get_stage_status("processing")["status"]
    stage = handler.start_stage("processing", "example_algorithm")
    assert ("example_algorithm", {"threshold": 0.5}) == (stage["current_algorithm"], stage["algorithm_parameters"])
    assert "example_algorithm" == handler.get_process_summary()["stages"]["processing"]["current_algorithm"]
    row = workspace.store.get(StageRow, run=handler.current_process_id, stage="processing")
    assert "algorithm example_algorithm" == row.reason
    handler.start_stage("checking", "other_algorithm")  # its own list is empty: one of the process's


def test_a_stage_that_repeats(handler):
    """Starting it again when it is completed is its next iteration, and the former ones are listed."""
    through(handler, "data_loading")
    for n in (1, 2, 3):
        stage = handler.start_stage("processing")
        assert (n, "running", 0.0, []) == tuple(
            stage[key] for key in ("iteration", "status", "progress", "tracking_data")
        )
        handler.track_progress("processing", 0.5, f"round {n}")
        handler.complete_stage("processing", result_data=n)
    assert [1, 2] == [one["iteration"] for one in stage["iterations"]]
    assert (3, 3) == (stage["iteration"], stage["result_data"])


def test_a_stage_that_does_not_repeat(handler):
    """Says what would make it."""
    through(handler, "data_loading")
    with pytest.raises(ProcessManagementError, match="it is completed; with 'repeatable': True"):
        handler.start_stage("data_loading")
    handler.start_stage("processing")
    with pytest.raises(ProcessManagementError, match="already running"):
        handler.start_stage("processing")


def test_a_failed_stage_starts_again(handler):
    """As its next attempt."""
    handler.start_stage("data_loading")
    handler.complete_stage("data_loading", success=False)
    stage = handler.start_stage("data_loading")
    assert (1, 2, "running", None) == tuple(stage[key] for key in ("iteration", "attempts", "status", "error_message"))


def test_a_result_that_cannot_be_stored(handler, workspace):
    """Is kept in the process, and the record says so."""
    result = {"lock": __import__("threading").Lock()}
    handler.start_stage("data_loading")
    stage = handler.complete_stage("data_loading", success=True, result_data=result)
    assert result is stage["result_data"] is handler.data_container["data_loading"]
    assert "lock" in stage["unstored"]
    event = workspace.store.get(EventRow, run=handler.current_process_id, kind="stage_completed")
    assert "unstored" in event.json
    row = workspace.store.get(StageRow, run=handler.current_process_id, stage="data_loading")
    assert row.address is None
    assert "its result is not stored" in row.reason


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("selections", [1], "decision 'selections' is a dict of names and values, not list"),
        ("selections", {1: 2}, "1 is no name of a value"),
        ("", {}, "a decision's name is a printable text of 1 to 200 characters"),
        ("other", 3, "is a dict of names and values, not int"),
    ],
)
def test_a_decision_that_is_none(handler, workspace, name, value, said):
    """Is refused in words, and not recorded."""
    before = len(workspace.store.rows(DecisionRow, run=handler.current_process_id))
    with pytest.raises(InvalidDataError, match=said):
        handler.record_stage_decision("data_loading", name, value)
    assert before == len(workspace.store.rows(DecisionRow, run=handler.current_process_id))
    assert {} == handler.stages["data_loading"]["decisions"]


def test_a_scalar_decision(handler):
    """Where the configuration has one."""
    handler.record_stage_decision("data_loading", "time_periods", 4, note="quarters")
    assert 4 == handler.stages["data_loading"]["decisions"]["time_periods"]


def test_secrets_are_not_recorded(handler, workspace):
    """A decision under a secret's name, and later messages with it, are masked in the ledger."""
    handler.start_stage("data_loading")
    handler.record_stage_decision("data_loading", "login", {"user": "ada", "password": "lovelace-1815"})
    handler.track_progress("data_loading", 0.1, "connecting with lovelace-1815")
    run = handler.current_process_id
    rows = [*workspace.store.rows(DecisionRow, run=run), *workspace.store.rows(EventRow, run=run)]
    assert "lovelace-1815" not in str(rows)
    assert "lovelace-1815" not in "".join(path.read_text() for path in workspace.log_folder(run).iterdir())


def test_the_defaults_are_on_record(handler, workspace):
    """Who looks at the run later sees what held where nobody chose."""
    rows = workspace.store.rows(DecisionRow, run=handler.current_process_id)
    assert {("selections", "default"), ("time_periods", "default")} == {(row.name, row.source) for row in rows}


def test_is_cancelled_from_another_shell(handler, workspace):
    """Progress is a safe point; what was told before stands."""
    handler.start_stage("data_loading")
    underway = handler.underway
    workspace.store.write([underway.event(CANCEL_REQUESTED)])
    underway._looked = 0.0  # half a second later
    with pytest.raises(Cancelled):
        handler.track_progress("data_loading", 0.5, "half")
    assert 0.5 == handler.stages["data_loading"]["progress"]


def test_a_stage_as_a_block(handler):
    """Completed at its end with its result; an exception fails it and goes on its way."""
    with handler.stage("data_loading") as stage:
        stage.decide("selections", {"apply_selection": True})
        stage.progress(0.5, "half")
        stage.result = {"rows": 3}
    assert ("completed", {"rows": 3}) == tuple(handler.stages["data_loading"][key] for key in ("status", "result_data"))
    with pytest.raises(ValueError, match="no such column"), handler.stage("processing"):
        raise ValueError("no such column")
    assert "ValueError: no such column" == handler.stages["processing"]["error_message"]


def test_the_log_has_the_messages(handler, workspace):
    """`milepost logs` reads what progress said, with its stage."""
    from milepost.kernel.logs import read_logs

    handler.start_stage("data_loading")
    handler.track_progress("data_loading", 0.5, "half of it")
    lines = [(line.stage, line.text) for line in read_logs(workspace.log_folder(handler.current_process_id))]
    assert [("data_loading", "half of it")] == lines


@pytest.mark.parametrize("config", [["stages"], "CONFIG", 3])
def test_a_config_is_a_mapping(config):
    """Anything else is refused at once."""
    with pytest.raises(DefinitionError, match="a CONFIG is a mapping with 'stages'"):
        ProcessStageHandler(None, config)


def test_a_child_of_the_program_does_not_write(handler):
    """A forked child is told to hand what it has to its parent, and the parent's run goes on."""
    import os

    handler.start_stage("data_loading")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            handler.track_progress("data_loading", 0.9, "from a child")
        except ProcessManagementError as error:
            code = 0 if "this is a child of it" in str(error) else 2
        os._exit(code)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    handler.complete_stage("data_loading")


def test_when_the_ledger_refuses(handler, monkeypatch):
    """What could not be recorded has not happened: the state is read again from what is on record."""
    from milepost.errors import StoreFull

    handler.start_stage("data_loading")
    handler.track_progress("data_loading", 0.25, "recorded")
    before = handler.get_process_summary()

    def refuse(*rows, **how):
        raise StoreFull("no space")

    with monkeypatch.context() as patch:
        patch.setattr(handler.underway, "record", refuse)
        with pytest.raises(StoreFull):
            handler.complete_stage("data_loading")
    assert before == handler.get_process_summary()
    handler.complete_stage("data_loading")


class Mute:
    """What has no text."""

    def __repr__(self):
        raise RuntimeError("no words")


def test_anything_can_be_told(handler):
    """Messages, metadata and errors of any kind are recorded as far as words go; nothing of it breaks the work."""
    handler.start_stage("data_loading")
    knot = []
    knot.append(knot)
    for message, metadata in [
        ("caf\udce9 \x00 \x1b[31m", {"caf\udce9": ["caf\udce9"], 1: 2}),
        (Mute(), {"mute": Mute()}),
        (None, knot),
        (b"bytes", {"nan": math.nan, "big": 10**400, "bytes": b"\xff"}),
        ("x" * 1_000_000, "x" * 1_000_000),
    ]:
        handler.track_progress("data_loading", 0.1, message, metadata)
    before, process_id = handler.stages, handler.current_process_id
    stage = handler.complete_stage("data_loading", success=False, result_data={"error": "caf\udce9", "mute": Mute()})
    assert "caf\\udce9" == stage["error_message"]
    assert all(len(one["message"]) < 3000 for one in tracked(handler))
    assert isinstance(stage.pop("result_data")["mute"], Mute)
    handler.close()
    again = handler.open_process(process_id)
    assert isinstance(again.stages["data_loading"].pop("result_data")["mute"], Mute)
    assert before == again.stages


def test_what_a_program_does_to_its_dicts_is_its_own_affair(handler):
    """The rules look elsewhere."""
    stage = handler.start_stage("data_loading")
    stage["status"] = "completed"
    stage["tracking_data"].append("mine")
    with pytest.raises(ProcessManagementError, match="previous stage data_loading not completed"):
        handler.start_stage("processing")
    assert "data_loading" == handler.get_process_summary()["active_stage"]
    assert "completed" == handler.complete_stage("data_loading")["status"]
