"""Which encoder a class takes when it is none of the everyday ones: by its own name, its roots, or its state.

Classes of the standard library and of packages are known by name and looked up in what is already loaded, so nothing
is imported here for a value that cannot be there.
"""

from __future__ import annotations

import sys
from enum import Enum
from functools import partial
from importlib import import_module
from types import BuiltinFunctionType, FunctionType, GenericAlias, MappingProxyType, MethodType, ModuleType, UnionType
from typing import NamedTuple

from milepost.model.fingerprint import instances
from milepost.model.fingerprint.walk import EXACT, Encode, Walk

_CODE = (type, FunctionType, BuiltinFunctionType, ModuleType, type(str.upper), type(object.__init__))
_CODE_NAMES = {("functools", "_lru_cache_wrapper"), ("numpy", "ufunc"), ("builtins", "property"),
               ("builtins", "staticmethod"), ("builtins", "classmethod")}  # fmt: skip

# Types that no public name of theirs would find.
_UNNAMED: dict[type, Encode] = {
    GenericAlias: instances.encode_alias,
    MappingProxyType: instances.encode_proxy,
    MethodType: instances.encode_method,
    UnionType: instances.encode_alias,
}


class Known(NamedTuple):
    """A class by its public name, the module of ours and the function that encodes it."""

    public: str
    module: str
    encoder: str
    subclasses: bool = False  # its subclasses are encoded the same way, without their own name and state


def _known() -> dict[tuple[str, str], Known]:
    table = {}
    for module, entries in _BY_MODULE.items():
        for public, encoder in entries.items():
            path = public.rstrip("+")
            top, _, rest = path.partition(".")
            name = rest.rpartition(".")[2]
            table[top, name] = Known(path, module, encoder, public.endswith("+"))
    return table


# "+" marks a class whose subclasses are encoded in the same way.
_BY_MODULE: dict[str, dict[str, str]] = {
    "scalars": {
        "array.array": "encode_array",
        "datetime.date": "encode_date",
        "datetime.datetime": "encode_datetime",
        "datetime.time": "encode_time",
        "datetime.timedelta": "encode_timedelta",
        "datetime.timezone": "encode_timezone",
        "decimal.Decimal": "encode_decimal",
        "fractions.Fraction": "encode_fraction",
        "logging.Logger+": "encode_logger",
        "pathlib.PurePath+": "encode_path",
        "re.Pattern": "encode_pattern",
        "uuid.UUID": "encode_uuid",
        "zoneinfo.ZoneInfo": "encode_zoneinfo",
    },
    "instances": {
        "builtins.BaseException+": "encode_exception",
        "collections.OrderedDict": "encode_ordered",
        "collections.deque": "encode_deque",
        "functools.partial+": "encode_partial",
        "msgspec.Struct+": "encode_struct",
        "operator.attrgetter": "encode_getter",
        "operator.itemgetter": "encode_getter",
        "operator.methodcaller": "encode_getter",
    },
    "arrays": {
        "numpy.dtype+": "encode_dtype",
        "numpy.generic+": "encode_scalar",
        "numpy.ma.MaskedArray": "encode_masked",
        "numpy.memmap": "encode_array",
        "numpy.ndarray": "encode_array",
    },
    "frames": {
        "pandas.DataFrame": "encode_frame",
        "pandas.Index+": "encode_index",
        "pandas.Interval": "encode_interval",
        "pandas.NaT": "encode_missing",
        "pandas.Period": "encode_period",
        "pandas.Series": "encode_series",
        "pandas.Timedelta": "encode_timedelta",
        "pandas.Timestamp": "encode_timestamp",
        "pandas.api.extensions.ExtensionArray+": "encode_extension",
        "pandas.api.extensions.ExtensionDtype+": "encode_pandas_dtype",
        "pandas.api.typing.NAType": "encode_missing",
        "pandas.api.typing.NaTType": "encode_missing",
    },
    "tables": {
        "polars.DataFrame": "encode_polars",
        "polars.LazyFrame": "refuse_lazy",
        "polars.Series": "encode_polars_series",
        "pyarrow.Array+": "encode_arrow",
        "pyarrow.ChunkedArray": "encode_arrow",
        "pyarrow.DataType+": "encode_arrow_type",
        "pyarrow.RecordBatch": "encode_table",
        "pyarrow.Scalar+": "encode_arrow_scalar",
        "pyarrow.Schema": "encode_arrow_schema",
        "pyarrow.Table": "encode_table",
    },
}  # fmt: skip
_KNOWN = _known()


def find_encoder(cls: type) -> Encode:
    """The encoder for instances of `cls`, which is not in `EXACT`."""
    if issubclass(cls, _CODE) or (cls.__module__, cls.__qualname__) in _CODE_NAMES:
        return instances.encode_code
    if hasattr(cls, "__milepost_key__"):
        return instances.encode_own_key
    if issubclass(cls, Enum):  # before its other roots: an IntEnum is an int too
        return instances.encode_enum
    for root in cls.__mro__[:-1]:
        encoder, covers = _own_encoder(root)
        if encoder is not None:
            is_same = covers or root is cls
            return encoder if is_same else partial(_encode_subclass, encoder=encoder, root=root)
    return instances.find_state_encoder(cls)


def _own_encoder(cls: type) -> tuple[Encode | None, bool]:
    if cls in EXACT:
        return EXACT[cls], False
    if cls in _UNNAMED:
        return _UNNAMED[cls], False
    known = _KNOWN.get((str(cls.__module__).partition(".")[0], cls.__qualname__))
    if known is None or not _is_public(cls, known.public):
        return None, False
    module = import_module(f"{__package__}.{known.module}")
    encoder: Encode = getattr(module, known.encoder)
    return encoder, known.subclasses


def _is_public(cls: type, public: str) -> bool:
    """Whether `public` really names this class: a class may call itself anything."""
    top, *rest = public.split(".")
    found: object = sys.modules.get(top)
    for name in rest:
        found = getattr(found, name, None)
    return found is cls


def _encode_subclass(walk: Walk, value: object, *, encoder: Encode, root: type) -> bytes:
    return instances.encode_subclass(walk, value, encoder=encoder, root=root)
