"""The clock and its fake."""

from __future__ import annotations

import time

import pytest

from milepost.kernel.clock import SYSTEM
from milepost.testing.clock import FakeClock


def test_system_clock():
    """The system's clock is UTC epoch seconds and the monotonic clock."""
    assert SYSTEM.now() == pytest.approx(time.time(), abs=60)
    assert SYSTEM.monotonic() == pytest.approx(time.monotonic(), abs=60)


def test_jump_moves_the_wall_alone():
    """A jump of the wall clock is no time passed, and time cannot pass backwards."""
    clock = FakeClock(now=100.0)
    clock.advance(2)
    clock.jump(-50)
    assert (52.0, 2.0) == (clock.now(), clock.monotonic())
    with pytest.raises(ValueError, match="jump"):
        clock.advance(-1)
