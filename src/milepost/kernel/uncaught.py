"""What a program that was stopped leaves with when nobody caught that: 130 or 143, as a shell expects, and one line."""

from __future__ import annotations

import signal
import sys
from types import TracebackType

from milepost.errors import Cancelled
from milepost.model.redaction import redact

_is_set = False


def leave_with_the_signals_code() -> None:
    """From now on an uncaught Cancelled ends the program so; all else is as it was."""
    global _is_set
    if _is_set:
        return
    _is_set = True
    before = sys.excepthook

    def leave(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, Cancelled) or hasattr(sys, "ps1"):  # at a prompt nothing ends
            before(kind, error, trace)
            return
        sys.stderr.write(f"{redact(str(error))}\n")
        raise SystemExit(128 + (error.signal or signal.SIGTERM))  # what a hook raises counts

    sys.excepthook = leave
