"""Loops whose process is killed, stopped or started twice: every item once, and at most the one at hand repeats."""

import json
import os
import random
import signal
from collections import Counter

import msgspec
import pytest
from loop_programs import wait_for

from milepost import Workspace
from milepost.kernel.sessions import new_session
from milepost.kernel.slots import SLOT_BYTES, written
from milepost.model.deaths import DIED
from milepost.model.rows import EventRow, RunRow, SessionRow, StepRow
from milepost.model.status import ProcessingStatus, RunState

ITEMS, KILLS = 400, 12


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("batch", [0.0, 0.1])
def test_killed_at_random_each_item_is_done_once(program, batch):
    """A generator's items, SIGKILL at random points: each has one success, and no more repeats than was at hand."""
    program.write(items=ITEMS, body="time.sleep(0.001)", options=f", batch={batch}")
    dice = random.Random(int(batch * 10))
    (program.folder / "wait").touch()  # before the last item, so that no session completes the run before it is killed
    for number in range(KILLS):
        process, sessions = program.start(), number + 1
        enough = min(len(program.noted("begin")) + dice.randint(2, ITEMS // KILLS), ITEMS - 1)
        wait_for(lambda s=sessions, e=enough: len(program.rows(SessionRow)) >= s and len(program.noted("begin")) >= e)
        done = {row.item for row in program.rows(StepRow) if row.status.is_done}
        kill(process)
        assert done <= {row.item for row in program.rows(StepRow) if row.status.is_done}
    (program.folder / "wait").unlink()
    code, said = program.ended()
    assert code == 0, said
    if program.rows(StepRow, status=ProcessingStatus.FAILED):  # chance killed three sessions at one item
        code, said = program.milepost("retry")
        assert code == 0, said
    rows = program.rows(StepRow)
    successes = Counter(row.item for row in rows if row.status is ProcessingStatus.SUCCESS)
    assert successes == {str(number): 1 for number in range(ITEMS)}
    assert all(row.error.startswith(DIED) for row in rows if row.status is not ProcessingStatus.SUCCESS)
    in_flight = 1 if not batch else 110
    assert len(program.noted("end")) - ITEMS <= KILLS * in_flight
    (run,) = program.rows(RunRow)
    assert run.state is RunState.COMPLETED


def test_an_item_that_kills_its_process_is_set_aside_after_three_times(program):
    """The ledger says so with the cause, the others go on, and `retry` tries it once more."""
    poison = "os.kill(os.getpid(), signal.SIGKILL) if number == 5 and not os.path.exists('cured') else None"
    program.write(items=10, body=poison)
    for _ in range(3):
        assert program.ended()[0] == -signal.SIGKILL
    code, said = program.ended()
    assert code == 0, said
    rows = program.rows(StepRow, item="5")
    assert [(row.attempt, row.status) for row in rows] == [
        (1, ProcessingStatus.ERROR),
        (2, ProcessingStatus.ERROR),
        (3, ProcessingStatus.FAILED),
    ]
    assert rows[2].error == f"{DIED}killed; given up after 3 times"
    assert f"extract: item 5: {rows[2].error}" in said
    assert Counter(row.status for row in program.rows(StepRow))[ProcessingStatus.SUCCESS] == 9
    assert Counter(program.noted("begin"))["5"] == 3
    (run,) = program.rows(RunRow)
    assert run.state is RunState.COMPLETED

    (program.folder / "cured").touch()
    code, said = program.milepost("retry")
    assert code == 0, said
    assert "starting again" in said
    assert program.rows(StepRow, item="5")[-1].status is ProcessingStatus.SUCCESS
    assert len(program.rows(RunRow)) == 1
    assert Counter(program.noted("begin"))["5"] == 4


def test_who_was_set_aside_and_is_tried_again_on_purpose_begins_anew(program):
    """One death after `retry` is an error, as the first was; two more set the item aside again."""
    program.write(items=3, body="os.kill(os.getpid(), signal.SIGKILL) if number == 1 else None")
    for _ in range(3):
        assert program.ended()[0] == -signal.SIGKILL
    assert program.ended()[0] == 0
    program.milepost("retry")
    for _ in range(2):
        assert program.ended()[0] == -signal.SIGKILL
    assert program.ended()[0] == 0
    rows = program.rows(StepRow, item="1")
    assert [str(row.status) for row in rows] == ["error", "error", "failed"] * 2
    assert {row.error for row in rows if row.status is ProcessingStatus.FAILED} == {
        f"{DIED}killed; given up after 3 times"
    }
    assert Counter(program.noted("begin"))["1"] == 6


def test_an_item_that_was_recorded_just_before_the_kill_is_no_loss(program):
    """The kill came between its row and the end of its note: the row stands, and nobody is told otherwise."""
    program.write(items=5, body="os.kill(os.getpid(), signal.SIGKILL) if number == 3 else None")
    assert program.ended()[0] == -signal.SIGKILL
    (notes,) = (program.folder / ".milepost" / "runs").glob("*/flight-1")
    whole = notes.read_bytes()
    (note,) = (slot for slot in written(notes) if b'"3"' in slot)
    notes.write_bytes(whole.ljust(2 * SLOT_BYTES, b"\0") + note.replace(b'"3"', b'"1"') + b"\n")
    program.write(items=5)
    code, said = program.ended()
    assert code == 0, said
    assert f"item 3: {DIED}killed" in said
    assert "item 1" not in said
    assert [row.status for row in program.rows(StepRow, item="1")] == [ProcessingStatus.SUCCESS]


@pytest.mark.parametrize(("number", "cause"), [(signal.SIGINT, "signal SIGINT"), (signal.SIGTERM, "signal SIGTERM")])
def test_a_signal_stops_before_the_next_item(program, number, cause):
    """What is at hand is finished, the run is cancelled, and nothing is repeated."""
    program.write(items=2000, body="time.sleep(0.002)")
    process = program.start()
    wait_for(lambda: len(program.noted("begin")) > 20)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert f"was cancelled: {cause}" in said
    assert "Traceback" not in said
    (run,) = program.rows(RunRow)
    assert (run.state, run.cause) == (RunState.CANCELLED, cause)
    assert program.noted("begin") == program.noted("end")
    program.write(items=100)
    assert program.ended()[0] == 0
    assert set(Counter(program.noted("end")).values()) == {1}


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_an_item_that_takes_too_long_is_left_and_comes_again(program, signals):
    """After the grace, or at the second signal, it is cut; that is no failure of the item."""
    program.environment["MILEPOST_GRACE_SECONDS"] = "0.2" if len(signals) == 1 else "60"
    program.write(items=3, body="stubborn(run) if number == 1 and not os.path.exists('quick') else None")
    process = program.start()
    for number, word in zip(signals, ["begin", "asked"], strict=False):
        wait_for(lambda word=word: "1" in program.noted(word))
        process.send_signal(number)
    assert "was cancelled" in process.communicate(timeout=30)[0]
    assert [row.item for row in program.rows(StepRow)] == ["0"]
    (program.folder / "quick").touch()
    assert program.ended()[0] == 0
    assert [(row.item, row.attempt) for row in program.rows(StepRow)] == [("0", 1), ("1", 1), ("2", 1)]


def test_a_second_process_is_told_who_has_the_run(program):
    program.write(items=1, body="time.sleep(60)")
    first = program.start()
    wait_for(lambda: program.noted("begin"))
    code, said = program.ended()
    assert code == 1
    assert f"is being carried out by process {first.pid}" in said
    kill(first)


def test_retry_starts_the_program_again_for_what_failed(program):
    """A completed run with failed items is taken up, and only those are tried."""
    program.write(items=10, body="assert number != 3 or os.path.exists('mended')")
    assert program.ended()[0] == 0
    assert "retry" not in program.milepost("resume")[1]
    (program.folder / "mended").touch()
    code, said = program.milepost("retry", "--json")
    document = json.loads(said[said.index("{") :])
    assert (code, document["run"]["state"], document["run"]["items_failed"]) == (0, "completed", 0)
    assert program.noted("begin") == [*map(str, range(10)), "3"]
    assert program.milepost("retry")[1].endswith("is completed and none of its items failed\n")


def test_resume_starts_the_program_again(program):
    """A killed loop goes on in its run; one that is alive is left alone."""
    program.write(items=20, body="time.sleep(60 if number == 6 and not os.path.exists('quick') else 0)")
    process = program.start()
    wait_for(lambda: "6" in program.noted("begin"))
    code, said = program.milepost("resume")
    assert (code, "is under way" in said) == (3, True)
    kill(process)
    (program.folder / "quick").touch()
    code, said = program.milepost("resume")
    assert code == 0, said
    assert set(Counter(program.noted("end")).values()) == {1}
    assert [row.end for row in program.rows(SessionRow)] == [RunState.INTERRUPTED, RunState.COMPLETED]


def test_a_program_that_cannot_be_started_again_is_asked_for(program):
    """A secret in its command line is not kept: the failed items wait until the user starts it."""
    program.write(items=3, body="assert number != 1 or os.path.exists('mended')")
    assert program.ended("loop.py", "--password=hunter22")[0] == 0
    assert "hunter22" not in program.rows(EventRow, kind="program_started")[0].json
    code, said = program.milepost("retry")
    assert (code, "will be tried again when" in said) == (0, True)
    (program.folder / "mended").touch()
    assert program.ended()[0] == 0
    assert program.noted("begin") == ["0", "1", "2", "1"]
    assert len(program.rows(RunRow)) == 1


def test_an_unfinished_attempt_of_a_machine_that_went_down_is_nobodys_fault(program):
    """After a reboot the item at hand is just tried again."""
    program.write(items=5, body="os.kill(os.getpid(), signal.SIGKILL) if not os.path.exists('cured') else None")
    assert program.ended()[0] == -signal.SIGKILL
    with Workspace.open(program.folder / ".milepost") as workspace:
        (session,) = workspace.store.rows(SessionRow)
        assert session.boot_id == new_session().boot_id
        workspace.store.write([msgspec.structs.replace(session, boot_id="another")])
    (program.folder / "cured").touch()
    assert program.ended()[0] == 0
    assert {(row.attempt, row.status) for row in program.rows(StepRow)} == {(1, ProcessingStatus.SUCCESS)}


def test_a_pool_in_a_step_ends_when_it_is_told_to(program):
    """Forked workers heed SIGTERM, with which a pool ends them, although the program they came from stops politely."""
    body = "__import__('multiprocessing').get_context('fork').Pool(2).__exit__(None, None, None)"
    program.write(items=3, body=body)
    program.environment["MILEPOST_GRACE_SECONDS"] = "600"
    code, said = program.ended()
    assert (code, program.noted("end")) == (0, ["0", "1", "2"])
    assert "Cancelled" not in said


def test_what_was_at_hand_is_shown_before_anyone_continues_the_run(program):
    """`show` names it, as words and as JSON, and once the run goes on it is an attempt that was lost."""
    program.write(items=9, body="time.sleep(60 if number == 6 and not os.path.exists('quick') else 0)")
    process = program.start()
    wait_for(lambda: "6" in program.noted("begin"))
    kill(process)
    assert "at hand when it died: extract: 6" in program.milepost("show")[1]
    (session,) = json.loads(program.milepost("show", "--json")[1])["sessions"]
    assert session["at_hand"] == ["extract: 6"]
    (program.folder / "quick").touch()
    assert program.ended()[0] == 0
    assert "at hand" not in program.milepost("show")[1]
    assert [row.status for row in program.rows(StepRow, item="6")] == [ProcessingStatus.ERROR, ProcessingStatus.SUCCESS]
