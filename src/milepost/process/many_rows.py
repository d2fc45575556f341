"""Many rows at once: asked for by a page of values at a time, and put under what they belong to."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from milepost.model.rows import Row
from milepost.store.protocol import Store

PAGE = 500  # values in one question: SQLite binds so many and more at once
R = TypeVar("R", bound=Row)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def rows_of(store: Store, table: type[R], column: str, values: Sequence[object], **equal: object) -> Iterator[R]:
    """The rows in which `column` is one of these, asked for a page of values at a time."""
    for start in range(0, len(values), PAGE):
        yield from store.rows(table, **{column: values[start : start + PAGE]}, **equal)  # type: ignore[arg-type]


def grouped(rows: Iterable[T], of: Callable[[T], K]) -> dict[K, list[T]]:
    """The rows under what `of` says of them, in their order."""
    groups: dict[K, list[T]] = {}
    for row in rows:
        groups.setdefault(of(row), []).append(row)
    return groups
