"""Trials of a small process: carried out under strace, stopped or refused at a chosen system call, then checked."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

import milepost

HERE = Path(__file__).parent
OURS = (".milepost", "data")  # what we write below a trial's folder
ITEMS = 40
CHANGING = (
    "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "ftruncate",
    "openat", "mkdir", "link", "linkat",
)  # fmt: skip
SOURCE = """
import os, time
from milepost import Process, stage

def note(text):
    handle = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, (text + "\\n").encode())
    os.close(handle)

@stage
def orders(count: int = {items}):
    return [{{"id": n, "price": n * 7 % 101}} for n in range(count)]

@stage
def clean(orders):
    return [order for order in orders if order["price"] >= 0]

@stage(each="clean", key="id")
def score(order, factor: int = 3):
    note(f"score {{order['id']}}")
    time.sleep({seconds})
    if order["id"] % 10 == 0:
        return "x" * 6000 + str(order["price"])  # too large for a row: an object of its own
    return order["price"] * factor

@stage
def total(score):
    return sum(each if isinstance(each, int) else 3 * int(each[6000:]) for each in score)

@stage
def report(total, score):
    return {{"total": total, "count": len(score)}}

sales = Process("sales", [orders, clean, score, total, report])
"""
EXPECTED = {"total": 3 * sum(n * 7 % 101 for n in range(ITEMS)), "count": ITEMS}
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Point(NamedTuple):
    """The n-th call of one kind that a trial's process makes, counted from 1 for each thread."""

    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call}:{self.number}"


class Server:
    """A process that forks a child for each order; see driver.py."""

    def __init__(self) -> None:
        source = str(Path(milepost.__file__).parent.parent)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((source, str(HERE))), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("MILEPOST_WORKSPACE", None)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore::RuntimeWarning", str(HERE / "driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def load(self, names: Sequence[str]) -> None:
        self._send({"load": list(names)})

    def carry_out(
        self, folder: Path, order: dict, *, before: Callable[[int], None] | None = None, seconds: float = 60.0
    ) -> int:
        """What the child ended with: its exit code, negative for a signal. `before` gets its pid before it begins."""
        self._send(
            {"folder": str(folder), **order, "environment": {**environment_of(folder), **order.get("environment", {})}}
        )
        pid = self._receive()["pid"]
        if before is not None:
            before(pid)
        self._send({})
        return os.waitstatus_to_exitcode(self._receive()["status"])

    def _send(self, order: dict) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> dict:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def environment_of(folder: Path) -> dict[str, str]:
    return {
        "XDG_DATA_HOME": str(folder / "data"),
        "MILEPOST_WORKSPACE": str(folder / ".milepost"),
        "MILEPOST_STORE_WAIT_SECONDS": "0.6",
    }


class Lab:
    """As many servers as there are cores, and folders for trials."""

    def __init__(self, folder: Path, *, servers: int = 2) -> None:
        self.folder = folder
        self._servers = [Server() for _ in range(servers)]
        self._free: SimpleQueue[Server] = SimpleQueue()
        self._count = 0
        warm = self.fresh()
        self._servers[0].carry_out(warm, {"do": "modules"})
        names = json.loads((warm / "said").read_text().splitlines()[-1])
        for server in self._servers:
            server.load([name for name in names if not name.startswith("__") and name != "sales"])
            self._free.put(server)

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def fresh(self, *, seconds: float = 0.0) -> Path:
        """A folder with the small process in it."""
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir()
        (folder / "sales.py").write_text(SOURCE.format(items=ITEMS, seconds=seconds))
        (folder / "acked").touch()
        return folder

    def copy(self, prepared: Path) -> Path:
        """A folder like one that earlier sessions have worked in."""
        self._count += 1
        folder = self.folder / str(self._count)
        shutil.copytree(prepared, folder)
        return folder

    def each(self, work: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
        """`work` for each item, as many at once as there are servers."""
        with ThreadPoolExecutor(len(self._servers)) as pool:
            return list(pool.map(work, items))

    def carry_out(self, folder: Path, order: dict, strace: Sequence[str] = ()) -> int:
        """Carry an order out, under strace when arguments for it are given."""
        server, tracers = self._free.get(), []
        try:
            before = (lambda pid: tracers.append(attach(pid, strace))) if strace else None
            code = server.carry_out(folder, order, before=before)
        finally:
            self._free.put(server)
            for tracer in tracers:
                tracer.communicate(timeout=20)
        return code

    def check(self, folder: Path, **facts: object) -> list[str]:
        """What is not as promised in a folder after its trial."""
        order = {"do": "check", "acked": str(folder / "acked"), "expected": EXPECTED, **facts}
        code = self.carry_out(folder, order)
        said = (folder / "said").read_text()
        if code in (0, 1) and "Traceback" not in said:
            return [json.loads(line) for line in said.splitlines() if line.startswith('"')]
        return [f"the check itself ended with {code}: {said[-2000:]}"]


def attach(pid: int, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """strace, once it holds the process."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-p", str(pid), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    status = Path(f"/proc/{pid}/status")
    deadline = time.monotonic() + 20
    while "TracerPid:\t0\n" in status.read_text():
        assert tracer.poll() is None and time.monotonic() < deadline, tracer.stderr and tracer.stderr.read()
        time.sleep(0.001)
    return tracer


def points_of(
    lab: Lab, order: dict | None = None, *, places: Sequence[str] = OURS, prepared: Path | None = None
) -> list[Point]:
    """Every changing call that the process makes in these places of its folder, by the thread that does the work."""
    folder = lab.fresh() if prepared is None else lab.copy(prepared)
    trace = folder / "trace"
    code = lab.carry_out(folder, order or {"do": "run"}, ["-y", "-o", str(trace), "-e", f"trace={','.join(CHANGING)}"])
    assert code == 0, (folder / "said").read_text()
    return read_points(trace.read_text(), [f"{folder}/{place}" for place in places])


def read_points(trace: str, places: Sequence[str]) -> list[Point]:
    lines = [re.match(r"(\d+) +(\w+)\((.*)", line) for line in trace.splitlines()]
    calls = [match.groups() for match in lines if match]
    main = calls[0][0]
    seen: Counter[str] = Counter()
    points = []
    for thread, call, rest in calls:
        if thread != main:
            continue
        seen[call] += 1
        if any(place in rest for place in places):
            points.append(Point(call, seen[call]))
    return points


def spread(points: Sequence[Point], count: int) -> list[Point]:
    """So many of the points: of each kind of call some, more of the frequent ones, evenly over the run."""
    kinds: dict[str, list[Point]] = {}
    for point in points:
        kinds.setdefault(point.call, []).append(point)
    weights = {call: len(of) ** 0.5 for call, of in kinds.items()}
    chosen = []
    for call, of in kinds.items():
        share = min(len(of), max(1, round(count * weights[call] / sum(weights.values()))))
        chosen += [of[int((n + 0.5) * len(of) / share)] for n in range(share)]
    return chosen


def killed_at(lab: Lab, point: Point, *, bug: str | None = None, options: dict | None = None) -> list[str]:
    """Kill on entry of that call; what is then not as promised."""
    folder = lab.fresh()
    violations = [f"{point}: {text}" for text in kill_in(lab, folder, point, bug=bug, options=options)]
    if not violations:
        shutil.rmtree(folder)
    return violations


def killed_one_after_another(lab: Lab, points: Sequence[Point]) -> list[str]:
    """One run, killed at a point, continued and killed at the next; what is not as promised after any of them."""
    folder = lab.fresh()
    for point in points[:-1]:
        if violations := kill_in(lab, folder, point, carry_on=False):
            return [f"{point}: {text}" for text in violations]
    return [f"{points[-1]}: {text}" for text in kill_in(lab, folder, points[-1])]


def kill_in(
    lab: Lab,
    folder: Path,
    point: Point,
    *,
    bug: str | None = None,
    options: dict | None = None,
    carry_on: bool = True,
) -> list[str]:
    return kill_doing(lab, folder, point, {"do": "run", "bug": bug, "options": options or {}}, carry_on=carry_on)


def kill_doing(lab: Lab, folder: Path, point: Point, order: dict, **facts: object) -> list[str]:
    """Kill what carries the order out in this folder; what is then not as promised."""
    rule = f"{point.call}:signal=SIGKILL:when={point.number}"
    code = lab.carry_out(folder, order, ["-o", "/dev/null", "-e", f"trace={point.call}", "-e", f"inject={rule}"])
    said = (folder / "said").read_text()
    if code not in (0, -signal.SIGKILL) and "killed by signal 9" not in said:  # so was each of its workers
        return [f"it ended with {code}: {said[-1500:]}"]
    return lab.check(folder, **facts)
