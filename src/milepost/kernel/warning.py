"""Saying once that observation degrades, without ever raising: not from a thread, not under `-W error`."""

from __future__ import annotations

import contextlib
import sys
import warnings


def warn(text: str) -> None:
    """Warn with a RuntimeWarning; where warnings are errors, write the text to the real standard error
    instead.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as seen:
        ...     warnings.simplefilter("always")
        ...     warn("the log cannot be written")
        >>> str(seen[0].message)
        'the log cannot be written'
    """
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    except RuntimeWarning:
        with contextlib.suppress(Exception):
            print(f"milepost: {text.removeprefix('milepost: ')}", file=sys.__stderr__)
