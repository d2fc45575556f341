"""One column of a pandas frame as plain arrays and text, from which exactly the same column comes back."""

from __future__ import annotations

from typing import Any, cast

from milepost.store.codecs.scalars import Unsuited

# The first word of a written column: part of the stored format.
NUMPY, TEXTS, OBJECTS, STRING, MASKED, ZONED, CATEGORY, ARROW = (
    "numpy", "texts", "objects", "string", "masked", "zoned", "category", "arrow",
)  # fmt: skip

_MASKED = frozenset(
    [
        "boolean",
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "Float32",
        "Float64",
    ]
)


def write_column(holder: Any) -> list[object]:
    """The values of a series or index as what a typed tree holds. Raises Unsuited for other types."""
    import numpy as np
    import pandas as pd

    dtype = holder.dtype
    if isinstance(dtype, np.dtype):
        plain = holder.to_numpy()
        return _write_objects(plain) if dtype.hasobject else [NUMPY, plain]
    array = holder.array
    if type(dtype) is pd.StringDtype:
        return [STRING, dtype.storage, dtype.na_value is pd.NA, _write_strings(array)]
    if type(dtype) is pd.DatetimeTZDtype:
        return [ZONED, array.tz_convert("UTC").tz_localize(None).to_numpy(), dtype.tz]
    if type(dtype) is pd.CategoricalDtype:
        return [CATEGORY, np.asarray(array.codes), dtype.categories, dtype.ordered]
    if type(dtype) is pd.ArrowDtype:
        return [ARROW, _to_ipc(array.__arrow_array__())]
    if dtype.name in _MASKED and type(dtype).__module__.partition(".")[0] == "pandas":
        mask = np.asarray(array.isna())
        return [
            MASKED,
            dtype.name,
            array.to_numpy(dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0)),
            mask,
        ]
    raise Unsuited(f"a column of dtype {dtype}")


def read_column(column: list[Any]) -> Any:
    """The array of a written column."""
    import pandas as pd

    word, *rest = column
    if word == NUMPY:
        return rest[0]
    if word == TEXTS:
        return _from_ipc(rest[0]).to_numpy(zero_copy_only=False)
    if word == OBJECTS:
        return _object_array(rest[0])
    if word == STRING:
        return _read_strings(*rest)
    if word == ZONED:
        return pd.DatetimeIndex(rest[0]).tz_localize("UTC").tz_convert(rest[1]).array
    if word == CATEGORY:
        codes, categories, ordered = rest
        return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories, ordered), validate=False)
    if word == ARROW:
        arrow = _from_ipc(rest[0])
        return pd.ArrowDtype(arrow.type).__from_arrow__(arrow)
    if word == MASKED:
        return _read_masked(*rest)
    raise ValueError(f"a column of kind {word!r} is unknown to this version")


def _write_objects(array: Any) -> list[object]:
    """An object column: text (and None) through Arrow where it is, anything else value by value."""
    if array.ndim == 1 and set(map(type, array)) <= {str, type(None)} and len(array) and _has_arrow():
        import pyarrow as pa

        try:
            return [TEXTS, _to_ipc(pa.array(array, type=pa.large_string(), from_pandas=False))]
        except (UnicodeEncodeError, pa.ArrowException):
            pass
    return [OBJECTS, array.tolist()]


def _object_array(values: list[object]) -> Any:
    import numpy as np

    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        array[place] = value
    return array


def _write_strings(array: Any) -> object:
    if _has_arrow():
        import pyarrow as pa

        return _to_ipc(pa.array(array, type=pa.large_string(), from_pandas=True))
    return [None if missing else text for text, missing in zip(array, array.isna(), strict=True)]


def _read_strings(storage: str, is_na: bool, content: object) -> Any:
    import numpy as np
    import pandas as pd

    dtype = pd.StringDtype(storage, na_value=pd.NA if is_na else np.nan)
    if isinstance(content, list):
        return pd.array(cast(Any, content), dtype=dtype)
    return dtype.__from_arrow__(_from_ipc(content))


def _read_masked(name: str, values: Any, mask: Any) -> Any:
    import pandas as pd

    dtype = cast(Any, pd.api.types.pandas_dtype(name))
    return dtype.construct_array_type()(values, mask)


def _has_arrow() -> bool:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


def _to_ipc(array: Any) -> object:
    """An Arrow array as a stream of one column: its bytes as an array, so that they lie beside the tree."""
    import numpy as np
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    batch = pa.record_batch([array], names=["column"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return np.frombuffer(sink.getvalue(), dtype=np.uint8)


def _from_ipc(content: Any) -> Any:
    import pyarrow as pa

    column = pa.ipc.open_stream(pa.py_buffer(content)).read_all().column(0)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
