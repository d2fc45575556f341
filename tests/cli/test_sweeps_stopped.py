"""A sweep that is stopped between its runs as well as within one, and one whose reader leaves."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from milepost.kernel.workspace import Workspace
from milepost.model.rows import RunRow

QUICK = """
from milepost import Process, stage

@stage
def only(number: int = 0):
    return number

quick = Process("quick", [only])
"""
RUNS = 300
Begun = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begun(folder: Path, environment: dict[str, str]) -> Begun:
    """A sweep of many quick runs, begun as a process of its own."""
    (folder / "quick.py").write_text(QUICK)

    def begin(count: int, *arguments: str) -> subprocess.Popen[str]:
        values = ",".join(map(str, range(count)))
        command = [sys.executable, "-m", "milepost", "run", "quick.py", "--sweep", f"only.number={values}", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)  # type: ignore[call-overload, no-any-return]

    return begin


def recorded(folder: Path) -> list[RunRow]:
    with Workspace.open(folder / ".milepost", read_only=True) as workspace:
        return workspace.store.rows(RunRow)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_at_any_moment_it_says_how_many_had_not_begun(begun: Begun, folder: Path, stop: signal.Signals) -> None:
    """Most of these moments are within a run, and some are between two."""
    before = 0
    for trial in range(6):
        process = begun(RUNS)
        assert process.stdout is not None
        for _ in range(8 + trial):
            process.stdout.readline()
        time.sleep(trial * 0.013)
        process.send_signal(stop)
        said, errors = process.communicate(timeout=240)
        assert 128 + stop == process.returncode, errors
        assert "Traceback" not in errors
        left = re.search(r"stopped before ([0-9]+) runs? began: the same command goes on", said)
        assert left is not None, said + errors
        before = max(before, RUNS - int(left[1]))
        there = len({row.decisions_hash for row in recorded(folder)})
        assert there in (before, before + 1)  # one that was just being claimed had not begun to work


def test_stopped_it_has_a_json_document(begun: Begun, folder: Path) -> None:
    """With those runs that began, though the signal came between two."""
    process = begun(RUNS, "--json")
    deadline = time.monotonic() + 120
    while not (folder / ".milepost" / "ledger.db").exists() or len(recorded(folder)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=240)
    assert 130 == process.returncode, errors
    assert len(recorded(folder)) - len(json.loads(said)["runs"]) in (0, 1)  # see above


def test_a_reader_that_leaves_stops_no_run(begun: Begun, folder: Path) -> None:
    """`| head -1` cuts what is shown: what was asked for is carried out, as with one run."""
    with begun(5) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "" == process.stderr.read()
        assert 141 == process.wait(timeout=240)
    assert ["completed"] * 5 == [row.state for row in recorded(folder)]
