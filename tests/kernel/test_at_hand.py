"""Notes of what a process has at hand: whatever its names, and whatever its disk."""

import subprocess
import sys

import pytest

from milepost.kernel.at_hand import AtHand, Entry, left_behind, taken_over
from milepost.kernel.slots import SLOT_BYTES


@pytest.mark.parametrize("names", ["x" * 5_000, "\ud800", "\n{", "a\0b"])
def test_any_name_of_a_document_can_die(tmp_path, names):
    """Names that a note can hold are closed, others do no harm."""
    notes = AtHand(tmp_path / "notes")
    notes.users = 1
    slots = [notes.begin(Entry("", "ocr", names, 1.5, True)), notes.begin(Entry("", "ocr", "plain", 2.5, True))]
    assert slots[1]
    notes._lock.release()
    (left,) = taken_over(tmp_path / "notes")
    assert [entry.item for entry in left.entries] == [names, "plain"][slots[0] == 0 :]


def test_who_cannot_write_its_notes_is_not_dead(tmp_path):
    """A disk that is full costs a note and one warning, not the lock; with room again notes are taken again."""
    program = (
        "import resource, sys, warnings\n"
        "from pathlib import Path\n"
        "from milepost.kernel.at_hand import *\n"
        "folder = Path(sys.argv[1])\n"
        "notes = notes_in(folder)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    slots = [notes.begin(Entry('', 'ocr', f'doc{n}', 1.5)) for n in range(4)]\n"
        "assert slots == [1, 0, 0, 0], slots\n"
        "assert len(told) == 1 and 'File too large' in str(told[0].message), told\n"
        "assert not list(left_behind(folder)) and not list(taken_over(folder))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "assert notes.begin(Entry('', 'ocr', 'doc5', 1.5))\n"
        "import os; os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "open")], check=True)
    (left,) = left_behind(tmp_path / "open")
    assert [entry.item for entry in left.entries] == ["doc0", "doc5"]


def test_notes_of_an_earlier_version_are_read(tmp_path):
    """Byte for byte as 0.1.0 left them: the session, a slot that was emptied, a document."""
    session = (
        b'{"run":"","epoch":0,"host":"vm","boot_id":"b","pid":7,"pid_started":1.0,"started":1.0,"beat":1.0,'
        b'"ended":null,"end":null,"cause":null,"python":"3.11.7","version":"0.1.0","oom_kills":null}\n'
    )
    document = b'{"run":"","step":"ocr","item":"doc1","at":1.5,"is_bound":true}\n'
    slots = [session, b"\n" + document[1:], document]
    (tmp_path / "7-abcd").write_bytes(b"".join(slot.ljust(SLOT_BYTES, b"\0") for slot in slots))
    (left,) = left_behind(tmp_path)
    assert (left.session.pid, left.entries) == (7, (Entry("", "ocr", "doc1", 1.5, True),))
