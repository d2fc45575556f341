"""How values cross to a worker and back: by reference where both sides have the same modules, else by value."""

from __future__ import annotations

import io
import pickle
from types import FunctionType, ModuleType
from typing import Any

from milepost.executors.by_value import ByValuePickler, is_found, module_shell


class WirePickler(ByValuePickler):
    """Names what a module holds under its name; lambdas, closures and local classes go by value."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, ())

    def reducer_override(self, thing: Any) -> Any:
        """How one object crosses."""
        if isinstance(thing, type | FunctionType) and is_found(thing):
            return NotImplemented
        if isinstance(thing, ModuleType):
            return module_shell, (thing.__name__,)
        return super().reducer_override(thing)


def to_wire(value: object) -> bytes:
    """A value's bytes, for `pickle.loads` on the other side. Raises what pickling raises."""
    try:
        return pickle.dumps(value, protocol=5)
    except Exception:
        stream = io.BytesIO()
        WirePickler(stream).dump(value)
        return stream.getvalue()


def exception_to_wire(exception: BaseException | None) -> bytes | None:
    """An exception that can be rebuilt; None for one that cannot (its text and traceback travel beside it)."""
    if exception is None:
        return None
    try:
        sent = to_wire(exception)
        pickle.loads(sent)
    except Exception:
        return None
    return sent


def exception_from_wire(sent: bytes | None) -> BaseException | None:
    """The exception, if it came and can be rebuilt here."""
    if sent is None:
        return None
    try:
        exception = pickle.loads(sent)
    except Exception:
        return None
    return exception if isinstance(exception, BaseException) else None
