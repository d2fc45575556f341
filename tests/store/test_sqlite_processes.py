"""Several real processes on one ledger."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from milepost.errors import StoreError
from milepost.model.rows import RunRow, SessionRow, StepRow
from milepost.store.protocol import Durability
from milepost.store.sqlite import SqliteStore
from milepost.testing.sample_rows import DONE, run_row, step_row

WRITE = """
import sys
from milepost.store.sqlite import SqliteStore
from milepost.testing.sample_rows import step_row
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SqliteStore.open(path)
for n in range(count):
    assert store.write([step_row(f"{name}-{n}", step=f"step-{n % 7}", key=f"key-{n % 5}")]) == 1
    print(n, flush=True)
"""
CLAIM = """
import fcntl, os, sys
from milepost.errors import RunIsAlive
from milepost.store.protocol import Wish
from milepost.store.sqlite import SqliteStore
from milepost.testing.sample_rows import run_row, session_row
folder, me = sys.argv[1], int(sys.argv[2])
store = SqliteStore.open(folder)
def try_lock(run):
    file = os.open(f"{folder}/{run}.lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        os.close(file)
        return False
for race in sys.stdin:
    race = race.strip()
    wish = Wish(fresh=run_row(9000 + me, id=f"new-{me}-{race}", name=f"new-{me}-{race}", decisions_hash=race),
                session=session_row(pid=os.getpid()))
    try:
        claim = store.claim(wish, try_lock)
        print("won", claim.run.id, claim.run.epoch, flush=True)
    except RunIsAlive as alive:
        print("alive", alive.run, alive.pid, flush=True)
"""


def python(code: str, *arguments: object, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]


def test_eight_processes_lose_nothing(tmp_path: Path) -> None:
    """8 processes write 1,000 steps each, one a commit: exactly 8,000 rows, and none is refused for a lock."""
    workers = [python(WRITE, tmp_path, f"w{n}", 1000) for n in range(8)]
    outputs = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 8
    assert [len(output.splitlines()) for output in outputs] == [1000] * 8
    store = SqliteStore.open(tmp_path)
    assert sum(store.count_steps("run-1").values()) == 8000
    assert len({(row.item, row.step) for row in store.rows(StepRow)}) == 8000
    assert list(store.verify()) == []
    store.close()


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Killed at any instant, a writer leaves every step it was told is written, and at most one more."""
    for round_ in range(8):
        worker = python(WRITE, tmp_path, f"r{round_}", 100_000)
        assert worker.stdout is not None
        told = [worker.stdout.readline() for _ in range(30 + 37 * round_)]
        worker.send_signal(signal.SIGKILL)
        told += worker.stdout.readlines()
        worker.wait()
        worker.stdout.close()
        acknowledged = sum(1 for line in told if line.endswith("\n"))
        store = SqliteStore.open(tmp_path)
        recorded = [row for row in store.rows(StepRow) if row.item.startswith(f"r{round_}-")]
        assert acknowledged <= len(recorded) <= acknowledged + 1
        assert list(store.verify()) == []
        store.close()


def test_one_of_two_resumes_wins(tmp_path: Path) -> None:
    """200 times two processes claim the same failed run: exactly one gets it, the other is told who has it."""
    store = SqliteStore.open(tmp_path)
    races = [f"race-{n}" for n in range(200)]
    store.write([run_row(n, decisions_hash=race, state="failed") for n, race in enumerate(races)])
    rivals = [python(CLAIM, tmp_path, n, stdin=subprocess.PIPE) for n in range(2)]
    won = 0
    for n, race in enumerate(races):
        for rival in rivals:
            assert rival.stdin is not None
            rival.stdin.write(f"{race}\n")
            rival.stdin.flush()
        answers = sorted(rival.stdout.readline().split() for rival in rivals if rival.stdout)
        pids = {str(rival.pid) for rival in rivals}
        assert answers[0][:2] == ["alive", f"run-{n}"]
        assert answers[0][2] in pids
        assert answers[1] == ["won", f"run-{n}", "2"]
        won += 1
    for rival in rivals:
        rival.communicate()
    assert won == 200
    assert len(store.rows(RunRow)) == 200
    assert len(store.rows(SessionRow)) == 200
    store.close()


def test_readers_look_on_while_others_write(tmp_path: Path) -> None:
    """A store opened to read sees what is committed from then on, takes no lock, and cannot write."""
    writer = SqliteStore.open(tmp_path)
    reader = SqliteStore.open(tmp_path, read_only=True)
    for n in range(5):
        writer.write([step_row(f"i{n}")])
        assert len(reader.rows(StepRow)) == n + 1
    assert len(reader.find_items("f1:k", [row.digest for row in reader.rows(StepRow)])) == 5
    assert list(reader.verify()) == []
    with pytest.raises(StoreError):
        reader.write([step_row("mine")])
    writer.close()
    assert len(reader.rows(StepRow)) == 5
    reader.close()


def test_a_reader_does_not_keep_the_log_growing(tmp_path: Path) -> None:
    """No read leaves a cursor open: after any of them, another process can fold the whole log into the file."""
    import apsw

    store = SqliteStore.open(tmp_path, durability=Durability.PROCESS)
    store.write([run_row(), *(step_row(f"i{n}") for n in range(100))])
    addresses = store.addresses()
    next(addresses, None)
    damages = store.verify()
    next(damages, None)
    store.get(StepRow)
    store.rows(StepRow, limit=3)
    store.find_items("f1:k", [b"0" * 16])
    store.count_steps("run-1")
    store.write([step_row("later")])
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    busy, log, folded = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (busy, log, folded) == (0, 0, 0)
    assert os.path.getsize(tmp_path / "ledger.db-wal") == 0
    other.close()
    assert store.count_steps("run-1") == {("score", DONE): 101}
    store.close()
