"""A run that cannot begin leaves the folder as it was, and says what to do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

MANAGED = """
from milepost import ProcessManager

class Sums(ProcessManager):
    def _compute_stage(self, stage):
        return [stage]

made = Sums()
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.py",), "nowhere.py: no such file"),
        (("nowhere",), "no such file or module"),
        (("empty.py",), "holds no Process"),
        (("crooked.py",), "crooked.py cannot be loaded: SyntaxError"),
        (("raising.py",), "raising.py:1"),
        (("sales.py:purchases",), "'purchases' does not exist"),
        (("sales.py", "--set", "score.treshold=1"), "threshold"),
        (("sales.py", "--set", "score.threshold=high"), "threshold"),
        (("sales.py", "--only", "scores"), "score"),
        (("sales.py", "--from", "scores"), "score"),
    ],
)
def test_a_run_that_cannot_begin_makes_no_workspace(
    milepost: Command, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Exit code 2, one paragraph, and neither a workspace nor a key."""
    (folder / "empty.py").write_text("x = 1\n")
    (folder / "crooked.py").write_text("def x(:\n")
    (folder / "raising.py").write_text("raise RuntimeError('not today')\n")
    before = names_in(folder)
    done = milepost("run", *arguments)
    assert 2 == done.returncode, done.stderr
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert before == names_in(folder)


def test_a_run_makes_the_workspace_that_it_is_told(milepost: Command, folder: Path) -> None:
    assert 2 == milepost("run", "nowhere.py", "--workspace", "elsewhere").returncode
    assert not (folder / "elsewhere").exists()
    assert 0 == milepost("run", "sales.py", "--workspace", "elsewhere").returncode
    assert (folder / "elsewhere" / "ledger.db").exists()


@pytest.mark.parametrize("target", ["sums.py", "sums.py:Sums", "sums.py:made"])
@pytest.mark.parametrize("command", [("accept", "1", "--target"), ("run",), ("plan",)])
def test_a_program_with_a_manager_is_told_what_carries_it_out(
    milepost: Command, folder: Path, command: tuple[str, ...], target: str
) -> None:
    """Nobody is asked to write a Process into it; what to do for `accept` is said, too."""
    assert 0 == milepost("run", "sales.py").returncode
    (folder / "sums.py").write_text(MANAGED)
    done = milepost(*command, target)
    assert 2 == done.returncode, done.stdout + done.stderr
    assert "is carried out by its program itself: start that" in done.stderr
    assert "ProcessManager" in done.stderr
    assert "write  name = Process" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("run", "sales.py"), ("ls",), ("plan", "sales.py"), ("doctor",), ("gc",)])
def test_a_folder_in_place_of_the_ledger_is_said(milepost: Command, folder: Path, arguments: tuple[str, ...]) -> None:
    """Exit code 4 and one paragraph that names it and says what to do; nothing is made."""
    (folder / ".milepost" / "ledger.db").mkdir(parents=True)
    before = names_in(folder)
    done = milepost(*arguments)
    assert 4 == done.returncode, done.stdout + done.stderr
    said = done.stdout if arguments == ("doctor",) else done.stderr
    assert "ledger.db is a folder" in said
    assert "move it away" in said
    assert "Traceback" not in done.stderr
    assert before == names_in(folder)


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if "__pycache__" not in path.parts}
