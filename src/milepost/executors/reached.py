"""Which of the loaded modules a process reaches: those its stages live in, and all that these name or import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, ModuleType

from milepost.executors.by_value import names_in
from milepost.model.fingerprint.modules import is_user_module


def reached_modules(functions: Iterable[Callable[..., object]]) -> list[str]:
    """The user's modules behind these functions, in the order in which they were imported.

    A module is reached when a reached one holds it, holds something made in it, or imports it inside a function;
    `__main__` is always taken along, for what it defines has no other home.
    """
    functions = list(functions)
    waiting = [getattr(function, "__module__", None) for function in functions]
    waiting += [home for function in functions for home in _homes_of(function)]
    seen: set[str] = {"__main__"} if "__main__" in sys.modules else set()
    while waiting:
        name = waiting.pop()
        if isinstance(name, str) and name not in seen and _is_taken(name, functions):
            seen.add(name)
            waiting += _named_by(sys.modules[name])
    return [name for name in sys.modules.copy() if name in seen]


def _is_taken(name: str, functions: Iterable[Callable[..., object]]) -> bool:
    if not isinstance(sys.modules.get(name), ModuleType):
        return False
    return is_user_module(name) or any(getattr(function, "__module__", None) == name for function in functions)


def _named_by(module: ModuleType) -> Iterator[str]:
    name = module.__name__
    yield from (name.rpartition(".")[0], *_siblings(name, bool(getattr(module, "__path__", None))))
    for value in list(vars(module).values()):
        yield from _homes_of(value)


def _siblings(name: str, is_package: bool) -> list[str]:
    """The loaded modules of the same package: relative imports name them without it."""
    package = name if is_package else name.rpartition(".")[0]
    return [other for other in sys.modules.copy() if package and other.startswith(package + ".")]


def _homes_of(value: object) -> Iterator[str]:
    if isinstance(value, ModuleType):
        yield value.__name__
        return
    for thing in (value, type(value)):
        home = getattr(thing, "__module__", None)
        if isinstance(home, str):
            yield home
    wrapped = getattr(value, "__wrapped__", value)
    if isinstance(wrapped, FunctionType):
        yield from _imported_in(wrapped.__code__)
    elif isinstance(value, type):
        for member in list(vars(value).values()):
            code = getattr(member, "__code__", None)
            if isinstance(code, CodeType):
                yield from _imported_in(code)


def _imported_in(code: CodeType) -> Iterator[str]:
    return (name for name in names_in(code) if name in sys.modules)
