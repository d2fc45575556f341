"""Encodings of what user code defines: enums, subclasses of builtins, instances by their state, functions by a hook."""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from milepost.errors import UnkeyableError
from milepost.model.fingerprint.flat import flat_dict
from milepost.model.fingerprint.held import custom_state, has_hidden_state, instance_dict, state_items
from milepost.model.fingerprint.labels import class_label
from milepost.model.fingerprint.modules import module_label
from milepost.model.fingerprint.walk import (
    Encode,
    Unkeyable,
    Walk,
    encode_elements,
    encode_items,
    framed,
    shortened,
)

if TYPE_CHECKING:
    from types import MethodType

_ADVICE = "give its class a method __milepost_key__(self) that returns what counts"
_WHY = {
    "generator": "a generator can be read only once: pass a list",
    "coroutine": "a coroutine can be awaited only once: pass its result",
    "async_generator": "a generator can be read only once: pass a list",
    "lock": "a lock belongs to one process",
    "RLock": "a lock belongs to one process",
    "TextIOWrapper": "an open file belongs to one process: pass its path",
    "BufferedReader": "an open file belongs to one process: pass its path",
    "BufferedWriter": "an open file belongs to one process: pass its path",
    "FileIO": "an open file belongs to one process: pass its path",
    "socket": "a socket belongs to one process",
}
PLAIN: dict[type, Any] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytearray.__getitem__(value, slice(None)),
    list: lambda value: list.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    OrderedDict: lambda value: OrderedDict(OrderedDict.items(value)),
    deque: lambda value: deque(deque.__iter__(value), value.maxlen),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}


def find_state_encoder(cls: type) -> Encode:
    """How instances of a class that nothing else is known about show their state."""
    if custom_state(cls):
        return encode_own_state
    return refuse if has_hidden_state(cls) else encode_instance


def encode_instance(walk: Walk, value: Any) -> bytes:
    """The class's name and the state that its instances keep."""
    fields = dict(state_items(value))
    flat = flat_dict(fields)  # type: ignore[arg-type]
    if flat is not None:
        return b"j" + _label(type(value)) + flat
    return encode_fields(walk, value, iter(fields.items()))


def refuse(walk: Walk, value: object) -> bytes:
    """An instance whose state cannot be seen."""
    kind = type(value).__name__
    raise Unkeyable(_WHY.get(kind) or f"a {kind} keeps its state out of sight")


def encode_own_state(walk: Walk, value: object) -> bytes:
    """The class's name and what its `__getstate__` says."""
    return _encode_state(walk, value, _called(value, "__getstate__"))


def _framed_label(cls: type) -> bytes:
    return framed(class_label(cls).encode("utf-8", "surrogatepass"))


_label: Callable[[type], bytes] = lru_cache(maxsize=256)(_framed_label)


def encode_own_key(walk: Walk, value: object) -> bytes:
    """The class's name and what its `__milepost_key__` says."""
    return _encode_state(walk, value, _called(value, "__milepost_key__"))


def _encode_state(walk: Walk, value: Any, state: object) -> bytes:
    head = b"m" + _label(type(value))
    done = walk.enter(value)
    if done is not None:
        return done
    if type(state) is dict:
        return walk.leave(value, head + b"d" + b"".join(_field_parts(walk, state.items())))
    return walk.leave(value, head + b"v" + walk.part(state))


def encode_fields(walk: Walk, value: Any, fields: Iterator[tuple[str, object]], *heads: object) -> bytes:
    """An instance as its class's name, `heads`, and named fields in any order."""
    done = walk.enter(value)
    if done is not None:
        return done
    body = b"o" + _label(type(value))
    body += b"".join(map(walk.part, heads))
    return walk.leave(value, body + b"".join(_field_parts(walk, fields)))


def _field_parts(walk: Walk, fields: Any) -> list[bytes]:
    parts, name = [], ""
    try:
        for name, field in fields:
            parts.append(walk.part(name) + walk.part(field))
    except Unkeyable as lost:
        raise lost.at(f".{name}" if str(name).isidentifier() else f"[{name!r}]" if name else "") from None
    return sorted(parts)


def _called(value: object, method: str) -> object:
    try:
        return getattr(type(value), method)(value)
    except RecursionError:
        raise
    except UnkeyableError as error:  # it says itself why
        raise Unkeyable(str(error)) from None
    except Exception as error:
        reason = f"{type(value).__name__}.{method} raised {type(error).__name__}; {_ADVICE}"
        raise Unkeyable(reason) from error


def encode_subclass(walk: Walk, value: Any, *, encoder: Encode, root: type) -> bytes:
    """An instance of a subclass of a known kind: its class's name, its content as that kind, its own state."""
    done = walk.enter(value)
    if done is not None:
        return done
    content = framed(encoder(walk, PLAIN[root](value) if root in PLAIN else value))
    fields = _field_parts(walk, state_items(value))
    extra = [walk.part(value.default_factory)] if isinstance(value, defaultdict) else []
    head = b"u" + _label(type(value))
    return walk.leave(value, head + content + b"".join(extra) + b"".join(fields))


def encode_enum(walk: Walk, value: Any) -> bytes:
    """The enum's name, the member's name and value."""
    return b"e" + walk.typed(class_label(type(value)), value._name_, value._value_)


def encode_struct(walk: Walk, value: Any) -> bytes:
    """A msgspec struct: its fields, and its `__dict__` when it has one."""
    names = type(value).__struct_fields__
    fields = ((name, getattr(value, name)) for name in names)
    return encode_fields(walk, value, _chain(fields, instance_dict(value)))


def _chain(fields: Any, more: dict[str, object]) -> Iterator[tuple[str, object]]:
    yield from fields
    yield from more.items()


def encode_exception(walk: Walk, value: BaseException) -> bytes:
    """An exception: its class's name, arguments and attributes; where it was raised does not count."""
    return encode_fields(walk, value, iter(instance_dict(value).items()), value.args)


def encode_ordered(walk: Walk, value: dict[object, object]) -> bytes:
    """An OrderedDict: here the order counts, as its `==` has it."""
    return encode_items(walk, value, b"O", value.items(), in_order=True)


def encode_deque(walk: Walk, value: Any) -> bytes:
    """A deque: its bound and its elements."""
    return encode_elements(walk, value, b"q" + walk.part(value.maxlen), value)


def encode_proxy(walk: Walk, value: Any) -> bytes:
    """A read-only view of a dict."""
    return encode_items(walk, value, b"p", value.items(), in_order=False)


def encode_alias(walk: Walk, value: Any) -> bytes:
    """`list[int]`, `int | None`: what it is built from."""
    origin = getattr(value, "__origin__", None)
    return b"a" + walk.typed(type(value).__name__, origin, value.__args__)


def encode_getter(walk: Walk, value: Any) -> bytes:
    """`itemgetter`, `attrgetter`, `methodcaller`: what they were made with."""
    reduced = value.__reduce__()
    return b"g" + walk.typed(type(value).__name__, reduced[0], reduced[1])


def encode_partial(walk: Walk, value: Any) -> bytes:
    """A partial: its function, arguments and keywords."""
    parts = {"func": value.func, "args": value.args, "keywords": value.keywords}
    return encode_fields(walk, value, _chain(parts.items(), instance_dict(value)))


def encode_method(walk: Walk, value: MethodType) -> bytes:
    """A bound method: the function and the instance it is bound to."""
    parts = {"__func__": value.__func__, "__self__": value.__self__}
    return encode_fields(walk, value, iter(parts.items()))


def encode_code(walk: Walk, value: Any) -> bytes:
    """A function, class or module: by name when it is the standard library's, else by the hook."""
    name = _standard_name(value)
    if name is not None:
        return b"n" + name.encode()
    if walk.functions is not None:
        try:
            return b"h" + shortened(walk.functions(value))
        except UnkeyableError as error:
            raise Unkeyable(str(error)) from error
    kind = "class" if isinstance(value, type) else "module" if hasattr(value, "__spec__") else "function"
    label = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or type(value).__name__
    raise Unkeyable(f"it is the {kind} {label}, and code is no value here: pass a name, or what it returns")


def _standard_name(value: Any) -> str | None:
    """The name under which the standard library really holds this function, class or module."""
    if isinstance(value, ModuleType):
        name = str(value.__name__)
        is_standard = name.partition(".")[0] in sys.stdlib_module_names and sys.modules.get(name) is value
        return f"{name}:" if is_standard else None
    owner = getattr(value, "__objclass__", None) or value
    module, path = getattr(owner, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str):
        return None
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return None
    places = (module, "types") if module == "builtins" else (module,)  # NoneType and its like say builtins
    is_there = any(_reached(sys.modules.get(place), path) is value for place in places)
    return f"{module_label(module)}:{path}" if is_there else None


def _reached(found: object, path: str) -> object:
    for step in path.split("."):
        found = getattr(found, step, None)
    return found
