"""Steps that went wrong are logged by themselves."""

import logging

import pytest

from milepost.managers import LogLevel
from milepost.steps import ProcessingStatus, announcing


def records(caplog):
    return [record for record in caplog.records if record.name == "milepost.steps"]


@pytest.mark.parametrize("status", ProcessingStatus)
def test_what_went_wrong_is_logged(manager, caplog, status):
    """ERROR and FAILED at ERROR, WARNING at WARNING, nothing else; with what it is about on the record."""
    manager.add_step("doc", "ocr", status, {"page": 3}, {"duration_ms": 5}, "torn")
    levels = {"warning": LogLevel.WARNING, "error": LogLevel.ERROR, "failed": LogLevel.ERROR}
    assert [record.levelno for record in records(caplog)] == ([levels[status]] if status in levels else [])
    for record in records(caplog):
        assert record.getMessage() == f"step ocr of document doc: {status.name}: torn"
        assert (record.doc_id, record.step_name, record.status, record.attempt) == ("doc", "ocr", status.value, 1)
        assert (record.details, record.metrics, record.error_message) == ({"page": 3}, {"duration_ms": 5}, "torn")


def test_an_error_without_a_message_is_logged_too(manager, caplog):
    """And says that there is none."""
    manager.add_step("doc", "ocr", "failed")
    assert [record.getMessage() for record in records(caplog)] == [
        "step ocr of document doc: FAILED: no message was given"
    ]


def test_names_cannot_forge_a_line(manager, caplog):
    """Line breaks and terminal codes of names and messages are escaped."""
    manager.add_step("a\nERROR all is lost", "\x1b[2J", "error", error_message="x\r\ny")
    (record,) = records(caplog)
    assert record.getMessage() == "step \\x1b[2J of document a\\nERROR all is lost: ERROR: x\\r\\ny"


def test_a_storm_is_counted(manager, caplog, monkeypatch):
    """Of very many at once some are logged, and how many more there were; all are in the ledger."""
    monkeypatch.setattr(announcing, "MOST_AT_ONCE", 10)
    manager.add_steps((f"doc{n}", "ocr", "failed") for n in range(500))
    assert len(records(caplog)) == 11
    assert records(caplog)[-1].getMessage() == "490 more steps went wrong; get_recent_errors lists them"
    assert len(list(manager.iter_steps(status="failed"))) == 500


def test_who_listens_may_record_steps_himself(manager):
    """A handler that calls the manager finds the step committed, and does not hang."""
    seen = []

    class Listener(logging.Handler):
        def emit(self, record):
            seen.append(manager.latest_status(record.doc_id, record.step_name))
            manager.add_step(record.doc_id, "noticed", "success")

    listener = Listener()
    announcing.LOGGER.addHandler(listener)
    try:
        manager.add_step("doc", "ocr", "error")
    finally:
        announcing.LOGGER.removeHandler(listener)
    assert seen == ["error"]
    assert manager.latest_status("doc", "noticed") == "success"


def test_levels_are_those_of_the_standard_library():
    """By name and by number."""
    assert {level.name: int(level) for level in LogLevel} == {
        name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    }
