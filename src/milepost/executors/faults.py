"""What an exception of user code says: its text and traceback, whatever the exception does when asked."""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple

from milepost.model.shortening import shortened

LONGEST_TRACEBACK = 10_000  # characters; a message of megabytes stays out of the ledger
OWN_FOLDER = __file__.rsplit("faults.py", 1)[0]


class Fault(NamedTuple):
    """An exception in words."""

    error: str
    traceback: str


def describe(exception: BaseException) -> Fault:
    """The type, text and traceback of an exception, without our own frames above the user's.

    Example:
        >>> describe(ValueError("no such file")).error
        'ValueError: no such file'
    """
    from traceback import TracebackException

    shown = TracebackException(type(exception), exception, _in_user_code(exception.__traceback__))
    traceback = "".join(shown.format())
    return Fault(_sendable(shortened(error_text(exception))), _sendable(shortened(traceback, LONGEST_TRACEBACK)))


def error_text(exception: BaseException) -> str:
    """ "ValueError: text", also when the text itself raises."""
    name = type(exception).__name__
    try:
        text = str(exception)
    except Exception as error:
        text = f"(its text cannot be shown: {type(error).__name__})"
    return f"{name}: {text}" if text else name


def _in_user_code(traceback: TracebackType | None) -> TracebackType | None:
    below = traceback
    while below is not None and below.tb_frame.f_code.co_filename.startswith(OWN_FOLDER):
        below = below.tb_next
    return below or traceback


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate can be neither sent nor stored
