"""Killed at random, any number of times: the right result, nothing told is lost, at most what was in flight repeats."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from job import Job, pauses, wait_for

WORKERS = 2
IN_FLIGHT = 120  # a batch of about 100 ms per worker and one waiting for each, at 4 ms an item, with slack


def killed_at_random(job: Job, kills: int, seed: int) -> int:
    """Kill until it has been killed so often or is done; after each kill what was done is still done."""
    acknowledged: set[str] = set()
    for count, pause in enumerate(pauses(kills, 0.1, 0.7, seed)):
        code = job.kill_after(pause, "run", "sales.py", "--executor", "workers", "--workers", str(WORKERS))
        done = job.done()
        assert acknowledged <= done, f"kill {count} lost {len(acknowledged - done)} items"
        acknowledged = done
        assert code in (0, -signal.SIGKILL), f"it ended by itself with {code}"
        if code == 0:
            return count
    return kills


def test_sixty_random_kills_end_with_the_right_result(tmp_path):
    """No acknowledged item is lost, and executions exceed recordings by no more than what was in flight."""
    with ThreadPoolExecutor(2) as pool:  # two at once, thirty each
        kills = list(pool.map(lambda seed: killed_and_finished(tmp_path / str(seed), 30, seed), (1, 2)))
    assert sum(kills) >= 40  # else it was too quick to be killed


def killed_and_finished(folder: Path, kills: int, seed: int) -> int:
    """One job killed so often, then finished; how often it was killed."""
    folder.mkdir()
    job = Job(folder, items=1000, seconds=0.02)
    kills = killed_at_random(job, kills, seed)
    job.finish("run", "sales.py", "--executor", "workers", "--workers", str(WORKERS))
    assert job.expected() == job.result()
    assert {str(n) for n in range(1000)} == job.done()
    scored = {name: times for name, times in job.calls().items() if name.startswith("score ")}
    assert 1000 == len(scored)
    assert sum(scored.values()) - 1000 <= IN_FLIGHT * kills
    assert len(job.runs()) == 1
    return kills


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(10))
def test_hundreds_of_random_kills(tmp_path, seed):
    job = Job(tmp_path, items=2000, seconds=0.05)
    killed_at_random(job, 100, seed)
    job.finish("run", "sales.py", "--executor", "workers", "--workers", str(WORKERS))
    assert job.expected() == job.result()


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
