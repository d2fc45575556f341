"""A large object is being written while its address is still being made, and none of that is seen from outside."""

import resource
import threading
from pathlib import Path

import numpy as np
import pytest

from milepost.errors import ObjectDamaged, ObjectError
from milepost.store.beside import Beside
from milepost.store.objects import LARGE_BYTES, Objects

ARRAY = np.random.default_rng(1).random(10 * LARGE_BYTES // 8)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects", bytes(32))


def files_of(objects: Objects) -> list[Path]:
    return [path for path in objects.root.rglob("*") if path.is_file()]


def test_comes_back_as_it_was(objects: Objects) -> None:
    """Address, checksum and bytes are those of an object that was written in any other way."""
    stored = objects.put(ARRAY)
    assert np.array_equal(objects.get(stored.address), ARRAY)
    assert objects.path(stored.address).stat().st_size == stored.size_bytes == objects.size(stored.address)
    objects.verify(stored.address)


def test_is_not_kept_twice(objects: Objects) -> None:
    """Put again it is the file that was there, and what had been written of another is gone."""
    stored = objects.put(ARRAY)
    before = objects.path(stored.address).stat().st_ino
    assert objects.put(ARRAY.copy()) == stored
    assert [path.stat().st_ino for path in files_of(objects)] == [before]


def test_what_is_there_needs_no_room(objects: Objects) -> None:
    """Where nothing can be written any more, an object that is there is still found."""
    stored = objects.put(ARRAY)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE_BYTES, before[1]))
    try:
        assert objects.put(ARRAY) == stored
        with pytest.raises(ObjectError, match="cannot write"):
            objects.put(ARRAY + 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(files_of(objects)) == 1


def test_a_damaged_one_is_replaced(objects: Objects) -> None:
    """Bytes that are not what was written do not count as being there."""
    path = objects.path(objects.put(ARRAY).address)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert np.array_equal(objects.get(objects.put(ARRAY).address), ARRAY)


def test_threads_that_put_the_same_leave_one(objects: Objects) -> None:
    """All of them get the same address, and there is one whole file."""
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(objects.put(ARRAY).address)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    (address,) = set(found)
    assert files_of(objects) == [objects.path(address)]
    objects.verify(address)


def test_what_fails_beside_is_told_to_who_writes() -> None:
    """Both questions raise what went wrong, and nobody waits for ever."""

    def fail() -> Path | None:
        raise ObjectDamaged("found damaged")

    with Beside(fail, lambda: b"header") as beside:
        for question in (beside.path, beside.header):
            with pytest.raises(ObjectDamaged, match="found damaged"):
                question()
    with Beside(lambda: None, lambda: b"header") as beside:
        assert (beside.path(), beside.header(), beside.is_unwanted) == (None, b"", True)
