"""A workspace with runs in it as a runner writes them, and the real command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from milepost.kernel.sessions import new_session
from milepost.kernel.workspace import Workspace
from milepost.model.rows import DecisionRow, ResultRow, RunRow, StageRow, StepRow
from milepost.model.status import ProcessingStatus, RunState, StageState

Command = Callable[..., subprocess.CompletedProcess[str]]

SALES = """
import os, time
from milepost import Process, Run, stage

@stage
def orders(count: int = 20):
    return [{"invoice": n, "amount": n * 1.5} for n in range(count)]

@stage
def clean(orders, drop_refunds: bool = True):
    return [order for order in orders if order["amount"] >= 0]

@stage(each="clean", key="invoice", errors="collect")
def score(invoice, threshold: float = 0.75):
    time.sleep(float(os.environ.get("PAUSE", "0")))
    if os.environ.get("BAD") == str(invoice["invoice"]):
        raise ValueError("this one is bad")
    return invoice["amount"] * threshold

@stage
def report(score):
    print("made a report")
    if os.environ.get("FAIL"):
        raise RuntimeError("no paper")
    return sum(score)

sales = Process("sales", [orders, clean, score, report])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a process in it."""
    (tmp_path / "sales.py").write_text(SALES)
    return tmp_path


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """Nothing of the tester's own settings; a signing key kept apart."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {**kept, "HOME": str(folder), "PYTHONUTF8": "1", "MILEPOST_WORKSPACE": str(folder / ".milepost")}


@pytest.fixture
def milepost(folder: Path, environment: dict[str, str]) -> Command:
    """`milepost ...` in the folder, as a process."""

    def call(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "milepost", *arguments],
            cwd=folder,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return call


@pytest.fixture
def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workspace with one completed and one dead run; the name of the dead one."""
    monkeypatch.setenv("HOME", str(folder))
    now = time.time()
    session = new_session()
    common: dict[str, Any] = {"process": "sales", "decisions_hash": "d"}
    whole = RunRow(id="a" * 16, name="old-elk", state=RunState.COMPLETED, created=now - 90, ended=now - 80, **common)
    dead = RunRow(id="b" * 16, name="brisk-otter", created=now - 30, **common)
    replace = msgspec.structs.replace
    stage = {"epoch": 1, "process": "sales"}
    with Workspace.open(folder / ".milepost") as workspace:
        stored = workspace.objects.put([1, 2, 3])
        workspace.objects.put("nobody reaches this")
        workspace.store.write([
            whole, dead,
            replace(session, run=whole.id, epoch=1, started=now - 90, ended=now - 80, end=RunState.COMPLETED),
            replace(session, run=dead.id, epoch=1, started=now - 30, beat=now - 12, pid_started=1.0),
            StageRow(run=whole.id, stage="clean", state=StageState.COMPLETED, key="f1:1", seconds=9.0,
                     address=stored.address, reason="never run before", **stage),
            StageRow(run=dead.id, stage="clean", state=StageState.REUSED, key="f1:1", reason="unchanged",
                     reused_from=whole.id, address=stored.address, seconds=0.0, **stage),
            StageRow(run=dead.id, stage="score", state=StageState.RUNNING, position=1, key="f1:2", items_total=5,
                     items_done=2, reason="threshold 0.75 → 0.8", started=now - 20, **stage),
            ResultRow(key="f1:1", address=stored.address, stage="clean", run=whole.id, seconds=9.0,
                      size_bytes=stored.size_bytes, at=now - 80),
            DecisionRow(run=dead.id, stage="score", name="threshold", value="0.8", who="ann", at=now),
            *[StepRow(run=dead.id, step="score", item=str(n), status=ProcessingStatus.SUCCESS, at=now)
              for n in range(3)],
            StepRow(run=dead.id, step="score", item="evil\n\x1b[2J", status=ProcessingStatus.FAILED,
                    error="ValueError: no \x1b[31mred", at=now),
        ])  # fmt: skip
    return "brisk-otter"
