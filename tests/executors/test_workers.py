"""Real worker processes, killed for real."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager, suppress

import executor_stages as stages
import psutil
import pytest
from executor_bench import PATIENCE, mapped, open_bench, whole

from milepost.executors.workers import framing
from milepost.executors.workers.hub import Hub


@pytest.fixture
def bench(tmp_path):
    def opened(*works, slots=1):
        return open_bench("workers", tmp_path, *works, slots=slots, modules=["executor_stages"])

    return opened


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("kill", "killed by signal 9 (SIGKILL)"),
        ("exit", "exit code 3"),
        ("segfault", "killed by signal 11 (SIGSEGV)"),
    ],
)
def test_a_death_costs_the_item_at_hand_an_attempt(bench, how, cause):
    """That item is lost and named with the cause; the others are the rest; the next worker goes on."""
    with bench(mapped(stages.kill_on)) as b:
        outcome = b.do("kill_on", 1, how, 3)
        assert (outcome.kind, outcome.cause) == ("lost", cause)
        assert [(i.item, i.kind) for i in outcome.items] == [("i1", "lost")]
        assert "item 'i1'" in outcome.items[0].error
        assert [item.item for item in outcome.rest] == ["i0", "i2"]
        assert b.result("kill_on", 5) == [5]


def test_a_death_in_a_whole_stage_is_seen_at_once(bench):
    """The outcome is there without waiting for anything else."""
    with bench(mapped(stages.pid), whole(stages.hang_whole)) as b:
        (worker,) = b.result("pid", 0)
        b.submit("hang_whole")
        time.sleep(0.3)
        os.kill(worker, signal.SIGKILL)
        outcome = b.next()
        assert (outcome.kind, outcome.cause) == ("lost", "killed by signal 9 (SIGKILL)")


def test_workers_start_together_when_items_are_to_come(tmp_path):
    """The first task starts them all, so that none is waited for when the items come."""
    before = {child.pid for child in psutil.Process().children()}
    with open_bench("workers", tmp_path, mapped(stages.pid), slots=2, modules=["executor_stages"], has_items=True) as b:
        (worker,) = b.result("pid", 0)
        started = {child.pid for child in psutil.Process().children()} - before
        assert worker in started
        assert len(started) == 2


def test_an_idle_worker_that_dies_costs_nothing(bench):
    """Nobody is blamed, another takes the next task."""
    with bench(mapped(stages.pid)) as b:
        (first,) = b.result("pid", 0)
        os.kill(first, signal.SIGKILL)
        _until(lambda: not psutil.pid_exists(first))
        (second,) = b.result("pid", 0)
        assert second != first


def test_an_item_that_hangs_is_timed_out(bench):
    """Sync code too: the worker is killed, the item named, the others untouched."""
    with bench(mapped(stages.kill_on, timeout=1.5)) as b:
        b.result("kill_on", 0)
        outcome = b.do("kill_on", 1, "hang", 3)
        assert outcome.kind == "timeout"
        assert [(i.item, i.kind) for i in outcome.items] == [("i1", "timeout")]
        assert "took longer than 1.5 s" in outcome.items[0].error
        assert [item.item for item in outcome.rest] == ["i0", "i2"]
        assert b.result("kill_on", 5) == [5]


def test_a_stage_that_hangs_is_timed_out(bench):
    """A stage as a whole as well."""
    with bench(whole(stages.hang_whole, timeout=0.3)) as b:
        assert b.do("hang_whole").kind == "timeout"


def test_many_short_items_do_not_time_out(bench):
    """The timeout is one item's, not the batch's."""
    with bench(mapped(stages.slow, timeout=2)) as b:
        assert b.do("slow", *([0.4] * 6)).kind == "done"


def test_what_a_worker_prints_is_told_line_by_line(bench):
    """Out, err and what bypasses Python; before the outcome of its item."""
    with bench(mapped(stages.prints)) as b:
        b.result("prints", 1)
        assert sorted(b.printed()) == [("err", "err 1"), ("out", "out 1"), ("out", "raw")]
        assert {(n.stage, n.item) for n in b.notices} == {("prints", "i0")}


def test_what_a_worker_logs_is_told_with_its_item(bench):
    """Records of INFO and above reach the session, although the worker never ran `logging.basicConfig`."""
    with bench(mapped(stages.logs)) as b:
        b.result("logs", 1, 2)
        told = [(n.kind, n.item, dict(n.payload)) for n in b.notices]
    assert told == [
        ("log", "i0", {"text": "row 1", "level": "INFO", "logger": "sales"}),
        ("log", "i1", {"text": "row 2", "level": "INFO", "logger": "sales"}),
    ]


def test_a_worker_works_where_the_session_does(bench, tmp_path, monkeypatch):
    """Folder, module path and argv are the session's."""
    (tmp_path / "helpers_on_path.py").write_text("VALUE = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with bench(mapped(stages.where)) as b:
        ((cwd, value, pid, argv),) = b.result("where", 0)
    assert (cwd, value, argv) == (str(tmp_path), 42, sys.argv[0])
    assert pid != os.getpid()


def test_a_stopped_worker_does_not_hold_up_closing(bench):
    """SIGSTOP, then close: it is gone."""
    with bench(mapped(stages.pid)) as b:
        (worker,) = b.result("pid", 0)
        os.kill(worker, signal.SIGSTOP)
        b.executor.close()
        assert not psutil.pid_exists(worker)


def test_signals_of_the_terminal_are_the_sessions_business(bench):
    """SIGINT and SIGTERM do not end a worker; it has a group of its own."""
    with bench(mapped(stages.pid)) as b:
        (worker,) = b.result("pid", 0)
        assert os.getpgid(worker) != os.getpgid(0)
        os.kill(worker, signal.SIGINT)
        os.kill(worker, signal.SIGTERM)
        assert b.result("pid", 0) == [worker]


def test_no_zombie_and_no_descriptor_is_left(bench):
    """After closing and after deaths everything is as before."""
    with bench(mapped(stages.pid)) as b:
        b.result("pid", 0)
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd"))
    children = psutil.Process().children()
    with bench(mapped(stages.kill_on), mapped(stages.pid), slots=2) as b:
        for _ in range(3):
            assert b.do("kill_on", "kill").kind == "lost"
        b.submit("pid", 0)
        b.submit("pid", 0)
        b.next()
        b.next()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= len(before)  # fewer when an earlier test's garbage went
    assert psutil.Process().children() == children


@pytest.mark.parametrize("spare", [0, 1, 2, 3, 4, 5, 6, 8, 10, 12])
def test_too_few_descriptors_for_a_worker_say_so_and_none_is_lost(bench, spare):
    """Nobody is charged, the error says what to raise, and what was opened is closed."""
    with bench(mapped(stages.pid)) as b:
        b.result("pid", 0)
    gc.collect()
    before, children = sorted(os.listdir("/proc/self/fd")), psutil.Process().children()
    with bench(mapped(stages.pid)) as b:
        with few_descriptors(spare):
            outcome = b.do("pid", 0)
        assert outcome.kind in ("done", "refused")
        if outcome.kind == "refused":
            assert "ulimit -n" in outcome.error
            assert [item.item for item in outcome.rest] == ["i0"]
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= len(before)  # fewer when an earlier test's garbage went
    assert psutil.Process().children() == children


@contextmanager
def few_descriptors(spare):
    """This process may open so many more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        while len(taken) < spare:  # all below the highest were open
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + spare, limits[1]))
            taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(spare):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in taken:
            os.close(fd)


def test_when_the_session_is_killed_its_workers_go(tmp_path):
    """SIGKILL of the session's process: a worker deep in user code is gone too."""
    pid_file = tmp_path / "pid"
    script = f"""
    import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
    import executor_stages as stages
    from pathlib import Path
    from executor_bench import mapped, open_bench
    with open_bench("workers", Path({str(tmp_path)!r}), mapped(stages.spin), modules=["executor_stages"]) as b:
        b.do("spin", {str(pid_file)!r})
    """
    session = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    try:
        _until(lambda: pid_file.exists() and pid_file.read_text())
        worker = int(pid_file.read_text())
    finally:
        session.kill()
        session.wait()
    _until(lambda: not _is_running(worker))


def test_workers_that_cannot_start_are_an_error_with_their_last_words(bench, monkeypatch):
    """Not an endless restart."""
    monkeypatch.setattr("milepost.executors.workers.process.BOOT", "raise SystemExit('no luck today')")
    with bench(mapped(stages.pid)) as b:
        outcome = b.do("pid", 0)
        assert outcome.kind == "refused"
        assert "cannot be started: exit code 1" in outcome.error
        assert "no luck today" in outcome.error


def test_a_fault_of_ours_does_not_leave_anybody_waiting(bench, monkeypatch):
    """The task at hand and those that wait fail with the reason."""
    with bench(mapped(stages.pid), whole(stages.hang_whole)) as b:
        b.result("pid", 0)
        b.submit("hang_whole")
        monkeypatch.setattr(Hub, "_end_overdue", lambda self: 1 / 0)
        b.submit("pid", 0)
        assert [b.next().kind, b.next().kind] == ["refused", "refused"]
        assert "cannot go on" in b.do("pid", 0).error


def test_a_thousand_items_are_one_task_and_one_outcome(bench):
    """What is handed out together comes back together, in order."""
    with bench(mapped(stages.double)) as b:
        b.result("double", 0)
        outcome = b.do("double", *range(1000))
        assert [item.position for item in outcome.items] == list(range(1000))
        assert len(b.notices) == 0


def test_large_tasks_and_results_pass_the_pipe(bench):
    """Frames larger than any buffer, both ways at once."""
    with bench(mapped(stages.double), slots=2) as b:
        for _ in range(4):
            b.submit("double", *["x" * 1_000_000] * 8)
        outcomes = [b.next() for _ in range(4)]
        assert all(len(outcome.items) + len(outcome.rest) == 8 for outcome in outcomes)


def test_frames_survive_any_cut():
    """Whatever pieces the pipe delivers, the messages are whole."""
    sent = framing.frame(b"O", b"abc") + framing.frame(b"N") + framing.frame(b"O", b"x" * 100)
    for size in range(1, 40):
        frames = framing.Frames()
        got = [f for at in range(0, len(sent), size) for f in frames.feed(sent[at : at + size])]
        assert got == [(b"O", b"abc"), (b"N", b""), (b"O", b"x" * 100)]


def _is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
