import pytest
from loop_programs import Program, end_all

from milepost import Workspace


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    with Workspace.open(tmp_path / ".milepost") as opened:
        yield opened


@pytest.fixture
def program(tmp_path):
    """A loop in a program of its own; see `Program`."""
    yield Program(tmp_path)
    end_all()
