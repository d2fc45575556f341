"""Recording what is logged, without anyone else noticing that we listen at the root logger."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

_muted = threading.local()


def is_muted() -> bool:
    """Whether this thread is passing on a record that was recorded already."""
    return getattr(_muted, "is_on", False)


class RootRecorder(logging.Handler):
    """Calls `record(level, logger, text)` for every record of INFO and above, or of what the root's level
    lets by.

    The root's level is lowered to INFO if it was above; handlers that were there keep their view through
    a filter. `logging.basicConfig`, which does nothing where a root handler is, is made to overlook this
    one.
    """

    def __init__(self, record: Callable[[str, str, str], None]) -> None:
        super().__init__()
        self._record = record
        self._former_level = logging.WARNING
        self._filtered: list[logging.Handler] = []
        self._is_attached = False

    def attach(self) -> None:
        """Begin to listen."""
        root = logging.getLogger()
        self._former_level = root.level
        if root.level > logging.INFO:
            self._filtered = list(root.handlers)
            for handler in self._filtered:
                handler.addFilter(self._would_have_passed)
            root.setLevel(logging.INFO)
        root.addHandler(self)
        self._is_attached = True
        _recorders.append(self)
        if len(_recorders) == 1:
            logging.basicConfig = _basic_config

    def detach(self) -> None:
        """Stop listening and put the root back, save what someone else changed meanwhile."""
        if not self._is_attached:
            return
        self._is_attached = False
        root = logging.getLogger()
        root.removeHandler(self)
        for handler in self._filtered:
            handler.removeFilter(self._would_have_passed)
        self._filtered = []
        if root.level == logging.INFO:
            root.setLevel(self._former_level)
        _recorders.remove(self)
        if not _recorders and logging.basicConfig is _basic_config:
            logging.basicConfig = _original_basic_config

    def emit(self, record: logging.LogRecord) -> None:
        """Record it, and where we are the only handler do what Python does without any."""
        try:
            self._record(record.levelname, record.name, self.format(record))
        except Exception:  # a record that cannot be formatted is reported as logging reports it
            self.handleError(record)
        last = logging.lastResort
        if last is not None and self is _recorders[-1] and record.levelno >= last.level and _is_alone(record):
            _pass_on(last, record)

    def _would_have_passed(self, record: logging.LogRecord) -> bool:
        return record.levelno >= _level_without(self._former_level, record.name)


def _level_without(root_level: int, name: str) -> int:
    """The level that decided about a logger before the root's was lowered."""
    for logger in _chain(name):
        if logger.level and logger is not logger.root:
            return logger.level
    return root_level


def _is_alone(record: logging.LogRecord) -> bool:
    for logger in _chain(record.name):
        if any(not isinstance(handler, RootRecorder) for handler in logger.handlers):
            return False
        if not logger.propagate:
            break
    return True


def _chain(name: str) -> Iterator[logging.Logger]:
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        yield logger
        logger = logger.parent


def _pass_on(handler: logging.Handler, record: logging.LogRecord) -> None:
    _muted.is_on = True
    try:
        handler.handle(record)
    finally:
        _muted.is_on = False


def _basic_config(**options: object) -> None:
    """`logging.basicConfig` as it would work if no run were being recorded."""
    recorders = list(_recorders)
    for recorder in reversed(recorders):
        recorder.detach()
    try:
        _original_basic_config(**options)
    finally:
        for recorder in recorders:
            recorder.attach()


_recorders: list[RootRecorder] = []
_original_basic_config: Callable[..., None] = logging.basicConfig
