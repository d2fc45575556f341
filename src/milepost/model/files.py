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


class _End:
    """Behind the parts of a container: where it ends."""

    def __init__(self, container: object) -> None:
        self.of = id(container)


def files_in(value: object) -> Iterator[File]:
    """Every `File` in a decision's value, in order, however deep; a container within itself is passed over."""
    ahead, around = [value], set[int]()
    while ahead:
        part = ahead.pop()
        if isinstance(part, _End):
            around.discard(part.of)
        elif isinstance(part, File):
            yield part
        elif isinstance(part, dict | list | tuple | set | frozenset) and id(part) not in around:
            around.add(id(part))
            ahead += [_End(part), *reversed(list(part.values() if isinstance(part, dict) else part))]
