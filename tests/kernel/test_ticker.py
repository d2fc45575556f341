"""The one background thread: on time, unbreakable, its own in every process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from milepost.kernel.ticker import Ticker


@pytest.fixture
def ticker():
    ticker = Ticker()
    yield ticker
    ticker.close()


def reached(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_every_and_after(ticker):
    """`every` goes on until stopped, `after` happens once, and both on one daemon thread."""
    often, once = [], []
    tick = ticker.every(0.01, lambda: often.append(threading.current_thread()))
    ticker.after(0.02, lambda: once.append(threading.current_thread()))
    reached(lambda: len(often) >= 5 and once)
    tick.stop()
    time.sleep(0.2)
    count = len(often)
    time.sleep(0.05)
    assert (count, 1) == (len(often), len(once))
    assert {*often, *once} == {once[0]}
    assert once[0].daemon


def test_order(ticker):
    """What is due earlier is called earlier, whatever was asked for first."""
    called = []
    for name, seconds in (("c", 1.5), ("a", 0.02), ("b", 0.04)):
        ticker.after(seconds, lambda name=name: called.append(name))
    reached(lambda: len(called) == 3)
    assert ["a", "b", "c"] == called


def test_exceptions_are_warned_of_once(ticker):
    """A callback that raises, even SystemExit, is warned of once, called again, and stops nobody else."""
    raised, fine = [], []

    def fail():
        raised.append(1)
        raise SystemExit("now" if len(raised) % 2 else None)

    with pytest.warns(RuntimeWarning, match="fail failed") as warned:
        ticker.every(0.005, fail)
        ticker.every(0.005, lambda: fine.append(1))
        reached(lambda: len(raised) >= 4 and len(fine) >= 4)
        ticker.close()
    assert 1 == len(warned)


def test_slow_callbacks_are_not_made_up_for(ticker):
    """After a callback that took long, the missed rounds are left out."""
    calls = []
    ticker.every(0.01, lambda: (calls.append(time.monotonic()), time.sleep(0.2) if len(calls) == 1 else None))
    reached(lambda: len(calls) >= 8)
    assert calls[7] - calls[1] >= 0.04  # made up for, they would come at once


def test_forked_child(ticker):
    """A forked child inherits no callback and gets a thread of its own."""
    inherited = []
    ticker.every(0.01, lambda: inherited.append(os.getpid()))
    child = os.fork()
    if child == 0:
        inherited.clear()
        rung = threading.Event()
        ticker.after(0.05, rung.set)
        os._exit(0 if rung.wait(60) and not inherited else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_interpreter_exit():
    """A process with a busy ticker ends at once, quietly."""
    code = """
from milepost.kernel.ticker import TICKER
import time
TICKER.every(0.0005, lambda: sum(range(1000)))
time.sleep(0.05)
"""
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
        assert (0, b"") == (done.returncode, done.stderr)


def test_closing_from_a_callback(ticker):
    """A callback may close the ticker; a later wish starts it anew."""
    closed, rung = threading.Event(), threading.Event()
    ticker.after(0.01, lambda: (ticker.close(), closed.set()))
    assert closed.wait(60)
    ticker.after(0.01, rung.set)
    assert rung.wait(60)
