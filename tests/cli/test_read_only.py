"""The command line on a workspace whose disk is mounted read-only: it shows everything, and says what it cannot do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from milepost.errors import WorkspaceError
from milepost.kernel.workspace import Workspace
from milepost.model.rows import RunRow

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def read_only(folder: Path, recorded: str, milepost: Command) -> Iterator[str]:
    """The folder's workspace, on a disk where nothing can be written; the name of a run in it."""
    assert 0 == milepost("scenarios", "save", "usual", "--run", "old-elk").returncode
    place = str(folder / ".milepost")
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield recorded
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize(
    "looking",
    [["ls"], ["show"], ["decisions"], ["scenarios"], ["scenarios", "show", "usual"], ["compare", "--last", "2"],
     ["compare", "usual", "old-elk"], ["why"], ["export"], ["errors"], ["plan", "sales.py"]],
)  # fmt: skip
def test_looking_works(read_only: str, milepost: Command, looking: list[str]) -> None:
    """What was recorded is shown as ever."""
    done = milepost(*looking)
    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    "writing",
    [["scenarios", "save", "x", "--run", "old-elk"], ["scenarios", "rm", "usual"], ["cancel"],
     ["scenarios", "rename", "usual", "x"], ["accept", "clean"], ["run", "sales.py"], ["resume"]],
)  # fmt: skip
def test_what_would_write_is_refused_at_once(
    read_only: str, folder: Path, milepost: Command, writing: list[str]
) -> None:
    """It is said that the disk is read-only, and nobody waits a minute for it to change."""
    done = milepost(*writing, MILEPOST_STORE_WAIT_SECONDS="1000000")
    assert 4 == done.returncode, done.stderr
    assert 1 == len(done.stderr.splitlines()) and "read-only" in done.stderr.lower()


def test_a_ledger_whose_rights_were_taken_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only disks are read-only: the error names the file."""
    with Workspace.open(tmp_path / ".milepost") as workspace:
        assert workspace.store.get(RunRow) is None
        ledger = workspace.path / "ledger.db"
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != ledger)
        with pytest.raises(WorkspaceError, match="can be read and not written.*ledger.db is"):
            workspace.refuse_unwritable()
