"""A workspace with a ledger of its own, a clock that stands still, and what fills them."""

import pytest

from milepost import Workspace
from milepost.health import HealthCheckManager
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.testing.clock import FakeClock

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _own_keys(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "keys"))
    monkeypatch.delenv("MILEPOST_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def workspace(tmp_path):
    with Workspace.open(tmp_path / ".milepost") as opened:
        yield opened


@pytest.fixture
def manager(workspace, clock):
    """Its own checks of this machine's load and memory left out: other programs decide on them."""
    with HealthCheckManager(workspace=workspace, clock=clock) as opened:
        for name in ("cpu", "memory"):
            opened.unregister(name)
        yield opened


@pytest.fixture
def record(workspace, clock):
    """Records attempts of documents, each with a name of its own, at the clock's time or so many seconds before."""
    count = 0

    def write(status, number=1, *, ago=0.0, **more):
        nonlocal count
        rows = []
        for _ in range(number):
            count += 1
            given = {"item": f"doc-{count}", "step": "extract", "seconds": 0.5, "at": clock.now() - ago, **more}
            rows.append(StepRow(run="r", status=ProcessingStatus(status), **given))
        workspace.store.write(rows)

    return write


@pytest.fixture
def found(manager):
    """What a check says now, by its name."""

    def look(name):
        return {check.name: check for check in manager.perform_health_check().checks}[name]

    return look
