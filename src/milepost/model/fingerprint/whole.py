"""Code that is found through data: what state such as a registry holds, and all that is in a module used as a value."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType

from milepost.model.fingerprint.classes import held_by
from milepost.model.fingerprint.functions import ABOUT_MODULES, is_empty
from milepost.model.fingerprint.modules import OWN, is_user_globals, top_level
from milepost.model.fingerprint.wrappers import inner_of, is_code, unwrapped_stage
from milepost.model.fingerprint.writes import is_user_class

_PLAIN = frozenset({int, float, str, bytes, bool, complex, type(None), bytearray, range, slice})
_DEPTH = 20
_OPEN = frozenset(
    {"collections", "queue", "types", "_thread"}
)  # whose instances show what they hold in their attributes


def module_members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Names and values of what a module defines or imports, in the order of names."""
    for name, thing in sorted(vars(module).items(), key=lambda item: item[0]):
        is_ours = top_level(str(type(thing).__module__)) == OWN and not is_code(thing)  # a Process
        is_about = name in ABOUT_MODULES or (name.startswith("__") and name.endswith("__") and name != "__getattr__")
        if not is_about and not is_ours:
            yield name, thing


class Nested:
    """The code inside reached functions: of the functions and classes that they make when they run."""

    def __init__(self, functions: Iterable[FunctionType]) -> None:
        self._codes: dict[int, CodeType] = {}
        self._classes: set[tuple[object, str]] = set()
        for function in functions:
            self._add(function.__code__, function.__globals__.get("__name__"))

    def _add(self, code: CodeType, module: object) -> None:
        for inner in code.co_consts:
            if isinstance(inner, CodeType) and id(inner) not in self._codes:
                self._codes[id(inner)] = inner
                self._classes.add((module, inner.co_qualname))
                self._add(inner, module)

    def makes(self, thing: FunctionType | type) -> bool:
        """Whether a function or class was made by them."""
        if isinstance(thing, type):
            return (thing.__module__, thing.__qualname__) in self._classes
        return id(thing.__code__) in self._codes


def code_held(value: object, nested: Callable[[], Nested]) -> list[object]:
    """The user's functions, classes and modules that `value` holds, at whatever depth.

    `nested` gives what reached functions make. In a memo such a function or class counts with its maker, so only what
    it holds is looked at: its own values are part of the state.
    """
    gathered = _Gathered(nested)
    gathered.add(value, 0)
    return list(gathered.found.values())


class _Gathered:
    """One walk through one value."""

    def __init__(self, nested: Callable[[], Nested]) -> None:
        self.found: dict[int, object] = {}
        self._seen: dict[int, object] = {}  # holds the things too, so that their ids stay their own
        self._nested = nested
        self._known: Nested | None = None

    def add(self, value: object, depth: int) -> None:
        if type(value) in _PLAIN or depth > _DEPTH or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        thing = unwrapped_stage(value)
        if self._counts(thing):
            self.found[id(thing)] = thing
            return
        inside = [*([type(thing)] if is_user_class(type(thing)) else ()), *_inside(thing)]
        if not _PLAIN.issuperset(map(type, inside)):
            for one in inside:
                self.add(one, depth + 1)

    def _counts(self, thing: object) -> bool:
        if isinstance(thing, FunctionType):
            return is_user_globals(thing.__globals__) and not self._is_made(thing)
        if isinstance(thing, ModuleType):
            return is_user_globals(vars(thing))
        return isinstance(thing, type) and is_user_class(thing) and not self._is_made(thing)

    def _is_made(self, thing: FunctionType | type) -> bool:
        if self._known is None:
            self._known = self._nested()
        return self._known.makes(thing)


def _inside(thing: object) -> Iterator[object]:
    """What a thing holds that may be code, one level deep."""
    if isinstance(thing, dict):
        yield from list(thing.keys())
        yield from list(thing.values())
    elif isinstance(thing, list | tuple | deque):
        yield from list(thing)
    elif isinstance(thing, set | frozenset):
        yield from sorted(thing, key=_by_name)
    elif isinstance(thing, type):
        if is_user_class(thing):
            yield from (*thing.__bases__, *vars(thing).values())
    elif isinstance(thing, ModuleType):
        return
    elif isinstance(thing, FunctionType):
        yield from [cell.cell_contents for cell in thing.__closure__ or () if not is_empty(cell)]
        yield from (thing.__defaults__, thing.__kwdefaults__)
        yield from list(thing.__dict__.values())
    elif isinstance(thing, MethodType):
        yield from _of_method(thing)
    elif isinstance(thing, partial):
        yield from (thing.func, thing.args, thing.keywords)
    elif isinstance(thing, staticmethod | classmethod):
        yield thing.__func__
    elif isinstance(thing, property):
        yield from (thing.fget, thing.fset, thing.fdel)
    else:
        yield from _of_instance(thing)
    if is_user_class(type(thing)):
        yield from held_by(thing)


def _of_method(method: MethodType) -> Iterator[object]:
    """The instance, with which its class counts; the function too when the class does not have it."""
    owner, function = method.__self__, method.__func__
    cls = owner if isinstance(owner, type) else type(owner)
    own = getattr(cls, function.__name__, None)
    if not is_user_class(cls) or getattr(own, "__func__", own) is not function:
        yield function
    yield owner


def _of_instance(thing: object) -> Iterator[object]:
    module = str(type(thing).__module__)
    if module in ("weakref", "_weakrefset"):
        for view in ("keys", "values") if hasattr(thing, "values") else ("copy",):
            yield from sorted(getattr(thing, view)(), key=_by_name)
    elif module in _OPEN:
        yield from list(getattr(thing, "__dict__", {}).values())
    elif isinstance(thing, ContextVar):
        yield _content(thing)
    elif module.startswith("concurrent.futures."):
        yield getattr(thing, "_initializer", None)
    else:
        yield inner_of(thing)


def _content(variable: ContextVar[object]) -> object:
    try:
        return variable.get()
    except LookupError:
        return None


def subclasses_of(cls: type) -> Iterator[type]:
    """The user's classes below a class, in the order in which `__subclasses__` gives them."""
    found: list[type] = type.__subclasses__(cls)
    for below in found:
        if is_user_class(below):
            yield below
        yield from subclasses_of(below)


def _by_name(thing: object) -> str:
    return str(getattr(thing, "__qualname__", type(thing).__qualname__))
