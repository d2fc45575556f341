"""Encodings of NumPy arrays and scalars: dtype, shape and values; how they lie in memory does not count.

The bytes of an array are hashed where they lie, a block at a time; only blocks that are not contiguous, or that hold a
NaN whose bits are not the usual ones, are copied first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xxhash import xxh3_128

from milepost.model.fingerprint.columns import text_body
from milepost.model.fingerprint.walk import Walk

_BLOCK = 1 << 18  # bytes: fits the cache, so looking for NaN and hashing read memory once


def encode_array(walk: Walk, value: Any) -> bytes:
    """An array: dtype, shape, values in C order; objects by element."""
    import numpy

    array = numpy.asarray(value)
    return b"A" + walk.typed("array", dtype_text(array.dtype), array.shape) + content(walk, array)


def encode_scalar(walk: Walk, value: Any) -> bytes:
    """A NumPy scalar, which is never equal to Python's."""
    return b"G" + encode_array(walk, value)


def encode_masked(walk: Walk, value: Any) -> bytes:
    """A masked array: what lies under the mask does not count."""
    import numpy

    if value.dtype.names is not None:
        return b"M" + walk.typed("record", *((name, value[name]) for name in value.dtype.names))
    mask = numpy.ma.getmaskarray(value)
    filled = numpy.ma.getdata(value).copy()
    filled[mask] = numpy.zeros((), filled.dtype)[()]
    return b"M" + walk.typed("masked", filled, mask, value.fill_value)


def encode_dtype(walk: Walk, value: Any) -> bytes:
    """A dtype as a value."""
    return walk.typed("dtype", dtype_text(value))


def dtype_text(dtype: Any) -> str:
    """Kind, width, byte order and fields; offsets and padding of a record do not count."""
    if dtype.subdtype is not None:
        inner, shape = dtype.subdtype
        return f"({dtype_text(inner)},{shape})"
    if dtype.names is not None:
        fields = ",".join(f"{name!r}:{dtype_text(dtype.fields[name][0])}" for name in dtype.names)
        return f"{{{fields}}}"
    return str(dtype.str) if dtype.kind != "T" else f"T{dtype!r}"


def content(walk: Walk, array: Any) -> bytes:
    """What an array holds, in C order, as short bytes."""
    if array.dtype.names is not None:
        return b"".join(content(walk, array[name]) for name in array.dtype.names)
    if array.dtype.kind in "OT":
        return objects(walk, array)
    hasher = xxh3_128()
    feed(hasher, array)
    return hasher.digest()


def objects(walk: Walk, array: Any) -> bytes:
    """Elements that are Python objects: columns of text in one go, all others one by one."""
    elements = array.ravel().tolist()
    text = text_body(elements)
    return text if text is not None else walk.part(elements)


def feed(hasher: xxh3_128, array: Any) -> None:
    """Give an array's canonical bytes to `hasher`."""
    for block in _blocks(array):
        hasher.update(canonical_bytes(block))


def canonical_bytes(block: Any) -> Any:
    """The canonical bytes of one contiguous piece."""
    return _canonical(block).reshape(-1).view("u1")


def _blocks(array: Any) -> Iterator[Any]:
    """Contiguous pieces of an array in C order, copied only where they are not contiguous."""
    import numpy

    if array.dtype.itemsize == 0 or array.size == 0:
        return
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        step = max(_BLOCK // array.dtype.itemsize, 1)
        for start in range(0, flat.size, step):
            yield flat[start : start + step]
        return
    rows = max(_BLOCK * array.shape[0] // array.nbytes, 1)
    if array.ndim > 1 and array.nbytes > _BLOCK * array.shape[0]:
        for row in array:  # a row alone is larger than a block
            yield from _blocks(row)
        return
    for start in range(0, array.shape[0], rows):
        yield numpy.ascontiguousarray(array[start : start + rows]).reshape(-1)


def _canonical(block: Any) -> Any:
    """The block with every NaN written in the same bits."""
    import numpy

    kind, dtype = block.dtype.kind, block.dtype
    if kind in "fc" and dtype.itemsize > (8 if kind == "f" else 16):
        return _split(block.view(numpy.longdouble) if kind == "c" else block)
    if kind == "c":
        block = block.view(dtype.str.replace("c16", "f8").replace("c8", "f4"))
    elif kind != "f":
        return block
    with numpy.errstate(all="ignore"):
        if not numpy.isnan(block.min()):
            return block
        fixed = block.copy()
        fixed[numpy.isnan(block)] = numpy.nan
        return fixed


def _split(block: Any) -> Any:
    """Long doubles as two doubles and an exponent: their own bytes hold padding."""
    import numpy

    with numpy.errstate(all="ignore"):
        mantissa, exponent = numpy.frexp(block)
        high = mantissa.astype("<f8")
        low = numpy.where(numpy.isfinite(mantissa), mantissa - high, 0).astype("<f8")
    exponents = numpy.where(numpy.isfinite(mantissa), exponent, 0).astype("<f8")
    return _canonical(numpy.stack([high, low, exponents], axis=1).reshape(-1))
