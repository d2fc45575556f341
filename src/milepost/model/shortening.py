"""Texts of any length cut to what a row or a paragraph can hold."""

from __future__ import annotations

import re

LONGEST = 2_000  # characters
_TAIL = 300  # an error's text often ends with what to do
_CUT = re.compile(r" … \(([\d,]+) characters\) … ")


def shortened(text: str, most: int = LONGEST) -> str:
    """The text, or its beginning and end with its length between them, about `most` characters in all.

    Example:
        >>> shortened("x" * 5_000_000, 4)[:30]
        'xx … (5,000,000 characters) … '
    """
    if len(text) <= most:
        return text
    earlier = _CUT.search(text)  # an error that was cut is told in another: its first length is the true one
    length = earlier[1] if earlier else f"{len(text):,}"
    tail = min(_TAIL, most // 2)
    return f"{text[: most - tail]} … ({length} characters) … {text[-tail:]}"


def encodable(text: str) -> str:
    """The text with what UTF-8 cannot hold written as an escape: half characters from the names of files.

    Example:
        >>> encodable("caf\\udce9")
        'caf\\\\udce9'
    """
    return text.encode("utf-8", "backslashreplace").decode()
