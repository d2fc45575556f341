"""Cancel means cancel: asked, insisted, at once; seen on real processes."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from milepost.errors import Cancelled
from milepost.kernel.signals import StopSignals

PROGRAM = """
import os, sys, time, threading
from milepost.errors import Cancelled
from milepost.kernel.signals import StopSignals

inside = threading.Event()

def say(text): os.write(1, text.encode() + b"\\n")

with StopSignals(grace={grace}, last_words=lambda: os.write(1, b"last words\\n")) as stop:
    say("ready")
    try:
{body}
    except Cancelled as error:
        say(f"cancelled by {{error.signal}}")
sys.exit(stop.exit_code if stop.is_requested else 0)
"""
POLITE = "        while not stop.is_requested: time.sleep(0.01)\n        say('stopped')"
WITNESSED = "        threading.Thread(target=lambda: (stop.wait(), inside.wait(), say('asked')), daemon=True).start()\n"
DEAF = "        inside.set(); time.sleep(600)"
STUBBORN = """        while True:
            try:
                inside.set()
                while True: time.sleep(0.01)
            except BaseException: say('swallowed')"""
LOCKED = "        inside.set(); lock = threading.Lock(); lock.acquire(); lock.acquire()"
SHIELDED = """        with stop.shielded():
            say('begun'); inside.set()
            while stop._signals < 2: time.sleep(0.01)
            time.sleep(0.1)
            say('saved')
        say('not reached')"""


def start(body, grace=60.0):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body, grace=grace)], stdout=subprocess.PIPE, text=True
    )
    assert "ready\n" == process.stdout.readline()
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_asks(number):
    """After the first signal the work goes on to its next safe point; exit 130 or 143."""
    process = start(POLITE)
    process.send_signal(number)
    assert "stopped\n" == process.communicate(timeout=60)[0]
    assert 128 + number == process.returncode


@pytest.mark.parametrize("body", [DEAF, LOCKED])
def test_grace_ends(body):
    """Work that does not stop by itself is interrupted when the grace is over, also while it blocks."""
    process = start(body, grace=0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert "cancelled by 15\n" == process.communicate(timeout=60)[0]
    assert 143 == process.returncode
    assert 0.25 < time.monotonic() - began


@pytest.mark.parametrize("body", [DEAF, LOCKED])
def test_second_signal_insists(body):
    """A second signal interrupts at once, long before the grace is over."""
    process = start(WITNESSED + body, grace=600)
    process.send_signal(signal.SIGINT)
    assert "asked\n" == process.stdout.readline()  # two pending signals of one number are one
    process.send_signal(signal.SIGINT)
    assert "cancelled by 2\n" == process.communicate(timeout=60)[0]
    assert 130 == process.returncode


def test_third_signal_ends():
    """Code that swallows everything is ended by the third signal, after the last words."""
    process = start(WITNESSED + STUBBORN, grace=600)
    process.send_signal(signal.SIGINT)
    assert "asked\n" == process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert "swallowed\n" == process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert "last words\n" == process.communicate(timeout=60)[0]
    assert 143 == process.returncode


def test_shielded_work_is_finished():
    """What is shielded is not torn apart by the second signal, and cancelled right after."""
    process = start(WITNESSED + SHIELDED, grace=600)
    assert "begun\n" == process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert "asked\n" == process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert "saved\ncancelled by 15\n" == process.communicate(timeout=60)[0]


def test_blocking_wait_wakes():
    """A wait on the descriptor ends as soon as a signal asks, and so does `wait`."""
    with StopSignals() as stop:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        began = time.monotonic()
        assert stop.wait(300)
        assert time.monotonic() - began < 60
        assert (signal.SIGTERM, "signal SIGTERM", 143) == (stop.requested, stop.cause, stop.exit_code)
    assert not StopSignals().wait(0)


def test_request_from_a_thread():
    """A request from the program asks as a signal does, wakes the wait, and insists after the grace."""
    with pytest.raises(Cancelled, match="milepost cancel") as caught, StopSignals(grace=0.1) as stop:
        threading.Timer(0.05, stop.request, ("milepost cancel",)).start()
        assert stop.wait(60)
        stop.request("another")
        time.sleep(60)
    assert caught.value.signal is None
    assert (None, "milepost cancel") == (stop.requested, stop.cause)


def test_handlers_come_back():
    """On leaving, the handlers are those that were there, also after Cancelled, also for nested ones."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGURG)]
    with pytest.raises(Cancelled), StopSignals():
        with StopSignals() as inner:
            inner.request("inner")
        raise Cancelled
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGURG)]


def test_nothing_is_raised_after_leaving():
    """When the work stopped in time, the end of the grace disturbs nobody."""
    with StopSignals(grace=0.05) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.is_requested
    time.sleep(0.15)


def test_cleaning_up_after_the_second_signal_is_not_torn_apart_by_the_end_of_the_grace():
    cleaned = []
    with pytest.raises(Cancelled), StopSignals(grace=0.05):
        try:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
        finally:
            time.sleep(0.2)
            cleaned.append(True)
    assert cleaned


def test_other_threads_only_ask():
    """Outside the main thread no handler is touched, and requests still work."""
    seen = []

    def work():
        before = signal.getsignal(signal.SIGINT)
        with StopSignals(grace=0.01) as stop:
            seen.append(signal.getsignal(signal.SIGINT) is before)
            stop.request("please")
            seen.append(stop.wait(60))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [True, True] == seen


def test_ignored_stays_ignored():
    """A background job whose shell made it ignore SIGINT goes on ignoring it."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert not stop.is_requested
    finally:
        signal.signal(signal.SIGINT, former)


def test_handler_while_the_ticker_is_used():
    """Signals that arrive while the main thread is inside the ticker do not deadlock it."""
    body = """        from milepost.kernel.ticker import TICKER
        while True: TICKER.after(60, print).stop()"""
    for _ in range(3):
        process = start(body, grace=0.1)
        process.send_signal(signal.SIGTERM)
        assert "cancelled by 15\n" == process.communicate(timeout=60)[0]


PAIRS = """
import os, select, signal, sys, threading, time
from milepost.errors import Cancelled
from milepost.kernel.signals import StopSignals

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where these tests began in the background
lock = threading.Lock()
lock.acquire()
wait = {"sleep": lambda: time.sleep(600), "lock": lambda: lock.acquire(timeout=600),
        "select": lambda: select.select([], [], [], 600)}[sys.argv[1]]
while True:
    with StopSignals(grace=600) as stop:
        try:
            os.write(1, b"!")
            wait()
        except Cancelled:
            pass
"""


@pytest.mark.parametrize("pair", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)], ids=str)
@pytest.mark.parametrize("way", ["sleep", "lock", "select"])
def test_no_second_signal_goes_unheeded(way, pair):
    """A thousand times, two signals up to 0.3 ms apart while the main thread goes to sleep: it wakes each time."""
    process = subprocess.Popen([sys.executable, "-c", PAIRS, way], stdout=subprocess.PIPE)
    dice = random.Random(way)
    try:
        for number in range(1000):
            assert select.select([process.stdout], [], [], 60)[0], f"pair {number} was not heeded"
            assert os.read(process.stdout.fileno(), 1) == b"!"
            for each in pair:
                until = time.perf_counter() + dice.random() * 0.0003
                while time.perf_counter() < until:
                    pass
                process.send_signal(each)
    finally:
        process.kill()
        process.communicate()


FORKED = """
import os, signal, sys, time
from milepost.kernel.signals import StopSignals

signal.signal(signal.SIGINT, signal.default_int_handler)
with StopSignals(grace=600) as stop:
    child = os.fork()
    if not child:
        try:
            print("child", os.getpid(), flush=True)
            while signal.getsignal(signal.SIGINT) is not signal.default_int_handler: time.sleep(0.001)
            print("heard", flush=True)
            time.sleep(600)
        except KeyboardInterrupt:
            os._exit(7)
    status = os.waitpid(child, 0)[1]
    print(os.waitstatus_to_exitcode(status), stop.wait(0), flush=True)
"""


@pytest.mark.parametrize(("numbers", "code"), [([signal.SIGTERM], -15), ([signal.SIGINT, signal.SIGINT], 7)])
def test_a_forked_child_ends_as_it_would_without_a_run(numbers, code):
    """By SIGTERM at once, as pools end their workers; by Ctrl-C, which is for the run first, at the second. The run
    hears of neither."""
    process = subprocess.Popen([sys.executable, "-c", FORKED], stdout=subprocess.PIPE, text=True)
    word, child = process.stdout.readline().split()
    assert word == "child"
    for position, number in enumerate(numbers):
        assert not position or process.stdout.readline() == "heard\n"
        os.kill(int(child), number)
    assert f"{code} False\n" == process.communicate(timeout=60)[0]


def test_an_event_loop_that_listens_for_signals_keeps_them():
    """Its descriptor stays where it is, and ours is gone afterwards."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    try:
        with StopSignals(grace=600):
            assert signal.set_wakeup_fd(writer) == writer
        assert signal.set_wakeup_fd(-1) == writer
        with StopSignals(grace=600), StopSignals(grace=600):
            assert signal.set_wakeup_fd(writer) != -1
        assert signal.set_wakeup_fd(-1) == writer
    finally:
        signal.set_wakeup_fd(-1)
        os.close(reader)
        os.close(writer)


UNCAUGHT = """
import os, signal, sys
from milepost.errors import Cancelled
from milepost.kernel.signals import StopSignals

with StopSignals() as stop:
    signal.raise_signal({number})
    raise {error}
"""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("Cancelled('run x was cancelled', signal=stop.requested)", 143, "run x was cancelled\n"),
        ("Cancelled('password=hunter22')", 143, "password=***\n"),
        ("ValueError('a line')", 1, "ValueError: a line"),
        ("SystemExit(3)", 3, ""),
    ],
)
def test_a_program_that_was_stopped_leaves_as_shells_expect(error, code, said):
    """143 for SIGTERM and one line, without a traceback; other errors are as ever."""
    program = UNCAUGHT.format(number=15, error=error)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert code == ended.returncode
    assert said in ended.stderr
    assert ("Traceback" in ended.stderr) == (code == 1)


FORKING = """
import os, signal
from milepost.kernel.signals import StopSignals

with StopSignals(grace=600) as stop:
    for number in range(300):
        child = os.fork()
        if not child:
            while True: signal.pause()
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.wait(60)
print("all ended")
"""


def test_a_child_that_is_ended_as_it_begins_ends():
    """Three hundred times, SIGTERM right after the fork: it is heeded, and by the run as well."""
    ended = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=120)
    assert "all ended\n" == ended.stdout, ended.stderr
