"""What a scenario may be called, and which names are the same."""

from __future__ import annotations

import unicodedata

from milepost.errors import ScenarioStateError
from milepost.model.fingerprint.preview import preview

LONGEST_NAME = 200  # characters


def checked_name(name: str) -> str:
    """The name, stripped and composed (NFC). Raises ScenarioStateError unless it is 1 to 200 characters that are seen.

    So that names which look the same are the same, from whichever keyboard or file system they come.
    """
    stripped = composed(name) if isinstance(name, str) else ""
    if not stripped or len(stripped) > LONGEST_NAME or not stripped.isprintable():
        raise ScenarioStateError(
            f"a scenario's name is a text of 1 to {LONGEST_NAME} characters, all printable, not {preview(name, 80)}"
        )
    return stripped


def composed(name: str) -> str:
    """The name without spaces around it, each accented letter as one character."""
    return unicodedata.normalize("NFC", name.strip())
