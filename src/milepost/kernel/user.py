"""Who is at work, for the record."""

from __future__ import annotations

import os


def user_name() -> str:
    """The user's login name, or the number where there is none."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, AttributeError):
        return os.environ.get("USERNAME") or os.environ.get("USER") or "unknown"
