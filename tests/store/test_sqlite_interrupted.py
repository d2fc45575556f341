"""Ctrl-C at any instant of a read or a write leaves the store usable: no lock stays taken, no transaction open."""

import subprocess
import sys
from pathlib import Path

from milepost.model.rows import StepRow
from milepost.store.sqlite import SqliteStore

INTERRUPTED = """
import faulthandler, random, signal, sys
faulthandler.dump_traceback_later(60, exit=True)
from milepost.model.rows import StepRow
from milepost.store.sqlite import SqliteStore
from milepost.testing.sample_rows import step_row

def interrupt(number, where):
    raise KeyboardInterrupt

store = SqliteStore.open(sys.argv[1])
store.write([step_row("first")])
store.rows(StepRow)
store.find_items("f1:k", [b"0" * 16])
signal.signal(signal.SIGALRM, interrupt)
chance, hits, acknowledged = random.Random(int(sys.argv[2])), 0, 0
for n in range(1500):
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.random() * (0.001 if n % 2 else 0.004) + 0.00001)
        store.write([step_row(f"one-{n}")])
        store.write([step_row(f"two-{n}"), step_row(f"three-{n}")], durable=n % 2 == 0)
        store.count_steps("run-1")
        store.rows(StepRow, run="run-1", limit=5)
        signal.setitimer(signal.ITIMER_REAL, 0)
        acknowledged += 1
    except KeyboardInterrupt:
        hits += 1
signal.setitimer(signal.ITIMER_REAL, 0)
assert store.write([step_row("last")]) == 1
print(hits, acknowledged)
"""


def test_a_store_outlives_interrupts_at_any_instant(tmp_path: Path) -> None:
    """Hundreds of interrupts in reads and commits: what was acknowledged is there, the next write is committed."""
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path), "7"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    hits, acknowledged = map(int, ended.stdout.split())
    assert hits > 200
    store = SqliteStore.open(tmp_path)
    items = {row.item for row in store.rows(StepRow)}
    assert "last" in items
    assert len(items) >= 2 + 3 * acknowledged
    assert all((f"two-{n}" in items) == (f"three-{n}" in items) for n in range(1500))
    assert list(store.verify()) == []
    store.close()
