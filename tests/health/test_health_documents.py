"""Health goes down when documents fail and comes back when they stop; counts are per window, not for ever."""

import pytest

from milepost.health import HealthCheckManager, HealthStatus, Levels, Thresholds
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.memory import MemoryStore

HEALTHY, WARNING, UNKNOWN, CRITICAL = HealthStatus


@pytest.mark.parametrize("status", ["error", "failed"])
def test_a_failure_without_a_message_counts(manager, record, status):
    record(status, 3, error=None)
    report = manager.perform_health_check()
    assert (CRITICAL, 1.0, 1.0, 3) == (report.status, report.error_rate, report.failed_docs_ratio, report.total_docs)
    assert report.issues[0].startswith("documents: 3 of 3 attempts failed in the last 5 min (100%)")
    assert report.issues[0].endswith("extract of doc-3: no message")


def test_a_single_failure_of_a_single_document_is_reported(manager, record):
    record("error", error="corrupt file")
    assert "corrupt file" in manager.perform_health_check().issues[0]


def test_health_comes_back_when_documents_succeed_again(manager, record, clock):
    """While work goes on, five minutes of success are enough."""
    record("failed", 30)
    record("success", 30)
    assert CRITICAL is manager.perform_health_check().status
    clock.advance(400)
    record("success", 200)
    report = manager.perform_health_check()
    assert (HEALTHY, ()) == (report.status, report.issues)
    assert 0 < report.error_rate < 0.2  # of the hour


def test_health_comes_back_when_nothing_fails_any_more(manager, record, clock):
    """Also when nothing is done any more: thirty failures in a row end in a silence of six minutes."""
    record("failed", 30)
    clock.advance(290)
    assert CRITICAL is manager.perform_health_check().status
    clock.advance(80)
    assert HEALTHY is manager.perform_health_check().status


def test_a_slow_job_that_fails_stays_seen_between_its_failures(manager, record, clock):
    """A document in ten minutes, each failing."""
    for _ in range(6):
        record("failed")
        for _ in range(2):
            assert CRITICAL is manager.perform_health_check().status
            clock.advance(290)


def test_counts_are_per_window(manager, record, clock):
    """What failed more than an hour ago is not in any figure."""
    record("failed", 100)
    clock.advance(3601)
    record("success", 10)
    report = manager.perform_health_check()
    assert (HEALTHY, 0.0, 0.0, 10) == (report.status, report.error_rate, report.failed_docs_ratio, report.total_docs)


def test_steps_that_are_recorded_late_count_at_their_own_time(manager, record):
    record("failed", 10, ago=7200)
    assert HEALTHY is manager.perform_health_check().status


def test_a_few_failures_among_many_are_no_matter(manager, record):
    record("success", 990)
    record("failed", 10)
    report = manager.perform_health_check()
    assert (HEALTHY, 0.01) == (report.status, report.error_rate)


def test_between_the_thresholds_it_is_a_warning(manager, record):
    record("success", 890)
    record("failed", 80)
    assert WARNING is manager.perform_health_check().status


def test_warnings_are_a_warning_however_many(manager, record):
    record("warning", 50, error="page 3 is empty")
    report = manager.perform_health_check()
    assert (WARNING, 1.0, 0.0) == (report.status, report.warning_rate, report.error_rate)
    assert "50 of 50 attempts ended with a warning" in report.issues[0]
    assert "page 3 is empty" in report.issues[0]


def test_a_fresh_disaster_is_seen_after_an_hour_of_success(manager, record, clock):
    record("success", 20_000, ago=1800)
    record("failed", 30)
    assert CRITICAL is manager.perform_health_check().status


def test_what_waits_or_works_is_no_attempt_yet(manager, record):
    record("pending", 10)
    record("running", 10)
    record("success", 2)
    report = manager.perform_health_check()
    assert (2, 2) == (report.total_docs, report.metrics["attempts"])


def test_a_document_that_succeeded_at_last_has_not_failed(manager, record):
    """Its attempts failed, it did not."""
    for attempt, status in enumerate(["error", "error", "success"], start=1):
        record(status, item="a.pdf", attempt=attempt)
    record("failed", item="b.pdf")
    report = manager.perform_health_check()
    assert (2, 0.5, 0.75) == (report.total_docs, report.failed_docs_ratio, report.error_rate)


def test_a_document_with_one_failed_step_of_several_has_failed(manager, record):
    record("success", item="a.pdf", step="text")
    record("failed", item="a.pdf", step="images")
    record("success", item="b.pdf", step="text")
    report = manager.perform_health_check()
    assert (2, 0.5) == (report.total_docs, report.failed_docs_ratio)


def test_the_mean_time_is_in_seconds(manager, record):
    record("success", seconds=1.0)
    record("success", seconds=3.0)
    assert 2.0 == manager.perform_health_check().avg_processing_time


def test_many_documents_are_told_from_the_newest(manager, record):
    """Two attempts each: the number of documents is half that of attempts."""
    for number in range(600):
        record("error", item=f"many-{number}", attempt=1)
        record("success", item=f"many-{number}", attempt=2)
    report = manager.perform_health_check()
    assert 600 == report.total_docs
    assert 0.0 == report.failed_docs_ratio


def test_a_secret_or_a_control_character_in_an_error_is_harmless(manager, record):
    record("failed", 3, error="password=hunter2hunter2 refused")
    assert "hunter2" not in str(manager.perform_health_check().to_dict())


def test_an_error_of_ten_megabytes_is_a_sentence(manager, record):
    record("failed", 3, error="x" * 10_000_000)
    assert len(manager.perform_health_check().issues[0]) < 500


def test_thresholds_are_ours_to_choose(workspace, clock, record):
    record("failed", 3)
    record("success", 97)
    strict = Thresholds(errors=Levels(0.001, 0.005))
    with HealthCheckManager(workspace=workspace, clock=clock, thresholds=strict) as manager:
        assert CRITICAL is manager.perform_health_check().status


def test_a_clock_that_was_set_back_hides_no_failure(manager, record, clock):
    """The last failure is then of the future: that is no silence."""
    record("failed", 10)
    clock.jump(-7200)
    assert CRITICAL is manager.perform_health_check().status


def test_every_store_is_judged_alike(clock):
    """The reference in memory."""
    store = MemoryStore()
    store.write(
        [StepRow(run="r", step="s", item=str(n), status=ProcessingStatus.FAILED, at=clock.now()) for n in (1, 2)]
    )
    report = HealthCheckManager(store=store, clock=clock).perform_health_check()
    assert (CRITICAL, 2) == (report.status, report.total_docs)
