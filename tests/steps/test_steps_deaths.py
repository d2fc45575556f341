"""What a killed process had at hand does not stay RUNNING: whoever looks next writes down how it ended."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime

import pytest

from milepost.kernel import host
from milepost.steps import ProcessingStepManager

HANG = """
import os, sys, time
from milepost.steps import ProcessingStepManager
manager = ProcessingStepManager(sys.argv[1])
how, documents = sys.argv[2], sys.argv[3:]

@manager.tracked("ocr")
def tracked(document):
    wait()

def wait():
    os.write(1, b"at it\\n")
    sys.stdin.read()

def nested(left):
    if not left:
        return wait()
    with manager.step(left[0], "ocr", engine="x"):
        nested(left[1:])

if how == "block":
    nested(documents)
if how == "tracked":
    tracked(documents[0])
if how == "reported":
    for document in documents:
        manager.add_step(document, "ocr", "running")
    wait()
if how == "ended":
    manager.add_step(documents[0], "ocr", "running")
    manager.add_step(documents[0], "ocr", "success")
    wait()
if how == "batch":
    manager.add_step(documents[0], "ocr", "running")
    manager.add_steps([(documents[0], "ocr", "success")])
    wait()
"""


def at_it(path, how, *documents):
    """A real process that has these documents at hand."""
    command = [sys.executable, "-c", HANG, str(path), how, *documents]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert worker.stdout.readline() == "at it\n"
    return worker


def kill(worker):
    worker.send_signal(signal.SIGKILL)
    worker.communicate()


def kill_with_its_machine(path, worker):
    """It is seen by a machine that was started since."""
    kill(worker)
    (notes,) = path.with_name(f"{path.name}-open").iterdir()
    here = host.boot_id().encode()
    notes.write_bytes(notes.read_bytes().replace(here, here[::-1]))
    ProcessingStepManager(path).get_steps("any")


def told(manager, document, step="ocr"):
    return [
        (str(s.status), s.metadata["attempt"], s.error_message) for s in manager.get_steps(document, step_name=step)
    ]


LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
DIED = "its process died while it was at hand: killed or crashed"


@pytest.mark.parametrize("how", ["block", "tracked", "reported"])
def test_what_a_killed_process_had_at_hand_is_an_error(tmp_path, how, caplog):
    """Killed in a block, in a tracked function or between two reports: who looks next sees ERROR with the reason."""
    path = tmp_path / "steps.db"
    kill(at_it(path, how, "doc1"))
    manager = ProcessingStepManager(path)
    assert manager.latest_status("doc1", "ocr") == "error"
    assert told(manager, "doc1") == [("running", 1, None), ("error", 1, DIED)]
    assert [record.doc_id for record in caplog.records] == ["doc1"]
    with manager.step("doc1", "ocr"):
        pass
    assert told(manager, "doc1")[2:] == [("running", 2, None), ("success", 2, None)]
    manager.close()
    assert os.listdir(path.with_name("steps.db-open")) == []


def test_it_is_seen_by_a_manager_that_was_open_all_the_time(tmp_path):
    """No new start is needed: reading is enough."""
    path = tmp_path / "steps.db"
    manager = ProcessingStepManager(path)
    worker = at_it(path, "block", "a", "b")
    assert manager.latest_status("a", "ocr") == "running"
    kill(worker)
    manager.begin("a", "ocr")
    assert told(manager, "a") == [("running", 1, None), ("error", 1, DIED), ("running", 2, None)]
    assert told(manager, "b") == [("running", 1, None), ("error", 1, DIED)]


def test_what_is_at_hand_of_the_living_is_left_alone(tmp_path):
    """Also when its process is stopped, and when others look all the time."""
    path = tmp_path / "steps.db"
    worker = at_it(path, "block", "a")
    worker.send_signal(signal.SIGSTOP)
    manager = ProcessingStepManager(path)
    assert told(manager, "a") == [("running", 1, None)]
    assert len(os.listdir(path.with_name("steps.db-open"))) == 1
    worker.send_signal(signal.SIGCONT)
    worker.communicate("")
    assert worker.returncode == 0
    assert [status for status, *_ in told(manager, "a")] == ["running", "success"]
    manager.close()
    assert os.listdir(path.with_name("steps.db-open")) == []


@pytest.mark.parametrize("how", ["ended", "batch"])
def test_what_had_ended_before_the_kill_stands(tmp_path, how):
    """Whichever call ended it."""
    path = tmp_path / "steps.db"
    kill(at_it(path, how, "doc1"))
    assert [status for status, *_ in told(ProcessingStepManager(path), "doc1")] == ["running", "success"]


def test_what_another_process_ended_stands(tmp_path):
    """One reports the beginning, another the end, then the first is killed."""
    path = tmp_path / "steps.db"
    worker = at_it(path, "reported", "doc1")
    manager = ProcessingStepManager(path)
    manager.add_step("doc1", "ocr", "success")
    kill(worker)
    manager.close()
    assert [status for status, *_ in told(ProcessingStepManager(path), "doc1")] == ["running", "success"]


def test_who_leaves_orderly_may_have_handed_it_on(tmp_path):
    """A process that reported a beginning and ended by itself leaves it open: another one may report the end."""
    path = tmp_path / "steps.db"
    worker = at_it(path, "reported", "doc1")
    worker.communicate("")
    manager = ProcessingStepManager(path)
    assert told(manager, "doc1") == [("running", 1, None)]
    manager.add_step("doc1", "ocr", "success")
    assert [(status, attempt) for status, attempt, _ in told(manager, "doc1")] == [("running", 1), ("success", 1)]


def test_notes_that_are_damaged_disturb_nobody(tmp_path):
    """Torn, emptied, of another kind: what can be read is closed."""
    path = tmp_path / "steps.db"
    kill(at_it(path, "block", "a", "b"))
    folder = path.with_name("steps.db-open")
    (notes,) = folder.iterdir()
    whole = bytearray(notes.read_bytes())
    whole[1024:1044] = b"x" * 20
    notes.write_bytes(whole)
    (folder / "empty").write_bytes(b"")
    (folder / "junk").write_bytes(os.urandom(5000))
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    manager = ProcessingStepManager(path)
    assert told(manager, "a") == [("running", 1, None)]
    assert told(manager, "b") == [("running", 1, None), ("error", 1, DIED)]


def test_a_document_that_kills_three_workers_is_set_aside(tmp_path):
    """The third death in a row is FAILED with the reason; a success in between begins the count anew."""
    path = tmp_path / "steps.db"
    for _ in range(2):
        kill(at_it(path, "block", "poison"))
    with ProcessingStepManager(path) as manager, manager.step("poison", "ocr"):
        pass
    for _ in range(3):
        kill(at_it(path, "block", "poison"))
    ends = [(status, error) for status, _, error in told(ProcessingStepManager(path), "poison") if status != "running"]
    given_up = ("failed", f"{DIED}; given up after 3 times")
    assert ends == [("error", DIED), ("error", DIED), ("success", None), ("error", DIED), ("error", DIED), given_up]


def test_who_was_set_aside_and_is_tried_again_begins_anew(tmp_path):
    """One more death is an error, as the first was; two more set the document aside again."""
    path = tmp_path / "steps.db"
    for _ in range(6):
        kill(at_it(path, "block", "poison"))
    manager = ProcessingStepManager(path)
    ends = [status for status, *_ in told(manager, "poison") if status != "running"]
    assert ends == ["error", "error", "failed"] * 2
    assert told(manager, "poison")[-1] == ("failed", 6, f"{DIED}; given up after 3 times")


def test_many_who_look_at_once_write_it_down_once(tmp_path):
    """Eight threads with managers of their own, as soon as the process is dead."""
    path = tmp_path / "steps.db"
    documents = [f"doc{n}" for n in range(30)]
    kill(at_it(path, "reported", *documents))
    threads = [threading.Thread(target=lambda: ProcessingStepManager(path).get_steps("doc0")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    manager = ProcessingStepManager(path)
    assert all(told(manager, document) == [("running", 1, None), ("error", 1, DIED)] for document in documents)


def test_a_forked_child_does_not_keep_its_parent_alive(tmp_path):
    """The parent is killed, its child lives on: what the parent had at hand is an error."""
    path = tmp_path / "steps.db"
    program = (
        "import os, sys, time\n"
        "from milepost.steps import ProcessingStepManager\n"
        "manager = ProcessingStepManager(sys.argv[1])\n"
        "with manager.step('doc1', 'ocr'):\n"
        "    if os.fork() == 0:\n"
        "        manager.add_step('child', 'ocr', 'running')\n"
        "        os.write(1, b'%d\\n' % os.getpid())\n"
        "        sys.stdin.read()\n"
        "        os._exit(0)\n"
        "    time.sleep(600)\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = int(worker.stdout.readline())
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    manager = ProcessingStepManager(path)
    assert told(manager, "doc1") == [("running", 1, None), ("error", 1, DIED)]
    assert told(manager, "child") == [("running", 1, None)]
    os.kill(child, signal.SIGKILL)
    worker.communicate()


def test_in_a_workspace_too(tmp_path):
    """The ledger of a workspace is looked after in the same way."""
    place = tmp_path / "project"
    kill(at_it(place, "block", "doc1"))
    assert told(ProcessingStepManager(place), "doc1") == [("running", 1, None), ("error", 1, DIED)]


WORK = """
import os, random, sys
from milepost.steps import ProcessingStepManager
manager = ProcessingStepManager(sys.argv[1])
dice = random.Random(int(sys.argv[2]))
n = 0
while True:
    document = f"doc{dice.randrange(8)}"
    if dice.random() < 0.5:
        with manager.step(document, "ocr"):
            pass
    else:
        manager.add_step(document, "ocr", "running")
        manager.add_step(document, "ocr", dice.choice(["success", "error"]))
    n += 1
    os.write(1, b".")
"""


def test_processes_that_work_on_the_same_documents_and_are_killed_at_random(tmp_path):
    """Four at a time, eight kills: each attempt has one beginning and one end, and nothing stands at RUNNING."""
    path = tmp_path / "steps.db"
    dice = random.Random(7)
    for round_ in range(2):
        workers = [
            subprocess.Popen([sys.executable, "-c", WORK, str(path), str(4 * round_ + n)], stdout=subprocess.PIPE)
            for n in range(4)
        ]
        for worker in workers:
            worker.stdout.read(dice.randrange(1, 60))
            kill(worker)
    manager = ProcessingStepManager(path)
    phases = Counter()
    for step in manager.iter_steps():
        phases[step.metadata["doc_id"], step.metadata["attempt"], step.status.phase] += 1
    begun = {(document, attempt) for document, attempt, phase in phases if phase == 1}
    ended = {(document, attempt) for document, attempt, phase in phases if phase == 2}
    assert set(phases.values()) == {1}
    assert begun == ended
    assert len(begun) > 20
    assert sum(error["error_message"] == DIED for error in manager.get_recent_errors(LONG_AGO)) <= 8


def test_a_crash_and_a_restart_of_the_machine(tmp_path):
    """A fault of the interpreter is a death as well; what was at hand when the machine went down is not blamed."""
    path = tmp_path / "steps.db"
    crash = (
        "import ctypes, sys\n"
        "from milepost.steps import ProcessingStepManager\n"
        "with ProcessingStepManager(sys.argv[1]).step('crashes', 'ocr'):\n"
        "    ctypes.string_at(0)\n"
    )
    subprocess.run([sys.executable, "-c", crash, str(path)], check=False)
    assert told(ProcessingStepManager(path), "crashes")[1:] == [("error", 1, DIED)]
    for _ in range(3):
        kill_with_its_machine(path, at_it(path, "block", "unlucky"))
    ends = [(status, error) for status, _, error in told(ProcessingStepManager(path), "unlucky") if status != "running"]
    assert ends == [("error", "its process died while it was at hand: the machine was restarted")] * 3


def test_a_restart_of_the_machine_does_not_count(tmp_path):
    """Between deaths it is neither one of them nor a reason to begin the count anew."""
    path = tmp_path / "steps.db"
    for _ in range(2):
        kill(at_it(path, "block", "poison"))
    kill_with_its_machine(path, at_it(path, "block", "poison"))
    kill(at_it(path, "block", "poison"))
    ends = [(status, error) for status, _, error in told(ProcessingStepManager(path), "poison") if status != "running"]
    restarted = ("error", "its process died while it was at hand: the machine was restarted")
    assert ends == [("error", DIED), ("error", DIED), restarted, ("failed", f"{DIED}; given up after 3 times")]
