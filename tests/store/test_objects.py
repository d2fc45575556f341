"""Objects: what was put is there, once, whole, and comes back as every consumer's own copy."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from milepost.errors import ObjectDamaged, ObjectError, ObjectMissing, ObjectRefused
from milepost.store import objects as objects_module
from milepost.store.objects import Objects

KEY = bytes(range(32))


class Thing:
    def __init__(self, size: int) -> None:
        self.size = size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and self.size == other.size


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects", KEY)


def files_of(objects: Objects) -> list[str]:
    return sorted(str(path.relative_to(objects.root)) for path in objects.root.rglob("*") if not path.is_dir())


def test_equal_values_have_one_object(objects: Objects) -> None:
    """The address depends on the value; the bytes are written once and not again."""
    one = objects.put({"a": [1, 2]})
    before = objects.path(one.address).stat()
    assert one == objects.put({"a": [1, 2]})
    after = objects.path(one.address).stat()
    assert before.st_ino == after.st_ino
    assert [one.address] == list(objects.addresses())
    assert objects.size(one.address) == one.size_bytes == after.st_size


def test_different_types_have_different_addresses(objects: Objects) -> None:
    """1, True, 1.0 and "1" are four values, a list is no tuple, and an array's dtype counts."""
    values = [1, True, 1.0, "1", b"1", [1], (1,), {1}, np.int64(1), np.array([1]), np.array([1], "i4")]
    values += [0.0, -0.0, np.array([[1]]), pd.Series([1]), pd.Series([1], name="x")]
    assert len(values) == len({objects.put(value).address for value in values})


def test_every_consumer_has_its_own_copy(objects: Objects) -> None:
    """Writing into what was loaded changes neither the object nor the next load, mapped or not."""
    for value in (np.zeros(10), np.zeros(1_000_000)):
        address = objects.put(value).address
        loaded = objects.get(address)
        assert isinstance(loaded, np.ndarray)
        loaded[:] = 5.0
        np.testing.assert_array_equal(value, objects.get(address))
        objects.verify(address)


def test_files_are_private_and_named_by_digest_alone(objects: Objects) -> None:
    """0600 in 0700, two characters and the rest; nothing else is left."""
    before = os.umask(0)
    try:
        address = objects.put("value").address
    finally:
        os.umask(before)
    path = objects.path(address)
    assert f"{address[3:5]}/{address[5:]}" == str(path.relative_to(objects.root))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert objects.root.stat().st_mode & 0o777 == 0o700
    assert len(files_of(objects)) == 1


@pytest.mark.parametrize("address", ["", "o1-", "o1-zz", "../../etc/passwd", "o1-" + "g" * 40, "o2-" + "0" * 40])
def test_what_is_no_address_never_becomes_a_path(objects: Objects, address: str) -> None:
    """Anything but "o1-" and 40 hexadecimal digits is an error."""
    with pytest.raises(ObjectError, match="no object address"):
        objects.get(address)


def test_a_missing_object_is_missing(objects: Objects) -> None:
    """An address without a file is ObjectMissing, before anything was ever put too."""
    address = "o1-" + "0" * 40
    for act in (objects.get, objects.verify, objects.size, objects.references):
        with pytest.raises(ObjectMissing):
            act(address)
    assert not objects.has(address)
    assert [] == list(objects.addresses())


def test_arrays_are_mapped_and_verified_once(objects: Objects) -> None:
    """A large array is not read into memory, and its checksum is made at the first read only."""
    address = objects.put(np.arange(2_000_000.0)).address
    objects.get(address)
    tracemalloc.start()
    loaded = objects.get(address)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(loaded, np.ndarray)
    assert loaded[-1] == 1_999_999.0
    assert loaded.ctypes.data % 64 == 0
    assert peak < 100_000


def test_a_changed_file_is_verified_again(objects: Objects) -> None:
    """What was verified counts only while size, mtime and inode stay."""
    address = objects.put(np.zeros(500_000)).address
    objects.get(address)
    path = objects.path(address)
    with path.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\1")
    with pytest.raises(ObjectDamaged):
        objects.get(address)


def test_putting_a_large_array_copies_nothing(tmp_path: Path) -> None:
    """Peak memory of the process while a 200 MB array is put grows by less than a fifth of it."""
    code = """
import resource, sys
import numpy as np
from pathlib import Path
from milepost.store.objects import Objects
store = Objects(Path(sys.argv[1]), b"")
store.put(np.ones(1000))
array = np.ones(25_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.put(array)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / array.nbytes)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.2


def test_text_is_compressed_where_it_clearly_helps(objects: Objects) -> None:
    """Long text is; short text, noise and arrays are not. All come back, and verify."""
    text = [f"line {number}" for number in range(20_000)]
    noise = os.urandom(100_000)
    stored = objects.put(text)
    assert stored.size_bytes < 100_000
    assert objects.put(noise).size_bytes > 100_000
    assert objects.put(np.zeros(100_000)).size_bytes > 800_000
    assert text == objects.get(stored.address)
    assert noise == objects.get(objects.put(noise).address)
    objects.verify(stored.address)


def test_damage_is_healed_by_putting_again(objects: Objects) -> None:
    """An object that was damaged on disk is written anew when the value is put again."""
    value = {"a": "text"}
    address = objects.put(value).address
    path = objects.path(address)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert address == objects.put(value).address
    assert value == objects.get(address)


def test_only_the_own_keys_pickles_are_loaded(objects: Objects, tmp_path: Path) -> None:
    """A pickle of another key, or without a key here, is refused with advice and left where it is."""
    address = objects.put(Thing(1)).address
    packed = objects.pack(Thing(1))
    assert Thing(1) == objects.get(address) == objects.unpack(packed.result, packed.address)
    for key in (bytes(32), b""):
        other = Objects(objects.root, key)
        with pytest.raises(ObjectRefused, match="not load"):
            other.get(address)
        with pytest.raises(ObjectRefused, match="not load"):
            other.unpack(packed.result, packed.address)
        with pytest.raises(ObjectRefused):
            other.verify(address)
    assert 1 == len(files_of(objects))
    assert Thing(1) == objects.get(address)


def test_a_pickle_with_its_payload_exchanged_is_refused(objects: Objects) -> None:
    """Even with a fitting checksum: the signature covers the address, and the address the payload."""
    from milepost.store import envelope

    small, evil = objects.put(Thing(1)).address, objects.put(Thing(2)).address
    path = objects.path(small)
    content, other = path.read_bytes(), objects.path(evil).read_bytes()
    assert len(content) == len(other)
    start, payload = content[:112], other[128:]
    path.write_bytes(start + envelope.checksum(start, (payload,)) + payload)
    with pytest.raises(ObjectRefused):
        objects.get(small)


def test_a_foreign_store_serves_data(objects: Objects) -> None:
    """Without the key plain values, arrays and frames are read and written; pickles cannot be made."""
    foreign = Objects(objects.root, b"")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    for value in ({"a": (1, 2)}, frame):
        result = foreign.get(foreign.put(value).address)
        assert pd.DataFrame(value).equals(pd.DataFrame(result))
    with pytest.raises(ObjectRefused, match="signing key is not on this machine"):
        foreign.put(Thing(1))


def test_another_keys_pickle_is_replaced_by_putting(objects: Objects) -> None:
    """A value whose pickle somebody else signed is signed anew when this workspace makes it."""
    address = Objects(objects.root, bytes(32)).put(Thing(3)).address
    assert address == objects.put(Thing(3)).address
    assert Thing(3) == objects.get(address)


@pytest.mark.parametrize("value", [None, 1, "text", {"a": 1}, (1, 2), {1, 2}, [Thing(1)], np.float32(2)])
def test_small_results_stay_in_their_row(objects: Objects, value: object) -> None:
    """`pack` keeps small results as bytes."""
    packed = objects.pack(value)
    assert packed.result is not None
    assert packed.address is None
    assert value == objects.unpack(packed.result, packed.address)


def test_an_item_is_packed_again_from_its_row(objects: Objects) -> None:
    """What a row kept of a result gives the same digest and classes, and nothing is loaded for it."""
    for value in (1, {"a": 1}, (1, 2), Thing(1), {"t": [Thing(2), np.zeros(1000)]}, np.zeros(3), "x" * 5000):
        packed = objects.pack(value)
        assert packed == objects.repack(packed.result, packed.address)
    assert (f"{__name__}:Thing",) == objects.find(objects.put(Thing(1)).address).classes


def test_large_results_become_objects(objects: Objects) -> None:
    """Above the limit, and for arrays, `pack` gives an address."""
    for value in ("x" * 5000, np.arange(3)):
        packed = objects.pack(value)
        assert packed.result is None
        assert packed.address is not None
        np.testing.assert_array_equal(value, objects.unpack(None, packed.address))


def test_a_changed_inline_pickle_is_refused(objects: Objects) -> None:
    """Every single bit of an inline pickle is covered by its signature; other tags are damage."""
    result = objects.pack(Thing(1)).result
    assert result is not None
    for place in range(len(result)):
        changed = bytearray(result)
        changed[place] ^= 1
        with pytest.raises((ObjectRefused, ObjectDamaged)):
            objects.unpack(bytes(changed), None)


def test_a_sweep_takes_only_what_is_old_and_unnamed(objects: Objects) -> None:
    """Named objects, and young ones, stay; a dry run removes nothing."""
    keep, drop, young = (objects.put(f"value {number}").address for number in range(3))
    for address in (keep, drop):
        os.utime(objects.path(address), (1, 1))
    assert 1 == objects.sweep({keep}).count
    assert objects.has(drop)
    swept = objects.sweep({keep}, dry_run=False)
    assert (1, True) == (swept.count, swept.size_bytes > 128)
    assert {keep, young} == set(objects.addresses())


def test_an_object_put_again_is_young_again(objects: Objects) -> None:
    """A writer that found its bytes there already does not lose them to a sweep before its row is written."""
    address = objects.put("value").address
    os.utime(objects.path(address), (1, 1))
    objects.put("value")
    assert 0 == objects.sweep(set(), dry_run=False).count
    assert "value" == objects.get(address)


def test_strange_names_are_no_objects(objects: Objects) -> None:
    """Other files in the folder are neither listed nor swept."""
    address = objects.put("value").address
    for name in ("readme", "ab", f"{address[3:5]}/notes", f"{address[3:5]}/" + "g" * 38):
        if not (objects.root / name).exists():
            (objects.root / name).write_text("mine")
    assert [address] == list(objects.addresses())
    assert 1 == objects.sweep(set(), older_than_seconds=-10, dry_run=False).count
    assert (objects.root / "readme").exists()


def test_what_was_verified_is_forgotten_in_time(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note of verified files does not grow for ever."""
    monkeypatch.setattr(objects_module, "_CHECKED_LIMIT", 5)
    for number in range(20):
        objects.get(objects.put(number).address)
    assert len(objects_module._checked) <= 5
