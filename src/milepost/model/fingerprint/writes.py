"""Which writes of the reached code make a global, closure or attribute state, so that its value does not count."""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import MutableMapping, MutableSequence, MutableSet
from types import FunctionType, ModuleType
from typing import NamedTuple

from milepost.model.fingerprint.flow import ELEMENT, Origin
from milepost.model.fingerprint.modules import is_user_globals

_SAMPLE = 8  # elements looked at to tell what a container holds
_CONTAINERS = (dict, list, set, bytearray, deque, array, MutableMapping, MutableSequence, MutableSet)
# Types whose methods of such names sometimes return a new object, and those that do change the old one.
_MUTATORS_OF = {
    "pandas": frozenset({"pop", "insert", "update"}),
    "numpy": frozenset({"sort", "fill", "resize", "put"}),
    "queue": frozenset({"put", "put_nowait", "get_nowait"}),
    "multiprocessing": frozenset({"put", "put_nowait", "get_nowait", "append", "update", "extend", "pop"}),
    "_io": frozenset({"write", "writelines"}),
    "tempfile": frozenset({"write", "writelines"}),
}
# What belongs to this process or only observes it: never part of a result.
_HARMLESS = {
    ("logging", "Logger"), ("logging", "LoggerAdapter"), ("_thread", "lock"), ("_thread", "RLock"),
    ("threading", "Condition"), ("threading", "Event"), ("threading", "Semaphore"), ("threading", "Barrier"),
    ("_thread", "_local"), ("builtins", "ContextVar"), ("_contextvars", "ContextVar"), ("weakref", "WeakKeyDictionary"),
    ("weakref", "WeakValueDictionary"), ("weakref", "WeakSet"), ("asyncio.locks", "Lock"), ("asyncio.locks", "Event"),
    ("asyncio.locks", "Semaphore"), ("asyncio.locks", "Condition"), ("multiprocessing.synchronize", "Lock"),
    ("concurrent.futures.thread", "ThreadPoolExecutor"), ("concurrent.futures.process", "ProcessPoolExecutor"),
}  # fmt: skip


class Place(NamedTuple):
    """Where a value is kept: a name in a namespace, a cell, an attribute. `owner` is the id of what holds it."""

    kind: str  # "global", "cell", "default", "attribute" of one object, "self" for one of a class's instances
    owner: int
    name: str = ""
    by: str = ""  # for "self": the method that is called on it, or after "[]" on an element of it


CLASSES = Place("classes", 0)  # stands for what is written to where a class is made


def is_harmless(value: object) -> str | None:
    """What an object is called that holds no data: a logger, a lock, an event, a context variable."""
    for cls in type(value).__mro__:
        if (cls.__module__, cls.__name__) in _HARMLESS:
            return cls.__name__
    return None


def changes(value: object, method: str) -> bool:
    """Whether calling `method` (one of MUTATORS, or "" for an assignment into it) changes `value` itself."""
    if isinstance(value, ModuleType | type | FunctionType):
        return False
    if not method:
        return True
    if isinstance(getattr(type(value), method, None), FunctionType) and _is_users(type(value), method):
        return False  # what the user's own method writes is seen in that method
    if isinstance(value, _CONTAINERS):
        return hasattr(value, method)
    for cls in type(value).__mro__:
        known = _MUTATORS_OF.get(cls.__module__.partition(".")[0])
        if known is not None and method in known:
            return True
    return False


def _is_users(cls: type, method: str) -> bool:
    function = getattr(cls, method)
    return is_user_globals(function.__globals__)


def self_written(write: Origin, cls: type, *, is_class: bool) -> Place | None:
    """What a method makes state by writing to its first argument: an attribute, "" for the object itself."""
    chain = write.chain
    if is_class:
        return Place("attribute", id(cls), chain[0]) if chain and not write.by else None
    if not chain or chain[0] == ELEMENT:
        return Place("self", id(cls), "", "[]" * len(chain) + write.by if write.by else "")
    if not write.by or len(chain) == 1:
        return Place("self", id(cls), chain[0], write.by)
    return Place("self", id(cls), chain[0], ELEMENT + write.by) if chain[1] == ELEMENT else None


def is_changed_by(value: object, by: str) -> bool:
    """Whether a method's write, as a "self" place tells it, changes this value."""
    if by.startswith(ELEMENT):
        return _elements_change(value, by.removeprefix(ELEMENT))
    return changes(value, by)


def place_written(write: Origin, value: object, place: Place) -> Place | None:
    """What becomes state when reached code writes through `write`, whose chain begins at `value`, kept at `place`."""
    chain = write.chain
    while chain and isinstance(value, ModuleType):
        if not is_user_globals(vars(value)):
            return None
        place = Place("global", id(vars(value)), chain[0])
        missing = chain[0] not in vars(value)
        value, chain = vars(value).get(chain[0]), chain[1:]
        if missing:
            return place if not chain and not write.by else None
        if not chain and not write.by:
            return place  # module.NAME = value
    if not chain:
        return place if changes(value, write.by) else None
    if chain[0] == ELEMENT:
        return place if not write.by or _elements_change(value, write.by) else None
    return _attribute_written(write, value, chain, place)


def _attribute_written(write: Origin, value: object, chain: tuple[str, ...], place: Place) -> Place | None:
    own = getattr(value, "__dict__", None)
    inner = own.get(chain[0]) if own is not None else getattr(value, chain[0], None)
    if write.by and not (changes(inner, write.by) if len(chain) == 1 else _elements_change(inner, write.by)):
        return None
    if own is not None and (isinstance(value, type | FunctionType) or is_user_class(type(value))):
        return Place("attribute", id(value), chain[0])
    return place


def _elements_change(value: object, method: str) -> bool:
    """Whether `method`, called on an element or something inside `value`, changes it, as far as a sample tells."""
    if isinstance(value, dict):
        elements = list(value.values())[:_SAMPLE]
    elif isinstance(value, list | tuple | deque):
        elements = list(value)[:_SAMPLE]
    else:
        return False
    return not elements or any(changes(element, method) for element in elements)


def is_user_class(cls: type) -> bool:
    """Whether the class was defined by the user; one from a bare `exec` says that it is Python's, and is not."""
    module = cls.__module__
    if not isinstance(module, str) or module in ("builtins", "__builtin__"):
        return bool(cls.__flags__ & 1 << 9) and getattr(sys.modules["builtins"], cls.__name__, None) is not cls
    loaded = sys.modules.get(module)
    if loaded is not None:
        return is_user_globals(vars(loaded))
    return is_user_globals({"__name__": module})
