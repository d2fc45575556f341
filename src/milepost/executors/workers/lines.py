"""Bytes that a worker prints, as lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

LONGEST_LINE = 1 << 16


class Lines:
    """Reads a non-blocking pipe line by line; of a line that a progress bar redraws, the last state.

    Example:
        >>> pieces = iter([b"one\\ntw", b"o\\n1%\\r2%\\n", b""])
        >>> list(Lines(lambda: next(pieces)).read())
        ['one', 'two', '2%']
    """

    def __init__(self, receive: Callable[[], bytes], fd: int = -1) -> None:
        self.fd = fd
        self._receive = receive
        self._begun = b""
        self.is_closed = False

    def read(self) -> Iterator[str]:
        """The lines that are complete; at the end of the pipe the last one as it is."""
        while not self.is_closed:
            try:
                data = self._receive()
            except BlockingIOError:
                return
            self.is_closed = not data
            *lines, self._begun = (self._begun + data).split(b"\n")
            if len(self._begun) > LONGEST_LINE or (self.is_closed and self._begun):
                lines.append(self._begun)
                self._begun = b""
            for line in lines:
                yield _shown(line)


def _shown(line: bytes) -> str:
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
