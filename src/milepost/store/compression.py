"""zstd for what is worth it: text-like payloads of some size. Arrays stay as they are, to be mapped."""

from __future__ import annotations

from milepost.errors import ObjectDamaged
from milepost.store.codecs.encoded import PLAIN, TREE, Encoded, Piece
from milepost.store.envelope import NONE, ZSTD, Header

SMALLEST_BYTES = 16 << 10
LARGEST_BYTES = 64 << 20  # also what a compressed object may claim to become
SAMPLE_BYTES = 32 << 10
WORTH_IT = 0.7  # compressed / raw, on the sample


def is_candidate(encoded: Encoded) -> bool:
    """Whether `compress` would look at a payload at all."""
    return encoded.codec in (PLAIN, TREE) and SMALLEST_BYTES < encoded.size_bytes <= LARGEST_BYTES


def compress(encoded: Encoded) -> tuple[int, tuple[Piece, ...]]:
    """How a payload is stored: the compression, and its pieces."""
    if not is_candidate(encoded):
        return NONE, encoded.payload
    from backports import zstd

    whole = b"".join(encoded.payload)
    sample = whole[:SAMPLE_BYTES]
    if len(zstd.compress(sample, level=1)) > WORTH_IT * len(sample):
        return NONE, encoded.payload
    return ZSTD, (zstd.compress(whole, level=1),)


def decompress(header: Header, stored: memoryview) -> memoryview:
    """The payload as it was encoded; stops at the declared length. Raises ObjectDamaged."""
    if header.compression == NONE:
        if header.raw_bytes != header.stored_bytes:
            raise ObjectDamaged("it declares two lengths")
        return stored
    if header.raw_bytes > LARGEST_BYTES:
        raise ObjectDamaged(f"it claims to become {header.raw_bytes} bytes")
    from backports import zstd

    decompressor = zstd.ZstdDecompressor()
    try:
        raw = decompressor.decompress(stored, max_length=header.raw_bytes)
    except zstd.ZstdError as error:
        raise ObjectDamaged(f"it cannot be decompressed: {error}") from error
    if len(raw) != header.raw_bytes or not decompressor.eof or decompressor.unused_data:
        raise ObjectDamaged("it does not become the length it declares")
    return memoryview(raw)
