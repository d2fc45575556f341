"""What a session of a loop notes as at hand, and who reads it."""

import pytest

from milepost.kernel.slots import SLOT_BYTES
from milepost.process.loops.flight import Entry, Flight, forget, left_behind


def entry(item, attempt=1):
    return Entry("extract", item, attempt, "k", b"\0\1\2\3", 1.5)


def test_what_is_at_hand_is_what_was_begun_and_not_ended(tmp_path):
    """As long as the session has not ended with a word, or nobody has forgotten it."""
    notes = Flight(tmp_path / "run", 3)
    slots = [notes.begin(entry(str(number))) for number in range(4)]
    notes.end(slots[1])
    notes.end(slots[2])
    notes.begin(entry("1", 2))
    assert {(each.item, each.attempt) for each in left_behind(tmp_path / "run", 3)} == {("0", 1), ("1", 2), ("3", 1)}
    assert list(left_behind(tmp_path / "run", 2)) == []
    forget(tmp_path / "run", 3)
    assert list(left_behind(tmp_path / "run", 3)) == []
    notes.close()


def test_notes_of_an_earlier_version_are_read(tmp_path):
    """Those began in the first slot; here byte for byte as 0.1.0 left them, the second emptied, the last torn."""
    text = b'{"step":"extract","item":"%d","attempt":1,"key":"k","digest":"AAECAw==","at":1.5}\n'
    slots = [text % 5, b"\n" + (text % 6)[1:], text % 7, (text % 8)[:40]]
    (tmp_path / "flight-3").write_bytes(b"".join(slot.ljust(SLOT_BYTES, b"\0") for slot in slots))
    assert list(left_behind(tmp_path, 3)) == [entry("5"), entry("7")]


def test_where_nothing_can_be_noted_the_loop_works(tmp_path):
    """A run's folder that cannot be made costs one warning, and every note."""
    (tmp_path / "run").write_text("a file")
    with pytest.warns(RuntimeWarning, match="items that kill their process will not be noticed") as told:
        notes = Flight(tmp_path / "run", 1)
        assert [notes.begin(entry("1")), notes.begin(entry("2"))] == [0, 0]
        notes.end(0)
        notes.close()
    assert len(told) == 1
