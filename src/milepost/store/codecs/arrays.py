"""numpy's arrays and scalars as leaves: the raw bytes beside the tree, dtype, shape and order in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from milepost.store.codecs.leaves import Leaf
from milepost.store.codecs.scalars import Unsuited

if TYPE_CHECKING:
    import numpy as np

ARRAY, SCALAR, TEXT, BYTES = "numpy.array", "numpy.scalar", "numpy.str", "numpy.bytes"

_KINDS = frozenset("biufcmMSUV")


def write_numpy(value: object) -> Leaf:
    """An array or scalar of numpy's own as a leaf; objects in it are for pickle (Unsuited)."""
    import numpy as np

    if type(value) is np.ndarray:
        return _write_array(value)
    if type(value) is np.str_:
        return Leaf(TEXT, (), str.__str__(value))  # str(value) would lose zeros at the end
    if type(value) is np.bytes_:
        return Leaf(BYTES, (), bytes(value))
    if isinstance(value, np.generic):
        described = _describe(value.dtype)
        if np.dtype(value.dtype.str).type is not type(value):  # longlong beside int64
            described = value.dtype.char
        return Leaf(SCALAR, (), [described, value.tobytes()])
    raise Unsuited(type(value).__name__)


def read_numpy(kind: str, parts: Sequence[memoryview], description: object) -> object:
    """The array (a view of its part) or scalar of a leaf."""
    import numpy as np

    if kind == TEXT:
        return np.str_(cast(str, description))
    if kind == BYTES:
        return np.bytes_(cast(bytes, description))
    if kind == SCALAR:
        described, content = cast("tuple[object, bytes]", description)
        return np.ndarray((), _dtype(described), buffer=content)[()]
    if kind != ARRAY:
        raise ValueError(f"a leaf of kind {kind!r} is unknown to this version")
    described, shape, order = cast("tuple[object, list[int], Any]", description)
    dtype = _dtype(described)
    if math.prod(shape) * dtype.itemsize != parts[0].nbytes:
        raise ValueError(f"an array of shape {shape} and dtype {dtype} in {parts[0].nbytes} bytes")
    if parts[0].nbytes == 0:
        return np.zeros(shape, dtype, order=order)
    return np.ndarray(shape, dtype, buffer=parts[0], order=order)


def _write_array(array: np.ndarray[Any, Any]) -> Leaf:
    described = _describe(array.dtype)
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    return Leaf(ARRAY, (_raw(array.T if order == "F" else array),), [described, list(array.shape), order])


def _raw(array: np.ndarray[Any, Any]) -> memoryview:
    """The array's bytes in C order; not copied when they lie so already."""
    import numpy as np

    if array.nbytes == 0:
        return memoryview(b"")
    flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return memoryview(flat)


def _describe(dtype: np.dtype[Any]) -> object:
    """A dtype as plain data from which exactly it comes back; Unsuited when there is none."""
    import numpy as np

    if dtype.hasobject or dtype.kind not in _KINDS or dtype.metadata or dtype.isalignedstruct:
        raise Unsuited(f"dtype {dtype}")
    if dtype.names is None:
        return dtype.str
    described: Any = np.lib.format.dtype_to_descr(dtype)
    if np.lib.format.descr_to_dtype(described) != dtype:
        raise Unsuited(f"dtype {dtype}")
    return described


def _dtype(described: Any) -> np.dtype[Any]:
    import numpy as np

    if isinstance(described, str):
        return np.dtype(described)
    return np.lib.format.descr_to_dtype(described)
