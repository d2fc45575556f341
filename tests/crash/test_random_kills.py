"""Killed at random, any number of times: the right result, nothing told is lost, at most what was in flight repeats."""

import os
import random
import signal
import time

import pytest
from job import Job, wait_for

ITEMS, ITEM_SECONDS, KILLS = 2000, 0.01, 60
WORKERS = 2
RUN = ("run", "sales.py", "--executor", "workers", "--workers", str(WORKERS))
IN_FLIGHT = 2 * WORKERS * 10  # a batch at hand and one waiting for each worker, of 100 ms: at most ten items of 10 ms


def killed_at_random(job: Job, kills: int, seed: int) -> None:
    """Kill so many sessions; after each kill all is there that an observer saw before it, and no more was repeated."""
    dice = random.Random(seed)
    for kills_left in range(kills, 0, -1):
        before, begun = job.acknowledged(), job.scored()
        told = killed_session(job, dice, (job.items - len(before)) // (kills_left + 1))
        after = job.acknowledged()
        lost = {**before, **told}.items() - after.items()
        assert not lost, f"the kill before {kills_left - 1} others lost {sorted(lost)}"
        repeated = job.scored() - begun - (len(after) - len(before))
        assert repeated <= IN_FLIGHT, f"{repeated} items were executed and not recorded"


def killed_session(job: Job, dice: random.Random, most: int) -> dict[str, tuple]:
    """Kill a session that owns the run, after a random time or number of items, at most `most`; what it had told."""
    sessions, enough = len(job.sessions()), job.scored() + dice.randint(0, most)
    process = job.start(*RUN)
    wait_for(lambda: len(job.sessions()) > sessions)
    end = time.monotonic() + dice.uniform(0, 0.7)
    while time.monotonic() < end and job.scored() <= enough:
        time.sleep(0.002)
    told = job.acknowledged()
    os.killpg(process.pid, signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert -signal.SIGKILL == process.returncode, f"it ended by itself: {said}"
    assert "Traceback" not in said, said
    return told


def killed_and_finished(job: Job, kills: int, seed: int) -> None:
    """One run, killed so often and then finished: all is there once, with the right result."""
    killed_at_random(job, kills, seed)
    job.finish(*RUN)
    assert job.expected() == job.result()
    assert {str(n) for n in range(job.items)} == job.done()
    assert {f"score {n}" for n in range(job.items)} <= job.calls().keys()
    assert job.scored() - job.items <= IN_FLIGHT * kills
    assert 1 == len(job.runs())
    assert kills + 1 == len(job.sessions())


def test_a_process_killed_sixty_times_ends_with_the_right_result(tmp_path):
    """Five stages, 2,000 items: no acknowledged item is lost, and each kill repeats at most what was in flight."""
    killed_and_finished(Job(tmp_path, items=ITEMS, seconds=ITEM_SECONDS), KILLS, seed=1)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(10))
def test_hundreds_of_random_kills(tmp_path, seed):
    killed_and_finished(Job(tmp_path, items=ITEMS, seconds=ITEM_SECONDS), 100, seed)


def test_an_item_function_edited_after_a_kill_never_yields_a_mixed_result(tmp_path):
    job = Job(tmp_path, items=400, seconds=0.005)
    process = job.start("run", "sales.py")
    wait_for(lambda: len(job.done()) >= 100)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    job.write(factor=5)
    job.finish()
    assert job.expected(factor=5) == job.result()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_at_a_safe_point_and_the_last_line_resumes(tmp_path, number, code):
    job = Job(tmp_path, items=600)
    process = job.start("run", "sales.py")
    wait_for(lambda: len(job.done()) >= 50)
    process.send_signal(number)
    said, _ = process.communicate(timeout=10)
    assert code == process.returncode, said
    run = job.runs()[0]
    assert "cancelled" == run.state
    assert f"milepost resume {run.name}" == said.strip().splitlines()[-1]
    before = job.done()
    calls = job.calls()
    assert {name for name in calls if name.startswith("score ")} == {f"score {item}" for item in before}
    job.finish("resume", run.name)
    assert job.expected() == job.result()
    assert {1} == set(job.calls().values())


def test_two_at_once_one_wins_and_the_other_says_who_has_it(tmp_path):
    job = Job(tmp_path, items=2000)
    first = job.start("run", "sales.py")
    wait_for(lambda: len(job.done()) >= 10)
    second = job.start("run", "sales.py")
    said, _ = second.communicate(timeout=20)
    assert 3 == second.returncode
    assert f"process {first.pid} on " in said
    first.send_signal(signal.SIGKILL)
    first.communicate()


def test_a_killed_run_reads_interrupted_at_once_with_its_cause(tmp_path):
    job = Job(tmp_path, items=2000)
    process = job.start("run", "sales.py")
    wait_for(lambda: len(job.done()) >= 10)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "interrupted (killed)" in job.finish("ls")
