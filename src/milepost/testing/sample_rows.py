"""One row of each kind, and what is strange in texts and numbers: what tests of stores write."""

from __future__ import annotations

import math

import msgspec

from milepost import typed
from milepost.model.rows import (
    AcceptedRow,
    DecisionRow,
    EventRow,
    FileRow,
    PartsRow,
    ResultRow,
    Row,
    RunRow,
    ScenarioRow,
    SessionRow,
    SourceRow,
    StageRow,
    StepRow,
    TraceRow,
)
from milepost.model.status import ProcessingStatus, RunState, StageState

DONE, FAILED = ProcessingStatus.SUCCESS, ProcessingStatus.FAILED
STRANGE_TEXTS = (
    "", ".",
    "../../etc/passwd", "a\0b", "\ud800 alone", "é\u0301", "\u202egnp.exe", "👩‍👩‍👧", "%s{}", "'; DROP TABLE steps --",
    "\r\n", "\x1b[31m", "x" * 4096, "123", "nan", "NULL",
)  # fmt: skip
STRANGE_FLOATS = (0.0, -0.0, 1e308, 5e-324, math.inf, -math.inf, math.nan, 2.0**53 + 2)
STRANGE_INTEGERS = (0, -1, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**5000)


def run_row(number: int = 1, **changes: object) -> RunRow:
    """A run for tests."""
    fields: dict[str, object] = {
        "id": f"run-{number}",
        "name": f"brave-otter-{number}",
        "process": "sales",
        "decisions_hash": "d1",
        "created": 1000.0 + number,
    }
    return typed.convert(fields | changes, RunRow)


def session_row(**changes: object) -> SessionRow:
    """A session for tests; its run and epoch are the store's to fill in."""
    fields: dict[str, object] = {
        "run": "",
        "epoch": 0,
        "host": "desk",
        "boot_id": "b",
        "pid": 77,
        "pid_started": 5.0,
        "started": 10.0,
        "beat": 20.0,
    }
    return typed.convert(fields | changes, SessionRow)


def step_row(item: str = "i1", **changes: object) -> StepRow:
    """A step for tests: done, in run-1, of step score."""
    step = StepRow(run="run-1", step="score", item=item, status=DONE, key="f1:k", digest=digest_of(item), at=50.0)
    return msgspec.structs.replace(step, **changes)


def digest_of(item: str) -> bytes:
    """Sixteen bytes that stand for an item's value."""
    return item.encode("utf-8", "surrogatepass")[:16].rjust(16, b"\0")


def stage_row(stage: str = "score", **changes: object) -> StageRow:
    """A stage for tests."""
    row = StageRow(run="run-1", stage=stage, epoch=1, process="sales", state=StageState.RUNNING)
    return msgspec.structs.replace(row, **changes)


def one_of_each() -> list[Row]:
    """A row of each kind."""
    return [
        run_row(ended=3.5, cause="why", target="sales.py:sales", cwd="/tmp"),
        session_row(run="run-1", epoch=1, end=RunState.FAILED, ended=21.0, oom_kills=2),
        DecisionRow(run="run-1", stage="score", name="threshold", value="0.8", at=3.0, address="o1-decision"),
        stage_row(state=StageState.COMPLETED, seconds=1.5, address="o1-stage", items_total=3, progress=0.5),
        step_row(result=b"\x00\xff", address="o1-step", error="ValueError: no", seconds=0.25, attempt=2),
        ResultRow(
            key="f1:k", address="o1-result", stage="score", run="run-1", seconds=1.0, size_bytes=2, at=1.0,
            classes=("sales:Row", "sales:\ud800"),
        ),
        PartsRow(key="f1:k", stage="score", parts=b"[]", at=1.0),
        SourceRow(digest="aa", text="def score(): ..."),
        AcceptedRow(stage="score", part="code", old="a", new="", who="ann", at=1.0),
        FileRow(path="/data/orders.csv", size_bytes=5, mtime_ns=2**62, inode=2**63 + 7, digest="ff", at=1.0),
        ScenarioRow(id="s1", process="sales", name="strict", decisions='{"score":{"threshold":0.8}}', at=1.0),
        TraceRow(code="f1:c", key="f1:t", stage="1", reads=b'[["1.n",""]]', at=1.0),
        EventRow(at=1.0, run="run-1", kind="run.started", json='{"a": 1}'),
    ]  # fmt: skip


def same(expected: Row, found: Row | None) -> bool:
    """Equal but for the number that the store gave; NaN equals NaN."""
    if type(expected) is not type(found):
        return False
    left, right = msgspec.structs.asdict(expected), msgspec.structs.asdict(found)
    return all(name == "seq" or left[name] == right[name] or repr(left[name]) == repr(right[name]) for name in left)
