"""Damage of every kind is noticed at the next read, moved aside and reported; no wrong value ever comes back."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from milepost.errors import ObjectDamaged, ObjectMissing, ObjectRefused
from milepost.store.objects import Objects
from milepost.store.sequence import SequenceWriter

BORDERS = [0, 1, 8, 9, 10, 12, 24, 32, 40, 60, 64, 96, 112, 127, 128]


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number


VALUES = {
    "plain": {"a": [1, 2, 3]},
    "tree": (1, 2, {3}),
    "array": np.arange(100.0),
    "pickle": Thing(5),
    "text": "some text " * 3000,
}


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects", bytes(32))


def damages(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Every truncation at a border, addition, zeroed tail and one random bit flip of each byte."""
    for length in {*BORDERS, len(content) // 2, len(content) - 1}:
        if length < len(content):
            yield f"cut to {length}", content[:length]
    yield "one byte more", content + b"\0"
    yield "4 KiB more", content + bytes(4096)
    yield "all zeros", bytes(len(content))
    for start in range(0, len(content), 512):
        if any(content[start:]):
            yield f"zeros from {start}", content[:start] + bytes(len(content) - start)
    chance = random.Random(4)
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << chance.randrange(8)
        yield f"bit in byte {place}", bytes(flipped)


@pytest.mark.parametrize("kind", VALUES)
def test_every_damage_is_refused_and_set_aside(objects: Objects, kind: str) -> None:
    """Truncations, additions, zeros and a flip in each single byte: ObjectDamaged, then ObjectMissing."""
    address = objects.put(VALUES[kind]).address
    path = objects.path(address)
    content = path.read_bytes()
    for what, damaged in damages(content):
        path.write_bytes(damaged)
        with pytest.raises(ObjectDamaged, match="is damaged") as caught:
            objects.get(address)
        aside = Path(str(caught.value.quarantine))
        assert damaged == aside.read_bytes(), what
        assert aside.name.startswith(f"{path.name}.corrupt-")
        aside.unlink()
        with pytest.raises(ObjectMissing):
            objects.get(address)
    path.write_bytes(content)
    objects.verify(address)
    assert [address] == list(objects.addresses())


def test_flips_in_a_large_mapped_array_are_refused(objects: Objects) -> None:
    """Random flips anywhere in a file that is mapped rather than read."""
    address = objects.put(np.arange(200_000.0)).address
    path = objects.path(address)
    content = path.read_bytes()
    chance = random.Random(5)
    for _ in range(60):
        flipped = bytearray(content)
        flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(ObjectDamaged):
            objects.get(address)


def test_a_valid_object_under_another_name_is_refused(objects: Objects) -> None:
    """Two objects that changed places are both damage."""
    one, two = objects.put("one").address, objects.put("two").address
    first, second = objects.path(one).read_bytes(), objects.path(two).read_bytes()
    objects.path(one).write_bytes(second)
    objects.path(two).write_bytes(first)
    for address in (one, two):
        with pytest.raises(ObjectDamaged, match="under another's name"):
            objects.get(address)


@pytest.mark.parametrize("kind", ["folder", "symlink", "dangling", "fifo", "socketless device"])
def test_what_is_no_file_is_set_aside_and_replaced(objects: Objects, kind: str, tmp_path: Path) -> None:
    """A folder, symlink or FIFO in an object's place neither hangs nor is followed, and putting heals it."""
    value = {"a": 1}
    address = objects.put(value).address
    path = objects.path(address)
    shutil.copy(path, tmp_path / "copy")
    path.unlink()
    if kind == "folder":
        path.mkdir()
        (path / "inside").touch()
    elif kind == "symlink":
        path.symlink_to(tmp_path / "copy")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ObjectDamaged, match="no regular file"):
        objects.get(address)
    assert not objects.has(address)
    assert address == objects.put(value).address
    assert value == objects.get(address)


def test_a_folder_in_the_way_of_a_new_object(objects: Objects) -> None:
    """What stands where an object is to be written is set aside."""
    address = objects.put("value").address
    objects.path(address).unlink()
    objects.path(address).mkdir()
    (objects.path(address) / "x").touch()
    assert address == objects.put("value").address
    assert "value" == objects.get(address)


def test_a_bomb_stops_at_its_declared_length(objects: Objects) -> None:
    """A compressed payload that would become more, or less, than it declares is damage."""
    from backports import zstd

    from milepost.store import envelope, files

    for declared, real in ((1000, 50_000_000), (5000, 1000), (1 << 40, 1000)):
        payload = zstd.compress(bytes(real))
        digest = os.urandom(20)
        header = envelope.make_header("plain", digest, (payload,), declared, envelope.ZSTD, b"")
        path = objects.path(envelope.address_text(digest))
        objects.put("so that the folder is there")
        files.write_whole(path, header, (payload,))
        with pytest.raises(ObjectDamaged, match="declare|claims"):
            objects.get(envelope.address_text(digest))


def test_a_raw_pickle_is_never_loaded(objects: Objects, tmp_path: Path) -> None:
    """A pickle laid into the store by hand, with or without an envelope, does not run."""
    from milepost.store import envelope, files

    canary = tmp_path / "canary"
    stream = b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."
    address = objects.put("value").address
    objects.path(address).write_bytes(stream)
    with pytest.raises(ObjectDamaged):
        objects.get(address)
    stream = bytes(4) + stream
    digest = envelope.address_of("pickle", (stream,), len(stream))
    for key in (b"", bytes(31) + b"\1"):
        header = envelope.make_header("pickle", digest, (stream,), len(stream), envelope.NONE, key or b"none")
        path = objects.path(envelope.address_text(digest))
        files.write_whole(path, header, (stream,))
        with pytest.raises(ObjectRefused):
            objects.get(envelope.address_text(digest))
    assert not canary.exists()


def test_a_sequence_with_a_damaged_chunk_is_damaged(objects: Objects) -> None:
    """The chunk is set aside; items of the other chunks are still right."""
    writer = SequenceWriter(objects, chunk=10)
    for number in range(30):
        writer.append(objects.pack(number))
    address = writer.close().address
    chunk = objects.path(objects.references(address)[1])
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"\xff")
    sequence = objects.get(address)
    assert 5 == sequence[5]  # type: ignore[index]
    with pytest.raises(ObjectDamaged):
        sequence[15]  # type: ignore[index]
    assert 25 == sequence[25]  # type: ignore[index]
    with pytest.raises(ObjectMissing):
        list(sequence)  # type: ignore[call-overload]
