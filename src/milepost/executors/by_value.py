"""A pickler that takes the user's functions and classes along by value, as members of their modules.

cloudpickle gives each function a dictionary of globals of its own. Here a function's globals are its
module's, so that the functions of a module share state in a worker just as they do at home.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import io
import sys
import threading
import weakref
from collections.abc import Callable, Collection
from contextvars import Context, ContextVar
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, cast

import cloudpickle
import msgspec

from milepost.executors.struct_classes import STRUCT_META, reduce_struct_class

LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
EMPTIED = (threading.local, weakref.WeakKeyDictionary, weakref.WeakValueDictionary)
SENTINELS = {
    id(getattr(dataclasses, name)): name
    for name in ("MISSING", "KW_ONLY", "_HAS_DEFAULT_FACTORY")
    if hasattr(dataclasses, name)
}
META_FIELDS = (
    "gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length",
    "tz", "title", "description", "examples", "extra_json_schema", "extra",
)  # fmt: skip
CACHED = type(functools.lru_cache(len))

Reduced = tuple[object, ...]


class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles what belongs to `modules` by value; everything else as cloudpickle does.

    `mentioned` collects the names that the functions it met refer to.
    """

    def __init__(self, stream: io.BytesIO, modules: Collection[str]) -> None:
        super().__init__(stream, protocol=5)
        self.modules = frozenset(modules)
        self.mentioned: set[str] = set()
        self._cells: dict[int, EmptyCell] = {}

    def reducer_override(self, thing: Any) -> Any:
        """How one object is taken along."""
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if isinstance(thing, ModuleType) and thing.__name__ in self.modules:
            return module_shell, (thing.__name__,)
        if type(thing) is STRUCT_META and (thing.__module__ in self.modules or not is_found(thing)):
            return reduce_struct_class(thing)
        special = reduce_special(thing)
        return super().reducer_override(thing) if special is None else special

    def _function(self, function: FunctionType) -> Any:
        home = home_of(function)
        is_own = home in self.modules or function.__module__ in self.modules
        if home is None or (not is_own and is_found(function)):
            return super().reducer_override(function)
        self.mentioned.update(names_in(function.__code__))
        cells = tuple(self._cells.setdefault(id(cell), EmptyCell(cell)) for cell in function.__closure__ or ())
        return reduce_function(function, home, cells or None)


def home_of(function: FunctionType) -> str | None:
    """The module whose dictionary the function's globals are; None for globals of nobody."""
    name = function.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return name if module is not None and vars(module) is function.__globals__ else None


def is_found(thing: FunctionType | type) -> bool:
    """Whether looking its name up in its module gives this very function or class."""
    found: object = sys.modules.get(thing.__module__ or "")
    for name in thing.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is thing


def names_in(code: CodeType) -> set[str]:
    """The names of globals and attributes that the code and the code inside it refer to."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= names_in(constant)
    return names


class EmptyCell:
    """Stands for a cell of a closure while pickling: shared by the functions that share the cell."""

    def __init__(self, cell: CellType) -> None:
        self.cell = cell  # kept, so that its id stays its own

    def __reduce__(self) -> Reduced:
        return CellType, ()


def reduce_function(function: FunctionType, home: str, cells: tuple[EmptyCell, ...] | None) -> Reduced:
    """A function as code and module; what may lead back to the function itself goes into the state."""
    state = {
        "__qualname__": function.__qualname__,
        "__module__": function.__module__,
        "__doc__": function.__doc__,
        "__defaults__": function.__defaults__,
        "__kwdefaults__": function.__kwdefaults__,
        "__annotations__": function.__annotations__,
    }
    contents = tuple(_contents(cell) for cell in function.__closure__ or ())
    made = (function.__code__, home, function.__name__, cells)
    return new_function, made, (state, vars(function), contents), None, None, set_function_state


def reduce_special(thing: object) -> Reduced | None:
    """Objects that pickle refuses, or rebuilds as something else."""
    kind = type(thing)
    if kind in LOCKS:
        return cast("Callable[[], object]", LOCKS[kind]), ()
    if kind in EMPTIED:
        return kind, ()
    if kind is CACHED:
        cached = cast(Any, thing)
        parameters = cached.cache_parameters()
        return new_cached, (cached.__wrapped__, parameters["maxsize"], parameters["typed"])
    if kind is ContextVar:
        return _reduce_variable(cast("ContextVar[object]", thing))
    if id(thing) in SENTINELS:
        return getattr, (dataclasses, SENTINELS[id(thing)])
    if kind is msgspec.Meta:
        given = {name: getattr(thing, name) for name in META_FIELDS}
        return new_meta, ({name: value for name, value in given.items() if value is not None},)
    if isinstance(thing, io.IOBase) and not isinstance(thing, (io.StringIO, io.BytesIO)):
        return _reduce_file(thing)
    return None


def new_meta(given: dict[str, Any]) -> msgspec.Meta:
    """The bounds of an annotation."""
    return msgspec.Meta(**given)


def module_shell(name: str) -> ModuleType:
    """The module of this name: the one that is loaded, else imported."""
    return sys.modules.get(name) or importlib.import_module(name)


def new_function(code: CodeType, home: str, name: str, cells: tuple[CellType, ...] | None) -> FunctionType:
    """A function of a module; its state follows."""
    return FunctionType(code, vars(module_shell(home)), name, None, cells)


def set_function_state(
    function: FunctionType, state: tuple[dict[str, object], dict[str, object], tuple[tuple[object, ...], ...]]
) -> None:
    """Complete a function that `new_function` made."""
    attributes, dictionary, contents = state
    for name, value in attributes.items():
        setattr(function, name, value)
    vars(function).update(dictionary)
    for cell, content in zip(function.__closure__ or (), contents, strict=True):
        if content:
            cell.cell_contents = content[0]


def new_cached(function: Callable[..., object], maxsize: int | None, typed: bool) -> object:
    """An empty `lru_cache` around the function."""
    return functools.lru_cache(maxsize, typed)(function)


def new_variable(name: str, *default: object) -> ContextVar[object]:
    """A context variable with its default, if it had one."""
    return ContextVar(name, default=default[0]) if default else ContextVar(name)


def _contents(cell: CellType) -> tuple[object, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _reduce_variable(variable: ContextVar[object]) -> Reduced:
    try:
        return new_variable, (variable.name, Context().run(variable.get))
    except LookupError:
        return new_variable, (variable.name,)


def _reduce_file(file: io.IOBase) -> Reduced:
    for name in ("stdout", "stderr", "stdin", "__stdout__", "__stderr__", "__stdin__"):
        if getattr(sys, name) is file:
            return getattr, (sys, name)
    raise TypeError("an open file cannot be taken into another process")
