"""A stored sequence reads like a list, keeps little in memory, and is named by its items alone."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.errors import ObjectMissing, ObjectRefused
from milepost.store import sequence
from milepost.store.chunks import Kept, read_chunk
from milepost.store.codecs.encoded import CHUNK, SEQUENCE, Encoded
from milepost.store.objects import Objects, Stored
from milepost.store.sequence import SequenceWriter, StoredSequence


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and self.number == other.number


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects", bytes(32))


def write(objects: Objects, values: list[object], chunk: int = 10) -> Stored:
    writer = SequenceWriter(objects, chunk)
    for number, value in enumerate(values):
        writer.append(objects.pack(value), f"item {number}")
    return writer.close()


def read(objects: Objects, values: list[object], chunk: int = 10) -> StoredSequence:
    sequence = objects.get(write(objects, values, chunk).address)
    assert isinstance(sequence, StoredSequence)
    return sequence


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 35), st.integers(1, 12), st.data())
def test_it_indexes_and_slices_like_a_list(
    tmp_path_factory: pytest.TempPathFactory, count: int, chunk: int, data: st.DataObject
) -> None:
    """Length, every index, every slice, iteration in both directions and equality are those of the list."""
    values: list[object] = [{"n": number} for number in range(count)]
    sequence = read(Objects(tmp_path_factory.mktemp("s"), b""), values, chunk)
    assert values == list(sequence)
    assert sequence == values
    assert values == sequence
    assert len(values) == len(sequence)
    assert list(reversed(values)) == list(reversed(sequence))
    wanted = data.draw(st.slices(count))
    assert values[wanted] == sequence[wanted]
    for index in range(-count, count):
        assert values[index] == sequence[index]
    for index in (count, -count - 1):
        with pytest.raises(IndexError):
            sequence[index]


def test_keys_stand_beside_the_values(objects: Objects) -> None:
    """`items` tells which item a result belongs to, in order."""
    sequence = read(objects, ["a", "b", "c"], chunk=2)
    assert ["item 0", "item 1", "item 2"] == list(sequence.keys())
    assert [("item 0", "a"), ("item 1", "b"), ("item 2", "c")] == list(sequence.items())


def test_the_address_depends_on_results_and_keys_alone(objects: Objects, tmp_path: Path) -> None:
    """Neither the workspace's key nor whether results are new or found again changes it; order, values, keys do."""
    values: list[object] = [Thing(number) if number % 3 else number for number in range(25)]
    values += [{"n": 1}, (1, 2), "x" * 5000, [Thing(1)] * 3, np.arange(4), np.zeros(1000)]
    address = write(objects, values).address
    assert address == write(Objects(tmp_path / "other", os.urandom(32)), values).address
    found = SequenceWriter(objects, 10)
    for number, value in enumerate(values):
        packed = objects.pack(value)
        found.append(objects.repack(packed.result, packed.address), f"item {number}")
    assert address == found.close().address
    assert address != write(objects, values[::-1]).address
    assert address != write(objects, values[:-1]).address
    writer = SequenceWriter(objects)
    for value in values:
        writer.append(objects.pack(value), "other")
    assert address != writer.close().address


def test_each_access_is_its_own_copy(objects: Objects) -> None:
    """What one consumer changes the next does not see."""
    sequence = read(objects, [{"a": []}])
    first = sequence[0]
    assert isinstance(first, dict)
    first["a"].append(1)
    assert {"a": []} == sequence[0]


def test_large_items_lie_in_objects_of_their_own(objects: Objects) -> None:
    """A sequence names its chunks and those their large items, so that a sweep keeps them all."""
    values: list[object] = [np.full(1000, number) for number in range(12)]
    address = write(objects, values, chunk=5).address
    chunks = objects.references(address)
    large = [each for chunk in chunks for each in objects.references(chunk)]
    assert (3, 12) == (len(chunks), len(large))
    stray = objects.put("stray").address
    assert 1 == objects.sweep({address}, older_than_seconds=-10, dry_run=False).count
    assert not objects.has(stray)
    for expected, found in zip(values, objects.get(address), strict=True):  # type: ignore[call-overload]
        np.testing.assert_array_equal(expected, found)
    assert 16 == objects.sweep(set(), older_than_seconds=-10, dry_run=False).count


def test_pickles_in_it_are_signed(objects: Objects) -> None:
    """Its chunks with pickles load with the own key only, and another key's item is not taken in."""
    sequence = read(objects, [Thing(1), 2])
    assert [Thing(1), 2] == list(sequence)
    assert sequence.classes == (f"{Thing.__module__}:Thing",)
    foreign = Objects(objects.root, b"")
    with pytest.raises(ObjectRefused):
        foreign.get(sequence.address)[0]  # type: ignore[index]
    with pytest.raises(ObjectRefused):
        SequenceWriter(Objects(objects.root, os.urandom(32))).append(objects.pack(Thing(1)), "item")


def test_a_sequence_written_again_with_another_key_is_usable(objects: Objects) -> None:
    """The same items made here replace chunks that somebody else signed."""
    values: list[object] = [Thing(1), Thing(2)]
    address = write(Objects(objects.root, os.urandom(32)), values).address
    assert address == write(objects, values).address
    assert values == list(objects.get(address))  # type: ignore[call-overload]


def test_a_sequence_whose_chunk_is_gone_heals(objects: Objects) -> None:
    """Writing it again brings the missing chunk back."""
    values: list[object] = list(range(30))
    address = write(objects, values).address
    objects.path(objects.references(address)[1]).unlink()
    with pytest.raises(ObjectMissing):
        list(objects.get(address))  # type: ignore[call-overload]
    assert address == write(objects, values).address
    assert values == list(objects.get(address))  # type: ignore[call-overload]


def test_only_its_address_crosses_to_another_process(objects: Objects) -> None:
    """Pickled it is a few bytes; unpickled it reads through that process's own objects, key included."""
    sequence = read(objects, [Thing(number) for number in range(500)], chunk=100)
    content = pickle.dumps(sequence)
    assert len(content) < 400
    again = pickle.loads(content)
    assert again == sequence
    assert again[499] == Thing(499)
    code = "import pickle, sys; print(len(pickle.loads(sys.stdin.buffer.read())))"
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True)
    assert b"500\n" == done.stdout


def test_a_value_may_hold_a_sequence(objects: Objects) -> None:
    """It is stored by its address, in trees and in pickles; what needs it is known to a sweep."""
    sequence = read(objects, [1, 2, 3])
    assert sequence.address == objects.put(sequence).address
    holders: list[object] = [{"scores": sequence, "n": 3}, Thing(sequence)]  # type: ignore[arg-type]
    for holder in holders:
        stored = objects.put(holder)
        assert [sequence.address] == objects.references(stored.address)
        assert holder == objects.get(stored.address)
        packed = objects.pack(holder)
        assert packed.address == stored.address
        objects.sweep({stored.address}, older_than_seconds=-10, dry_run=False)
        assert [1, 2, 3] == list(objects.get(sequence.address))  # type: ignore[call-overload]


def test_a_sequence_of_another_workspace_is_copied(objects: Objects, tmp_path: Path) -> None:
    """Put elsewhere it brings its items along, and keeps its address."""
    sequence = read(objects, [Thing(1), np.arange(3).tolist(), "x" * 5000])
    elsewhere = Objects(tmp_path / "elsewhere", os.urandom(32))
    assert sequence.address == elsewhere.put(sequence).address
    assert sequence == list(elsewhere.get(sequence.address))  # type: ignore[call-overload]


def test_its_text_is_short(objects: Objects) -> None:
    """A notebook or log shows what it is, not what is in it."""
    sequence = read(objects, ["x" * 1000] * 50)
    assert f"<StoredSequence of 50 items, {sequence.address}>" == repr(sequence)
    with pytest.raises(TypeError, match="unhashable"):
        hash(sequence)


def test_an_empty_sequence(objects: Objects) -> None:
    """No items is a sequence too."""
    sequence = read(objects, [])
    assert [] == list(sequence)
    assert sequence == []
    assert sequence != [1]
    objects.verify(sequence.address)


def test_chunks_end_by_bytes_too(objects: Objects) -> None:
    """Many large inline results do not make one huge chunk."""
    address = write(objects, ["x" * 4000] * 600, chunk=10_000).address
    assert 3 == len(objects.references(address))


LONG = """
import sys, tracemalloc
from pathlib import Path
from milepost.store import sequence as sequence_module
from milepost.store.objects import Objects

count, objects = 25_000, Objects(Path(sys.argv[1]), bytes(32))
tracemalloc.start()
writer = sequence_module.SequenceWriter(objects, chunk=500)
for number in range(count):
    writer.append(objects.pack({"number": number, "text": "some text"}), str(number))
sequence = objects.get(writer.close().address)
assert sum(range(count)) == sum(value["number"] for value in sequence)
assert sequence[7_777] == {"number": 7_777, "text": "some text"}
assert len(sequence._cached) <= sequence_module.CACHED_CHUNKS
print(tracemalloc.get_traced_memory()[1])
"""


def test_a_long_sequence_takes_the_memory_of_a_few_chunks(tmp_path: Path) -> None:
    """Writing and iterating fifty chunks keeps as many in memory as are cached, however many there are."""
    command = [sys.executable, "-c", LONG, str(tmp_path / "objects")]  # where nobody else takes memory
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert peak < 1_500_000  # a chunk of these takes 0.1 MB, all of them 5 MB


def test_a_pickle_in_a_chunk_that_nobody_signed_is_not_loaded(objects: Objects) -> None:
    """Whoever can write a file cannot have code run: the unsigned kind of chunk holds no pickles."""
    forged = [("a", b"s" + pickle.dumps(Thing(1)), None)]
    chunk = objects.put_encoded(Encoded(CHUNK, (msgspec.msgpack.encode(forged),)))
    index = objects.put_encoded(Encoded(SEQUENCE, (msgspec.msgpack.encode(([chunk.address], [1], [])),)))
    with pytest.raises(ObjectRefused, match="nobody signed"):
        list(objects.get(index.address))  # type: ignore[call-overload]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(1, 12), st.sampled_from([30, 100, 1 << 20]), st.data())
def test_items_of_stored_chunks_are_taken_over_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, count: int, chunk: int, chunk_bytes: int, data: st.DataObject
) -> None:
    """However parts of chunks, several results and single ones alternate, the sequence is the one written singly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequence, "CHUNK_BYTES", chunk_bytes)
        written_in_any_way(tmp_path_factory, count, chunk, data)


def written_in_any_way(tmp_path_factory: pytest.TempPathFactory, count: int, chunk: int, data: st.DataObject) -> None:
    objects = Objects(tmp_path_factory.mktemp("s"), bytes(32))
    values: list[object] = [Thing(number) if number % 7 == 3 else number for number in range(count)]
    told: list[tuple[str, list[Kept]]] = []
    before = SequenceWriter(objects, chunk, on_chunk=lambda address, items: told.append((address, items)))
    for number, value in enumerate(values):
        before.append(objects.pack(value), f"item {number}")
    stored = before.close()
    chunks = [read_chunk(objects, address) for address, _ in told]
    assert chunks == [items for _, items in told]
    kept = [each for items in chunks for each in items]
    again, at = SequenceWriter(objects, chunk), 0
    while at < count:
        end = data.draw(st.integers(at + 1, count))
        way = data.draw(st.sampled_from(["chunk", "several", "singly"]))
        if way == "several":
            again.append_all([(f"item {number}", objects.pack(values[number])) for number in range(at, end)])
        elif way == "chunk":
            classes = {f"{Thing.__module__}:Thing" for value in values[at:end] if isinstance(value, Thing)}
            again.extend(kept[at:end], classes)
        else:
            for number in range(at, end):
                again.append(objects.pack(values[number]), f"item {number}")
        at = end
    assert again.close() == stored
