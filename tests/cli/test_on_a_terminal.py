"""What a run shows on a real terminal: a pseudo-terminal of a given width, read byte by byte."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """`milepost` on a pseudo-terminal; `screen` is all it was sent."""

    def __init__(self, folder: Path, environment: dict[str, str], columns: int, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "milepost", *arguments],
            cwd=folder, env={"TERM": "xterm-256color", **environment}, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.screen = ""

    def read_until(self, text: str, seconds: float = 120.0) -> None:
        """Read on until the text was sent; AssertionError after so many seconds or at the end without it."""
        deadline = time.monotonic() + seconds
        while text not in ESCAPE.sub("", self.screen):
            assert time.monotonic() < deadline, f"no {text!r} in {self.screen!r}"
            assert self._read(0.2), f"ended without {text!r}: {self.screen!r}"

    def read_to_the_end(self) -> int:
        """Read all; the exit code."""
        while self._read(120.0):
            continue
        return self.process.wait(120)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return self.process.poll() is None
        try:
            read = os.read(self._master, 65536)
        except OSError:  # the other side closed it
            return False
        self.screen += read.decode(errors="replace")
        return bool(read)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.mark.parametrize("columns", [100, 45])
def test_a_live_table_redraws_in_place_and_leaves_the_summary(
    folder: Path, environment: dict[str, str], columns: int
) -> None:
    """At most 8 frames a second, no frame wider than the window, what the user prints above it and once."""
    begun = time.monotonic()
    terminal = Terminal(folder, {**environment, "PAUSE": "0.05"}, columns, "run", "sales.py")
    try:
        terminal.read_until("running")
        assert terminal.read_to_the_end() == 0
    finally:
        terminal.close()
    frames = ESCAPE.sub("", terminal.screen).count("orders  completed")
    assert 2 <= frames <= (time.monotonic() - begun) * 8 + 2
    plain = ESCAPE.sub("", terminal.screen)
    assert plain.count("made a report") == 1
    table = [line for line in re.split(r"[\r\n]+", plain) if "score " in line and "running" in line]
    assert table
    assert all(len(line) <= columns for line in table)
    summary = plain[plain.rindex("sales ") :]
    assert " completed in " in summary
    assert "ran " in summary


def test_no_color_and_dumb_terminals_are_respected(folder: Path, environment: dict[str, str]) -> None:
    """NO_COLOR: no colours; TERM=dumb: no escape sequence at all, a line a change."""
    plain = Terminal(folder, {**environment, "NO_COLOR": "1"}, 80, "run", "sales.py")
    try:
        assert plain.read_to_the_end() == 0
    finally:
        plain.close()
    dumb = Terminal(folder, {**environment, "TERM": "dumb"}, 80, "run", "sales.py")
    try:
        assert dumb.read_to_the_end() == 0
    finally:
        dumb.close()
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", plain.screen)
    assert "\x1b" not in dumb.screen
    assert re.search(r"orders +(completed|reused)", dumb.screen)


def test_ctrl_c_on_a_terminal_is_130_and_the_last_line_resumes(folder: Path, environment: dict[str, str]) -> None:
    """The table goes, the cursor comes back, the command stays."""
    terminal = Terminal(folder, {**environment, "PAUSE": "0.1"}, 80, "run", "sales.py")
    try:
        terminal.read_until("running")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.read_to_the_end() == 130
    finally:
        terminal.close()
    assert ESCAPE.sub("", terminal.screen).rstrip().splitlines()[-1].startswith("milepost resume ")
    assert terminal.screen.rfind("\x1b[?25h") > terminal.screen.rfind("\x1b[?25l")


def test_a_name_with_escapes_cannot_act_on_the_terminal(folder: Path, environment: dict[str, str]) -> None:
    """A process whose name clears the screen is shown with its escapes written out."""
    (folder / "evil.py").write_text(
        "from milepost import Process, stage\n@stage\ndef one(): return 1\nevil = Process('a\\x1b[2Jb', [one])\n"
    )
    terminal = Terminal(folder, environment, 80, "run", "evil.py")
    try:
        assert terminal.read_to_the_end() == 0
    finally:
        terminal.close()
    assert "\x1b[2J" not in terminal.screen
    assert "a\\x1b[2Jb" in terminal.screen
