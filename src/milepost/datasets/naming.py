"""Names of data sets: one path segment, so that a name can lead nowhere but into its folder."""

from __future__ import annotations

from milepost.errors import DataSetError

LONGEST_NAME = 200  # characters
LONGEST_BYTES = 240  # of a file name, which may have 255, less the suffix


def checked_name(name: object) -> str:
    """`name`, if it can be one. Raises DataSetError that says what is wrong with it.

    Example:
        >>> checked_name("orders 2026")
        'orders 2026'
    """
    if not isinstance(name, str):
        raise DataSetError(f"the name of a data set is text, not {type(name).__name__}")
    trouble = _trouble(name)
    if trouble:
        raise DataSetError(f"a data set cannot be named {shortened(name)}: {trouble}")
    return name


def shortened(name: str) -> str:
    """The name as it can stand in a message."""
    return repr(name) if len(name) <= 60 else f"{name[:40]!r}… ({len(name):,} characters)"


def _trouble(name: str) -> str | None:
    if not name:
        return "it is empty"
    if len(name) > LONGEST_NAME:
        return f"it has more than {LONGEST_NAME} characters"
    if "/" in name or "\\" in name:
        return "a name is no path; give paths in config['dummy_data_filepaths']"
    if name.startswith("."):
        return "it begins with a dot"
    if name != name.strip():
        return "it begins or ends with a space"
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in name):
        return "it has control characters"
    return _too_long_or_no_text(name)


def _too_long_or_no_text(name: str) -> str | None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return f"it has more than {LONGEST_BYTES} bytes" if size > LONGEST_BYTES else None
