"""Recording what a run prints and logs, while it still appears where it would have appeared.

`RunLog` puts a tee in place of sys.stdout and sys.stderr and a handler on the root logger. Output that
goes around them (a subprocess, a C library, `sys.stdout.buffer`) is not recorded. A progress bar that
redraws itself with carriage returns leaves its last state only.

Levels: records of INFO and above are recorded even where the root logger says WARNING, Python's default; the
handlers that were there go on seeing what they saw, a record that nobody else handles still reaches standard
error, and `logging.basicConfig` works as if we were not here. A root level below INFO stays.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import IO, TextIO, cast

from milepost.kernel.clock import SYSTEM, Clock
from milepost.kernel.context import current
from milepost.kernel.logfile import LogFile
from milepost.kernel.loglines import TEXT_LIMIT, LogLine, follow_logs, read_logs, render, shorten
from milepost.kernel.rootlog import RootRecorder, is_muted
from milepost.model.redaction import MASK, redact

__all__ = ["LogLine", "RunLog", "follow_logs", "read_logs", "render"]


class RunLog:
    """While entered, what this process prints and logs is also written to `<folder>/<epoch>-<pid>.jsonl`.

    The folder is named after the run: output of another run that works in this process at the same time
    is left to that run's log. Secrets are masked. Nothing here raises: lines that cannot be written count
    in `dropped`. `stage` names the stage where the context does not.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with RunLog(folder, epoch=1) as log:
        ...         log.write_line("out", "password=hunter2", stage="clean")
        ...     [(line.stage, line.text) for line in read_logs(folder)]
        [('clean', 'password=***')]
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        epoch: int = 0,
        stage: Callable[[], str | None] | None = None,
        *,
        clock: Clock = SYSTEM,
    ) -> None:
        self._file = LogFile(folder, epoch)
        self._run = self._file.folder.name
        self._stage = stage
        self._clock = clock
        self._writing = threading.RLock()  # reentrant: a signal handler may print while we write
        self._tees: list[tuple[str, _Tee]] = []
        self._root = RootRecorder(self._record)

    @property
    def dropped(self) -> int:
        """How many lines could not be written."""
        return self._file.dropped

    def __enter__(self) -> RunLog:
        _active.append(self)
        for name, stream in (("stdout", "out"), ("stderr", "err")):
            tee = _Tee(getattr(sys, name), stream, self)
            setattr(sys, name, tee)
            self._tees.append((name, tee))
        self._root.attach()
        return self

    def __exit__(self, *exception: object) -> None:
        self._root.detach()
        for name, tee in self._tees:
            tee.finish()
            if getattr(sys, name) is tee:  # else someone put another in place and it stays, over a tee that is passive
                setattr(sys, name, tee.original)
        self._tees.clear()
        _active.remove(self)
        with self._writing:
            self._file.close()

    def write_line(
        self,
        stream: str,
        text: str,
        *,
        level: str | None = None,
        stage: str | None = None,
        item: str | None = None,
        logger: str | None = None,
    ) -> None:
        """Write one line: for what a worker reported. Stage and item are the context's unless given."""
        context = current.get()
        if stage is None:
            stage = context.stage if context is not None else (self._stage() if self._stage else None)
        if item is None and context is not None:
            item = context.item
        text = redact(shorten(text))
        item = redact(item) if item is not None else None
        with self._writing:
            self._file.append(
                LogLine(
                    at=self._clock.now(), stream=stream, text=text, level=level, stage=stage, item=item, logger=logger
                )
            )

    def _record(self, level: str, logger: str, text: str) -> None:
        if self._is_meant():
            self.write_line("log", text, level=level, logger=logger)

    def _is_meant(self) -> bool:
        context = current.get()
        return context is None or context.run_id in ("", self._run) or not _is_recorded_elsewhere(context.run_id)

    def _after_fork_in_child(self) -> None:
        self._writing = threading.RLock()
        for _, tee in self._tees:
            tee.forget()


class _Tee:
    """A stream that passes everything on and hands whole lines to the log; in all else it is the original."""

    def __init__(self, original: TextIO | None, stream: str, log: RunLog) -> None:
        self.original = original
        self._stream = stream
        self._log: RunLog | None = log
        self._partial: dict[int, _Partial] = {}

    def __getattr__(self, name: str) -> object:
        return getattr(self.original, name)

    def __iter__(self) -> object:
        return iter(cast("IO[str]", self.original))

    def __enter__(self) -> _Tee:
        return self

    def __exit__(self, *exception: object) -> None:
        self.flush()

    def write(self, text: str) -> int:
        """Pass the text on, then record the lines that it completes."""
        if self.original is not None:
            self.original.write(text)
        log = self._log
        if log is not None and not is_muted() and log._is_meant():
            with log._writing:
                self._take(text, log)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Each as `write`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the original; a line that is not complete stays open."""
        if self.original is not None:
            self.original.flush()

    def finish(self) -> None:
        """Record what stands without a newline, and from now on only pass on."""
        log, self._log = self._log, None
        if log is None:
            return
        with log._writing:
            for partial in self._partial.values():
                rest = partial.end()
                if rest:
                    log.write_line(self._stream, rest)
            self._partial.clear()

    def forget(self) -> None:
        """In a forked child: the parent's half lines are the parent's."""
        self._partial.clear()

    def _take(self, text: str, log: RunLog) -> None:
        thread = threading.get_ident()  # `print` writes text and newline apart: lines of two threads must not mix
        partial = self._partial.pop(thread, None) or _Partial()
        *whole, rest = text.split("\n")
        for part in whole:
            partial.add(part)
            line = partial.end()
            if line is not None:
                log.write_line(self._stream, line)
        partial.add(rest)
        if partial.is_open:
            self._partial[thread] = partial


class _Partial:
    """A line in the making: its visible part, bounded, and whether it is inside a private key."""

    __slots__ = ("_cut", "_in_key", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._cut = 0
        self._in_key = False

    @property
    def is_open(self) -> bool:
        """Whether anything has to be remembered until the next piece."""
        return bool(self._text) or self._in_key

    def add(self, piece: str) -> None:
        """Append; a carriage return begins the line anew, as on a screen."""
        if "\r" in piece:
            kept = piece.removesuffix("\r")
            if "\r" in kept:
                kept = kept[kept.rindex("\r") + 1 :]
                self._text, self._cut = "", 0
            elif piece.startswith("\r"):
                self._text, self._cut = "", 0
            piece = kept + ("\r" if piece.endswith("\r") else "")
        if self._text.endswith("\r"):
            self._text, self._cut = ("", 0) if piece else (self._text, self._cut)
        room = TEXT_LIMIT - len(self._text)
        self._text += piece[:room]
        self._cut += max(0, len(piece) - room)

    def end(self) -> str | None:
        """The finished line, or None when it is a line of a private key that was masked already."""
        text, cut = self._text.removesuffix("\r"), self._cut
        self._text, self._cut = "", 0
        if self._in_key:
            self._in_key = "-----END" not in text
            return None
        begin = text.find("-----BEGIN ")
        if begin >= 0 and "PRIVATE KEY" in text and "-----END" not in text:
            self._in_key = True
            return text[:begin] + MASK
        return shorten(text, cut) if cut else text


_active: list[RunLog] = []


def _is_recorded_elsewhere(run: str) -> bool:
    return any(log._run == run for log in _active)


def _after_fork_in_child() -> None:
    for log in _active:
        log._after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
