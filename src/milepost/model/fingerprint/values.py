"""The fingerprint of a value: 16 bytes that are equal for equal values, in every process, and differ otherwise.

What counts: the type, the content, and for instances the class's name with the instance's state. What does not: the
order of a dict or set, identity and sharing, the memory order of an array, the chunks and padding of a frame, `attrs`.
NaN equals NaN, -0.0 differs from 0.0. A class says itself what counts by a method `__milepost_key__(self)`, whose
return value then stands for the instance's state.
"""

from __future__ import annotations

from xxhash import xxh3_128_digest

from milepost.errors import UnkeyableError
from milepost.model.fingerprint import scalars
from milepost.model.fingerprint.flat import flat_dict
from milepost.model.fingerprint.preview import preview
from milepost.model.fingerprint.walk import EXACT, Functions, Unkeyable, Walk

__all__ = ["digest", "preview"]

EXACT.update(scalars.EXACT)
_PATH_HEAD, _PATH_TAIL = 8, 3


def digest(value: object, *, name: str = "value", functions: Functions | None = None) -> bytes:
    """The fingerprint of `value`, 16 bytes.

    `name` begins the path in errors (`decisions.model['layers'][3]`). `functions` turns a function, class or module
    into bytes; without it only those of the standard library have a fingerprint (their name).
    Raises UnkeyableError for what has none: locks, generators, open files, lambdas, values that contain themselves.

    Example:
        >>> digest({"a": 1, "b": [2.0]}) == digest({"b": [2.0], "a": 1})
        True
        >>> digest(1) == digest(True)
        False
    """
    kind = type(value)
    if kind is dict:
        flat = flat_dict(value)  # type: ignore[arg-type]
        if flat is not None:
            return xxh3_128_digest(b"D" + flat)
    elif kind is str:
        return xxh3_128_digest(scalars.encode_str(None, value))  # type: ignore[arg-type]
    elif kind is int:
        return xxh3_128_digest(scalars.encode_int(None, value))  # type: ignore[arg-type]
    try:
        return xxh3_128_digest(Walk(functions).encode(value))
    except Unkeyable as lost:
        raise _error(lost.reason, name, lost.steps) from lost.__cause__
    except RecursionError:
        raise _error("it is nested too deeply", name, []) from None
    except (UnkeyableError, MemoryError):
        raise
    except Exception as error:  # whatever a foreign object's attributes may raise
        raise _error(f"reading it raised {type(error).__name__}", name, []) from error


def _error(reason: str, name: str, steps: list[str]) -> UnkeyableError:
    path = name + _joined(list(reversed(steps)))
    return UnkeyableError(f"{path} has no fingerprint: {reason}", path=path, reason=reason)


def _joined(steps: list[str]) -> str:
    if len(steps) > _PATH_HEAD + _PATH_TAIL:
        steps = [*steps[:_PATH_HEAD], "…", *steps[-_PATH_TAIL:]]
    return "".join(steps)
