"""The 128 bytes before each object's payload, which say what it is and let no damage pass.

::

      0  magic            8    what kind of file this is
      8  version          1
      9  compression      1    0 none, 1 zstd
     10  header length    2    128, so that arrays are aligned
     12  codec           12    ASCII, zeros after it
     24  stored length    8    of the payload in this file
     32  raw length       8    of the payload when decompressed
     40  address         20    blake3, what the file is named after
     60  reserved         4    zeros
     64  signature       32    HMAC-SHA256 of bytes 0 to 64; zeros for what is no pickle
     96  reserved        16    zeros
    112  checksum        16    xxh3-128 of bytes 0 to 112 and the stored payload; of a payload of more than 4 MiB,
                               of those bytes and the xxh3-128 of each 4 MiB of it

A pickle's signature covers its address, and its address is a cryptographic hash of its payload, checked
before it is loaded: so the signature covers the payload. For data the checksum suffices, at memory speed.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Iterable, Sequence

import msgspec
from blake3 import blake3

from milepost.errors import ObjectDamaged, ObjectError
from milepost.store.codecs.encoded import SIGNED, Piece
from milepost.store.summing import checksum

MAGIC = b"\x89MPobj\r\n"
VERSION = 1
HEADER_BYTES = 128
NONE, ZSTD = 0, 1
ADDRESS_PREFIX = "o1-"
ADDRESS_BYTES = 20

_SIGNED_PART = 64
_CHECKED_PART = 112
_layout = struct.Struct("<8sBBH12sQQ20s4x")
_unsigned = bytes(32)
_threaded_pid: int | None = None


class Header(msgspec.Struct, frozen=True):
    """What a header says, and its bytes."""

    codec: str
    compression: int
    stored_bytes: int
    raw_bytes: int
    address: str
    signature: bytes
    encoded: bytes


def address_of(codec: str, payload: Iterable[Piece], size_bytes: int) -> bytes:
    """20 bytes of blake3 over the codec's name and the uncompressed payload."""
    if size_bytes < 1 << 20:
        return blake3(b"".join((codec.encode(), b"\0", *payload))).digest(ADDRESS_BYTES)
    hasher = blake3(codec.encode() + b"\0", max_threads=_threads())
    for piece in payload:
        hasher.update(piece)
    return hasher.digest(ADDRESS_BYTES)


def address_text(digest: bytes) -> str:
    """An address as text.

    >>> address_text(bytes(20))
    'o1-0000000000000000000000000000000000000000'
    """
    return ADDRESS_PREFIX + digest.hex()


def address_bytes(address: str) -> bytes:
    """The 20 bytes of an address. Raises ObjectError when it is none."""
    digits = address.removeprefix(ADDRESS_PREFIX)
    if len(digits) == 2 * ADDRESS_BYTES and len(address) == len(digits) + len(ADDRESS_PREFIX):
        try:
            return bytes.fromhex(digits)
        except ValueError:
            pass
    raise ObjectError(f"{address[:80]!r} is no object address; one looks like {address_text(bytes(20))}")


def make_header(
    codec: str, digest: bytes, payload: Sequence[Piece], raw_bytes: int, compression: int, key: bytes
) -> bytes:
    """The header of a payload as it is stored. Pickles are signed with `key`."""
    stored = sum(memoryview(piece).nbytes for piece in payload)
    name = codec.encode()
    start = _layout.pack(MAGIC, VERSION, compression, HEADER_BYTES, name, stored, raw_bytes, digest)
    start += (sign(key, start) if codec in SIGNED else _unsigned) + bytes(16)
    return start + checksum(start, payload)


def read_header(content: memoryview) -> Header:
    """What a header says; its checksum is for `checksum` to compare. Raises ObjectDamaged."""
    encoded = bytes(content[:HEADER_BYTES])
    if len(encoded) < HEADER_BYTES:
        raise ObjectDamaged("it is shorter than its header")
    magic, version, compression, length, name, stored, raw, digest = _layout.unpack_from(encoded)
    if magic != MAGIC or length != HEADER_BYTES or compression not in (NONE, ZSTD):
        raise ObjectDamaged("it does not begin as an object does")
    if version != VERSION:
        raise ObjectDamaged(f"its version is {version}, which is unknown to this Milepost")
    if len(content) != HEADER_BYTES + stored:
        raise ObjectDamaged(f"it has {len(content)} bytes instead of {HEADER_BYTES + stored}")
    codec = name.rstrip(b"\0").decode("ascii", "replace")
    signature = encoded[_SIGNED_PART : _SIGNED_PART + 32]
    return Header(codec, compression, stored, raw, address_text(digest), signature, encoded)


def is_intact(header: Header, payload: Sequence[Piece]) -> bool:
    """Whether header and payload are what was written."""
    return checksum(header.encoded[:_CHECKED_PART], payload) == header.encoded[_CHECKED_PART:]


def is_signed_by(header: Header, key: bytes) -> bool:
    """Whether this key signed the header."""
    return bool(key) and is_equal(header.signature, sign(key, header.encoded[:_SIGNED_PART]))


def sign(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(key, message, "sha256")


def is_equal(one: bytes, other: bytes) -> bool:
    """Compare two signatures in constant time."""
    return hmac.compare_digest(one, other)


def _threads() -> int:
    """All cores, but one in a forked child: the pool's threads did not come along."""
    global _threaded_pid
    pid = os.getpid()
    if _threaded_pid is None:
        _threaded_pid = pid
    return blake3.AUTO if pid == _threaded_pid else 1
