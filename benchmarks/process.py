"""What a run costs beside the work: mapped items, items found done, a warm result, memory at a million."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import diskcache
import joblib

from milepost import Process, Workspace, stage
from milepost.errors import StageExecutionError
from milepost.model.rows import ResultRow

COUNT = 100_000
ROUNDS = 3


STOP = Path(tempfile.gettempdir(), f"milepost-benchmark-stop-{os.getpid()}")  # while it is there the last item fails


@stage
def numbers(count: int = COUNT, first: int = 0):
    return list(range(first, count))


@stage(each="numbers")
def same(number):
    if number == COUNT - 1 and STOP.exists():
        raise ValueError("stopped")
    return number


@stage
def size(same):
    return len(same)


PROCESS = Process("benchmark", [numbers, same, size])


def rows() -> list[dict[str, object]]:
    """All measurements: what, ours, limit, unit, and the peers by name."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return [*items(place), *warm(place), memory(place)]


def items(folder: Path) -> list[dict[str, object]]:
    """A mapped no-op item, committed in batches; and found done when its run is resumed.

    Of each the fastest of three rounds, ours and the peers': what it costs without what others take of the machine.
    Found also by other runs: over a collection with one item more at its end, and with one less at its beginning, where
    no window of items is the same as before, so that each item is looked up by itself.
    """
    with Workspace.open(folder / "first") as workspace:
        PROCESS.run({"numbers.count": 1000}, workspace=workspace)  # what is imported once
    rounds = [_round(folder / f"round-{number}") for number in range(ROUNDS)]
    fresh, resumed, longer, shifted, limit, *others = (min(each) for each in zip(*rounds, strict=True))
    peers = dict(zip(("diskcache", "joblib", "doit"), others, strict=False))
    hits = dict(zip(("diskcache", "joblib"), others[3:], strict=True))
    return [
        _row("mapped no-op item, committed in batches", fresh, limit, "µs", target="≤ 20 µs", **peers),
        _row("item found done, on resume", resumed, None, "µs", target="≤ 5 µs", **hits),
        _row("item found done, in a longer collection", longer, None, "µs", target="≤ 5 µs", **hits),
        _row("item found done, in a shifted collection", shifted, None, "µs", target="≤ 5 µs", **hits),
    ]


def _round(folder: Path) -> list[float]:
    """Seconds an item: fresh, found in three ways, bare SQLite, then the peers' fresh and found."""
    with Workspace.open(folder / "items") as workspace:
        STOP.touch()
        ours = [_seconds(lambda: _stopped(workspace))]
        STOP.unlink()
        for chosen in ({}, {"numbers.count": COUNT + 1}, {"numbers.first": 1}):
            ours.append(_seconds(lambda chosen=chosen: PROCESS.run(chosen, workspace=workspace)))
    return [
        *(seconds / COUNT for seconds in ours),
        _bare_sqlite(folder / "bare.db"),
        *(_diskcache(folder / "cache"), _joblib(folder / "joblib"), _doit(folder)),
        *(_diskcache_hit(folder / "cache"), _joblib_hit(folder / "joblib")),
    ]


def _stopped(workspace: Workspace) -> None:
    try:
        PROCESS.run(workspace=workspace)
    except StageExecutionError:
        return
    raise AssertionError("the last item was to fail")


def warm(folder: Path) -> list[dict[str, object]]:
    """A small stage result found under its key and loaded."""
    with Workspace.open(folder / "warm") as workspace:
        run = PROCESS.run({"numbers.count": 10}, workspace=workspace)
        key = workspace.store.rows(ResultRow, stage="size")[0].key
        store, objects = workspace.store, workspace.objects

        def look_up() -> object:
            found = store.get(ResultRow, key=key)
            return objects.get(found.address) if found else run

        ours = _each(look_up)
    cache = diskcache.Cache(str(folder / "warm-cache"))
    cache["size"] = 10
    memory = joblib.Memory(str(folder / "warm-joblib"), verbose=0)
    cached = memory.cache(_identity)
    cached(10)
    peers = {"diskcache": _each(lambda: cache["size"]), "joblib": _each(lambda: cached(10), 300)}
    return [_row("warm small stage result", ours, None, "µs", target="≤ 35 µs", **peers)]


def memory(folder: Path) -> dict[str, object]:
    """Growth of a process that maps a million no-op items (their list itself is measured before)."""
    script = (
        "import resource, sys; sys.path.insert(0, sys.argv[1]); import process\n"
        "from milepost import Workspace\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "with Workspace.open(sys.argv[2]) as workspace:\n"
        "    process.PROCESS.run({'numbers.count': 1_000_000}, only='numbers', workspace=workspace)\n"
        "    before = peak()\n"
        "    process.PROCESS.run({'numbers.count': 1_000_000}, workspace=workspace)\n"
        "    print(before, peak())\n"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(folder / "million")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    before, after = float(said[-2]), float(said[-1])
    return {
        "what": "growth at 10⁶ mapped items",
        "ours": after - before,
        "limit": None,
        "unit": "MB",
        "target": "< 100 MB",
    }


def _bare_sqlite(path: Path) -> float:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b, c, d)")

    def write() -> None:
        for start in range(0, COUNT, 100):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO t VALUES (NULL, ?, ?, ?)", ((n, "item", b"result") for n in range(start, start + 100))
            )
            connection.execute("COMMIT")

    return _seconds(write) / COUNT


def _diskcache(folder: Path) -> float:
    cache = diskcache.Cache(str(folder))

    def write() -> None:
        for number in range(5000):
            cache[number] = number

    return _seconds(write) / 5000


def _diskcache_hit(folder: Path) -> float:
    cache = diskcache.Cache(str(folder))
    return _seconds(lambda: [cache[number] for number in range(5000)]) / 5000


def _identity(number: int) -> int:
    return number


def _joblib(folder: Path) -> float:
    cached = joblib.Memory(str(folder), verbose=0).cache(_identity)
    return _seconds(lambda: [cached(number) for number in range(1000)]) / 1000


def _joblib_hit(folder: Path) -> float:
    cached = joblib.Memory(str(folder), verbose=0).cache(_identity)
    return _seconds(lambda: [cached(number) for number in range(1000)]) / 1000


def _doit(folder: Path) -> float:
    (folder / "dodo.py").write_text(
        "def task_same():\n"
        "    for number in range(5000):\n"
        "        yield {'name': str(number), 'actions': [(lambda: None)], 'uptodate': [True]}\n"
    )
    command = [sys.executable, "-m", "doit", "-f", str(folder / "dodo.py"), "-d", str(folder), "-v0"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    run = lambda: subprocess.run(command, capture_output=True, check=True, env=environment)  # noqa: E731
    return _seconds(run) / 5000


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _each(action: Callable[[], object], times: int = 5000) -> float:
    return min(_seconds(lambda: [action() for _ in range(times)]) for _ in range(3)) / times


def _row(what: str, ours: float, limit: float | None, unit: str, *, target: str, **peers: float) -> dict[str, object]:
    scale = {"µs": 1e6, "ms": 1e3, "s": 1.0}[unit]
    scaled = {name: value * scale for name, value in peers.items()}
    shown = None if limit is None else limit * scale
    return {"what": what, "ours": ours * scale, "limit": shown, "unit": unit, "target": target, "peers": scaled}


if __name__ == "__main__":
    for each in rows():
        print(each)
