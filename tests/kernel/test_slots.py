"""Files of notes in slots: what was noted is there after a kill, and what cannot be noted costs no more than that."""

import subprocess
import sys
import threading

import msgspec
import pytest

from milepost import typed
from milepost.kernel.slots import MOST_NOTES, SLOT_BYTES, Slots, readable, written


class Note(msgspec.Struct):
    text: str


_note = typed.json_decoder(Note)


def noted(path):
    return [note.text for note in readable(written(path), _note)]


@pytest.fixture
def slots(tmp_path):
    made = Slots("nobody will know")
    assert made.open(tmp_path / "notes")
    yield made
    made.close()


def test_what_is_noted_is_there_after_a_kill(tmp_path):
    """The notes that were not cleared, the file's own first; slots that were cleared are taken again."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import msgspec\n"
        "from milepost.kernel.slots import Slots\n"
        "class Note(msgspec.Struct):\n"
        "    text: str\n"
        "slots = Slots('')\n"
        "slots.open(Path(sys.argv[1]))\n"
        "taken = [slots.take(Note(text)) for text in ('a', 'b' * 500, 'c')]\n"
        "slots.head(Note('own'))\n"
        "slots.clear(taken[1])\n"
        "assert slots.take(Note('d')) == taken[1]\n"
        "slots.clear(taken[2])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path / "notes")], check=False).returncode == -9
    assert noted(tmp_path / "notes") == ["own", "a", "d"]


def test_what_no_slot_can_hold_is_not_noted(slots, tmp_path):
    """Too long, half a character, one too many: slot 0, which may be cleared; others are noted as before."""
    assert [slots.take(Note(text)) for text in ("x" * SLOT_BYTES, "\ud800")] == [0, 0]
    taken = [slots.take(Note(str(number))) for number in range(MOST_NOTES + 2)]
    assert taken == [*range(1, MOST_NOTES + 1), 0, 0]
    slots.clear(0)
    assert slots.take(Note("more")) == 0
    slots.clear(7)
    assert slots.take(Note("again")) == 7
    assert noted(tmp_path / "notes") == [str(n) if n != 6 else "again" for n in range(MOST_NOTES)]


def test_what_is_emptied_stays_with_who_took_it(slots, tmp_path):
    """Nobody else gets such a slot until it is cleared, and then one gets it."""
    taken = [slots.take(Note(text)) for text in "abc"]
    slots.empty_all_but({taken[1]})
    assert noted(tmp_path / "notes") == ["b"]
    slots.clear(taken[0])
    assert [slots.take(Note("d")), slots.take(Note("e"))] == [taken[0], 4]


def test_threads_never_share_a_slot(slots, tmp_path):
    """Eight of them take and clear at once: each finds its own note in its slot."""
    wrong = []

    def work(name):
        for number in range(300):
            slot = slots.take(Note(f"{name}-{number}"))
            if list(written(tmp_path / "notes"))[slot] != msgspec.json.encode(Note(f"{name}-{number}")):
                wrong.append((name, number))
            slots.clear(slot)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert noted(tmp_path / "notes") == []


def test_a_file_that_cannot_be_opened_costs_one_warning(tmp_path):
    """Nothing is noted, nothing raises, and what is lost is said once."""
    slots = Slots("nobody will know")
    with pytest.warns(RuntimeWarning, match=r"milepost: nobody will know \(.*nowhere.*: No such file") as told:
        assert [slots.open(tmp_path / "nowhere" / "notes") for _ in range(2)] == [False, False]
    assert len(told) == 1
    assert (slots.take(Note("a")), slots.head(Note("own"))) == (0, False)
    slots.touch()
    slots.close()
    assert slots.open(tmp_path / "notes")
    assert slots.take(Note("a")) == 1
    slots.close()
