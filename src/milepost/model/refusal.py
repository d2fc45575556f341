"""What the operating system's refusal of a file means, and what to do about it, in words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from milepost.errors import WorkspaceError

ADVICE = {
    errno.EMFILE: "raise the limit of this shell with `ulimit -n 4096`, or use fewer workers; the same command goes on",
    errno.ENFILE: "the whole machine has too many: end other programs; the same command goes on",
    errno.EIO: "the disk or the way to it fails: check it (`dmesg`); what is recorded stays, the same command goes on",
}


def refusal_text(error: OSError) -> str:
    """The system's own text, and behind it what to do where that is known.

    Example:
        >>> refusal_text(OSError(errno.ENOENT, "No such file or directory"))
        'No such file or directory'
        >>> refusal_text(OSError(errno.EMFILE, "Too many open files")).partition("`")[0]
        'Too many open files; raise the limit of this shell with '
    """
    said = error.strerror or str(error)
    advice = ADVICE.get(error.errno or 0)
    return f"{said}; {advice}" if advice else said


@contextmanager
def refusals_said(what: str) -> Iterator[None]:
    """WorkspaceError in place of a refusal with known advice; `what` was done. An import may meet one as well.

    Example:
        >>> with refusals_said("cannot open it"):
        ...     raise OSError(errno.ENFILE, "Too many open files in system")
        Traceback (most recent call last):
        milepost.errors.WorkspaceError: cannot open it: Too many open files in system; the whole machine has too ...
    """
    try:
        yield
    except OSError as error:
        if error.errno not in ADVICE:
            raise
        raise WorkspaceError(f"{what}: {refusal_text(error)}") from error
