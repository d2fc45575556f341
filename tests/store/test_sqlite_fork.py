"""Forks: real ones, out of a process whose threads are busy in the store."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from milepost.errors import StoreError
from milepost.model.rows import StepRow
from milepost.store.protocol import Wish
from milepost.store.sqlite import SqliteStore
from milepost.testing.sample_rows import DONE, run_row, session_row, step_row


def in_child(work: Callable[[], object]) -> int:
    """Fork, do it in the child, and give the child's pid; its exit code says whether it went well."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_child_of_a_busy_parent_writes_and_nobody_loses_anything(tmp_path: Path) -> None:
    """Forked while three threads write and read, each child writes through the same object; every row is there."""
    store = SqliteStore.open(tmp_path)
    is_over = threading.Event()
    written = [0, 0, 0]

    def busy(thread: int) -> None:
        while not is_over.is_set():
            store.write([step_row(f"parent-{thread}-{written[thread]}")])
            assert store.get(StepRow, item=f"parent-{thread}-{written[thread]}") is not None
            written[thread] += 1

    def child(number: int) -> None:
        for n in range(20):
            assert store.write([step_row(f"child-{number}-{n}")]) == 1
            assert store.get(StepRow, item=f"child-{number}-{n}") is not None
        assert list(store.verify()) == []

    threads = [threading.Thread(target=busy, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    pids = [in_child(lambda n=n: child(n)) for n in range(10)]
    codes = [exit_code(pid) for pid in pids]
    is_over.set()
    for thread in threads:
        thread.join()
    assert codes == [0] * 10
    assert store.count_steps("run-1") == {("score", DONE): sum(written) + 10 * 20}
    store.close()


def test_child_goes_on_after_the_parent_has_closed(tmp_path: Path) -> None:
    """When the parent closes and others come and go, the log is not deleted under the child's commits.

    A child that only forgets the parent's connections fails this: SQLite takes the parent's file locks for its own.
    """
    store = SqliteStore.open(tmp_path)
    store.write([step_row("parent")])
    assert store.get(StepRow) is not None
    ready, go = os.pipe(), os.pipe()

    def child() -> None:
        store.write([step_row("child-0")])
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        for n in range(1, 50):
            store.write([step_row(f"child-{n}")])

    pid = in_child(child)
    os.read(ready[0], 1)
    store.close()
    other = (
        "import sys; from milepost.store.sqlite import SqliteStore\n"
        "from milepost.testing.sample_rows import step_row\n"
        "store = SqliteStore.open(sys.argv[1]); store.write([step_row('other')]); store.close()"
    )
    subprocess.run([sys.executable, "-c", other, str(tmp_path)], check=True)
    os.write(go[1], b"x")
    assert exit_code(pid) == 0
    for end in (*ready, *go):
        os.close(end)
    again = SqliteStore.open(tmp_path)
    assert again.count_steps("run-1") == {("score", DONE): 52}
    again.close()


def test_fork_inside_a_write_is_refused_in_the_child(tmp_path: Path) -> None:
    """Who forks inside a transaction has a child that cannot use the store, and loses nothing itself."""
    store = SqliteStore.open(tmp_path)

    def child() -> None:
        with pytest.raises(StoreError, match="forked inside a write"):
            store.write([step_row("child")])

    def lock(run: str) -> bool:
        return exit_code(in_child(child)) == 0

    claim = store.claim(Wish(fresh=run_row(), session=session_row()), lock)
    assert claim.run.id == "run-1"
    assert store.write([step_row()]) == 1
    assert list(store.verify()) == []
    store.close()


def test_a_fork_that_python_did_not_see_is_noticed(tmp_path: Path) -> None:
    """A child made behind Python's back is told to open the store again, and closing there harms nothing."""
    import ctypes

    store = SqliteStore.open(tmp_path)
    libc = ctypes.PyDLL(None)
    pid = libc.fork()
    if pid == 0:
        code = 1
        try:
            with pytest.raises(StoreError, match="open it again"):
                store.write([step_row()])
            store.close()
            code = 0
        finally:
            os._exit(code)
    assert exit_code(pid) == 0
    assert store.write([step_row()]) == 1
    store.close()
