"""The name a user may have meant."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_NAME = 200  # characters; comparing takes the square of it

MOST_NAMED = 20  # names in one error


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like this one, or None when none is alike.

    Example:
        >>> nearest("claen", ["orders", "clean"])
        'clean'
    """
    if len(name) > LONGEST_NAME:
        return None
    from difflib import get_close_matches  # only wanted when something is already wrong

    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'clean'?"`, or the known names, as the end of an error's text."""
    known = sorted(known)
    match = nearest(name, known)
    if match is not None:
        return f" Did you mean {match!r}?"
    more = f" and {len(known) - MOST_NAMED:,} more" if len(known) > MOST_NAMED else ""
    return f" Known: {', '.join(known[:MOST_NAMED])}{more}." if known else ""
