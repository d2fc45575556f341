"""The one file of one process that takes a run's log lines, and what happens when it cannot.

Each line is one `os.write` with O_APPEND. A line that the disk took only in part is taken back, so that every
line before the last is whole. What cannot be written is counted and warned of once; nothing is raised.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from milepost.kernel.loglines import LogLine, encode
from milepost.kernel.warning import warn

LOOK_SECONDS = 0.25
GAP = " lines could not be written before this one"  # after their number, in a line of its own


class LogFile:
    """`<folder>/<epoch>-<pid>.jsonl`, opened at the first line, opened anew after a fork or when it was
    removed.

    Not safe for several threads at once: its owner holds a lock.
    """

    def __init__(self, folder: str | os.PathLike[str], epoch: int) -> None:
        self.folder = Path(folder)
        self.dropped = 0  # lines that could not be written
        self._epoch = epoch
        self._descriptor = -1
        self._pid = os.getpid()
        self._unsaid = 0  # dropped lines that the log itself does not mention yet
        self._has_warned = False
        self._looked_at = 0.0
        self._unsure = 0  # lines written since we last saw the file's name in place

    @property
    def path(self) -> Path:
        """The file of this process."""
        return self.folder / f"{self._epoch}-{os.getpid()}.jsonl"

    def append(self, line: LogLine) -> bool:
        """Write one line; False when it had to be dropped."""
        try:
            self._ensure_open(line.at)
            if self._unsaid:
                gap = f"{self._unsaid:,}{GAP}"
                self._write(encode(LogLine(at=line.at, stream="log", level="WARNING", logger="milepost", text=gap)))
                self._unsaid = 0
            self._write(encode(line))
            self._unsure += 1
        except (OSError, ValueError) as error:
            self._drop(error)
            return False
        return True

    def close(self) -> None:
        """Close the file; the next line would open it again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _ensure_open(self, at: float) -> None:
        if self._pid != os.getpid():  # a forked child writes to a file of its own
            self._pid, self.dropped, self._unsaid = os.getpid(), 0, 0
            self.close()
        if self._descriptor >= 0 and not self._was_removed(at):
            return
        self.close()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        self._looked_at, self._unsure = at, 0

    def _was_removed(self, at: float) -> bool:
        """Asked of the system four times a second; what was written to a removed file since then is lost."""
        if abs(at - self._looked_at) < LOOK_SECONDS:
            return False
        is_gone = os.fstat(self._descriptor).st_nlink == 0
        if is_gone:
            self.dropped += self._unsure
            self._unsaid += self._unsure
        self._looked_at, self._unsure = at, 0
        return is_gone

    def _write(self, raw: bytes) -> None:
        written = os.write(self._descriptor, raw)
        if written < len(raw):
            size = os.fstat(self._descriptor).st_size
            os.ftruncate(self._descriptor, size - written)
            raise OSError(f"only {written} of {len(raw)} bytes found room")

    def _drop(self, error: Exception) -> None:
        self.dropped += 1
        self._unsaid += 1
        if not self._has_warned:
            self._has_warned = True
            warn(f"the run goes on, but its log cannot be written for now ({self.path}): {error}")
