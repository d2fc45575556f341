"""A real process of five stages, run by real subprocesses that can be killed; what it did is counted outside of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import milepost
from milepost import Workspace
from milepost.model.rows import ResultRow, RunRow, SessionRow, StepRow

SOURCE = """
import os, time
from milepost import Process, stage

def note(text):
    handle = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, (text + "\\n").encode())
    os.close(handle)

@stage
def orders(count: int = {items}):
    note("orders")
    return [{{"id": n, "price": n * 7 % 101}} for n in range(count)]

@stage
def clean(orders, least: int = 0):
    note("clean")
    return [order for order in orders if order["price"] >= least]

@stage(each="clean", key="id")
def score(order, factor: int = {factor}):
    note(f"score {{order['id']}}")
    time.sleep({seconds})
    return order["price"] * factor

@stage
def total(score):
    note("total")
    return sum(score)

@stage
def report(total, score):
    note("report")
    return {{"total": total, "count": len(score)}}

sales = Process("sales", [orders, clean, score, total, report])
"""


AS_ROOT = () if os.getuid() == 0 else ("sudo", "-n")  # what needs it: a small disk, a small memory
STARTED: list[subprocess.Popen[str]] = []


def end_all() -> None:
    """Kill what a test has started and not waited for, with its workers."""
    for process in STARTED:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    STARTED.clear()


class Job:
    """The process in a folder of its own, with its workspace and its count of calls."""

    def __init__(self, folder: Path, *, items: int = 2000, seconds: float = 0.004, place: Path | None = None) -> None:
        self.folder = folder
        self.place = place or folder / ".milepost"
        self.settings: dict[str, str] = {}
        self.items = items
        self.seconds = seconds
        self.write(factor=3)

    def write(self, *, factor: int) -> None:
        text = SOURCE.format(items=self.items, factor=factor, seconds=self.seconds)
        (self.folder / "sales.py").write_text(text)

    def expected(self, factor: int = 3) -> dict[str, int]:
        return {"total": factor * sum(n * 7 % 101 for n in range(self.items)), "count": self.items}

    @property
    def environment(self) -> dict[str, str]:
        source = str(Path(milepost.__file__).parent.parent)
        return {
            **os.environ,
            "XDG_DATA_HOME": str(self.folder / "data"),
            "MILEPOST_WORKSPACE": str(self.place),
            "PYTHONPATH": source,
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.settings,
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "milepost", *arguments]

    def start(self, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, *self.command(*(arguments or ("run", "sales.py")))],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        STARTED.append(process)
        return process

    def finish(self, *arguments: str) -> str:
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return said

    def scored(self) -> int:
        """How many items were begun, repeated ones each time."""
        path = self.folder / "calls"
        return path.read_bytes().count(b"score ") if path.exists() else 0

    def calls(self) -> Counter[str]:
        path = self.folder / "calls"
        return Counter(path.read_text().splitlines()) if path.exists() else Counter()

    def done(self) -> set[str]:
        """The items that the ledger holds as done, read as any observer would."""
        return set(self.acknowledged())

    def acknowledged(self) -> dict[str, tuple[int, bytes | None, str | None]]:
        """The items that the ledger holds as done, with the attempt that did them and its result."""
        if not (self.place / "ledger.db").exists():
            return {}
        with Workspace.open(self.place, create=False, read_only=True) as workspace:
            rows = [row for row in workspace.store.rows(StepRow) if row.status.is_done]
        return {row.item: (row.attempt, row.result, row.address) for row in rows}

    def result(self) -> object:
        with Workspace.open(self.place, create=False, read_only=True) as workspace:
            row = workspace.store.get(ResultRow, stage="report")
            assert row is not None
            return workspace.objects.get(row.address)

    def sessions(self) -> list[SessionRow]:
        if not (self.place / "ledger.db").exists():
            return []
        with Workspace.open(self.place, create=False, read_only=True) as workspace:
            return workspace.store.rows(SessionRow)

    def runs(self) -> list[RunRow]:
        with Workspace.open(self.place, create=False, read_only=True) as workspace:
            return workspace.store.rows(RunRow)


def wait_for(condition, seconds: float = 20.0, said: object = "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come about in time {said}"
        time.sleep(0.01)
