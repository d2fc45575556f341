"""polars' frames and series as leaves, in polars' own Arrow IPC file format."""

from __future__ import annotations

import io
from collections.abc import Sequence

from milepost.store.codecs.leaves import Leaf
from milepost.store.codecs.scalars import Unsuited

FRAME, SERIES = "polars.frame", "polars.series"


def write_polars(value: object) -> Leaf:
    """A DataFrame or Series as a leaf; Unsuited for anything else and for columns of Python objects."""
    import polars as pl

    if type(value) is pl.DataFrame:
        return Leaf(FRAME, (_ipc(value),), None)
    if type(value) is pl.Series:
        return Leaf(SERIES, (_ipc(value.to_frame()),), None)
    raise Unsuited(type(value).__name__)


def read_polars(kind: str, parts: Sequence[memoryview]) -> object:
    """The frame or series of a leaf."""
    import polars as pl

    frame = pl.read_ipc(bytes(parts[0]), use_pyarrow=False)
    if kind == SERIES:
        return frame.to_series()
    if kind == FRAME:
        return frame
    raise ValueError(f"a leaf of kind {kind!r} is unknown to this version")


def _ipc(frame: object) -> memoryview:
    """The frame's bytes, after it was made sure that its schema comes back from them."""
    import polars as pl

    assert isinstance(frame, pl.DataFrame)
    if frame.width == 0 or any("Object" in str(dtype) for dtype in frame.dtypes):
        raise Unsuited("a frame without columns, or with Python objects in them")
    buffer = io.BytesIO()
    frame.rechunk().write_ipc(buffer, compat_level=pl.CompatLevel.newest())
    buffer.seek(0)
    if pl.read_ipc(buffer, n_rows=0, use_pyarrow=False).schema != frame.schema:
        raise Unsuited("a schema that Arrow does not keep")
    return buffer.getbuffer()
