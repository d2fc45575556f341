"""How much of two workers' time the items of a mapped stage get, beside pools that record nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from milepost import Process, Workspace, stage

COUNT = 1000
ROUNDS = 3


def busy(number: int) -> int:
    """Ten milliseconds of CPU time, whatever else the machine does."""
    end = time.thread_time() + 0.01
    while time.thread_time() < end:
        pass
    return number


@stage
def jobs(again: int = 0):
    return [(again, number) for number in range(COUNT)]


@stage(each="jobs")
def work(job):
    return busy(job[1])


PARALLEL = Process("parallel", [jobs, work])


def rows() -> list[dict[str, object]]:
    """The share of the ideal, which is half the CPU time of the items. They take turns, and all start cold."""
    with tempfile.TemporaryDirectory() as folder, Workspace.open(Path(folder)) as workspace:

        def ours(again: int) -> None:
            PARALLEL.run({"jobs.again": again}, workspace=workspace, executor="workers", workers=2)

        works = {"ours": ours, "ProcessPoolExecutor": _pool, "joblib": _loky}
        taken: dict[str, list[float]] = {name: [] for name in works}
        for again in range(ROUNDS):
            for name, carry_out in works.items():
                taken[name].append(_seconds(lambda carry_out=carry_out, again=again: carry_out(again)))
    share = {name: COUNT * 0.01 / 2 / sorted(seconds)[ROUNDS // 2] for name, seconds in taken.items()}
    return [
        {
            "what": "1,000 × 10 ms of CPU on 2 workers, of the ideal",
            "ours": share.pop("ours"),
            "limit": 1.0,
            "unit": "×",
            "target": "≥ 0.95",
            "peers": share,
        }
    ]


def _pool(again: int) -> None:
    with ProcessPoolExecutor(2) as executor:
        list(executor.map(busy, range(COUNT), chunksize=10))


def _loky(again: int) -> None:
    import joblib

    with joblib.Parallel(n_jobs=2) as parallel:
        parallel(joblib.delayed(busy)(number) for number in range(COUNT))


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    for line in rows():
        print(line)
