"""What an instance holds, read past any code of its class, and whether that is all of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import MemberDescriptorType
from typing import Any

# Filled in by instances themselves while they work, so no part of what they are.
_DERIVED = frozenset({"__pydantic_fields_set__"})


def state_items(value: Any) -> Iterator[tuple[str, object]]:
    """What an instance holds: its `__dict__` without cached properties, and its slots."""
    cls = type(value)
    cached = _cached_properties(cls)
    for name, field in instance_dict(value).copy().items():
        if name not in cached:
            yield name, field
    for name, slot in slots_of(cls):
        if name in _DERIVED:
            continue
        try:
            yield name, slot.__get__(value, cls)
        except AttributeError:  # never assigned
            continue


def instance_dict(value: object) -> dict[str, object]:
    """The instance's own `__dict__`, past any `__getattribute__` of its class."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def _slots_of(cls: type) -> tuple[tuple[str, Any], ...]:
    """The slots of a class and its roots, with their descriptors."""
    return tuple(
        (name, kind)
        for root in cls.__mro__
        if "__slots__" in vars(root)
        for name, kind in vars(root).copy().items()
        if type(kind) is MemberDescriptorType
    )


def _cached_properties_of(cls: type) -> frozenset[str]:
    """Attributes that come and go with use, so they are no part of what an instance is."""
    return frozenset(
        name
        for root in cls.__mro__
        for name, kind in vars(root).copy().items()
        if type(kind).__name__ == "cached_property"
    )


slots_of: Callable[[type], tuple[tuple[str, Any], ...]] = lru_cache(maxsize=256)(_slots_of)
_cached_properties: Callable[[type], frozenset[str]] = lru_cache(maxsize=256)(_cached_properties_of)


def has_hidden_state(cls: type) -> bool:
    """Whether instances hold more than a `__dict__` and slots can show: those of classes written in C."""
    if cls.__itemsize__:
        return True
    pointers = (cls.__weakrefoffset__ > 0) + (cls.__dictoffset__ > 0) + len(slots_of(cls))
    return cls.__basicsize__ > object.__basicsize__ + pointers * tuple.__itemsize__


def custom_state(cls: type) -> bool:
    """Whether the class says by `__getstate__` what its state is; pydantic's only adds which fields were given."""
    getstate = getattr(cls, "__getstate__", None)
    is_own = getstate is not None and getstate is not getattr(object, "__getstate__", None)
    return is_own and not hasattr(cls, "__pydantic_fields_set__") and not _is_open_file(cls)


def _is_open_file(cls: type) -> bool:
    io = sys.modules.get("_io")
    return io is not None and issubclass(cls, io._IOBase)
