"""The last resort: pickle protocol 5, with the user's classes by name and large buffers beside the stream."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from functools import cache
from types import FunctionType
from typing import Any

from milepost.errors import CannotEncode, ObjectDamaged, ObjectError
from milepost.store.codecs.classes import class_reference, find_class
from milepost.store.codecs.container import join_parts, split_parts
from milepost.store.codecs.encoded import PICKLE, PICKLE_PARTS, Encoded, Piece
from milepost.store.codecs.locate import locate

OUT_OF_BAND_BYTES = 4096  # smaller buffers stay in the stream
TRIAL_BYTES = 1 << 20  # streams up to here are loaded once per class, to know that they can be

_loaded_before: set[tuple[type, tuple[str, ...]]] = set()


def encode_pickle(value: object) -> Encoded:
    """A value as a pickle. Raises CannotEncode that names the type and where in the value it is."""
    try:
        stream, buffers, classes, references = _dump(value)
    except Exception as error:
        path, culprit = locate(value, _cannot_dump)
        raise CannotEncode(
            f"{path}: a {_type_name(culprit)} cannot be stored ({type(error).__name__}: {error})",
            path=path,
            type=_type_name(culprit),
        ) from error
    _try_to_load(value, stream, buffers, classes)
    content = _with_classes(classes, stream)
    if not buffers and not references:
        return Encoded(PICKLE, (content,), classes)
    return Encoded(PICKLE_PARTS, join_parts([content, *buffers], references), classes, references)


def decode_pickle(content: memoryview, buffers: Sequence[Piece] = ()) -> object:
    """The value of a pickle whose signature was checked before."""
    _, stream = _split_stream(content)
    try:
        return pickle.loads(stream, buffers=buffers)
    except Exception as error:
        raise ObjectError(
            f"a stored value cannot be rebuilt: {type(error).__name__}: {error}. "
            "Its class may have moved or changed; run the stage that made it again, with --from STAGE (in Python "
            "start_from=)"
        ) from error


def classes_in(codec: str, payload: memoryview) -> tuple[str, ...]:
    """The user's classes that a pickle says it holds."""
    return _split_stream(split_parts(payload)[0] if codec == PICKLE_PARTS else payload)[0]


def _with_classes(classes: tuple[str, ...], stream: bytes) -> bytes:
    """The stream behind the names of its classes: so they are known without loading it, and are signed with it."""
    names = "\n".join(classes).encode("utf-8", "surrogatepass")
    return b"".join((len(names).to_bytes(4, "little"), names, stream))


def _split_stream(content: memoryview) -> tuple[tuple[str, ...], memoryview]:
    end = 4 + int.from_bytes(content[:4], "little")
    if len(content) < end:
        raise ObjectDamaged("a stored pickle is shorter than the names of its classes")
    names = bytes(content[4:end]).decode("utf-8", "surrogatepass")
    return tuple(names.split("\n")) if names else (), content[end:]


def _dump(value: object) -> tuple[bytes, list[memoryview], tuple[str, ...], tuple[str, ...]]:
    stream = io.BytesIO()
    buffers: list[memoryview] = []
    pickler = _pickler()(stream, _taker(buffers))
    pickler.dump(value)
    return stream.getvalue(), buffers, tuple(sorted(pickler.classes)), tuple(sorted(pickler.references))


def _taker(buffers: list[memoryview]) -> Callable[[pickle.PickleBuffer], bool]:
    def take(buffer: pickle.PickleBuffer) -> bool:
        """False: this buffer lies beside the stream; True: it goes into it."""
        try:
            raw = buffer.raw()
        except BufferError:
            return True
        if raw.nbytes < OUT_OF_BAND_BYTES:
            return True
        buffers.append(raw)
        return False

    return take


@cache
def _pickler() -> Any:
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Names the user's classes and functions through `find_class`; local ones go by value."""

        def __init__(self, stream: io.BytesIO, take: Callable[[pickle.PickleBuffer], bool]) -> None:
            super().__init__(stream, protocol=5, buffer_callback=take)
            self.classes: set[str] = set()
            self.references: set[str] = set()

        def reducer_override(self, thing: object) -> object:
            if isinstance(thing, io.IOBase) and not isinstance(thing, io.BytesIO | io.StringIO):
                raise TypeError("an open file is not its content; return its path, or what you read from it")
            if isinstance(thing, type | FunctionType):
                reference = class_reference(thing)
                if reference is not None:
                    if isinstance(thing, type):
                        self.classes.add(reference)
                    return find_class, (reference,)
            address = getattr(type(thing), "__milepost_address__", None)
            if address is not None:
                self.references.add(address(thing))
            return super().reducer_override(thing)

    return Pickler


def _try_to_load(value: object, stream: bytes, buffers: list[memoryview], classes: tuple[str, ...]) -> None:
    """Some values pickle and cannot be loaded (exceptions above all): better known now than on resume."""
    kind = (type(value), classes)
    if kind in _loaded_before or len(stream) > TRIAL_BYTES:
        return
    try:
        pickle.loads(stream, buffers=buffers)
    except Exception as error:
        name = _type_name(value)
        raise CannotEncode(
            f"result: a {name} pickles but cannot be loaded again ({type(error).__name__}: {error})",
            path="result",
            type=name,
        ) from error
    _loaded_before.add(kind)


def _cannot_dump(value: object) -> bool:
    try:
        _dump(value)
    except Exception:
        return True
    return False


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
