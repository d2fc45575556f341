"""From a target on the command line to its process; what goes wrong while it is loaded is the target's fault."""

from __future__ import annotations

import traceback

from milepost.errors import Cancelled, MilepostError, TargetError
from milepost.process.definition import Process
from milepost.process.targets import load_target


def load(target: str) -> Process:
    """The process; an exception of the user's module becomes a TargetError that says where it was raised."""
    try:
        return load_target(target)
    except (MilepostError, Cancelled, KeyboardInterrupt):
        raise
    except BaseException as error:  # a script that exits would pass its code off as ours
        raise TargetError(f"{target} cannot be loaded: {type(error).__name__}: {error}{_where(error)}") from error


def _where(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its text has the place already
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    frames = [
        frame for frame in frames if f"milepost{'/'}" not in frame.filename or "/site-packages/" in frame.filename
    ]
    return f", at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
