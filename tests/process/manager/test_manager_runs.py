"""A manager and its run: begun late, ended with its program, taken from a stage handler, taken over by another."""

import signal
import subprocess
import sys

import pytest

from milepost import ProcessManager
from milepost.errors import Cancelled, LeaseLost
from milepost.model.rows import DecisionRow, EventRow, ResultRow, RunRow, SessionRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.process.underway import RunUnderway
from milepost.process.watching import CANCEL_REQUESTED


class Plain(ProcessManager):
    def _compute_stage(self, stage):
        print("computing")
        return [self.current_decisions[1]["a"]]


def test_its_run_is_listed_and_ends_with_it(made, place):
    """State, decisions and stages are rows like those of any run."""
    manager = made(Plain, project_name="plain")
    manager.make_decisions(1, {"a": 1})
    manager.get_stage_data(2)
    manager.close()
    (run,) = place.store.rows(RunRow)
    assert (run.process, run.state) == ("plain", RunState.COMPLETED)
    row = place.store.get(StageRow, run=run.id)
    result = place.store.get(ResultRow, key=row.key)
    assert (row.stage, row.state, row.reason, row.address) == (
        "2", StageState.COMPLETED, "never run before", result.address,
    )  # fmt: skip
    assert row.seconds is not None


def test_a_reused_stage_says_where_from(made, place):
    """And a hit repeated in a run writes nothing more."""
    first = made(Plain)
    first.make_decisions(1, {"a": 1})
    first.get_stage_data(2)
    second = made(Plain)
    second.make_decisions(1, {"a": 1})
    for _ in range(3):
        second.get_stage_data(2)
    (row,) = place.store.rows(StageRow, run=second.underway.id)
    assert (row.state, row.reused_from, row.reason) == (StageState.REUSED, first.underway.id, "unchanged")


def test_a_handlers_run_is_taken_over(made, place):
    """Its own run ends, its decisions are recorded anew in the attached one."""
    manager = made(Plain)
    manager.make_decisions(1, {"a": 1})
    own = manager.underway
    run = RunUnderway.begin("by hand", place)
    manager.attach(run)
    assert own.is_over
    assert manager.underway is run
    row = place.store.get(DecisionRow, run=run.id)
    assert (row.stage, row.name, row.value) == ("1", "a", "1")
    manager.get_stage_data(2)
    assert run.stages["2"].state is StageState.COMPLETED
    run.end()


def test_a_stage_that_a_handler_began_is_its_own(made, place):
    """The manager adds key, result and reason; whether the stage is done, the handler says."""
    manager = made(Plain)
    run = RunUnderway.begin("by hand", place)
    manager.attach(run)
    manager.make_decisions(1, {"a": 1})
    run.stage("2", state=StageState.RUNNING)
    data = manager.get_stage_data(2)
    row = place.store.get(StageRow, run=run.id, stage="2")
    assert (row.state, row.key, row.address) == (StageState.RUNNING, data.key, data.address)
    run.stage("2", state=StageState.COMPLETED)
    assert manager.get_stage_data(2).was_reused
    run.end()


def test_decisions_of_a_run_are_taken_up(made, place):
    """As open_process does: chosen ones, defaults as they were, removed ones not; nothing is recorded twice."""
    first = made(Plain)
    first.register_decision_point(1, dict, defaults={"a": 1, "b": 2})
    first.make_decisions(1, {"a": 5, "c": 3, "token": "hush-hush-hush"})
    first.make_decisions(1, {"a": 5, "token": "hush-hush-hush"}, replace=True)
    run = first.underway
    run.end()
    second = made(Plain)
    second.register_decision_point(1, dict, defaults={"a": 1, "b": 7})
    again = RunUnderway.take_up(run.id, place)
    count = len(place.store.rows(DecisionRow, run=run.id))
    with pytest.warns(RuntimeWarning, match="does not keep 1.token; make these decisions again"):
        second.attach(again, load=True)
    assert second.decisions() == {"1": {"a": 5, "b": 2}}
    assert len(place.store.rows(DecisionRow, run=run.id)) == count
    again.end()


def test_two_processes_recording_for_one_run(made, place):
    """Whoever lost the run is told, and nothing is decided."""
    manager = made(Plain)
    manager.make_decisions(1, {"a": 1})
    run = place.store.get(RunRow, id=manager.underway.id)
    import msgspec

    place.store.write([msgspec.structs.replace(run, epoch=run.epoch + 1)])  # as another session's claim does
    with pytest.raises(LeaseLost):
        manager.make_decisions(1, {"a": 2})
    assert manager.decisions() == {"1": {"a": 1}}
    place.store.write([msgspec.structs.replace(run, epoch=run.epoch)])


def test_cancelled_from_another_shell(made, place):
    """Between stages, with the run's own event."""
    manager = made(Plain)
    manager.make_decisions(1, {"a": 1})
    run = manager.underway
    place.store.write([EventRow(at=0.0, run=run.id, epoch=run.epoch, kind=CANCEL_REQUESTED)])
    run._looked = float("-inf")
    with pytest.raises(Cancelled):
        manager.get_stage_data(2)


def test_stopping_a_computation(made, place):
    """Ctrl-C goes through; the stage is cancelled and computed the next time."""

    class Stopped(ProcessManager):
        stops = True

        def _compute_stage(self, stage):
            if self.core_data.pop():
                raise KeyboardInterrupt
            return 1

    manager = made(Stopped, [False, True])
    with pytest.raises(KeyboardInterrupt):
        manager.get_stage_data(1)
    assert manager.underway.stages["1"].state is StageState.CANCELLED
    assert manager.get_stage_data(1).value == 1


KILLED = """
import os, signal, sys
from milepost import ProcessManager
class Killed(ProcessManager):
    def _compute_stage(self, stage):
        print("computing", stage, flush=True)
        if stage == 2:
            if os.path.exists("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            return self.get_stage_data(1).value + 1
        return self.current_decisions[1]["a"]
with Killed() as manager:
    manager.make_decisions(1, {"a": 41})
    manager.get_stage_data(1)
    print(manager.get_stage_data(2).value)
"""


def test_killed_in_a_stage(place, tmp_path):
    """What was done before is found; the run of the killed one is interrupted."""
    (tmp_path / "kill").touch()
    command = [sys.executable, "-c", KILLED]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "computing 1\ncomputing 2\n")
    (tmp_path / "kill").unlink()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.stdout == "computing 2\n42\n", again.stderr
    (session,) = [row for row in place.store.rows(SessionRow) if row.ended is None]
    from milepost.kernel.sessions import liveness

    assert liveness(session, place.lock_path(session.run), now=session.beat + 1).kind == "dead"


def test_generated_data_is_kept(made, place):
    """By address, in the run's events."""
    manager = made()
    address = manager.store_generated_data("rows", [1, 2, 3])
    assert place.objects.get(address) == [1, 2, 3]
    assert place.store.get(EventRow, kind="data_stored").run == manager.underway.id


def test_gc_forgets_what_a_run_read(made, place):
    """Traces go with their results; what is asked for again is computed again."""
    from milepost.kernel.clock import SYSTEM
    from milepost.model.rows import TraceRow
    from milepost.process.collecting import collect

    manager = made(Plain)
    manager.make_decisions(1, {"a": 1})
    manager.get_stage_data(2)
    manager.close()
    assert len(place.store.rows(TraceRow)) == 1
    collect(place, now=SYSTEM.now() + 5, grace_seconds=0.0, older_than_seconds=0.0, delete=True)
    assert (place.store.rows(TraceRow), place.store.rows(ResultRow)) == ([], [])
    again = made(Plain)
    again.make_decisions(1, {"a": 1})
    assert not again.get_stage_data(2).was_reused


def test_gc_keeps_generated_data_as_long_as_its_run(made, place):
    """What was stored beside the results stays while its run is known, and is forgotten with it."""
    from milepost.kernel.clock import SYSTEM
    from milepost.process.collecting import collect

    manager = made(Plain)
    address = manager.store_generated_data("weights", [1.0] * 1000)
    manager.close()
    later = SYSTEM.now() + 5
    assert collect(place, now=later, grace_seconds=0.0, older_than_seconds=None, delete=True).objects == 0
    assert place.objects.get(address) == [1.0] * 1000
    assert collect(place, now=later, grace_seconds=0.0, older_than_seconds=0.0, delete=False).objects == 1
    collect(place, now=later, grace_seconds=0.0, older_than_seconds=0.0, delete=True)
    assert not place.objects.has(address)


def test_a_block_that_raises(made, place):
    """The run ends as failed with what was raised, or cancelled."""
    for error, state, cause in (
        (ValueError("no such column"), RunState.FAILED, "ValueError: no such column"),
        (KeyboardInterrupt(), RunState.CANCELLED, "Ctrl-C"),
    ):
        with pytest.raises(type(error)), made(Plain) as manager:
            manager.make_decisions(1, {"a": 1})
            raise error
        run = place.store.get(RunRow, id=manager.underway.id)
        assert (run.state, run.cause) == (state, cause)


def test_a_manager_that_is_let_go_ends_its_run(place):
    """Nothing holds it but who made it."""
    manager = Plain(workspace=place)
    manager.make_decisions(1, {"a": 1})
    manager.get_stage_data(2)
    del manager
    (run,) = place.store.rows(RunRow)
    assert run.state is RunState.COMPLETED
