"""What no data codec can hold is pickled: by reference to the user's classes, refused with a path when impossible."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from milepost.errors import CannotEncode, ObjectError
from milepost.store import codecs
from milepost.store.codecs.classes import class_reference, find_class


@dataclass
class Row:
    name: str
    inner: object = None


class Pair(NamedTuple):
    left: int
    right: int


class Colour(Enum):
    RED = 1


class Picky(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("picky")


class Explosive:
    def __reduce__(self) -> str:
        raise RuntimeError("boom")

    def __repr__(self) -> str:
        raise RuntimeError("boom")


def back(value: object) -> object:
    encoded = codecs.encode(value)
    return codecs.decode(encoded.codec, memoryview(bytearray(b"".join(encoded.payload))))


@pytest.mark.parametrize("value", [Row("a", [Row("b")]), Pair(1, 2), Colour.RED, {"x": (Pair(1, 2), {Colour.RED})}])
def test_the_users_classes_come_back(value: object) -> None:
    """Dataclasses, named tuples and enums keep their classes, nested too."""
    result = back(value)
    assert value == result
    assert type(value) is type(result)


def test_the_classes_met_are_named() -> None:
    """Every class of the user's inside a value is recorded, however deep; installed ones are not."""
    encoded = codecs.encode({"rows": [Row("a", Pair(1, 2)), Path("x"), np.float64(1)], "c": {Colour.RED: 1}})
    module = Row.__module__
    assert (f"{module}:Colour", f"{module}:Pair", f"{module}:Row") == encoded.classes


def test_local_functions_and_classes_travel_by_value() -> None:
    """A lambda, a closure and a class made in a function are stored whole."""
    factor = 3

    class Local:
        size = 4

    double, local = back((lambda value: value * factor, Local()))  # type: ignore[misc]
    assert double(2) == 6
    assert local.size == 4


@pytest.mark.parametrize(
    ("value", "path", "kind"),
    [
        ({"lock": threading.Lock()}, "result['lock']", "_thread.lock"),
        ([1, {"a": ({threading.Lock()},)}], "result[1]['a'][0] member", "_thread.lock"),
        (Row("a", inner=[threading.Lock()]), "result.inner[0]", "_thread.lock"),
        ((number for number in range(3)), "result", "generator"),
        ([Explosive()], "result[0]", "Explosive"),
        ([Picky(1, 2)], "result", "cannot be loaded again"),
    ],
)
def test_what_cannot_be_stored_is_named_with_its_path(value: object, path: str, kind: str) -> None:
    """CannotEncode says which part of which type."""
    with pytest.raises(CannotEncode) as caught:
        codecs.encode(value)
    assert str(caught.value).startswith(path)
    assert kind in str(caught.value)


def test_large_buffers_lie_beside_the_pickle() -> None:
    """An array inside an object is neither copied into the stream nor read-only when it comes back."""
    value = Row("array", np.arange(10_000.0))
    encoded = codecs.encode(value)
    assert encoded.codec == "pickle+"
    assert any(memoryview(piece).nbytes == 80_000 for piece in encoded.payload)
    result = back(value)
    assert isinstance(result, Row)
    array = result.inner
    assert isinstance(array, np.ndarray)
    array[0] = 7.0
    np.testing.assert_array_equal(array[1:], np.arange(1.0, 10_000.0))


def test_a_class_that_went_away_is_an_error_with_advice() -> None:
    """A value whose class is gone says so."""
    encoded = codecs.encode(Row("a"))
    stream = b"".join(encoded.payload).replace(b":Row", b":Gon")
    assert codecs.classes_in("pickle", memoryview(stream)) == (f"{__name__}:Gon",)
    with pytest.raises(ObjectError, match="its class may have moved|Its class may have moved"):
        codecs.decode("pickle", memoryview(stream))


SALES = """
import sys
from pathlib import Path
from milepost.store.objects import Objects

class Sale:
    def __init__(self, amount):
        self.amount = amount

if __name__ == "__main__":
    store = Objects(Path(sys.argv[1]), bytes(32))
    if len(sys.argv) > 2:
        sale = store.get(sys.argv[2])
        assert type(sale) is Sale, type(sale)
        assert sale.amount == 5
    print(store.put(Sale(5)).address, store.put(Sale(5)).classes)
"""


def test_a_script_and_its_module_are_one(tmp_path: Path) -> None:
    """What `python sales.py` stores, an import of `sales` stores and loads alike: same class, same address."""
    (tmp_path / "sales.py").write_text(SALES)
    use = "import sys; sys.argv[0] = 'x'; from sales import *; store = Objects(Path(sys.argv[1]), bytes(32)); "
    use += "print(store.put(Sale(5)).address, store.put(Sale(5)).classes); assert store.get(sys.argv[2]).amount == 5"
    objects = str(tmp_path / "objects")

    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    script = run("sales.py", objects)
    address, _, classes = script.partition(" ")
    assert "('sales:Sale',)\n" == classes
    assert script == run("-c", use, objects, address)
    assert script == run("sales.py", objects, address)


def test_references_name_only_the_users_own() -> None:
    """Installed and built-in classes are left to pickle; the user's are "module:qualname"."""
    assert class_reference(np.ndarray) is None
    assert class_reference(dict) is None
    assert find_class(f"{__name__}:Row") is Row
    assert class_reference(Row) == f"{__name__}:Row"
