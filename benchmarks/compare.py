"""What comparing a thousand runs costs, beside reading their rows from SQLite and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec

from milepost import Workspace
from milepost.kernel.sessions import new_session
from milepost.model.rows import DecisionRow, ResultRow, Row, RunRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.views.compare import compare_newest

RUNS, DECISIONS, STAGES = 1000, 10, 5


def rows() -> list[dict[str, object]]:
    """All measurements: what, ours, limit, unit."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "workspace"
        with Workspace.open(place) as workspace:
            workspace.store.write([row for number in range(RUNS) for row in run_rows(number)])
            ours = _best(lambda: compare_newest(workspace.store, place / "runs", RUNS, process=None, now=time.time()))
        limit = _best(lambda: _bare(place / "ledger.db"))
        shell = _best(lambda: _shell(place))
    what = f"{RUNS:,} runs × {DECISIONS} decisions × {STAGES} stages"
    return [
        _row(f"{what} compared", ours, limit, target="≤ 1 s"),
        _row("the same from the shell, to the last line", shell, None, target="≤ 1 s"),
    ]


def run_rows(number: int) -> list[Row]:
    """One run as a runner writes it: some stages reused, decisions that differ from run to run."""
    run = f"{number:016x}"
    session = msgspec.structs.replace(new_session(), run=run, epoch=1)
    found: list[Row] = [
        RunRow(
            id=run, name=f"run-{number}", process="sweep", decisions_hash=run, created=1.0 + number,
            ended=9.0 + number, state=RunState.COMPLETED,
        ),
        msgspec.structs.replace(session, ended=session.started + 5, end=RunState.COMPLETED),
    ]  # fmt: skip
    for at in range(DECISIONS):
        value = json.dumps(number / 7 if at < 2 else at)
        found.append(DecisionRow(run=run, stage=f"s{at % STAGES}", name=f"d{at}", value=value, default="1", at=1.0))
    for at in range(STAGES):
        key = f"f1:{number if at > 1 else 0}-{at}"
        state = StageState.COMPLETED if at > 1 else StageState.REUSED
        metrics = json.dumps({"auc": number / 3, "rows": number})
        found += [
            StageRow(
                run=run, stage=f"s{at}", epoch=1, process="sweep", state=state, position=at, key=key, seconds=1.0,
                metrics=metrics,
            ),
            ResultRow(key=key, address="o1-00", stage=f"s{at}", run=run, seconds=1.0, size_bytes=1, at=1.0),
        ]  # fmt: skip
    return found


def _bare(path: Path) -> None:
    """The same rows as tuples."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    for table in ("runs", "sessions", "decisions", "stages"):
        connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()


def _shell(place: Path) -> None:
    command = [sys.executable, "-m", "milepost", "compare", "--last", str(RUNS), "--workspace", str(place)]
    subprocess.run(command, capture_output=True, check=True)


def _best(action: Callable[[], object], times: int = 5) -> float:
    return min(_seconds(action) for _ in range(times))


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _row(what: str, ours: float, limit: float | None, *, target: str) -> dict[str, object]:
    return {"what": what, "ours": ours, "limit": limit, "unit": "s", "target": target, "peers": {}}


if __name__ == "__main__":
    for each in rows():
        print(each)
