"""Who owns a run: a stopped session keeps it, one that was overtaken writes nothing more, of many only one resumes."""

import os
import signal
import time
from pathlib import Path

import apsw
import pytest
from job import Job, wait_for

from milepost import Workspace
from milepost.kernel.sessions import new_session
from milepost.model.rows import RunRow, SessionRow, StageRow, StepRow
from milepost.store.protocol import Wish


def stop(process, job: Job) -> None:
    """Stop it where it holds no lock of the ledger, and return when it stands still."""
    status = Path(f"/proc/{process.pid}/status")
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        wait_for(lambda: "State:\tT" in status.read_text())
        if is_writable(job):
            return
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.02)


def is_writable(job: Job) -> bool:
    """Whether nobody is in the middle of a transaction."""
    connection = apsw.Connection(str(job.place / "ledger.db"))
    try:
        connection.execute("BEGIN IMMEDIATE; ROLLBACK")
    except apsw.BusyError:
        return False
    finally:
        connection.close()
    return True


def overtake(job: Job) -> RunRow:
    """Claim the run as a session on another host would, that has heard nothing of its owner for too long."""
    with Workspace.open(job.place, create=False) as workspace:
        run = workspace.store.rows(RunRow)[0]
        wish = Wish(fresh=run, session=new_session(), run=run.id)
        return workspace.store.claim(wish, lambda run_id: True).run


def rows_of(job: Job) -> tuple[list, ...]:
    with Workspace.open(job.place, create=False) as workspace:
        return tuple(workspace.store.rows(kind) for kind in (RunRow, SessionRow, StageRow, StepRow))


@pytest.mark.parametrize("options", [(), ("--executor", "workers", "--workers", "2")])
def test_a_session_that_was_overtaken_writes_nothing_and_says_so(tmp_path, options):
    job = Job(tmp_path, items=2000)
    process = job.start("run", "sales.py", *options)
    wait_for(lambda: len(job.done()) >= 20)
    stop(process, job)
    epoch = overtake(job).epoch
    before = rows_of(job)
    os.kill(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=30)
    assert 3 == process.returncode, said
    assert "taken over by another session" in said
    assert "Traceback" not in said
    assert before == rows_of(job)
    assert 2 == epoch


def test_a_session_that_was_only_stopped_goes_on_and_nobody_takes_its_run(tmp_path):
    job = Job(tmp_path, items=600)
    process = job.start()
    wait_for(lambda: len(job.done()) >= 20)
    stop(process, job)
    other = job.start()
    said, _ = other.communicate(timeout=30)
    assert 3 == other.returncode, said
    assert f"process {process.pid} on " in said
    os.kill(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=60)
    assert 0 == process.returncode, said
    assert job.expected() == job.result()
    assert {1} == set(job.calls().values())


def race(job: Job, rounds: int) -> None:
    """Two resume one killed run at once, so often; the winner is killed before the next round."""
    for round_ in range(rounds):
        racers = [job.start("run", "sales.py") for _ in range(2)]
        wait_for(lambda: any(racer.poll() is not None for racer in racers))
        over = [racer for racer in racers if racer.poll() is not None]
        assert 1 == len(over), f"round {round_}: both ended: {[racer.communicate()[0] for racer in racers]}"
        loser, winner = over[0], next(racer for racer in racers if racer not in over)
        said, _ = loser.communicate()
        assert 3 == loser.returncode, said
        assert f"process {winner.pid} on " in said or "is being started by another session" in said, said
        winner.kill()
        winner.communicate()
    assert [round_ + 1 for round_ in range(rounds)] == sorted(row.epoch for row in rows_of(job)[1])


def test_of_two_that_resume_at_once_one_wins_twenty_times(tmp_path):
    job = Job(tmp_path, items=2000, seconds=1.0)
    race(job, 20)


@pytest.mark.torture
def test_of_two_that_resume_at_once_one_wins_two_hundred_times(tmp_path):
    race(Job(tmp_path, items=2000, seconds=1.0), 200)
