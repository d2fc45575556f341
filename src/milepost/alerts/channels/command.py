"""To a command of the user's: an argument list, never a shell, with the notice as JSON on its standard input."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from typing import IO, Annotated

import msgspec

from milepost.alerts.channels.channel import TIMEOUT_SECONDS, Channel, ChannelDown
from milepost.alerts.notice import Notice, clean
from milepost.model.refusal import refusal_text

MOST_READ = 4096  # bytes
MOST_SAID = 300  # characters of what a failed command said


class CommandChannel(Channel, frozen=True, kw_only=True, tag="command"):
    """Runs `command`; exit code 0 is success. It and what it started end after `timeout_seconds`."""

    command: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1)]
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = TIMEOUT_SECONDS

    def check(self) -> None:
        """No argument can hold a NUL."""
        if any("\0" in argument for argument in self.command):
            raise self.refuse("command", "an argument holds a NUL character")

    def send(self, notice: Notice) -> None:
        """Run it in a session of its own, so that Ctrl-C in the watcher's terminal does not reach it.

        It reads and writes files, not pipes: what it leaves behind in the background keeps nobody waiting.
        """
        with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
            told.write(notice.body() + b"\n")
            told.seek(0)
            code = self._run(told, said)
            if code != 0:
                said.seek(0)
                words = clean(said.read(MOST_READ).decode("utf-8", "replace").strip(), MOST_SAID)
                raise ChannelDown(f"{self.command[0]} ended with exit code {code}: {words}")

    def _run(self, told: IO[bytes], said: IO[bytes]) -> int:
        try:
            process = subprocess.Popen(
                self.command, stdin=told, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
            )
        except OSError as error:
            raise ChannelDown(f"{self.command[0]} cannot be started: {refusal_text(error)}") from error
        try:
            return process.wait(self.timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise ChannelDown(f"{self.command[0]} took longer than {self.timeout_seconds:g} s") from error
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
