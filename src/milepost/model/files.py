"""`File`: an input that counts by its content, not by its path."""

from __future__ import annotations

from collections.abc import Iterator


class File(str):
    """The path of an input file or folder. As a stage's annotation it makes the content count.

    A stage receives it as the text of the path, so `open(path)` and `pandas.read_csv(path)` work as always.

    Example:
        >>> def orders(path: File = "orders.csv"): ...
    """

    __slots__ = ()


def files_in(value: object) -> Iterator[File]:
    """Every `File` in a decision's value, in order."""
    if isinstance(value, File):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from files_in(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from files_in(part)
