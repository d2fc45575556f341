"""However slowly the other side speaks: at the deadline the connection is gone."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def broken_off_at(deadline: float, connection: Callable[[], socket.socket | None]) -> Iterator[None]:
    """While entered, shut down whatever connection there is at this monotonic time: a read of it ends at once."""

    def break_off() -> None:
        found = connection()
        if found is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - time.monotonic(), 0.0), break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
