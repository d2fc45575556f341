"""Values by the digest of their bytes: written whole or not at all, never returned other than as written."""

from __future__ import annotations

import contextlib
import os
import re
import time
import warnings
import weakref
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

from milepost.errors import ObjectDamaged, ObjectError, ObjectMissing, ObjectRefused, StoreFull
from milepost.model.refusal import refusal_text
from milepost.store import codecs, envelope, files
from milepost.store.beside import Beside
from milepost.store.codecs.encoded import (
    CHUNK,
    CHUNK_SIGNED,
    PICKLE,
    PLAIN,
    SEQUENCE,
    SIGNED,
    TREE,
    Encoded,
    Piece,
)
from milepost.store.codecs.plain import decode_plain, encode_plain
from milepost.store.compression import compress, decompress, is_candidate
from milepost.store.reading import open_whole, populate, stamp_of
from milepost.store.sweeping import Sweep, sweep

INLINE_BYTES = 4096
LARGE_BYTES = 1 << 20  # from here a thread is worth its start
WAIT_STEP_SECONDS = 0.5

_PLAIN, _TREE, _PICKLE = b"p", b"t", b"s"  # first byte of an inline result: part of the stored format
_INLINE = {PLAIN: _PLAIN, TREE: _TREE, PICKLE: _PICKLE}
_MAC_BYTES = 32
_FAN, _NAME = re.compile("[0-9a-f]{2}"), re.compile("[0-9a-f]{38}")
_ITEM = b"milepost item\0"

_checked: dict[str, tuple[int, int, int]] = {}  # files this process has verified, as they were then
_CHECKED_LIMIT = 100_000
_opened: weakref.WeakValueDictionary[Path, Objects] = weakref.WeakValueDictionary()


class Stored(msgspec.Struct, frozen=True):
    """A value that is on disk. `classes` are the user's own in it, as "module:qualname"."""

    address: str
    codec: str
    size_bytes: int
    classes: tuple[str, ...] = ()


class Packed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An item's result: bytes when small, else an address."""

    result: bytes | None
    address: str | None
    classes: tuple[str, ...] = ()


class Objects:
    """The objects of one workspace, in the folder `root`; `key` signs pickles (empty: pickles are refused).

    Safe from any thread and from any number of processes at once. While the disk is full, whoever puts waits up to
    `wait_seconds`, with a warning.

    >>> import tempfile
    >>> objects = Objects(Path(tempfile.mkdtemp()), bytes(32))
    >>> objects.get(objects.put({1: (2, 3)}).address)
    {1: (2, 3)}
    """

    def __init__(self, root: Path, key: bytes, *, wait_seconds: float = 0.0) -> None:
        self.root = Path(root).absolute()
        self.key = key
        self._wait_seconds = wait_seconds
        self._has_warned = False
        self._folder = f"{self.root}{os.sep}"
        self._ready = False
        _opened[self.root] = self

    @staticmethod
    def at(root: Path) -> Objects:
        """The objects this process has open at `root`; else without a key, so that pickles are refused."""
        return _opened.get(root) or Objects(root, b"")

    def put(self, value: object) -> Stored:
        """Store a value; on return it survives a power cut. Raises CannotEncode, StoreFull, ObjectError."""
        if hasattr(type(value), "__milepost_address__"):
            from milepost.store.sequence import StoredSequence, copy_sequence

            if isinstance(value, StoredSequence):
                return self.find(value.address) if value.root == self.root else copy_sequence(value, self)
        return self.put_encoded(codecs.encode(value))

    def put_encoded(self, encoded: Encoded) -> Stored:
        """Store what `encode` gave; bytes that are there already are not written again."""
        raw_bytes = encoded.size_bytes
        if raw_bytes >= LARGE_BYTES and not is_candidate(encoded):
            return self._patiently(lambda: self._write_large(encoded, raw_bytes))
        digest = envelope.address_of(encoded.codec, encoded.payload, raw_bytes)
        address = envelope.address_text(digest)
        found = self._holds(address, encoded)
        if found is not None:
            return found
        return self._patiently(lambda: self._write(address, digest, encoded, raw_bytes))

    def get(self, address: str) -> object:
        """A copy of the value behind an address; its arrays are mapped, copied where written to.

        Raises ObjectMissing, ObjectDamaged (after moving the file aside), ObjectRefused.
        """
        header, payload = self.load(address)
        if header.codec == SEQUENCE:
            from milepost.store.sequence import StoredSequence

            return StoredSequence(self, address)
        return codecs.decode(header.codec, payload, resolve=self.get)

    def load(self, address: str) -> tuple[envelope.Header, memoryview]:
        """The verified header and uncompressed payload behind an address. Raises as `get` does."""
        digits = envelope.address_bytes(address).hex()
        path = f"{self._folder}{digits[:2]}{os.sep}{digits[2:]}"
        try:
            header, payload = self._verified(path, address)
            if header.raw_bytes != header.stored_bytes or header.compression:
                payload = decompress(header, payload)
        except ObjectDamaged as error:
            raise self._quarantined(Path(path), address, error) from error
        if header.codec in SIGNED:
            self._check_signature(header, payload)
        return header, payload

    def pack(self, value: object, limit: int = INLINE_BYTES) -> Packed:
        """An item's result: bytes to keep in its row when at most `limit`, else an object.

        >>> import tempfile
        >>> Objects(Path(tempfile.mkdtemp()), b"").pack(7).result
        b'p\\x07'
        """
        payload = encode_plain(value)
        if payload is not None and len(payload) <= limit:
            return Packed(_PLAIN + payload, None)
        encoded = codecs.encode(value)
        tag = _INLINE.get(encoded.codec)
        if tag is None or encoded.size_bytes > limit or encoded.references:
            stored = self.put(value) if encoded.references else self.put_encoded(encoded)
            return Packed(None, stored.address, encoded.classes)
        content = b"".join(encoded.payload)
        if tag == _PICKLE:
            content = envelope.sign(self._signer(encoded), _ITEM + content) + content
        return Packed(tag + content, None, encoded.classes)

    def repack(self, result: bytes | None, address: str | None) -> Packed:
        """What `pack` gave, from what a row kept of it. Raises as `get` does.

        >>> import tempfile
        >>> objects = Objects(Path(tempfile.mkdtemp()), b"")
        >>> packed = objects.pack({"a": 1})
        >>> objects.repack(packed.result, packed.address) == packed
        True
        """
        if result is None:
            if address is None:
                raise ObjectMissing("this item has neither a result nor an address")
            header, payload = self.load(address)
            classes = codecs.classes_in(header.codec, payload)
            return Packed(None, address, classes)
        if result[:1] in (_PLAIN, _TREE):
            return Packed(result, None)
        return Packed(result, None, codecs.classes_in(PICKLE, memoryview(self.signed_item(result))))

    def unpack(self, result: bytes | None, address: str | None) -> object:
        """The value of a `Packed` result or address. Raises as `get` does.

        >>> import tempfile
        >>> Objects(Path(tempfile.mkdtemp()), b"").unpack(b"p\\x07", None)
        7
        """
        if result is None:
            if address is None:
                raise ObjectMissing("this item has neither a result nor an address")
            return self.get(address)
        if result[:1] == _PLAIN:
            return decode_plain(memoryview(result)[1:])
        if result[:1] == _TREE:
            return codecs.decode(TREE, memoryview(result)[1:])
        return codecs.decode(PICKLE, memoryview(self.signed_item(result)))

    def unpack_checked(self, result: bytes) -> object:
        """The value of an inline pickle that stood in a signed chunk, without a signature of its own."""
        return codecs.decode(PICKLE, memoryview(result)[1:])

    def signed_item(self, result: bytes) -> bytes:
        """The pickle in an inline result. Raises ObjectRefused when this workspace's key did not sign it."""
        mac, content = result[1 : 1 + _MAC_BYTES], result[1 + _MAC_BYTES :]
        if result[:1] != _PICKLE or len(mac) != _MAC_BYTES:
            raise ObjectDamaged("an item's stored result is not what was written")
        if not self.key or not envelope.is_equal(mac, envelope.sign(self.key, _ITEM + content)):
            raise self._refused("an item's result")
        return content

    def has(self, address: str) -> bool:
        """Whether a file is there; it is verified when it is read."""
        return self.path(address).is_file()

    def find(self, address: str) -> Stored:
        """What is known of a stored object without its value. Raises ObjectMissing, ObjectDamaged."""
        header, payload = self.load(address)
        if header.codec == SEQUENCE:
            from milepost.store.sequence import classes_in

            classes = classes_in(payload)
        else:
            classes = codecs.classes_in(header.codec, payload)
        return Stored(address, header.codec, envelope.HEADER_BYTES + header.stored_bytes, classes)

    def size(self, address: str) -> int:
        """Bytes on disk. Raises ObjectMissing."""
        try:
            return stamp_of(self.path(address))[0]
        except FileNotFoundError as error:
            raise ObjectMissing(f"no object {address}", address=address) from error

    def verify(self, address: str) -> None:
        """Read it all again, compare its address too. Raises ObjectMissing, ObjectDamaged, ObjectRefused."""
        path = self.path(address)
        _checked.pop(str(path), None)
        header, payload = self.load(address)
        digest = envelope.address_of(header.codec, (payload,), len(payload))
        if envelope.address_text(digest) != address:
            raise self._quarantined(path, address, ObjectDamaged("its content does not give its address"))

    def is_whole(self, address: str) -> bool:
        """Whether a value can be read, it and all it refers to; verified, and set aside when it cannot.

        What was verified before by this process, and has not changed, is not read again.
        """
        try:
            self.find(address)
            is_whole = all(self.is_whole(part) for part in self.references(address))
        except (ObjectMissing, ObjectDamaged):
            return False
        if not is_whole:
            self.set_aside(address)
        return is_whole

    def set_aside(self, address: str) -> None:
        """Make an object a miss, so that what made it runs again; what it held stays beside it for a look."""
        path = self.path(address)
        _checked.pop(str(path), None)
        with contextlib.suppress(OSError):  # gone already, or a folder that only reads
            files.set_aside(path)

    def addresses(self) -> Iterator[str]:
        """Every object that is here."""
        for fan in sorted(self._fans()):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.root / fan) as entries:
                names = sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))
                yield from (envelope.ADDRESS_PREFIX + fan + name for name in names)

    def references(self, address: str) -> list[str]:
        """The addresses of the objects that this one needs: a sequence's chunks, a chunk's large items."""
        header, payload = self.load(address)
        if header.codec in (SEQUENCE, CHUNK, CHUNK_SIGNED):
            from milepost.store.sequence import references

            return references(header.codec, payload)
        return codecs.references(header.codec, payload)

    def sweep(
        self,
        keep: Collection[str],
        *,
        older_than_seconds: float = 3600.0,
        as_of: float | None = None,
        dry_run: bool = True,
    ) -> Sweep:
        """Remove the objects that `keep`, and what those need, do not name and that are older than given.

        Younger ones may belong to a writer whose row is still to come. Ages count to `as_of` (epoch seconds, now by
        default): give the time before `keep` was read, and what is put from then on stays. With `dry_run` (the
        default) they are only counted.
        """
        before = (time.time() if as_of is None else as_of) - older_than_seconds
        return sweep(self, keep, before=before, dry_run=dry_run)

    def path(self, address: str) -> Path:
        """Where an object lies. Raises ObjectError for what is no address."""
        digits = envelope.address_bytes(address).hex()
        return self.root / digits[:2] / digits[2:]

    def _fans(self) -> list[str]:
        try:
            return [name for name in os.listdir(self.root) if _FAN.fullmatch(name)]
        except FileNotFoundError:
            return []

    def _prepare(self) -> None:
        """Make the folder, and clear what killed writers left in it."""
        if self._ready and self.root.is_dir():
            return
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.sync_folder(self.root.parent)
        except OSError as error:
            raise files.storage_error(error, self.root) from error
        files.remove_stale(self.root)
        self._ready = True

    def _write(self, address: str, digest: bytes, encoded: Encoded, raw_bytes: int) -> Stored:
        self._prepare()
        compression, payload = compress(encoded)
        key = self._signer(encoded)
        path = self.path(address)
        _checked.pop(str(path), None)
        header = envelope.make_header(encoded.codec, digest, payload, raw_bytes, compression, key)
        files.write_whole(path, header, payload)
        size = envelope.HEADER_BYTES + sum(memoryview(piece).nbytes for piece in payload)
        return Stored(address, encoded.codec, size, encoded.classes)

    def _write_large(self, encoded: Encoded, raw_bytes: int) -> Stored:
        """Its bytes are on their way while it turns out what they are called, and whether they are there already."""
        self._prepare()
        key = self._signer(encoded)
        digest, found = b"", None

        def place() -> Path | None:
            nonlocal digest, found
            digest = envelope.address_of(encoded.codec, encoded.payload, raw_bytes)
            found = self._holds(envelope.address_text(digest), encoded)
            return None if found else self.path(envelope.address_text(digest))

        def header() -> bytes:
            return envelope.make_header(encoded.codec, digest, encoded.payload, raw_bytes, envelope.NONE, key)

        files.write_beside(self.root, encoded.payload, envelope.HEADER_BYTES, Beside(place, header))
        address = envelope.address_text(digest)
        if found is None:
            _checked.pop(str(self.path(address)), None)
        return found or Stored(address, encoded.codec, envelope.HEADER_BYTES + raw_bytes, encoded.classes)

    def _patiently(self, write: Callable[[], Stored]) -> Stored:
        """A result that was hard to compute is not given up because the disk is full for a while."""
        deadline = time.monotonic() + self._wait_seconds
        while True:
            try:
                return write()
            except StoreFull as error:
                if time.monotonic() >= deadline:
                    raise
                self._warn(f"milepost: waiting up to {self._wait_seconds:.0f} s for room: {error}")
                time.sleep(min(WAIT_STEP_SECONDS, self._wait_seconds))

    def _warn(self, text: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            with contextlib.suppress(RuntimeWarning):  # where warnings are errors
                warnings.warn(text, RuntimeWarning, stacklevel=4)

    def _signer(self, encoded: Encoded) -> bytes:
        if encoded.codec in SIGNED and not self.key:
            raise ObjectRefused(
                "this value needs pickle, and this workspace's signing key is not on this machine. "
                "Make results of plain data, arrays or frames, or work where the workspace was created"
            )
        return self.key

    def _holds(self, address: str, encoded: Encoded) -> Stored | None:
        """What is stored already, whole and under our key; what is damaged is set aside here."""
        path = self.path(address)
        try:
            header, _ = self.load(address)
        except (ObjectMissing, ObjectDamaged, ObjectRefused):
            return None
        if header.codec != encoded.codec:
            return None
        if not _make_young(path):
            return None
        size = envelope.HEADER_BYTES + header.stored_bytes
        return Stored(address, header.codec, size, encoded.classes)

    def _verified(self, path: str, address: str) -> tuple[envelope.Header, memoryview]:
        opened = open_whole(path)
        header = envelope.read_header(opened.content)
        if opened.is_mapped and header.codec in SIGNED:
            # Private memory: nobody may change it between the check and the load.
            opened = open_whole(path, mapped=False)
            header = envelope.read_header(opened.content)
        payload = opened.content[envelope.HEADER_BYTES :]
        if header.codec in SIGNED or _checked.get(path) != opened.stamp:
            populate(opened)
            if not envelope.is_intact(header, (payload,)):
                raise ObjectDamaged("its bytes are not those that were written")
            _remember(path, opened.stamp)
        if header.address != address:
            raise ObjectDamaged(f"it is {header.address} under another's name")
        return header, payload

    def _check_signature(self, header: envelope.Header, payload: Piece) -> None:
        if not envelope.is_signed_by(header, self.key):
            raise self._refused(f"object {header.address}", header.address)
        digest = envelope.address_of(header.codec, (payload,), memoryview(payload).nbytes)
        if envelope.address_text(digest) != header.address:
            raise self._refused(f"object {header.address}", header.address)

    def _refused(self, what: str, address: str | None = None) -> ObjectRefused:
        if self.key:
            why = "this workspace's key did not sign it, and loading a pickle runs what its writer chose"
        else:
            why = "it is a pickle, and this workspace's signing key is not on this machine"
        return ObjectRefused(
            f"{what} was not loaded: {why}. Run the stage that made it again here, with --from STAGE (in Python "
            "start_from=), or copy the key file from where it was made if you trust that place",
            address=address,
        )

    def _quarantined(self, path: Path, address: str, problem: ObjectDamaged) -> ObjectDamaged:
        _checked.pop(str(path), None)
        try:
            aside = files.set_aside(path)
        except OSError as error:
            aside, problem = (
                None,
                ObjectDamaged(f"{problem} (and it could not be moved aside: {error.strerror})"),
            )
        where = f"; moved to {aside}" if aside else ""
        return ObjectDamaged(
            f"object {address} is damaged: {problem}{where}. What made it will run again",
            address=address,
            quarantine=str(aside) if aside else None,
        )


def _remember(path: str, stamp: tuple[int, int, int]) -> None:
    if len(_checked) >= _CHECKED_LIMIT:
        _checked.clear()
    _checked[path] = stamp


def _make_young(path: Path) -> bool:
    """Keep a sweep from taking an object that is being put again; False when it is gone already."""
    try:
        with files.guarded(path.parent):
            before = stamp_of(path)
            os.utime(path)
            if _checked.get(str(path)) == before:
                _remember(str(path), stamp_of(path))
            files.sync_folder(path.parent)  # who wrote it may not have come this far
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ObjectError(f"cannot keep {path}: {refusal_text(error)}", path=str(path)) from error
    return True
