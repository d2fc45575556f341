"""Annotations as text: types by qualified name, the user's classes as code that is reached, metadata by value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import FunctionType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Annotated, get_type_hints

from milepost.errors import UnkeyableError

if TYPE_CHECKING:
    from milepost.model.fingerprint.reach import Reach


_BOUNDS = (
    "gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz", "title", "description",
    "examples", "extra_json_schema", "extra",
)  # fmt: skip


def annotations_of(reach: Reach, function: FunctionType, *, without_bounds: Collection[str] = ()) -> list[str]:
    """One fact for each annotation of a function's parameters and result.

    `without_bounds` names parameters whose values were checked before the function runs (a stage's decisions).
    """
    kinds = dict(getattr(function, "__annotations__", None) or {})
    for name in without_bounds:
        if name in kinds:
            kinds[name] = _without_bounds(_evaluated(kinds[name], function.__globals__))
    return annotation_facts(reach, kinds, function.__globals__)


def _without_bounds(kind: object) -> object:
    metadata = getattr(kind, "__metadata__", None)
    if not isinstance(metadata, tuple):
        return kind
    left = tuple(thing for thing in metadata if not is_bound(type(thing)))
    origin: object = kind.__origin__  # type: ignore[attr-defined]
    return Annotated[(origin, *left)] if left else origin


def is_bound(cls: type) -> bool:
    """Whether it is `Meta`, which is ours by another maker: what it holds counts, not the maker's version."""
    return cls.__module__ == "msgspec" and cls.__name__ == "Meta"


def annotation_facts(reach: Reach, annotations: Mapping[str, object], namespace: dict[str, object]) -> list[str]:
    """One fact for each annotation, in their order; those kept as text are evaluated where that succeeds."""
    return [f"{name}: {canonical(reach, _evaluated(kind, namespace))}" for name, kind in annotations.items()]


def _evaluated(annotation: object, namespace: dict[str, object]) -> object:
    if not isinstance(annotation, str):
        return annotation
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(holder, namespace, include_extras=True)["it"]
    except Exception:  # a name that only a type checker imports
        return annotation


def canonical(reach: Reach, kind: object) -> str:
    """A type or typing object as text that is the same in every process."""
    if kind is None or kind is Ellipsis or isinstance(kind, str):
        return repr(kind)
    metadata = getattr(kind, "__metadata__", None)
    if isinstance(metadata, tuple):  # Annotated
        facts = [_value(reach, thing) for thing in metadata]
        return f"Annotated[{canonical(reach, getattr(kind, '__origin__', None))}, {', '.join(facts)}]"
    arguments = getattr(kind, "__args__", None)
    if isinstance(arguments, tuple) and not isinstance(kind, type | ModuleType):
        return _generic(reach, kind, arguments)
    if isinstance(kind, list):  # the parameters of a Callable
        return f"[{', '.join(canonical(reach, part) for part in kind)}]"
    if isinstance(kind, type):
        return reach.reference(kind)
    return _special(reach, kind)


def _generic(reach: Reach, kind: object, arguments: tuple[object, ...]) -> str:
    origin = getattr(kind, "__origin__", None)
    name = type(kind).__name__ if origin is None else canonical(reach, origin)
    if name == "typing.Literal":
        return f"Literal[{', '.join(_value(reach, choice) for choice in arguments)}]"
    return f"{name}[{', '.join(canonical(reach, part) for part in arguments)}]"


def _special(reach: Reach, kind: object) -> str:
    cls = type(kind)
    name = getattr(kind, "__name__", None) or getattr(kind, "_name", None) or getattr(kind, "__forward_arg__", None)
    if cls.__module__ not in ("typing", "typing_extensions") or not isinstance(name, str):
        return _value(reach, kind)
    facts = [f"typing.{name}"]
    for attribute in ("__supertype__", "__value__", "__bound__", "__constraints__"):
        part = getattr(kind, attribute, None)
        if isinstance(part, tuple):
            facts += [canonical(reach, one) for one in part]
        elif part is not None:
            facts.append(canonical(reach, part))
    return " ".join(facts)


def _value(reach: Reach, thing: object) -> str:
    if is_bound(type(thing)):  # made in C, so nothing else shows what it holds
        held = ((name, getattr(thing, name, None)) for name in _BOUNDS)
        return f"Meta({', '.join(f'{name}={_value(reach, bound)}' for name, bound in held if bound is not None)})"
    try:
        return reach.value(thing)
    except UnkeyableError:
        return reach.reference(type(thing))
