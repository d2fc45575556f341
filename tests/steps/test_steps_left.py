"""Attempts that are left without a word by a living program: interrupted, closed, forked, collected."""

import asyncio
import gc
import os
import subprocess
import sys
import threading

import pytest

from milepost.errors import Cancelled
from milepost.steps import ProcessingStepManager

DIED = "its process died while it was at hand: killed or crashed"


def told(manager, document, step="ocr"):
    return [
        (str(s.status), s.metadata["attempt"], s.error_message) for s in manager.get_steps(document, step_name=step)
    ]


def test_a_worker_of_multiprocessing_that_ends_orderly_is_no_death(tmp_path):
    """It reports a beginning, its parent reports the end; it leaves no notes."""
    import multiprocessing

    path = tmp_path / "steps.db"
    manager = ProcessingStepManager(path)
    for method in ("fork", "spawn"):
        worker = multiprocessing.get_context(method).Process(target=_report, args=(manager, method))
        worker.start()
        worker.join()
        manager.add_step(method, "ocr", "success")
        assert [(status, attempt) for status, attempt, _ in told(manager, method)] == [("running", 1), ("success", 1)]


def _report(manager, document):
    manager.add_step(document, "ocr", "running")


def test_what_a_thread_was_in_at_the_end_of_its_program_is_an_error(tmp_path):
    """A daemon thread inside a block dies with the program, in silence."""
    path = tmp_path / "steps.db"
    program = (
        "import sys, threading\n"
        "from milepost.steps import ProcessingStepManager\n"
        "manager = ProcessingStepManager(sys.argv[1])\n"
        "inside = threading.Event()\n"
        "def work():\n"
        "    with manager.step('doc1', 'ocr'):\n"
        "        inside.set()\n"
        "        threading.Event().wait()\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "inside.wait()\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert told(ProcessingStepManager(path), "doc1") == [("running", 1, None), ("error", 1, DIED)]


def test_a_manager_that_is_closed_inside_of_a_block(tmp_path):
    """It is opened again where it is used; the block goes on and ends, and nobody died."""
    path = tmp_path / "steps.db"
    manager = ProcessingStepManager(path)
    with manager.step("doc1", "ocr"):
        manager.close()
        assert manager.latest_status("doc1", "ocr") == "running"
        manager.close()
        assert ProcessingStepManager(path).latest_status("doc1", "ocr") == "running"
    assert told(manager, "doc1") == [("running", 1, None), ("success", 1, None)]
    manager.close()
    assert os.listdir(path.with_name("steps.db-open")) == []


def test_many_ledgers_leave_no_descriptors(tmp_path):
    """Each is closed with its manager."""
    before = len(os.listdir("/dev/fd"))
    for n in range(50):
        with ProcessingStepManager(tmp_path / f"{n}.db") as manager, manager.step("doc1", "ocr"):
            pass
    assert len(os.listdir("/dev/fd")) <= before + 4


def test_a_ledger_that_goes_with_the_garbage_inside_of_a_note_waits_for_nobody(tmp_path):
    """Two ledgers of one workspace share their notes."""
    from milepost import Workspace
    from milepost.steps.ledger import ledger_of

    with Workspace.open(tmp_path / "w") as workspace:
        kept, found = ledger_of(workspace), [ledger_of(workspace)]

        def drop():
            with kept.notes()._guard:
                found.clear()
                gc.collect()

        dropping = threading.Thread(target=drop, daemon=True)
        dropping.start()
        dropping.join(20)
        assert not dropping.is_alive()
        assert kept.notes().users == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Cancelled, asyncio.CancelledError, GeneratorExit])
def test_what_was_interrupted_waits_for_another_attempt(manager, kind):
    """Neither done nor wrong: the document stands at PENDING with the reason, and the next attempt takes it up."""
    with pytest.raises(kind), manager.step("doc", "ocr", page=3):
        raise kind
    assert told(manager, "doc") == [("running", 1, None), ("pending", 2, f"attempt 1 was interrupted: {kind.__name__}")]
    assert manager.latest_status("doc", "ocr") == "pending"
    with manager.step("doc", "ocr") as step:
        assert step.attempt == 2
    assert manager.latest_status("doc", "ocr") == "success"


def test_a_group_with_an_interruption_is_one(manager):
    """As a task group raises it when Ctrl-C meets an error."""
    with pytest.raises(BaseExceptionGroup), manager.step("doc", "ocr"):
        raise BaseExceptionGroup("both", [ValueError("x"), KeyboardInterrupt()])
    assert told(manager, "doc")[1][:2] == ("pending", 2)


def test_any_number_of_blocks_may_be_collected_at_once(manager):
    """More than calls can be inside of each other: each waits for another attempt with the next question."""

    def work(document):
        with manager.step(document, "ocr"):
            yield

    blocks = [work(f"doc{n}") for n in range(1_000)]
    for block in blocks:
        next(block)
    del block, blocks
    gc.collect()
    manager.add_step("another", "ocr", "success")
    waiting = [step.metadata["doc_id"] for step in manager.iter_steps(status="pending")]
    assert sorted(waiting) == sorted(f"doc{n}" for n in range(1_000))


def test_a_task_that_is_cancelled_waits_for_another_attempt(manager):
    """By a time limit from outside, inside an async function that is tracked."""

    @manager.tracked("ocr")
    async def ocr(document):
        await asyncio.sleep(600)

    async def work():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ocr("doc"), 0.01)

    asyncio.run(work())
    assert told(manager, "doc")[1] == ("pending", 2, "attempt 1 was interrupted: CancelledError")


def test_a_block_that_is_interrupted_as_it_begins_is_no_open_attempt_for_ever(tmp_path):
    """Ctrl-C right after the commit: nobody was told of the attempt, so it ends with its process."""
    path = tmp_path / "steps.db"
    program = (
        "import sys\n"
        "from milepost.steps import ProcessingStepManager\n"
        "manager = ProcessingStepManager(sys.argv[1])\n"
        "manager.add_step('doc0', 'ocr', 'success')\n"
        "ledger = manager._ledger()\n"
        "commit = ledger.recorder.record\n"
        "def interrupted(*rows, **how):\n"
        "    commit(*rows, **how)\n"
        "    raise KeyboardInterrupt\n"
        "ledger.recorder.record = interrupted\n"
        "with manager.step('doc1', 'ocr'):\n"
        "    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in done.stderr
    assert told(ProcessingStepManager(path), "doc1") == [("running", 1, None), ("error", 1, DIED)]
