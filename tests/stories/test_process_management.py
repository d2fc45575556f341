"""Document 0: decisions, stages and scenarios, its blocks as printed with only the import lines changed."""

import contextlib
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest
from click.testing import CliRunner

from milepost.cli.main import milepost
from milepost.errors import InvalidDataError, InvalidStageSequenceError
from milepost.process import ProcessManager, ProcessStageHandler

TEXT = Path(__file__).with_name("process_management.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## ([\d.]+)\n+```\w*\n(.*?)^```", TEXT, re.M | re.S))
CONFIG = {
    "stages": {
        "data_loading": {"sequence": 1, "requires_previous": False, "decisions": {"selections": {}}},
        "processing": {
            "sequence": 2,
            "algorithms": ["example_algorithm"],
            "decisions": {"algorithm_selection": {"algorithm": "example_algorithm"}},
        },
        "reporting": {"sequence": 3},
    }
}


class Parameters(TypedDict):
    """A decision point's schema."""

    parameter1: int
    parameter2: int


def run_block(number, names):
    """Run a block in these names, as a program would."""
    exec(compile(BLOCKS[number], f"block {number}", "exec"), names)
    return names


@pytest.fixture
def basic():
    """The names after block 0.1."""
    names = run_block("0.1", {"CONFIG": CONFIG})
    yield names
    names["process_manager"].close()


def listed(*arguments):
    """What the command line says."""
    result = CliRunner().invoke(milepost, [*arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_basic_usage(basic):
    """0.1: a stage is started, decided, tracked and completed; the summary says so, and so does `milepost show`."""
    assert isinstance(basic["process_id"], str)
    assert basic["process_id"].startswith("proc_")
    summary = basic["summary"]
    loading = summary["stages"]["data_loading"]
    assert summary["id"] == basic["process_id"]
    assert (loading["status"], loading["progress"], loading["decision_count"]) == ("completed", 1.0, 1)
    assert summary["status_counts"]["completed"] == 1
    assert summary["progress"] == pytest.approx(1 / 3)
    tracked = basic["stage_handler"].stages["data_loading"]["tracking_data"]
    assert [(row["progress"], row["metadata"]) for row in tracked][0] == (
        0.5,
        {"files_processed": 5, "total_files": 10},
    )
    assert "data_loading" in listed("show", basic["process_id"])
    assert "My Process" in listed("ls")


def test_making_decisions(basic):
    """0.2: flat decisions of a stage by number, a named one of a stage by name; both are recorded."""
    run_block("0.2", basic)
    decisions = basic["process_manager"].current_decisions
    assert decisions[1]["parameter2"] == 42
    assert decisions[1]["selections"] == {"apply_selection": True, "filters": ["field1", "field2"]}
    assert decisions[2]["algorithm_selection"]["parameters"]["threshold"] == 0.75
    shown = listed("decisions", basic["process_id"])
    assert "parameter2" in shown
    assert "algorithm_selection" in shown


def test_getting_stage_results(basic, capsys):
    """0.3: what completed a stage is its result, with a status and a length."""
    handler = basic["stage_handler"]
    for name in ("processing", "reporting"):
        handler.start_stage(name)
        handler.complete_stage(name, success=True, result_data=["a", "b"])
    run_block("0.3", basic)
    assert basic["stage_data"]["status"] == "success"
    assert capsys.readouterr().out == "Found 2 items\n"


def test_getting_stage_results_of_a_stage_that_computes_nothing(basic, capsys):
    """0.3 right after 0.1: the stage has no computation and no result, which is nothing found and no error."""
    run_block("0.3", basic)
    assert basic["stage_data"]["status"] == "success"
    assert capsys.readouterr().out == "Found 0 items\n"


def test_saving_and_comparing_scenarios():
    """0.4: two scenarios, their list, their difference, and back to the first, on a fresh manager."""
    with ProcessManager(None) as manager:
        names = run_block("0.4", {"process_manager": manager})
        assert names["scenario_id"] != names["alt_scenario_id"]
        assert [one["name"] for one in names["scenarios"]] == ["Baseline Scenario", "Alternative Scenario"]
        assert [one["name"] for one in names["comparison"]] == ["Baseline Scenario", "Alternative Scenario"]
        assert list(names["comparison"].diff) == ["1.parameter1"]
        assert manager.current_decisions == {1: {"parameter1": "value1"}, 2: {"parameter2": 42}}


def test_caching():
    """0.5: computed once, found the second time, computed again after a decision that the stage takes."""
    computed = []

    class Counting(ProcessManager):
        def _compute_stage(self, stage):
            computed.append(stage)
            return {"seen": dict(self.current_decisions.get(1, {}))}

    with Counting(None) as manager:
        names = run_block("0.5", {"process_manager": manager})
        assert names["result1"] == names["result2"] != names["result3"]
        assert names["result3"]["results"] == {"seen": {"new_value": 10}}
        assert computed == [2, 2]


def test_custom_process():
    """0.6: a process of one's own; what a stage computes is its data, a stage it does not know has none."""
    names = run_block("0.6", {"process_data": lambda data: [one * 2 for one in data]})
    with names["MyCustomProcess"]([1, 2]) as process:
        assert process.get_stage_data(1) == [2, 4]
        assert process.get_stage_data(1)["results"] == [2, 4]
        assert process.current_decisions[1] == {"parameter1": "default", "parameter2": 10}
        names["MyCustomProcess"]._handle_stage2 = lambda self: None
        assert process.get_stage_data(2)["status"] == "success"
        assert process.get_stage_data(3)["status"] == "success"


def test_tracking_process_execution(basic):
    """0.7: progress grows to 1, each report with its message and metadata."""
    handler = basic["stage_handler"]
    handler.start_stage("processing")
    names = run_block(
        "0.7",
        {
            "chunks": lambda data, size: [data[at : at + size] for at in range(0, len(data), size)],
            "process_chunk": len,
        },
    )
    names["process_large_dataset"](list(range(2500)), handler)
    tracked = handler.stages["processing"]["tracking_data"]
    assert [row["progress"] for row in tracked] == [0.4, 0.8, 1.0]
    assert tracked[-1]["metadata"] == {"chunk": 3, "total_chunks": 3}


@pytest.mark.parametrize("refused", [False, True])
def test_handling_errors(basic, refused, caplog):
    """0.8: the stage completes; where its start is refused, the failure is recorded and the real error logged."""
    if refused:
        basic["stage_handler"] = ProcessStageHandler(None, CONFIG)
        basic["stage_handler"].initialize_process("refused", "")
    names = {**basic, "results": {"rows": 3}, "logger": logging.getLogger("story")}
    with caplog.at_level(logging.ERROR, "story"):
        run_block("0.8", names)
    status = basic["stage_handler"].get_stage_status("processing")["status"]
    assert status == ("failed" if refused else "completed")
    assert ("previous stage data_loading not completed" in caplog.text) is refused


def test_the_message_of_a_missing_key():
    """0.9: the text is the documented one, and names every missing key in order."""
    with ProcessManager(None) as manager:
        manager.register_decision_point(stage=1, schema=dict, required=True, defaults={"parameter1": 1})
        manager.register_decision_point(stage=2, schema=Parameters, required=True)
        with pytest.raises(InvalidDataError) as caught:
            manager.make_decisions(2, {"parameter1": 1})
    assert f"{type(caught.value).__name__}: {caught.value}" == BLOCKS["0.9"].strip()


def test_the_message_of_a_stage_out_of_sequence():
    """0.10: the text is the documented one, and nothing has changed."""
    handler = ProcessStageHandler(None, CONFIG)
    handler.initialize_process("out of sequence", "")
    before = handler.get_process_summary()
    with pytest.raises(InvalidStageSequenceError) as caught:
        handler.start_stage("processing")
    assert f"{type(caught.value).__name__}: {caught.value}" == BLOCKS["0.10"].strip()
    assert handler.get_process_summary() == before


@pytest.mark.parametrize("no_tracking", [False, True])
def test_components(no_tracking):
    """`create_components` gives a data manager, and a process manager unless tracking is off."""
    from milepost import create_components

    data_manager, process_manager = create_components(use_db=False, no_tracking=no_tracking, config=CONFIG)
    assert data_manager is not None
    assert (process_manager is None) is no_tracking


KILLED = f"""
import os, signal
names = {{"CONFIG": {CONFIG!r}}}
exec({BLOCKS["0.1"]!r}, names)
exec({BLOCKS["0.2"]!r}, names)
names["stage_handler"].start_stage("processing")
print(names["process_id"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_was_killed_goes_on():
    """After kill -9 everything that was told is there: decisions, tracking, states; and the next stage can be done."""
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    process_id = killed.stdout.strip()
    assert killed.returncode == -9, killed.stderr
    assert "interrupted" in listed("ls")
    with contextlib.closing(ProcessManager(None)) as manager:
        handler = ProcessStageHandler(manager, CONFIG)
        handler.open_process(process_id)
        assert manager.current_decisions[1]["parameter2"] == 42
        assert handler.get_stage_status("data_loading")["status"] == "completed"
        assert len(handler.stages["data_loading"]["tracking_data"]) >= 1
        assert handler.get_stage_status("processing")["status"] != "completed"
        handler.start_stage("processing")
        handler.complete_stage("processing", success=True, result_data={"rows": 5})
        assert manager.get_stage_data("processing")["results"] == {"rows": 5}
