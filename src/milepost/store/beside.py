"""What is worked out about a large object while its bytes are being written: where it goes, and its header."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread


class Beside(Thread):
    """Asks `place` for the object's path, then `header` for its header; no header where there is no place.

    >>> with Beside(lambda: Path("here"), lambda: b"header") as beside:
    ...     beside.path(), beside.header(), beside.is_unwanted
    (PosixPath('here'), b'header', False)
    """

    def __init__(self, place: Callable[[], Path | None], header: Callable[[], bytes]) -> None:
        super().__init__(name="milepost-beside")
        self._place, self._make_header = place, header
        self._is_placed = Event()
        self._path: Path | None = None
        self._header = b""
        self._error: BaseException | None = None

    def __enter__(self) -> Beside:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join()

    def run(self) -> None:
        try:
            self._path = self._place()
            self._is_placed.set()
            if self._path is not None:
                self._header = self._make_header()
        except BaseException as error:  # for whoever asks
            self._error = error
        finally:
            self._is_placed.set()

    @property
    def is_unwanted(self) -> bool:
        """Whether there is no need to go on writing."""
        return self._is_placed.is_set() and self._path is None

    def path(self) -> Path | None:
        """Where it goes; None when it is there already. Raises what `place` did."""
        self._is_placed.wait()
        self._raise_error()
        return self._path

    def header(self) -> bytes:
        """What goes before its bytes. Raises what `place` or `header` did."""
        self.join()
        self._raise_error()
        return self._header

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
