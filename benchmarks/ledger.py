"""What the ledger costs, beside bare SQLite and the peers, measured in one run: `python benchmarks/ledger.py`."""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.protocol import Durability
from milepost.store.sqlite import SqliteStore

BATCH = 100
MANY = int(os.environ.get("BENCH_STEPS", "1_000_000"))
BARE = "INSERT INTO t (item, run, status, digest, result, at) VALUES (?, ?, ?, ?, ?, ?)"


def step(n: int, *, run: str = "run-1", prefix: str = "invoice") -> StepRow:
    """A step with a small result, as a mapped stage writes it."""
    return StepRow(
        run=run,
        step="score",
        item=f"{prefix}-{n:07d}",
        status=ProcessingStatus.SUCCESS,
        key="f1:0123456789abcdef0123456789abcdef",
        digest=digest(n),
        result=b"r" * 20,
        seconds=0.001,
        at=1.7e9 + n,
    )


def digest(n: int) -> bytes:
    """Sixteen bytes in no order."""
    import xxhash

    return bytes(xxhash.xxh3_128_digest(n.to_bytes(8, "big")))


def timed(work: Callable[[int], object], count: int, rounds: int = 3) -> float:
    """Microseconds per call, the median of several rounds."""
    found = []
    for round_ in range(rounds):
        gc.collect()
        start = time.perf_counter()
        for n in range(round_ * count, (round_ + 1) * count):
            work(n)
        found.append((time.perf_counter() - start) / count * 1e6)
    return sorted(found)[rounds // 2]


def versus(works: dict[str, Callable[[int], object]], count: int, *, rounds: int = 7) -> dict[str, float]:
    """Microseconds per call of each, the median of rounds in which they take turns: all meet the same noise."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for round_ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            for n in range(round_ * count, (round_ + 1) * count):
                work(n)
            found[name].append((time.perf_counter() - start) / count * 1e6)
    return {name: sorted(costs)[rounds // 2] for name, costs in found.items()}


def bare(folder: Path, *, level: str, batch: int) -> Callable[[int], object]:
    """A commit of bare SQLite: one table, no index, no digest."""
    connection = apsw.Connection(str(folder / f"bare-{level}-{batch}.db"))
    connection.execute(
        f"PRAGMA journal_mode=WAL; PRAGMA synchronous={level}; PRAGMA wal_autocheckpoint=16000"
    ).fetchall()
    connection.execute("CREATE TABLE t (seq INTEGER PRIMARY KEY, item, run, status, digest, result, at)")

    def commit(n: int) -> None:
        rows = [(f"invoice-{n}-{i:07d}", 1, 2, b"d" * 16, b"r" * 20, 1.0) for i in range(batch)]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(BARE, rows)
        connection.execute("COMMIT")

    return commit


def ours(folder: Path, *, durability: Durability, batch: int) -> Callable[[int], object]:
    """A commit of the ledger."""
    store = SqliteStore.open(folder / f"ours-{durability}-{batch}.db", durability=durability)
    store.write([step(0, prefix="warm")])
    return lambda n: store.write([step(i) for i in range(n * batch, (n + 1) * batch)])


def committed(folder: Path, what: str, durability: Durability, level: str, batch: int) -> dict[str, object]:
    """Steps in commits of `batch`, beside bare SQLite at the same level of synchronous, and diskcache."""
    works = {
        "ours": ours(folder, durability=durability, batch=batch),
        "bare": bare(folder, level=level, batch=batch),
    }
    set_one = peer(folder) if batch == 1 and level == "NORMAL" else None
    if set_one is not None:
        works["diskcache"] = set_one
    costs = versus(works, 300 if batch == 1 else 60)
    return row(what, costs["ours"] / batch, costs["bare"] / batch, "µs a step", diskcache=costs.get("diskcache"))


def peer(folder: Path) -> Callable[[int], object] | None:
    """Setting a key of diskcache; None where it is not installed."""
    try:
        from diskcache import Cache
    except ImportError:
        return None
    cache = Cache(str(folder / "diskcache"))
    return lambda n: cache.set(f"invoice-{n:07d}", b"r" * 20)


def peer_get(folder: Path) -> float | None:
    """Microseconds a key that diskcache needs to find."""
    try:
        from diskcache import Cache
    except ImportError:
        return None
    cache = Cache(str(folder / "diskcache"))
    cost = timed(lambda n: cache.get(f"invoice-{n % 1000:07d}"), 2_000)
    cache.close()
    return cost


def million(folder: Path) -> list[dict[str, object]]:
    """Writing MANY steps, then finding and counting among them, with the memory it took; in a process of its own."""
    command = [sys.executable, __file__, "--million", str(folder / "million.db")]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    count = f"{MANY:,} steps"
    probe = find_limit(folder / "million.db")
    return [
        row(f"written in batches of {BATCH}, {count}", told["write"], None, "µs a step"),
        row(f"written in batches of 2,000, {count} before", told["large"], None, "µs a step"),
        row(
            f"found done, 1,000 at a time, among {count}", told["find"], probe, "µs an item", diskcache=peer_get(folder)
        ),
        row(f"counted by state, {count}", told["count"], None, "ms"),
        row(f"{BATCH} more written, and all counted again, {count}", told["again"], None, "ms"),
        row(f"a page of 1,000 in the middle of {count}", told["page"], None, "ms"),
        row(f"growth of memory over {count}", told["growth"], None, "MB"),
        row(f"the ledger's size, {count}", told["size"], None, "bytes a step"),
    ]


def measure_million(path: str) -> dict[str, float]:
    """The work of `million`."""
    store = SqliteStore.open(path, durability=Durability.PROCESS)
    store.write([step(0, prefix="warm")])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = 0.0
    for start in range(0, MANY, BATCH):
        rows = [step(n) for n in range(start, start + BATCH)]
        began = time.perf_counter()
        store.write(rows)
        spent += time.perf_counter() - began
    asked = [[digest((n * 7 + batch * 1009) % MANY) for n in range(1000)] for batch in range(20)]
    assert len(store.find_items(step(0).key, asked[0])) == 1000
    find = timed(lambda n: store.find_items(step(0).key, asked[n % 20]), 20) / 1000
    large = [[step(n, prefix=f"large-{b}") for n in range(2000)] for b in range(30)]
    return {
        "write": spent / MANY * 1e6,
        "find": find,
        "count": timed(lambda n: store.count_steps("run-1"), 1, rounds=1) / 1000,
        "again": timed(lambda n: counted_again(store, n), 1) / 1000,
        "page": timed(lambda n: store.rows(StepRow, run="run-1", after=MANY // 2, limit=1000), 3) / 1000,
        "growth": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
        "size": os.path.getsize(path) / MANY,
        "large": timed(lambda n: store.write(large[n]), 10) / 2000,
    }


def counted_again(store: SqliteStore, number: int) -> int:
    """Steps in the run, when some were added since it was counted."""
    store.write([step(n, prefix=f"more-{number}") for n in range(BATCH)])
    return sum(store.count_steps("run-1").values())


def find_limit(path: Path) -> float:
    """Microseconds for SQLite to fetch a row of the same ledger by its number, in order: what a find cannot beat."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    marks = ", ".join("?" * 1000)

    def fetch(n: int) -> None:
        seqs = [(i * 7 + n * 1009) % MANY + 1 for i in range(1000)]
        connection.execute(f"SELECT * FROM steps WHERE seq IN ({marks})", seqs).fetchall()

    cost = timed(fetch, 20) / 1000
    connection.close()
    return cost


def eight_processes(folder: Path, count: int = 10_000) -> dict[str, object]:
    """Steps a second of eight processes that commit one step at a time on one ledger; all must be there."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from ledger import *\n"
        "store = SqliteStore.open(sys.argv[2]); slowest = []\n"
        "for n in range(int(sys.argv[4])):\n"
        "    began = time.perf_counter(); store.write([step(n, prefix=sys.argv[3])])\n"
        "    slowest.append(time.perf_counter() - began)\n"
        "slowest.sort(); print(slowest[int(len(slowest) * 0.99)] * 1000)"
    )
    path = folder / "eight.db"
    SqliteStore.open(path).close()
    began = time.perf_counter()
    arguments = [
        [sys.executable, "-c", code, str(Path(__file__).parent), str(path), f"w{n}", str(count)] for n in range(8)
    ]
    workers = [subprocess.Popen(each, stdout=subprocess.PIPE, text=True) for each in arguments]
    slow = [float(worker.communicate()[0]) for worker in workers]
    seconds = time.perf_counter() - began
    store = SqliteStore.open(path)
    found = sum(store.count_steps("run-1").values())
    store.close()
    assert found == 8 * count, f"{found} steps of {8 * count} are there"
    return row(
        f"8 processes × {count:,} steps, all there; p99 {max(slow):.0f} ms",
        seconds / (8 * count) * 1e6,
        None,
        "µs a step",
    )


def row(what: str, ours: float, limit: float | None, unit: str, **peers: float | None) -> dict[str, object]:
    """One line of the table."""
    there = {name: round(value, 2) for name, value in peers.items() if value is not None}
    return {
        "what": what,
        "ours": round(ours, 2),
        "limit": None if limit is None else round(limit, 2),
        "peers": there,
        "unit": unit,
    }


def rows() -> list[dict[str, object]]:
    """What, ours, the limit, the peers, the unit: one dict per measurement."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-bench-"))
    try:
        process, power = Durability.PROCESS, Durability.POWER
        return [
            committed(folder, "a step committed alone (process: WAL NORMAL)", process, "NORMAL", 1),
            committed(folder, "a step committed alone (power: WAL FULL)", power, "FULL", 1),
            committed(folder, f"a step in a commit of {BATCH}", process, "NORMAL", BATCH),
            *million(folder),
            eight_processes(folder),
        ]
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--million"]:
        print(json.dumps(measure_million(sys.argv[2])))
    else:
        for line in rows():
            print(json.dumps(line, ensure_ascii=False))
