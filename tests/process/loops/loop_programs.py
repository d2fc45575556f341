"""Programs with a loop in them, started as real processes that can be killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from milepost import Workspace

LOOP = """
import os, signal, sys, time
from milepost import open_run

def note(text):
    handle = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, (text + "\\n").encode())
    os.close(handle)

def stubborn(run):
    while not run.stop.is_requested:
        time.sleep(0.005)
    note("asked 1")
    time.sleep(60)

def numbers():
    for number in range({items}):
        while number == {items} - 1 and os.path.exists("wait"):
            time.sleep(0.002)
        yield number

with open_run("extract") as run:
    for step in run.items(numbers(), key=int{options}):
        with step as number:
            note(f"begin {{number}}")
            {body}
            note(f"end {{number}}")
"""
STARTED = []


def heed_interrupts():
    """Ctrl-C reaches the program, also where the tests themselves were started in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Program:
    """A loop in a folder of its own, with its workspace, and what it noted outside of it."""

    def __init__(self, folder, *, items=200, body="time.sleep(0.001)", options=""):
        self.folder = folder
        self.environment = {
            **os.environ, "XDG_DATA_HOME": str(folder / "data"), "MILEPOST_WORKSPACE": str(folder / ".milepost"),
        }  # fmt: skip
        self.write(items=items, body=body, options=options)

    def write(self, *, items=200, body="time.sleep(0.001)", options=""):
        (self.folder / "loop.py").write_text(LOOP.format(items=items, body=body, options=options))

    def start(self, *words):
        process = subprocess.Popen(
            [sys.executable, *(words or ("loop.py",))], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            preexec_fn=heed_interrupts,
        )  # fmt: skip
        STARTED.append(process)
        return process

    def milepost(self, *arguments):
        return self.ended("-m", "milepost", *arguments)

    def ended(self, *words):
        """What a program said that ended by itself, and its exit code."""
        process = self.start(*words)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    def noted(self, word):
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]

    def rows(self, kind, /, **equal):
        if not (self.folder / ".milepost" / "ledger.db").exists():
            return []
        with Workspace.open(self.folder / ".milepost", create=False, read_only=True) as workspace:
            return workspace.store.rows(kind, **equal)


def end_all():
    """Kill what a test has started and not waited for."""
    for process in STARTED:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    STARTED.clear()


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.002)
