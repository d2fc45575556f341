"""Where in a value the part is that cannot be stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator

DEEP = 20
WIDE = 1000


def locate(value: object, fails: Callable[[object], bool]) -> tuple[str, object]:
    """The path to, and the smallest part of, a failing value: ("result['lock']", <lock>).

    >>> locate({"a": [1, None]}, lambda part: "None" in repr(part))
    ("result['a'][1]", None)
    """
    path = "result"
    for _ in range(DEEP):
        inner = next(((step, part) for step, part in _children(value) if fails(part)), None)
        if inner is None:
            break
        path, value = path + inner[0], inner[1]
    return path, value


def _children(value: object) -> Iterator[tuple[str, object]]:
    """At most WIDE parts of a value with the text that leads to each."""
    for number, pair in enumerate(_all_children(value)):
        if number >= WIDE:
            return
        yield pair


def _all_children(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield f"[{_short(key)}]", part
        for key in value:
            yield f" key {_short(key)}", key
    elif isinstance(value, list | tuple):
        for position, part in enumerate(value):
            yield f"[{position}]", part
    elif isinstance(value, set | frozenset):
        for part in value:
            yield f" member {_short(part)}", part
    elif not isinstance(value, type):
        for name, part in getattr(value, "__dict__", {}).items():
            yield f".{name}", part


def _short(key: object) -> str:
    try:
        text = repr(key)
    except Exception:
        text = f"<{type(key).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."
