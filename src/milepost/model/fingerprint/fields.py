"""The fields that dataclasses, enums, structs, attrs and pydantic models declare, where their classes keep them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_DATACLASS = ("init", "repr", "hash", "compare", "kw_only")
_ATTRS = ("converter", "validator", "init", "eq", "order", "hash", "kw_only", "alias")


def declared_fields(cls: type) -> Iterator[tuple[str, object]]:
    """Names and values, in the order of declaration."""
    own = vars(cls)
    if "_member_map_" in own:
        yield from ((name, member._value_) for name, member in own["_member_map_"].items())
        yield "order", tuple(own["_member_map_"])
    if "__dataclass_fields__" in own:
        yield "params", repr(own.get("__dataclass_params__"))
        for field in own["__dataclass_fields__"].values():
            yield from _with_options(field.name, field, _DATACLASS)
            if field.metadata:
                yield f"{field.name}.metadata", dict(field.metadata)
    if hasattr(cls, "__struct_fields__"):
        yield "fields", (tuple(cls.__struct_fields__), tuple(getattr(cls, "__struct_encode_fields__", ())))
        yield "config", repr(getattr(cls, "__struct_config__", None))
        for position, default in enumerate(getattr(cls, "__struct_defaults__", ())):
            yield from _default(f"-{position}", default)
    if "__attrs_attrs__" in own:
        for field in own["__attrs_attrs__"]:
            yield from _with_options(field.name, field, _ATTRS)
    if "__pydantic_fields__" in own:
        for name, field in own["__pydantic_fields__"].items():
            yield from _with_options(name, field, ("alias", "frozen"))
            yield f"{name}.metadata", [repr(limit) for limit in field.metadata]


def _with_options(name: str, field: Any, options: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    yield from _default(name, field.default)
    factory = _given(getattr(field, "default_factory", None))
    if factory is not None:
        yield f"{name}.factory", factory
    values = {option: _given(getattr(field, option, None)) for option in options}
    yield f"{name}.options", repr({option: value for option, value in values.items() if type(value) in _PLAIN})
    yield from ((f"{name}.{option}", value) for option, value in values.items() if type(value) not in _PLAIN)


def _default(name: str, default: Any) -> Iterator[tuple[str, object]]:
    factory = getattr(default, "factory", None)  # of msgspec and attrs
    yield name, _given(default) if factory is None else None
    if factory is not None:
        yield f"{name}.made", factory


def _given(value: object) -> object:
    """None for the marks by which libraries say that there is no value."""
    return "(none)" if type(value).__name__ in _MARKS else value


_PLAIN = frozenset({bool, str, type(None)})
_MARKS = frozenset(
    {"_MISSING_TYPE", "_KW_ONLY_TYPE", "_Nothing", "NoDefaultType", "PydanticUndefinedType", "UnsetType"}
)
