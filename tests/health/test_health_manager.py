"""Checks by name: time-outs, answers that hold for a while, what is critical, and what flaps."""

import gc
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from milepost.errors import InvalidDataError
from milepost.health import Finding, HealthCheckManager, HealthReport, HealthStatus

HEALTHY, WARNING, UNKNOWN, CRITICAL = HealthStatus


@pytest.fixture
def hanging():
    """A check that reads from a pipe into which nobody writes, until it is let go; and how often it was asked."""
    reading, writing = os.pipe()
    asked = []
    answered = threading.Semaphore(0)

    def hang():
        asked.append(threading.current_thread())
        os.read(reading, 1)
        answered.release()

    def let_go():
        os.write(writing, b"x")
        assert answered.acquire(timeout=10)
        hang.let_go_count += 1

    hang.asked, hang.let_go, hang.let_go_count = asked, let_go, 0
    yield hang
    os.close(writing)  # whoever still reads gets the end of the file
    for _ in range(len(asked) - hang.let_go_count):
        assert answered.acquire(timeout=10)
    os.close(reading)


def test_a_new_workspace_is_healthy(manager):
    report = manager.perform_health_check()
    assert (HEALTHY, ()) == (report.status, report.issues)
    assert manager.names == tuple(check.name for check in report.checks)
    assert (0.0, 0.0, 0.0, 0.0, 0) == (
        report.error_rate, report.warning_rate, report.failed_docs_ratio, report.avg_processing_time, report.total_docs,
    )  # fmt: skip


def test_without_an_argument_it_looks_at_the_workspace_that_is_found(tmp_path):
    """The nearest one upward, or a new one here."""
    with HealthCheckManager() as manager:
        assert manager.perform_health_check().checks[0].status is HEALTHY
    assert (tmp_path / ".milepost" / "ledger.db").exists()


def test_a_check_that_hangs_is_unknown_and_named_and_holds_up_nobody(manager, hanging):
    manager.register("mail server", hanging, timeout=0.2)
    report = manager.perform_health_check()
    assert UNKNOWN is report.status
    assert [issue for issue in report.issues if issue.startswith("mail server: no answer for 0.2 s")]
    assert {HEALTHY} == {check.status for check in report.checks if check.name != "mail server"}


def test_a_check_that_hangs_is_not_started_again_until_it_has_answered(manager, hanging):
    """Nor waited for again: its time is over."""
    manager.register("mail server", hanging, timeout=0.2)
    for _ in range(3):
        assert UNKNOWN is manager.perform_health_check().status
    assert 1 == len(hanging.asked)
    hanging.let_go()
    until = time.monotonic() + 10
    while manager.is_hanging and time.monotonic() < until:
        time.sleep(0.001)
    assert UNKNOWN is manager.perform_health_check().status  # asked again, and hangs again
    assert 2 == len(hanging.asked)


def test_several_that_hang_cost_the_time_of_one(manager, hanging):
    """All are asked before any is waited for."""
    for number in range(20):
        manager.register(f"server {number}", hanging, timeout=0.5)
    report = manager.perform_health_check()
    assert 20 == sum(check.status is UNKNOWN for check in report.checks)
    assert 20 == len(hanging.asked)


def test_a_check_that_hangs_and_is_not_critical_is_a_warning(manager, hanging):
    manager.register("mail server", hanging, timeout=0.2, critical=False)
    assert WARNING is manager.perform_health_check().status


def test_each_check_has_a_daemon_thread_of_its_own(manager):
    """So that none keeps the program from ending."""
    seen = []
    for name in ("a", "b"):
        manager.register(name, lambda: seen.append(threading.current_thread()))
    manager.perform_health_check()
    assert 2 == len(set(seen))
    assert all(thread.daemon and thread is not threading.main_thread() for thread in seen)


def threads_of_checks():
    return [thread for thread in threading.enumerate() if thread.name.startswith("milepost-health-")]


@pytest.mark.parametrize("end", [HealthCheckManager.close, lambda manager: None], ids=["closed", "forgotten"])
def test_threads_are_used_again_and_let_go(workspace, clock, end):
    """When the manager is closed, and also when it is only forgotten."""
    before = set(threads_of_checks())
    manager = HealthCheckManager(workspace=workspace, clock=clock)
    for _ in range(3):
        manager.perform_health_check()
    begun = set(threads_of_checks()) - before
    assert len(manager.names) + 1 == len(begun)  # and one for what earlier looks found
    end(manager)
    del manager
    gc.collect()
    for thread in begun:
        thread.join(10)
    assert not any(thread.is_alive() for thread in begun)


@pytest.mark.parametrize(
    ("answer", "status"),
    [(None, HEALTHY), (True, HEALTHY), (False, CRITICAL), (WARNING, WARNING), (Finding(CRITICAL, "x"), CRITICAL),
     ("fine", UNKNOWN), (1, UNKNOWN)],
)  # fmt: skip
def test_what_a_check_may_answer(manager, answer, status):
    """A `Finding`, a status, yes or no, nothing; anything else is not understood."""
    manager.register("mine", lambda: answer)
    assert status is manager.perform_health_check().status


@pytest.mark.parametrize("error", [ValueError("no such queue"), SystemExit(3), KeyboardInterrupt()])
def test_a_check_that_raises_is_critical_and_says_so(manager, error):
    def fail():
        raise error

    manager.register("queue", fail)
    report = manager.perform_health_check()
    assert CRITICAL is report.status
    assert [issue for issue in report.issues if issue.startswith(f"queue: {type(error).__name__}")]


def test_a_secret_in_what_a_check_raises_is_masked(manager):
    def fail():
        raise ConnectionError("postgresql://me:hunter2hunter2@db/x")

    manager.register("database", fail)
    assert "hunter2" not in str(manager.perform_health_check().to_dict())


def test_figures_of_checks_are_in_the_metrics(manager):
    manager.register("queue", lambda: Finding(HEALTHY, "12 wait", {"queued": 12}))
    report = manager.perform_health_check()
    assert 12 == report.metrics["queued"]
    assert report.metrics["disk_free_bytes"] > 0


def test_an_answer_holds_for_its_time(manager, clock):
    asked = []
    manager.register("slow", lambda: asked.append(1), ttl=60)
    manager.perform_health_check()
    clock.advance(59)
    cached = manager.perform_health_check().checks[-1]
    assert (1, True) == (len(asked), cached.is_cached)
    clock.advance(1)
    assert not manager.perform_health_check().checks[-1].is_cached
    assert 2 == len(asked)


def test_a_jump_of_the_wall_clock_does_not_stretch_the_time_of_an_answer(manager, clock):
    asked = []
    manager.register("slow", lambda: asked.append(1), ttl=60)
    manager.perform_health_check()
    clock.jump(-86_400)
    clock.advance(60)
    manager.perform_health_check()
    assert 2 == len(asked)


def test_what_hangs_is_no_answer_that_holds(manager, hanging):
    manager.register("mail server", hanging, timeout=0.2, ttl=3600)
    assert UNKNOWN is manager.perform_health_check().status
    hanging.let_go()
    manager.register("mail server", lambda: True, ttl=3600)
    assert HEALTHY is manager.perform_health_check().status


def answers(manager, name, *statuses, **more):
    """Register a check that gives these answers in turn."""
    left = list(statuses)
    manager.register(name, lambda: left.pop(0), **more)


def test_a_bad_answer_counts_after_three_in_a_row_and_a_good_one_at_once(manager):
    answers(manager, "link", HEALTHY, CRITICAL, CRITICAL, CRITICAL, HEALTHY, CRITICAL)
    shown = [manager.perform_health_check().status for _ in range(6)]
    assert [HEALTHY, HEALTHY, HEALTHY, CRITICAL, HEALTHY, HEALTHY] == shown


def test_the_first_answer_of_all_counts_as_it_is(manager):
    """Nothing is known that it could contradict."""
    answers(manager, "link", CRITICAL)
    assert CRITICAL is manager.perform_health_check().status


def test_a_look_that_does_not_count_yet_is_seen(manager):
    answers(manager, "link", HEALTHY, CRITICAL)
    manager.perform_health_check()
    link = manager.perform_health_check().checks[-1]
    assert (HEALTHY, CRITICAL) == (link.status, link.found)


def test_looks_of_other_processes_count(workspace, clock):
    """As those of one command after the other, which each look once."""

    def look(status):
        with HealthCheckManager(workspace=workspace.path, clock=clock) as manager:
            for name in ("cpu", "memory"):
                manager.unregister(name)
            manager.register("link", lambda: status)
            return manager.perform_health_check().status

    assert [HEALTHY, HEALTHY, HEALTHY, CRITICAL] == [look(s) for s in (HEALTHY, CRITICAL, CRITICAL, CRITICAL)]
    clock.advance(4000)  # what was seen so long ago says nothing
    assert CRITICAL is look(CRITICAL)
    assert HEALTHY is look(HEALTHY)


def test_processes_that_look_at_the_same_time_leave_one_whole_history(workspace):
    """Whoever writes last wins; no half of it, and nothing beside it, is ever there."""
    program = (
        "import sys; from milepost.health import HealthCheckManager\n"
        "with HealthCheckManager(workspace=sys.argv[1]) as manager:\n"
        "    manager.register('link', lambda: False)\n"
        "    print({str(manager.perform_health_check().status) for _ in range(20)})"
    )
    command = [sys.executable, "-c", program, str(workspace.path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {"{'critical'}\n"} == {process.communicate(timeout=120)[0] for process in processes}
    kept = msgspec.json.decode((workspace.path / "health.json").read_bytes())
    assert {"critical"} == {status for _, status in kept["looks"]["link"]}
    assert ["health.json"] == [path.name for path in workspace.path.iterdir() if "health" in path.name]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"looks": 3}', b"\xff" * 100, b'{"looks":{"link":[[1,"fine"]]}}'])
def test_a_damaged_history_is_written_anew(workspace, manager, damage):
    (workspace.path / "health.json").write_bytes(damage)
    assert HEALTHY is manager.perform_health_check().status
    assert "looks" in msgspec.json.decode((workspace.path / "health.json").read_bytes())


def test_a_history_that_cannot_be_written_costs_nothing(workspace, manager):
    """A folder is in its place: this process remembers by itself."""
    (workspace.path / "health.json").mkdir()
    answers(manager, "link", HEALTHY, CRITICAL, CRITICAL, CRITICAL)
    assert [HEALTHY, HEALTHY, HEALTHY, CRITICAL] == [manager.perform_health_check().status for _ in range(4)]
    assert [] == [path.name for path in workspace.path.iterdir() if path.name.startswith(".health")]


def test_a_store_without_a_workspace_is_enough(clock, tmp_path):
    """Where there is no folder there is no disk to fill, and nothing is made."""
    from milepost.store.memory import MemoryStore

    report = HealthCheckManager(store=MemoryStore(), clock=clock).perform_health_check()
    assert not [issue for issue in report.issues if not issue.startswith(("cpu", "memory"))]
    assert not (tmp_path / ".milepost").exists()


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("", {}),
        (3, {}),
        ("x", {"timeout": 0}),
        ("x", {"timeout": float("nan")}),
        ("x", {"ttl": -1}),
        ("x", {"looks": 0}),
    ],
)
def test_what_cannot_be_a_check_is_refused(manager, name, more):
    before = manager.names
    with pytest.raises(InvalidDataError):
        manager.register(name, lambda: None, **more)
    assert before == manager.names


def test_what_is_no_function_is_refused(manager):
    with pytest.raises(InvalidDataError, match="no function but int"):
        manager.register("x", 3)
    with pytest.raises(InvalidDataError, match="there are: store"):
        manager.unregister("x")


def test_a_name_that_is_registered_again_is_replaced(manager):
    """Also one of those that are built in."""
    manager.register("disk", lambda: Finding(WARNING, "mine"), looks=1)
    report = manager.perform_health_check()
    assert ("disk: mine",) == report.issues
    assert 1 == manager.names.count("disk")


def test_threads_may_ask_at_the_same_time(manager):
    """Each gets a whole report, and a slow check is asked once for all of them."""
    gate, asked, reports = threading.Event(), [], []
    begun = threading.Semaphore(0)

    def slow():
        asked.append(1)
        begun.release()
        gate.wait(10)

    manager.register("slow", slow)
    threads = [threading.Thread(target=lambda: reports.append(manager.perform_health_check())) for _ in range(8)]
    for thread in threads:
        thread.start()
    begun.acquire()
    gate.set()
    for thread in threads:
        thread.join(30)
    assert 8 == len(reports)
    assert {HEALTHY} == {report.status for report in reports}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of later Pythons, where threads are about
def test_a_forked_child_is_not_held_up_by_what_hangs_in_its_parent(manager, hanging):
    """Its threads are gone; it asks afresh."""
    manager.register("mail server", hanging, timeout=0.2)
    manager.perform_health_check()
    pid = os.fork()
    if pid == 0:
        manager.register("mail server", lambda: True)
        os._exit(0 if manager.perform_health_check().status is HEALTHY else 1)
    assert 0 == os.waitpid(pid, 0)[1]


def test_a_report_is_frozen_and_comes_back_from_its_dict(manager, record):
    record("failed", 3, error="corrupt file")
    report = manager.perform_health_check()
    with pytest.raises(AttributeError):
        report.status = HEALTHY
    told = msgspec.json.decode(msgspec.json.encode(report.to_dict()))
    assert report == HealthReport.from_dict(told) == HealthReport.from_dict(report.to_dict())
    assert "critical" == told["status"]


def test_naive_and_aware_times_compare():
    """A report whose time was written without a zone is of UTC, and is earlier or later than others."""
    aware = {"status": "healthy", "timestamp": "2026-05-01T12:00:00+02:00"}
    naive = {"status": "healthy", "timestamp": "2026-05-01T11:00:00"}
    first, second = HealthReport.from_dict(aware), HealthReport.from_dict(naive)
    assert first.timestamp < second.timestamp < datetime.now(UTC) + timedelta(days=36_500)
    assert second == HealthReport.from_dict({"status": HEALTHY, "timestamp": datetime(2026, 5, 1, 11)})


@pytest.mark.parametrize("data", [{}, {"status": "fine"}, {"status": "healthy", "timestamp": "noon"}])
def test_what_is_no_report_is_refused(data):
    with pytest.raises(InvalidDataError, match="no health report"):
        HealthReport.from_dict(data)
