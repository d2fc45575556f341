"""Where steps are recorded in tests: a folder of its own, a ledger in a file."""

import pytest

from milepost.steps import ProcessingStepManager, moments


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "keys"))
    monkeypatch.delenv("MILEPOST_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(moments, "_told", set())


@pytest.fixture
def manager(tmp_path):
    """A manager on a ledger in a file."""
    with ProcessingStepManager(tmp_path / "steps.db") as manager:
        yield manager
