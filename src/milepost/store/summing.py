"""Checksums of objects: large ones in blocks, which the cores of the machine sum up side by side."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from threading import Thread

from xxhash import xxh3_128

from milepost.store.codecs.encoded import Piece

BLOCK_BYTES = 4 << 20  # part of the stored format
LANES = 4  # memory is the limit, not the cores

Block = list[memoryview]  # what lies in one block, of as many pieces as it takes


def checksum(start: bytes, payload: Sequence[Piece]) -> bytes:
    """16 bytes of xxh3 over `start` and the payload; over the blocks' own checksums where it has several.

    >>> checksum(b"start", [b"one", b"two"]) == checksum(b"start", [b"onetwo"])
    True
    """
    if sum(memoryview(piece).nbytes for piece in payload) <= BLOCK_BYTES:
        return _sum(start, *payload)
    return _sum(start, *_sums(list(_blocks(payload))))


def _blocks(payload: Iterable[Piece]) -> Iterator[Block]:
    """The payload cut every BLOCK_BYTES, wherever its pieces end."""
    block: Block = []
    room = BLOCK_BYTES
    for piece in payload:
        rest = memoryview(piece).cast("B")
        while rest.nbytes:
            block.append(rest[:room])
            rest, room = rest[room:], room - block[-1].nbytes
            if not room:
                yield block
                block, room = [], BLOCK_BYTES
    if block:
        yield block


def _sums(blocks: list[Block]) -> list[bytes]:
    """The checksum of each block."""
    sums = [b""] * len(blocks)
    waiting = deque(enumerate(blocks))

    def work() -> None:
        with contextlib.suppress(IndexError):
            while True:
                number, block = waiting.popleft()
                sums[number] = _sum(*block)

    helpers = [Thread(target=work, name="milepost-checksum") for _ in range(_lanes(len(blocks)) - 1)]
    with contextlib.suppress(RuntimeError):  # no more threads are to be had: then without
        for helper in helpers:
            helper.start()
    work()
    for helper in helpers:
        if helper.ident is not None:
            helper.join()
    return [found or _sum(*block) for found, block in zip(sums, blocks, strict=True)]  # a helper may have failed


def _sum(*parts: Piece) -> bytes:
    hasher = xxh3_128()
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def _lanes(blocks: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, LANES, blocks)
