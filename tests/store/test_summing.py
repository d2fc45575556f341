"""The checksum of a payload is that of its bytes, however they come and whoever sums them up."""

import os
import threading

import pytest
from xxhash import xxh3_128_digest

from milepost.store import summing
from milepost.store.summing import BLOCK_BYTES, checksum

PAYLOAD = os.urandom(2 * BLOCK_BYTES + 12_345)


def test_a_payload_of_one_block_is_summed_up_whole() -> None:
    """Up to 4 MiB it is xxh3-128 of all bytes: the stored format."""
    for size in (0, 1, BLOCK_BYTES):
        assert checksum(b"start", [PAYLOAD[:size]]) == xxh3_128_digest(b"start" + PAYLOAD[:size])


def test_a_large_payload_is_summed_up_by_block() -> None:
    """Beyond it is that of the sums of each 4 MiB: the stored format."""
    sums = [xxh3_128_digest(PAYLOAD[at : at + BLOCK_BYTES]) for at in range(0, len(PAYLOAD), BLOCK_BYTES)]
    assert len(sums) == 3
    assert checksum(b"start", [PAYLOAD]) == xxh3_128_digest(b"start" + b"".join(sums))


@pytest.mark.parametrize("cuts", [(1,), (BLOCK_BYTES,), (0, 7, 7, BLOCK_BYTES - 1, 2 * BLOCK_BYTES + 1)])
def test_pieces_do_not_matter(cuts: tuple[int, ...]) -> None:
    """The same bytes have the same checksum wherever they are cut, empty pieces included."""
    edges = [0, *cuts, len(PAYLOAD)]
    pieces = [PAYLOAD[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    assert checksum(b"", pieces) == checksum(b"", [memoryview(PAYLOAD)])


@pytest.mark.parametrize("at", [0, BLOCK_BYTES - 1, BLOCK_BYTES, len(PAYLOAD) - 1])
def test_any_byte_counts(at: int) -> None:
    """One flipped bit anywhere gives another checksum."""
    damaged = bytearray(PAYLOAD)
    damaged[at] ^= 1
    assert checksum(b"", [damaged]) != checksum(b"", [PAYLOAD])


def test_does_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started, the one that asks sums up all."""
    expected = checksum(b"", [PAYLOAD])

    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(summing, "Thread", NoThread)
    monkeypatch.setattr(summing, "_lanes", lambda blocks: 2)
    assert checksum(b"", [PAYLOAD]) == expected
