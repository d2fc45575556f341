"""Commands as a user would type them: shown, carried out for real, timed, and one of them killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from milepost.terminal.style import Style, screen_of


class Shell:
    """Types commands in the demo's folder. The commands write to `out`'s file descriptor directly."""

    def __init__(self, folder: Path, out: TextIO) -> None:
        self.folder = folder
        self.out = out
        self.screen = screen_of(out)
        self._environment = {**os.environ, "MILEPOST_WORKSPACE": str((folder / ".milepost").absolute())}
        self._environment.setdefault("OPENBLAS_NUM_THREADS", "1")  # the two workers would fight over the cores
        if not out.isatty():
            self._environment.setdefault("COLUMNS", "80")

    def say(self, text: str = "", style: Style = Style.PLAIN) -> None:
        """Print a line of the tour itself."""
        self.out.write(self.screen.paint(text, style) + "\n")
        self.out.flush()

    def milepost(self, *arguments: str) -> float:
        """Carry out `milepost …`; the seconds it took. Raises CommandFailed when it fails."""
        return self._finish(self._start("milepost", *arguments))

    def python(self, *arguments: str) -> float:
        """Carry out `python …`; the seconds it took. Raises CommandFailed when it fails."""
        return self._finish(self._start("python", *arguments))

    def killed(self, *arguments: str, when: Callable[[], bool]) -> float | None:
        """Carry out `milepost …` and SIGKILL it as soon as `when` says so; None when it ended before."""
        child, began = self._start("milepost", *arguments)
        try:
            while child.poll() is None:
                if when():
                    child.kill()
                    child.wait()
                    self._after_kill(child.pid)
                    return time.perf_counter() - began
                time.sleep(0.1)
        except BaseException:
            child.kill()
            raise
        self._finish((child, began))
        return None

    def _start(self, program: str, *arguments: str) -> tuple[subprocess.Popen[bytes], float]:
        self.say("$ " + " ".join((program, *arguments)), Style.CYAN)
        command = [sys.executable, *(("-m", "milepost") if program == "milepost" else ()), *arguments]
        began = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdout=self.out.fileno(),
            stderr=self.out.fileno(),
        )
        return child, began

    def _finish(self, started: tuple[subprocess.Popen[bytes], float]) -> float:
        child, began = started
        try:
            code = child.wait()
        except KeyboardInterrupt:  # the terminal told the child as well: let it save what is done
            child.wait()
            raise
        if code != 0:
            raise CommandFailed(code)
        self.say()
        return time.perf_counter() - began

    def _after_kill(self, pid: int) -> None:
        """Give the terminal back its cursor, which a killed process cannot, and show what was done."""
        if self.screen.live:
            self.out.write("\x1b[?25h\x1b[0m\r\n")
        self.say(f"$ kill -9 {pid}", Style.RED)
        self.say()


class CommandFailed(Exception):
    """A command of the demo failed and has said why; `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code
