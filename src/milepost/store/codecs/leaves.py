"""What is one leaf of a typed tree: arrays and frames, whose bytes lie beside the tree.

Who a leaf belongs to is told by the module of its type, so that no library is imported to find that out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from milepost.store.codecs.encoded import Piece
from milepost.store.codecs.scalars import Unsuited


class Leaf(NamedTuple):
    """`kind` names the reader, `parts` are its bytes, `description` is what else it takes, as a tree."""

    kind: str
    parts: Sequence[Piece]
    description: object


def write_leaf(value: object) -> Leaf:
    """A value as a leaf. Raises Unsuited when it is none."""
    library = type(value).__module__.partition(".")[0]
    if library == "numpy":
        from milepost.store.codecs.arrays import write_numpy

        return write_numpy(value)
    if library == "pandas":
        from milepost.store.codecs.pandas_values import write_pandas

        return write_pandas(value)
    if library == "polars":
        from milepost.store.codecs.polars_frames import write_polars

        return write_polars(value)
    raise Unsuited(type(value).__name__)


def read_leaf(kind: str, parts: Sequence[memoryview], description: object) -> object:
    """The value of a leaf. The library it needs is imported here."""
    library = kind.partition(".")[0]
    if library == "numpy":
        from milepost.store.codecs.arrays import read_numpy

        return read_numpy(kind, parts, description)
    if library == "pandas":
        from milepost.store.codecs.pandas_values import read_pandas

        return read_pandas(kind, parts, description)
    if library == "polars":
        from milepost.store.codecs.polars_frames import read_polars

        return read_polars(kind, parts)
    raise ValueError(f"a leaf of kind {kind!r} is unknown to this version")
