"""The items of a mapped stage, in order, without holding more of them than needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized

from milepost.errors import InvalidDataError

ROWS_AT_ONCE = 1000


def items_of(collection: object, *, stage: str, each: str) -> Iterator[object]:
    """Elements of a sequence or array, rows of a frame as dicts. InvalidDataError for what has no fixed order."""
    if _is_frame(collection):
        return _frame_rows(collection)
    if isinstance(collection, Mapping | str | bytes | set | frozenset) or not isinstance(collection, Iterable):
        kind = type(collection).__name__
        raise InvalidDataError(
            f"stage {stage!r} maps over {each!r}, whose result is a {kind}; "
            f"let {each!r} return a list{_hint(collection)}, an array or a frame"
        )
    return iter(collection)


def count_of(collection: object) -> int | None:
    """How many items there are, where that is known beforehand."""
    return len(collection) if isinstance(collection, Sized) else None


def _hint(collection: object) -> str:
    if isinstance(collection, Mapping):
        return " (list(d.items()))"
    return " (sorted(s))" if isinstance(collection, set | frozenset) else ""


def _is_frame(collection: object) -> bool:
    kind = type(collection)
    return kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] in ("pandas", "polars")


def _frame_rows(frame: object) -> Iterator[object]:
    is_pandas = type(frame).__module__.startswith("pandas")
    for start in range(0, len(frame), ROWS_AT_ONCE):  # type: ignore[arg-type]
        if is_pandas:
            yield from frame.iloc[start : start + ROWS_AT_ONCE].to_dict("records")  # type: ignore[attr-defined]
        else:
            yield from frame.slice(start, ROWS_AT_ONCE).to_dicts()  # type: ignore[attr-defined]
