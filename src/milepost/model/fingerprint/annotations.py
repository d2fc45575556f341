"""Annotations as text: types by qualified name, the user's classes as code that is reached, metadata by value."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, get_type_hints

from milepost.errors import UnkeyableError

if TYPE_CHECKING:
    from milepost.model.fingerprint.reach import Reach


def annotations_of(reach: Reach, function: FunctionType) -> list[str]:
    """One fact for each annotation of a function's parameters and result."""
    return annotation_facts(reach, getattr(function, "__annotations__", None) or {}, function.__globals__)


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
    try:
        return reach.value(thing)
    except UnkeyableError:
        return reach.reference(type(thing))
