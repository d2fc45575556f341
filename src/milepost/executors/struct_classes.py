"""msgspec's Struct classes by value: their fields are made with the class and cannot be set afterwards."""

from __future__ import annotations

from typing import Any

import msgspec

STRUCT_META: Any = type(msgspec.Struct)
CONFIG = (
    *("frozen", "eq", "order", "array_like", "gc", "repr_omit_defaults", "omit_defaults"),
    *("forbid_unknown_fields", "weakref", "dict", "cache_hash", "tag", "tag_field"),
)
Field = tuple[str, bool, object, str]  # name, whether the default is a factory, default, encoded name
MADE_WITH_THE_CLASS = frozenset(("__annotations__", "__module__", "__qualname__", "__slots__", "__dict__"))


def reduce_struct_class(made: Any) -> tuple[object, ...]:
    """A class as what it was made from; its methods, which may lead back to it, go into the state."""
    own = vars(made)
    annotations = dict(own.get("__annotations__", {}))
    config = {name: getattr(made.__struct_config__, name) for name in CONFIG}
    config["kw_only"] = any(name not in made.__match_args__ for name in annotations)
    namespace = {
        "__module__": made.__module__,
        "__qualname__": made.__qualname__,
        "__annotations__": annotations,
    }
    members = {name: value for name, value in own.items() if _is_member(name, annotations)}
    parts = (made.__name__, made.__bases__, namespace, _fields(made, annotations), config)
    return new_struct_class, parts, members, None, None, set_members


def new_struct_class(
    name: str, bases: tuple[type, ...], namespace: dict[str, object], fields: list[Field], config: Any
) -> type:
    """The class without its methods."""
    for field, is_factory, default, encoded in fields:
        renamed = encoded if encoded != field else None
        made_by = {"default_factory" if is_factory else "default": default}
        namespace[field] = msgspec.field(name=renamed, **made_by)
    made: type = STRUCT_META(name, bases, namespace, **config)
    return made


def set_members(made: type, members: dict[str, object]) -> None:
    """Give a class its methods."""
    for name, value in members.items():
        type.__setattr__(made, name, value)


def _is_member(name: str, annotations: dict[str, object]) -> bool:
    made_before = name in MADE_WITH_THE_CLASS or name in annotations
    return not made_before and not name.startswith(("__struct_", "__match_args__"))


def _fields(made: Any, own: dict[str, object]) -> list[Field]:
    """The fields that this class itself declares."""
    fields, defaults = made.__struct_fields__, made.__struct_defaults__
    encoded = dict(zip(fields, made.__struct_encode_fields__, strict=True))
    given = dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=True))
    return [_field(name, given.get(name, msgspec.NODEFAULT), encoded[name]) for name in own if name in encoded]


def _field(name: str, default: Any, encoded: str) -> Field:
    is_factory = type(default).__name__ == "Factory" and type(default).__module__.startswith("msgspec")
    return name, is_factory, default.factory if is_factory else default, encoded
