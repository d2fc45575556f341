"""A short, safe, one-line text for any value, for people: it never raises and no control character passes."""

from __future__ import annotations

from typing import Any

_ITEMS = 6
_DEPTH = 3
_BRACKETS: dict[object, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")")}


def preview(value: object, limit: int = 200) -> str:
    """`value` in at most `limit` characters, on one line.

    Example:
        >>> preview({"threshold": 0.75, "names": ["a", "b"]})
        "{'threshold': 0.75, 'names': ['a', 'b']}"
    """
    try:
        text = _text(value, limit, _DEPTH)
    except Exception:  # a foreign object's attributes may raise anything
        text = f"<{type(value).__name__}>"
    return _cut(_clean(text), limit)


def _text(value: Any, limit: int, depth: int) -> str:
    kind = type(value)
    if kind in (str, bytes, bytearray):
        text = repr(value[: limit + 1])
        return text if len(value) <= limit else f"{text[:limit]}… ({len(value)} long)"
    if kind is int and value.bit_length() > 512:
        return f"int of {value.bit_length()} bits"
    if kind in (int, float, complex, bool, type(None), range):
        return repr(value)
    if kind in (list, tuple, set, frozenset, dict):
        return _container(value, kind, limit, depth)
    return _known(value, kind) or _instance(value, kind, limit, depth)


def _container(value: Any, kind: type, limit: int, depth: int) -> str:
    opening, closing = _BRACKETS.get(kind, ("{", "}"))
    if not value:
        return f"{kind.__name__}()" if kind in (set, frozenset) else opening + closing
    if depth == 0:
        return f"{opening}…{closing}"
    shown = []
    for item, _ in zip(value.items() if kind is dict else value, range(_ITEMS), strict=False):
        if kind is dict:
            shown.append(f"{_text(item[0], limit, depth - 1)}: {_text(item[1], limit, depth - 1)}")
        else:
            shown.append(_text(item, limit, depth - 1))
    if kind in (set, frozenset):
        shown.sort()  # as far as it can be had, the same text in every process
    if len(value) > _ITEMS:
        shown.append(f"… {len(value)} in all")
    comma = "," if kind is tuple and len(value) == 1 else ""
    text = f"{opening}{', '.join(shown)}{comma}{closing}"
    return f"frozenset({text})" if kind is frozenset else text


def _known(value: Any, kind: type) -> str:
    package = str(kind.__module__).partition(".")[0]
    if package == "numpy" and hasattr(kind, "__array_interface__"):
        return _array(value) if kind.__name__.endswith(("array", "memmap", "Array")) else f"{value!r}"
    if package in ("pandas", "polars", "pyarrow") and isinstance(getattr(value, "shape", None), tuple):
        return _frame(value)
    if package in ("decimal", "datetime", "uuid", "fractions", "pathlib", "re", "zoneinfo", "pandas"):
        return repr(value)
    if isinstance(value, type) or kind.__name__ in ("function", "builtin_function_or_method", "module"):
        return f"<{kind.__name__} {getattr(value, '__qualname__', None) or value.__name__}>"
    if hasattr(kind, "_member_map_"):
        return f"{kind.__name__}.{value._name_}"
    return ""


def _array(value: Any) -> str:
    text = f"array {value.dtype} {value.shape}"
    if value.dtype.kind in "iufb" and 0 < value.size <= 10_000_000:
        import numpy

        with numpy.errstate(all="ignore"):
            text += f" mean={float(value.mean(dtype='f8')):.6g}"
    return text


def _frame(value: Any) -> str:
    shape = value.shape
    if len(shape) == 2:
        return f"frame {shape[0]} x {shape[1]}"
    name = getattr(value, "name", None)
    titled = f" {preview(name, 40)}" if name is not None else ""
    return f"series{titled} {value.dtype} x {shape[0]}"


def _instance(value: Any, kind: type, limit: int, depth: int) -> str:
    """The class and its attributes; the object's own `repr` is foreign code and may show an address."""
    from milepost.model.fingerprint.held import state_items
    from milepost.model.fingerprint.instances import PLAIN

    name = kind.__qualname__.rpartition(".")[2]
    for plain in (str, int, float):
        if isinstance(value, plain):
            return f"{name}({_text(PLAIN[plain](value), limit, depth)})"
    if isinstance(value, tuple | list | dict):
        return f"{name} of {len(value)}"
    if depth == 0:
        return f"{name}(…)"
    fields = getattr(kind, "__struct_fields__", None)
    items = ((field, getattr(value, field)) for field in fields) if fields else state_items(value)
    shown = [f"{field}={_text(held, limit, depth - 1)}"
             for (field, held), _ in zip(items, range(_ITEMS), strict=False)]  # fmt: skip
    return f"{name}({', '.join(shown)})"


def _clean(text: str) -> str:
    """Control characters, bidirectional marks and lone surrogates written as escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"
