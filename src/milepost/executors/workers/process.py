"""One worker process seen from the session: started, fed, listened to, ended, and what it died of."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from time import monotonic

from milepost.errors import WorkerError
from milepost.executors.task import ItemTask, Task
from milepost.executors.workers.framing import READ_BYTES, Frame, Frames
from milepost.executors.workers.lines import Lines
from milepost.executors.workers.slot import Slot

BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from milepost.executors.workers.child import main; main(*map(int, sys.argv[2:6]))"
)


class WorkerProcess:
    """A worker and the pipes to it. Only the thread that started it may use it."""

    def __init__(self, number: int, sys_path: Sequence[str], threads: int) -> None:
        if not sys.executable:
            raise WorkerError("workers need Python's own executable, and sys.executable is empty")
        self.number = number
        self.task: Task | None = None
        self.items: tuple[ItemTask, ...] = ()  # of the task, those that were sent
        self.is_ready = False
        self.is_overdue = False  # ended by us, because its item took too long
        self.known: dict[str, object] = {}  # stage -> the work it was told
        self.slot = Slot.create()
        self.is_deaf = False  # its end of the pipe is closed
        self._begun = monotonic()
        self._frames = Frames()
        self._unsent = bytearray()
        self._start(sys_path, threads)
        self.lines = tuple(_lines_of(output) for output in self._outputs)

    def _start(self, sys_path: Sequence[str], threads: int) -> None:
        """Raises OSError when the system refuses it, and has then closed what was opened."""
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            ours.callback(self.slot.close)
            self.connection, connection = socket.socketpair()
            ours.callback(self.connection.close)
            theirs.callback(connection.close)
            watched, self._watch = os.pipe()
            ours.callback(os.close, self._watch)
            theirs.callback(os.close, watched)
            nothing = os.open(os.devnull, os.O_RDONLY)
            theirs.callback(os.close, nothing)
            (out, printed), (err, complained) = (_pipe(ours, theirs) for _ in "oe")  # subprocess may leak its own
            self._outputs = (out, err)
            passed = (connection.fileno(), watched, self.slot.fd)
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
                    *("-c", BOOT, json.dumps(list(sys_path)), *map(str, passed), str(os.getpid())),
                    *("milepost-worker", str(self.number)),
                ],
                stdin=nothing,
                stdout=printed,
                stderr=complained,
                pass_fds=passed,
                start_new_session=True,  # the terminal's signals do not reach it, and its children end with it
                env={"OMP_NUM_THREADS": str(threads), **os.environ},
            )
            ours.pop_all()
        self.connection.setblocking(False)
        self.pidfd = _pidfd(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def begin(self, task: Task, items: tuple[ItemTask, ...]) -> None:
        """Remember what is sent next."""
        self.task, self.items = task, items
        self._begun = monotonic()
        self.slot.clear()

    def whereabouts(self) -> tuple[str, str | None]:
        """The stage it works on, and the item where there is no doubt."""
        stage = self.task.stage if self.task is not None else ""
        return stage, self.items[0].item if len(self.items) == 1 else None

    def seconds_at_hand(self) -> float:
        """How long it has worked on the item at hand, or on its task."""
        now = monotonic()
        taken = self.slot.seconds_at_hand(now)
        return now - self._begun if taken is None else taken

    def has_unsent(self) -> bool:
        """Whether the pipe did not take everything yet."""
        return bool(self._unsent)

    def send(self, message: bytes) -> None:
        """Queue a message; `flush` sends what the pipe takes."""
        self._unsent += message
        self.flush()

    def flush(self) -> bool:
        """Send what the pipe takes now. Whether nothing is left."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._unsent:
                with memoryview(self._unsent) as view, view[:READ_BYTES] as piece:
                    sent = self.connection.send(piece)
                del self._unsent[:sent]
        return not self._unsent

    def received(self) -> list[Frame]:
        """The messages that have come."""
        messages: list[Frame] = []
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while data := self.connection.recv(READ_BYTES):
                messages += self._frames.feed(data)
            self.is_deaf = True
        return messages

    def is_dead(self) -> bool:
        """Whether the process has ended. It stays a zombie, so that its group can still be ended."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def seconds_left(self, timeout: float) -> float | None:
        """How long the item at hand may still take; None when none is at hand."""
        taken = self.slot.seconds_at_hand(monotonic())
        return None if taken is None else timeout - taken

    def hang_up(self) -> None:
        """Close the pipe: an idle worker ends by itself."""
        self.connection.close()

    def kill(self) -> None:
        """End the worker and all it started, stopped or not."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Reap the process that was found dead or killed. Returns its exit status as `subprocess` gives it."""
        return self._process.wait()

    def let_go(self) -> None:
        """Close everything."""
        self._close_pipes()
        for output in self._outputs:
            os.close(output)
        if self.pidfd is not None:
            os.close(self.pidfd)

    def abandon(self) -> None:
        """In a fork of the session's process: close what would make the worker believe that process alive."""
        self.connection.close()
        os.close(self._watch)

    def _close_pipes(self) -> None:
        self.connection.close()
        os.close(self._watch)
        self.slot.close()

    @property
    def watched(self) -> list[int]:
        """The descriptors that become readable when there is something to hear."""
        return [self.connection.fileno(), *self._outputs, *([] if self.pidfd is None else [self.pidfd])]


def cause_of_death(status: int) -> str:
    """An exit status in words.

    Example:
        >>> cause_of_death(-9), cause_of_death(3)
        ('killed by signal 9 (SIGKILL)', 'exit code 3')
    """
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"killed by signal {-status}"


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe to read from here and to write to there."""
    read, write = os.pipe()
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    return read, write


def _lines_of(fd: int) -> Lines:
    os.set_blocking(fd, False)
    return Lines(lambda: os.read(fd, READ_BYTES), fd)


def _pidfd(pid: int) -> int | None:
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
