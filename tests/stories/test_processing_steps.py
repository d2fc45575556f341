"""Document 3: the ledger of documents, its blocks as printed with only the import lines changed."""

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from milepost.managers import LogLevel
from milepost.steps import ProcessingStatus, ProcessingStep, ProcessingStepManager

TEXT = Path(__file__).with_name("processing_steps.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## ([\d.]+)\n+```\w*\n(.*?)^```", TEXT, re.M | re.S))
RUNNING, SUCCESS, ERROR, FAILED = "running", "success", "error", "failed"


def run_block(number, names):
    """Run a block in these names, as a program would."""
    exec(compile(BLOCKS[number], f"block {number}", "exec"), names)
    return names


@pytest.fixture(params=["workspace", "file"])
def names(request, tmp_path):
    """What a program has after block 3.3, on the workspace and on a file of its own."""
    storage = None if request.param == "workspace" else f"sqlite:///{tmp_path}/steps.db"
    given = {
        "storage_backend": storage,
        "ProcessingStatus": ProcessingStatus,
        "datetime": datetime,
        "timedelta": timedelta,
        "UTC": UTC,
        "List": list,
        "asyncio": asyncio,
    }
    names = run_block("3.3", given)
    yield names
    names["manager"].close()


def history(names, doc_id="doc123"):
    """A document's steps as (name, status), read by a manager of its own."""
    with ProcessingStepManager(names["storage_backend"]) as manager:
        return [(step.step_name, str(step.status)) for step in manager.get_steps(doc_id)]


def test_statuses():
    """3.1: seven members."""
    names = run_block("3.1", {})
    assert [status.name for status in names["ProcessingStatus"]] == [
        "PENDING",
        "RUNNING",
        "SUCCESS",
        "WARNING",
        "ERROR",
        "FAILED",
        "SKIPPED",
    ]


def test_a_step():
    """3.2: a step has its duration, no error, is over and well; it goes through a dict and back."""
    step = run_block("3.2", {"ProcessingStatus": ProcessingStatus})["step"]
    assert (step.step_name, step.status) == ("text_extraction", ProcessingStatus.SUCCESS)
    assert (step.duration_ms, step.error_message) == (1500, None)
    assert step.is_terminal_state()
    assert not step.is_error_state()
    assert step.timestamp.utcoffset() == timedelta(0)
    assert ProcessingStep.from_dict(step.to_dict()) == step


def test_adding_a_step(names):
    """3.4: the row is there for who opens the same storage, with all that was said."""
    run_block("3.4", names)
    with ProcessingStepManager(names["storage_backend"]) as other:
        (step,) = other.get_steps("doc123")
    assert (step.step_name, step.status, step.details) == ("text_extraction", SUCCESS, {"chars": 5000})
    assert (step.duration_ms, step.error_message) == (1500, None)


def test_getting_steps(names):
    """3.5: all steps of a document in the order of recording, and those of a status since a time."""
    manager = names["manager"]
    manager.add_step("doc123", "ocr", ERROR, timestamp=datetime.now(UTC) - timedelta(hours=2))
    run_block("3.4", names)
    manager.add_step("doc123", "ocr", ERROR, error_message="blurred")
    manager.add_step("another", "ocr", ERROR)
    run_block("3.5", names)
    assert [step.status for step in names["steps"]] == [ERROR, SUCCESS, ERROR]
    assert [step.error_message for step in names["recent_errors"]] == ["blurred"]


def test_getting_recent_errors(names):
    """3.6: errors and warnings of all documents, the newest first, also one without a message."""
    manager = names["manager"]
    manager.add_step("old", "ocr", FAILED, timestamp=datetime.now(UTC) - timedelta(hours=2))
    manager.add_step("a", "ocr", FAILED)
    manager.add_step("b", "ocr", "warning", error_message="low contrast", details={"dpi": 72})
    manager.add_step("c", "ocr", SUCCESS)
    (latest, first) = run_block("3.6", names)["errors"]
    assert latest.keys() == {"doc_id", "step_name", "status", "error_message", "timestamp", "details"}
    assert (latest["doc_id"], latest["status"], latest["details"]) == ("b", "warning", {"dpi": 72})
    assert (first["doc_id"], first["status"], first["error_message"]) == ("a", "failed", None)
    without = manager.get_recent_errors(since=datetime.now(UTC) - timedelta(hours=1))
    assert [error["doc_id"] for error in without] == ["a"]


def test_errors_are_logged(names, caplog):
    """3.8: an error writes its row and a log record at ERROR, which says of what and why."""
    run_block("3.8", names)
    assert history(names) == [("image_processing", ERROR)]
    (record,) = [record for record in caplog.records if record.name == "milepost.steps"]
    assert record.levelno == LogLevel.ERROR == logging.ERROR
    assert "corrupt file" in record.getMessage()
    assert (record.doc_id, record.step_name, record.attempt) == ("doc123", "image_processing", 1)
    assert record.error_message == "Failed to process image: corrupt file"


def test_basic_processing(names):
    """3.9: RUNNING, then SUCCESS with what was found."""
    run_block("3.9", names | {"process_document": lambda document: {"pages": 3}})
    assert history(names) == [("processing", RUNNING), ("processing", SUCCESS)]
    assert names["manager"].get_steps("doc123", status=SUCCESS)[0].details == {"pages": 3}


def test_basic_processing_that_goes_wrong(names):
    """3.9: RUNNING, then ERROR with why."""

    def process_document(document):
        raise OSError("no such page")

    run_block("3.9", names | {"process_document": process_document})
    assert history(names) == [("processing", RUNNING), ("processing", ERROR)]
    assert names["manager"].get_steps("doc123")[-1].error_message == "no such page"


def test_error_recovery(names):
    """3.10: one ERROR for each try that failed, FAILED at the last, each with its attempt; it returns."""

    def process_document(document):
        raise OSError("down")

    names["process_document"] = process_document
    assert run_block("3.10", names)["process_with_retry"]("doc123") is None
    assert [status for _, status in history(names)] == [RUNNING, ERROR, RUNNING, ERROR, RUNNING, FAILED]
    steps = names["manager"].get_steps("doc123")
    assert [step.metadata["attempt"] for step in steps] == [1, 1, 2, 2, 3, 3]
    assert steps[-1].error_message == "Max retries exceeded: down"
    assert all(step.duration_ms > 0 for step in steps[1::2])


def test_error_recovery_that_recovers(names):
    """3.10: the try that went well ends it, with its count in the details."""
    results = iter([OSError("down"), {"pages": 1}])

    def process_document(document):
        result = next(results)
        if isinstance(result, OSError):
            raise result
        return result

    names["process_document"] = process_document
    run_block("3.10", names)["process_with_retry"]("doc123")
    assert [status for _, status in history(names)] == [RUNNING, ERROR, RUNNING, SUCCESS]
    assert names["manager"].get_steps("doc123")[-1].details == {"retry_count": 1, "pages": 1}


def test_parallel_processing(names):
    """3.11: two rows a section, worked on at the same time; one that fails leaves the others alone."""
    begun = []
    everyone = asyncio.Event()

    async def process_section(document, section):
        begun.append(section)
        if len(begun) == 3:
            everyone.set()
        await everyone.wait()
        if section == "b":
            raise ValueError("torn")
        return {"words": 7}

    names["process_section"] = process_section
    process_sections = run_block("3.11", names)["process_sections"]
    asyncio.run(process_sections("doc123", ["a", "b", "c"]))
    steps = history(names)
    assert len(steps) == 6
    assert [steps.count((f"process_section_{name}", RUNNING)) for name in "abc"] == [1, 1, 1]
    assert [(f"process_section_{name}", end) in steps for name, end in zip("abc", (SUCCESS, ERROR, SUCCESS))] == [
        True
    ] * 3
