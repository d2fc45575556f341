"""How long a recorder waits for a store that takes nothing, and what it says of it."""

import time
import warnings

import pytest

from milepost.errors import StoreBusy, StoreFull
from milepost.kernel.recorder import Recorder
from milepost.store.memory import MemoryStore
from milepost.testing.sample_rows import step_row


class Tight(MemoryStore):
    """Takes nothing while it is full."""

    is_full = True

    def write(self, rows, **how):
        if self.is_full:
            raise StoreFull("no space is left")
        return super().write(rows, **how)


def test_each_time_that_a_store_is_full_is_told_once():
    """Given up or not: while nothing is taken there is one warning; taken again, the next trouble is news."""
    store = Tight()
    recorder = Recorder(store, None, wait_seconds=0.001)
    for times in range(1, 3):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for _ in range(3):
                with pytest.raises(StoreFull):
                    recorder.record(step_row("a", attempt=times))
        assert len(told) == 1
        store.is_full = False
        recorder.record(step_row("a", attempt=times))
        store.is_full = True


def test_what_a_locked_store_takes_to_say_so_is_part_of_the_wait():
    """A ledger of others is busy after SQLite's own patience: it is not asked again where that was all of ours."""

    class Locked(MemoryStore):
        asked = 0

        def write(self, rows, **how):
            self.asked += 1
            time.sleep(0.05)
            raise StoreBusy("locked")

    store = Locked()
    with pytest.raises(StoreBusy):
        Recorder(store, None, wait_seconds=0.05).record(step_row("a"))
    assert store.asked == 1
