"""The one place where what SQLite reports becomes an error of ours."""

from __future__ import annotations

import errno
from types import TracebackType

import apsw

from milepost.errors import MilepostError, StoreBusy, StoreDamaged, StoreError, StoreFull
from milepost.model.refusal import ADVICE, refusal_text

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_BUSY = (apsw.BusyError, apsw.LockedError, apsw.ProtocolError)
_DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)


class translated:  # noqa: N801  (written out and no generator: each question to the store is inside one)
    """Let errors of ours pass and turn the driver's into them."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, apsw.Error):
            raise translate(error, self._path) from error
        if isinstance(error, OSError) and error.errno in ADVICE:  # as of the files that say how tables are made
            raise StoreError(f"ledger {self._path}: {refusal_text(error)}", path=self._path) from error
        if isinstance(error, UnicodeDecodeError):
            raise StoreDamaged(
                f"ledger {self._path}: a text in it is not what was written; `milepost doctor` checks all"
            ) from error


def translate(error: apsw.Error, path: str) -> MilepostError:
    """The error of ours for one of the driver's."""
    where = f"ledger {path}"
    if isinstance(error, _BUSY):
        return StoreBusy(f"{where}: other processes kept it locked for too long ({error}); try again", path=path)
    if isinstance(error, apsw.FullError) or _is_out_of_space(error):
        return StoreFull(
            f"{where}: no space is left on its disk (`df`; `dmesg` if it fails); free some and it goes on", path=path
        )
    if isinstance(error, apsw.ReadOnlyError | apsw.PermissionsError):
        return StoreFull(
            f"{where}: it cannot be written ({error}); it is read-only or not ours, or the files beside it could "
            "not be opened: see `dmesg` and `ulimit -n`",
            path=path,
        )
    if isinstance(error, _DAMAGED):
        return StoreDamaged(
            f"{where}: the file is not what was written ({error}); "
            "restore a copy, or move it away and start anew: objects are kept beside it",
            path=path,
        )
    if isinstance(error, apsw.ConnectionClosedError):
        return StoreError(f"{where}: it was closed; open it again", path=path)
    if isinstance(error, apsw.TooBigError):
        return StoreError(f"{where}: a value is too big for a row; store it as an object", path=path)
    if isinstance(error, apsw.CantOpenError):
        return StoreError(
            f"{where}: {error}: its folder is not ours, its disk fails (see `dmesg`), or too many files are open: "
            + ADVICE[errno.EMFILE],
            path=path,
        )
    if isinstance(error, apsw.IOError):
        return StoreError(f"{where}: {error}: {ADVICE[errno.EIO]}", path=path)
    return StoreError(f"{where}: {type(error).__name__}: {error}", path=path)


def _is_out_of_space(error: apsw.Error) -> bool:
    if not isinstance(error, apsw.IOError | apsw.CantOpenError):
        return False
    shared_memory = getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE
    return shared_memory or getattr(error, "__context_errno__", None) in _NO_SPACE
