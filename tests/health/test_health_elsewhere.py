"""Workspaces that go and come back, clocks that jump, files that are no files: health says what is there now."""

import os
import shutil

import pytest

from milepost import Workspace
from milepost.health import HealthCheckManager


def test_a_workspace_that_was_deleted_is_critical_until_it_is_made_again(manager, workspace, record, found):
    """Whoever has it open sees that it is gone, makes none in its place, and looks at the new one when there is one."""
    record("failed", 5)
    assert found("documents").status == "critical"
    place = workspace.path
    shutil.rmtree(place)
    for _ in range(2):
        store = found("store")
        assert (store.status, "is gone" in store.text, str(place) in store.text) == ("critical", True, True)
    assert not place.exists()
    Workspace.open(place).close()
    with HealthCheckManager(workspace=place) as other:
        assert other.perform_readiness_check().status == "healthy"


def test_by_its_path_too(tmp_path):
    """A manager that opened the workspace itself."""
    place = tmp_path / "w"
    with HealthCheckManager(workspace=place) as manager:
        assert manager.perform_readiness_check().status == "healthy"
        shutil.rmtree(place)
        for _ in range(2):
            (store,) = manager.perform_readiness_check().checks
            assert (store.status, store.text) == ("critical", f"workspace {place} is gone: it was moved or deleted")
        assert not place.exists()
        with Workspace.open(place) as made_again:
            from milepost.steps import ProcessingStepManager

            steps = ProcessingStepManager(made_again)
            steps.add_steps((f"doc{n}", "ocr", "failed") for n in range(9))
            documents = {check.name: check for check in manager.perform_health_check().checks}["documents"]
        assert documents.text.startswith("9 of 9 attempts failed")


def test_attempts_of_the_future_are_not_of_the_last_hour(manager, record, found, clock):
    """Dated by mistake: they count when their time has come, for else they would count for ever."""
    record("failed", 30, ago=-100 * 86_400)
    assert (found("documents").status, found("documents").text) == ("healthy", "none in the last hour")
    record("success", 3)
    assert found("documents").text == "3 attempts in the last hour, none failed"
    assert manager.perform_health_check().total_docs == 3
    record("failed", 1, ago=1)
    assert found("documents").text.startswith("1 of 4 attempts failed in the last 5 min")
    assert "1.0 s ago" in found("documents").text


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_a_history_that_is_no_file_holds_up_nobody(workspace, clock, kind):
    """Health is looked at all the same, at once."""
    path = workspace.path / "health.json"
    made = {"fifo": os.mkfifo, "folder": os.mkdir, "link": lambda path: os.symlink("/dev/zero", path)}
    made[kind](path)
    with HealthCheckManager(workspace=workspace, clock=clock) as manager:
        manager.perform_health_check()
        assert not manager.is_hanging
