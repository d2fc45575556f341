"""What is code rather than data, and the functions inside decorators, stages and other wrappers."""

from __future__ import annotations

from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from milepost.model.fingerprint.modules import is_user_globals
from milepost.model.fingerprint.writes import is_user_class

INNER = ("__wrapped__", "py_func", "pyfunc")  # under which wrappers written in C keep the function
_CODE_TYPES = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, staticmethod, classmethod, property)


def is_code(thing: object) -> bool:
    """Whether a thing counts by what it does rather than by value."""
    return isinstance(thing, _CODE_TYPES) or inner_of(thing) is not None or _is_stage(thing)


def _is_stage(thing: object) -> bool:
    return getattr(type(thing), "__milepost_stage__", False) is True


def unwrapped_stage(thing: object) -> object:
    """The function of a stage; anything else as it is."""
    while _is_stage(thing):
        thing = thing.__wrapped__  # type: ignore[attr-defined]
    return thing


def inner_of(thing: object) -> object:
    """The function inside a wrapper that is none itself: of lru_cache, numba, numpy.vectorize."""
    if isinstance(thing, FunctionType | type | ModuleType) or type(thing).__module__ == "builtins":
        return None
    for name in INNER:
        try:
            inner = getattr(thing, name, None)
        except Exception:  # a foreign object's attributes may raise anything
            inner = None
        if isinstance(inner, FunctionType | MethodType | partial) or _is_stage(inner):
            return inner
    return None


def is_users_code(thing: object) -> bool:
    """Whether it is a function, method or class that the user wrote."""
    thing = unwrapped_stage(thing)
    if isinstance(thing, FunctionType):
        return is_user_globals(thing.__globals__)
    if isinstance(thing, MethodType):
        return is_users_code(thing.__func__)
    return isinstance(thing, type) and is_user_class(thing)
