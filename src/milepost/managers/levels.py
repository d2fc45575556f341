"""The levels of log records, with the numbers of the standard library."""

from __future__ import annotations

from enum import IntEnum


class LogLevel(IntEnum):
    """How much a log record matters; each is the number that `logging` knows it by.

    Example:
        >>> import logging
        >>> LogLevel.ERROR == logging.ERROR and logging.getLevelName(LogLevel.ERROR)
        'ERROR'
    """

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50
