"""Block 3.7: health goes down when documents fail and comes back when they stop, as a program and a shell see it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from milepost.cli.main import milepost
from milepost.health import HealthCheckManager, HealthStatus
from milepost.steps import ProcessingStatus, ProcessingStepManager
from milepost.testing.clock import FakeClock

TEXT = Path(__file__).with_name("processing_steps.md").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"^## 3\.7\n+```\w*\n(.*?)^```", TEXT, re.M | re.S)


@pytest.fixture(autouse=True)
def _quiet_machine(monkeypatch):
    """Other programs on the tester's machine are not the story."""
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))


@pytest.fixture
def manager():
    with ProcessingStepManager() as opened:
        yield opened


def run_block():
    """The block as printed; its `if` holds a comment alone, so a `pass` is put behind it."""
    names = {"HealthStatus": HealthStatus}
    exec(compile(BLOCK + "    pass\n", "block 3.7", "exec"), names)
    names["health_manager"].close()
    return names["health_status"]


def test_a_program_that_does_well(manager):
    for number in range(20):
        manager.add_step(f"doc{number}", "extract", ProcessingStatus.SUCCESS, metrics={"duration_ms": 1500})
    health = run_block()
    assert (HealthStatus.HEALTHY, 20, 0.0) == (health.status, health.total_docs, health.error_rate)
    assert health.avg_processing_time == pytest.approx(1.5)


@pytest.mark.parametrize("status", [ProcessingStatus.ERROR, ProcessingStatus.FAILED])
@pytest.mark.parametrize("message", ["Failed to process image: corrupt file", None])
def test_documents_that_fail(manager, status, message):
    """Also without a message."""
    assert run_block().status is HealthStatus.HEALTHY
    manager.add_step("doc123", "image_processing", status, error_message=message)
    health = run_block()
    assert health.status in (HealthStatus.WARNING, HealthStatus.CRITICAL)
    assert (message or "no message") in health.issues[0]
    assert 1.0 == health.error_rate == health.failed_docs_ratio


def test_documents_with_warnings(manager):
    """The status that the block asks for."""
    for number in range(5):
        manager.add_step(f"doc{number}", "extract", ProcessingStatus.WARNING, error_message="page 3 is empty")
    assert run_block().status is HealthStatus.WARNING


def test_documents_that_stop_failing(manager):
    """An hour later nothing is left of it, and before, enough successes are."""
    for number in range(30):
        manager.add_step(f"doc{number}", "extract", ProcessingStatus.FAILED)
    assert run_block().status is HealthStatus.CRITICAL
    clock = FakeClock(datetime.now(UTC).timestamp() + 3700)
    with HealthCheckManager(clock=clock) as later:
        report = later.perform_health_check()
    assert (HealthStatus.HEALTHY, 0) == (report.status, report.total_docs)
    manager.add_steps({"doc_id": f"more{n}", "step_name": "extract", "status": "success"} for n in range(3000))
    assert run_block().status is HealthStatus.HEALTHY


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_naive_and_aware_times_side_by_side(manager):
    """Steps of both kinds are counted at their own time: the naive one is taken as UTC."""
    now = datetime.now(UTC)
    manager.add_step(
        "old", "extract", ProcessingStatus.FAILED, timestamp=(now - timedelta(hours=2)).replace(tzinfo=None)
    )
    assert run_block().status is HealthStatus.HEALTHY
    manager.add_step("a", "extract", ProcessingStatus.FAILED, timestamp=now.replace(tzinfo=None))
    manager.add_step("b", "extract", ProcessingStatus.FAILED, timestamp=now)
    assert 2 == run_block().total_docs


def test_the_same_from_a_shell(manager):
    """Exit code and text."""
    manager.add_step("doc123", "image_processing", ProcessingStatus.ERROR, error_message="corrupt file")
    told = CliRunner().invoke(milepost, ["health"], standalone_mode=False)
    assert 12 == told.return_value
    assert "critical" == told.output.split()[1]
    assert "corrupt file" in told.output
