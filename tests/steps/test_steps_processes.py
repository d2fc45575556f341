"""Several real processes on one ledger of documents: nothing lost, also when they are killed."""

import os
import signal
import subprocess
import sys
from collections import Counter

import apsw
import pytest

from milepost.steps import ProcessingStepManager

REPORT = """
import sys
from milepost.steps import ProcessingStepManager
path, who, count, shared = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
manager = ProcessingStepManager(path)
for n in range(count // 2):
    doc = f"shared-{n % shared}" if n % 10 == 0 else f"{who}-{n}"
    manager.add_step(doc, "ocr", "running", {"by": who, "n": n})
    manager.add_step(doc, "ocr", "success", {"by": who, "n": n})
"""
ACKNOWLEDGE = """
import os, sys
from milepost.steps import ProcessingStepManager
manager = ProcessingStepManager(sys.argv[1])
n = 0
while True:
    with manager.step(f"doc{n}", "ocr"):
        pass
    manager.add_steps((f"doc{n}", "bulk", "success", {"n": m}) for m in range(3))
    os.write(1, b"%d\\n" % n)
    n += 1
"""


def reported_by_eight(path, count, shared):
    """Eight processes with `count` reports each, a tenth of them about the same documents; all rows."""
    commands = [[sys.executable, "-c", REPORT, str(path), f"w{n}", str(count), str(shared)] for n in range(8)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    for worker in workers:
        assert worker.communicate()[1] == ""
        assert worker.returncode == 0
    return ProcessingStepManager(path).iter_steps()


def nothing_is_lost(steps, count):
    """Each report has one row, and no attempt two of a phase."""
    reports, places = Counter(), Counter()
    for step in steps:
        reports[step.details["by"], step.details["n"], str(step.status)] += 1
        places[step.metadata["doc_id"], step.metadata["attempt"], step.status.phase] += 1
    assert len(reports) == 8 * count
    assert set(reports.values()) == {1}
    assert set(places.values()) == {1}


def test_eight_processes_lose_nothing(tmp_path):
    """8 processes × 500 reports on one ledger, some about the same documents: every report has its row, none failed."""
    nothing_is_lost(reported_by_eight(tmp_path / "steps.db", 500, shared=5), 500)


@pytest.mark.torture
def test_eight_processes_lose_none_of_eighty_thousand(tmp_path):
    """8 processes × 10,000 reports."""
    nothing_is_lost(reported_by_eight(tmp_path / "steps.db", 10_000, shared=50), 10_000)


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    """Killed in the middle, five times: all that a call had returned from is there, and at most one try is open."""
    path = tmp_path / "steps.db"
    for round_ in range(5):
        worker = subprocess.Popen([sys.executable, "-c", ACKNOWLEDGE, str(path)], stdout=subprocess.PIPE, text=True)
        last = [worker.stdout.readline() for _ in range(20 + 7 * round_)][-1]
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        with ProcessingStepManager(path) as manager:
            for n in range(int(last) + 1):
                steps = manager.get_steps(f"doc{n}")
                assert sum(step.step_name == "bulk" for step in steps) >= 3 * (round_ + 1 if n <= 19 else 1)
                assert manager.latest_status(f"doc{n}", "ocr") == "success"
            begun = Counter(step.metadata["doc_id"] for step in manager.iter_steps(status="running", step_name="ocr"))
            ended = Counter(step.metadata["doc_id"] for step in manager.iter_steps(status="success", step_name="ocr"))
            assert (begun - ended).total() <= round_ + 1
    check = apsw.Connection(str(path))
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    check.close()


def test_a_manager_is_carried_across_a_fork(tmp_path):
    """Parent and children go on with the same object, while threads are at it; every report is there."""
    manager = ProcessingStepManager(tmp_path / "steps.db")
    manager.add_step("parent", "ocr", "running")
    pids = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for n in range(25):
                    with manager.step(f"child-{number}", "ocr", n=n):
                        pass
                manager.add_steps((f"child-{number}", "bulk", "success") for _ in range(10))
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
        manager.add_step(f"parent-{number}", "ocr", "success")
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4
    manager.add_step("parent", "ocr", "success")
    assert [len(manager.get_steps(f"child-{n}")) for n in range(4)] == [60] * 4
    assert [step.metadata["attempt"] for step in manager.get_steps("parent")] == [1, 1]
    assert all(manager.get_steps(f"parent-{n}") for n in range(4))


def test_a_ledger_that_others_hold_is_waited_for(tmp_path):
    """While another process is inside a transaction, the call waits for it and then records."""
    path = tmp_path / "steps.db"
    manager = ProcessingStepManager(path)
    manager.add_step("doc", "ocr", "running")
    holder = subprocess.Popen(
        [sys.executable, "-c", "import apsw, sys; c = apsw.Connection(sys.argv[1]); c.set_busy_timeout(30000);"
         "c.execute('BEGIN IMMEDIATE');"
         "print('held', flush=True); sys.stdin.readline(); c.execute('COMMIT')", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    import threading

    release = threading.Timer(0.3, holder.communicate, ["\n"])
    release.start()
    manager.add_step("doc", "ocr", "success")
    release.join()
    assert holder.returncode == 0
    assert manager.latest_status("doc", "ocr") == "success"
