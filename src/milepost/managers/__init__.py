"""The managers of a running job."""

from __future__ import annotations

from milepost.managers.levels import LogLevel

__all__ = ["LogLevel"]
