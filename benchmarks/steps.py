"""What the ledger of documents costs: steps one by one and in bulk, and asking a million of them.

python benchmarks/steps.py
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
from ledger import bare, row, timed, versus

from milepost.steps import ProcessingStepManager
from milepost.store.protocol import Durability
from milepost.store.sqlite import SqliteStore
from milepost.store.sqlite.step_cells import INSERT

MANY = int(os.environ.get("BENCH_DOCUMENTS", "1_000_000"))
FAILURES = 10_000  # one document in so many fails
HOUR = timedelta(hours=1)


def one_by_one(folder: Path) -> list[dict[str, object]]:
    """A documented call that commits one step, beside a commit of bare SQLite."""
    store = SqliteStore.open(folder / "single.db", durability=Durability.PROCESS)
    manager = ProcessingStepManager(store)
    manager.add_step("warm", "extract", "success")

    def started(n: int) -> None:
        manager.add_step(f"doc-{n:07d}", "ocr", "running")
        manager.add_step(f"doc-{n:07d}", "ocr", "success", {"pages": n}, {"words": 7 * n})

    works: dict[str, Callable[[int], object]] = {
        "plain": lambda n: manager.add_step(f"doc-{n:07d}", "extract", "success"),
        "full": lambda n: manager.add_step(f"doc-{n:07d}", "count", "success", {"chars": n}, {"duration_ms": 1.5}),
        "both": started,
        "bare": bare(folder, level="NORMAL", batch=1),
        "keyed": keyed(folder),
        "same": same_row(folder),
    }
    costs = versus(works, 300)
    limit, beside = costs["bare"], {"unique_key": costs["keyed"], "same_row": costs["same"]}
    return [
        row("add_step of a new document, committed", costs["plain"], limit, "µs", **beside) | {"target": "≤ 2 ×"},
        row("add_step with details and metrics, committed", costs["full"], limit, "µs", **beside),
        row("RUNNING and SUCCESS of a document, both committed", costs["both"], 2 * limit, "µs"),
    ]


def keyed(folder: Path) -> Callable[[int], object]:
    """A commit of bare SQLite into a table that takes no row twice, as a ledger must not."""
    connection = apsw.Connection(str(folder / "keyed.db"))
    connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=16000").fetchall()
    connection.execute(
        "CREATE TABLE t (seq INTEGER PRIMARY KEY, item, step, run, attempt, status, at,"
        " UNIQUE (item, step, run, attempt))"
    )
    add = "INSERT OR IGNORE INTO t (item, step, run, attempt, status, at) VALUES (?, ?, ?, ?, ?, ?)"
    return lambda n: connection.execute(add, (f"doc-{n:07d}", "extract", "", 1, "success", 1.7e9))


def same_row(folder: Path) -> Callable[[int], object]:
    """A commit by bare SQLite of the very row, into the ledger's own table with its indexes."""
    path = folder / "same.db"
    SqliteStore.open(path).close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=16000").fetchall()
    rest = (1, 2, 0, b"", 4711, 0.0, 1.7e9, None, None, None, None, None, None)
    return lambda n: connection.execute(INSERT, (0, 0, f"doc-{n:07d}", *rest))


def in_no_order(folder: Path) -> dict[str, object]:
    """Documents whose names are digests: each one's place in the index is another page."""
    count = MANY // 5
    with ProcessingStepManager(folder / "digests.db") as manager:
        manager.add_step("warm", "text", "success")
        names = (hashlib.md5(str(n).encode()).hexdigest() for n in range(count))
        began = time.perf_counter()
        assert manager.add_steps((name, "text", "success", {"chars": 7}) for name in names) == count
        return row(f"add_steps, {count:,} with names in no order", time.perf_counter() - began, None, "s")


def documents(count: int) -> Iterator[dict[str, object]]:
    """Documents with one step each, as a job would report them."""
    for n in range(count):
        if n % FAILURES:
            yield {"doc_id": f"doc-{n:07d}", "step_name": "text", "status": "success", "details": {"chars": n % 9000}}
        else:
            yield {"doc_id": f"doc-{n:07d}", "step_name": "text", "status": "error", "error_message": f"page {n} torn"}


def measure_million(path: str) -> dict[str, float]:
    """Recording MANY documents from a generator, then asking; in a process of its own."""
    import logging

    logging.getLogger("milepost.steps").setLevel(logging.CRITICAL)
    manager = ProcessingStepManager(path)
    manager.add_step("warm", "text", "success")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, spent = time.perf_counter(), time.process_time()
    assert manager.add_steps(documents(MANY)) == MANY
    write, cpu = time.perf_counter() - began, time.process_time() - spent
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    since = datetime.now(UTC) - HOUR
    assert len(manager.get_recent_errors(since)) == -(-MANY // FAILURES)
    told = {
        "write": write,
        "cpu": cpu,
        "growth": growth,
        "steps": timed(lambda n: manager.get_steps(f"doc-{n * 7919 % MANY:07d}"), 200) / 1000,
        "errors": timed(lambda n: manager.get_recent_errors(since), 10) / 1000,
        "page": timed(lambda n: manager.get_recent_errors(since, True, limit=20), 50) / 1000,
        "status": timed(lambda n: manager.latest_status(f"doc-{n * 7919 % MANY:07d}", "text"), 200),
    }
    began = time.perf_counter()
    assert sum(1 for _ in manager.iter_steps()) == MANY + 1
    told["walk"] = (time.perf_counter() - began) / MANY * 1e6
    return told


def million(folder: Path) -> list[dict[str, object]]:
    """A million documents in one go, and the documented questions about them."""
    command = [sys.executable, __file__, "--million", str(folder / "million.db")]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    count = f"{MANY:,} documents"
    return [
        row(f"add_steps, {count} × 1 step", told["write"], None, "s") | {"target": "≤ 25 s"},
        row("  of which this process computed", told["cpu"], None, "s"),
        row("  growth of memory", told["growth"], None, "MB") | {"target": "≤ 100 MB"},
        row(f"get_steps of one among {count}", told["steps"], None, "ms") | {"target": "≤ 5 ms"},
        row(f"get_recent_errors, {MANY // FAILURES:,} among {count}", told["errors"], None, "ms")
        | {"target": "≤ 5 ms"},
        row("get_recent_errors, the newest 20", told["page"], None, "ms") | {"target": "≤ 5 ms"},
        row("latest_status", told["status"], None, "µs"),
        row("iter_steps through all", told["walk"], None, "µs a step"),
    ]


def eight_processes(folder: Path, count: int = 10_000) -> dict[str, object]:
    """Eight processes that report one step at a time; every one has to be there."""
    code = (
        "import sys, time\nfrom milepost.steps import ProcessingStepManager\n"
        "manager, slowest = ProcessingStepManager(sys.argv[1]), []\n"
        "for n in range(int(sys.argv[3])):\n"
        "    began = time.perf_counter()\n"
        "    manager.add_step(f'{sys.argv[2]}-{n:06d}', 'text', 'success', {'n': n})\n"
        "    slowest.append(time.perf_counter() - began)\n"
        "print(sorted(slowest)[int(len(slowest) * 0.99)] * 1000)"
    )
    path = folder / "eight.db"
    with ProcessingStepManager(path) as manager:
        manager.add_step("warm", "text", "success")
    began = time.perf_counter()
    commands = [[sys.executable, "-c", code, str(path), f"w{n}", str(count)] for n in range(8)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    slow = [float(worker.communicate()[0]) for worker in workers]
    seconds = time.perf_counter() - began
    with ProcessingStepManager(path) as manager:
        found = sum(1 for _ in manager.iter_steps()) - 1
    assert found == 8 * count, f"{found} steps of {8 * count} are there"
    return row(
        f"8 processes × {count:,} add_step, all there; p99 {max(slow):.0f} ms",
        seconds / (8 * count) * 1e6,
        None,
        "µs a step",
    )


def rows() -> list[dict[str, object]]:
    """What, ours, the limit, the unit, the target: one dict per measurement."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-bench-"))
    try:
        return [*one_by_one(folder), *million(folder), in_no_order(folder), eight_processes(folder)]
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--million"]:
        print(json.dumps(measure_million(sys.argv[2])))
    else:
        for line in rows():
            print(json.dumps(line, ensure_ascii=False))
