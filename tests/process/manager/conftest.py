"""A manager's tests: a workspace of their own, and programs that run as processes of the system."""

import subprocess
import sys
import textwrap

import pytest

from milepost import ProcessManager, Workspace


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A workspace in a folder of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("MILEPOST_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    with Workspace.open(tmp_path / ".milepost") as opened:
        yield opened


@pytest.fixture
def made(place):
    """Makes managers in the workspace and ends their runs."""
    managers = []

    def made(cls=ProcessManager, *arguments, **options):
        managers.append(cls(*arguments, workspace=place, **options))
        return managers[-1]

    yield made
    for manager in managers:
        manager.close()


@pytest.fixture
def run_program(place, tmp_path):
    """Writes a module and runs it as a process of its own; gives what it prints."""

    def run(source, *arguments):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(source))
        done = subprocess.run(
            [sys.executable, "-B", str(path), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
