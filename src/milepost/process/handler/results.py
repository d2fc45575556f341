"""What a stage or substage leaves behind: stored when it can be, kept in the process and said so when not."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from typing import TypedDict

from milepost.errors import ObjectError
from milepost.process.handler.keeping import harmless
from milepost.store.objects import Objects


class Left(TypedDict, total=False):
    """The fields of `Ended`."""

    address: str | None
    packed: bytes | None
    unstored: str | None
    result: object


def as_result(result: object) -> object:
    """What a program says is its result; of what `get_stage_data` gave, the value as it was computed."""
    from milepost.process.manager.stage_data import StageData

    return result.value if isinstance(result, StageData) and result.exception is None else result


def store_result(objects: Objects, result: object) -> Left:
    """The result as one object. What no codec can hold, and what the disk refuses, stays in this process."""
    if result is None:
        return {}
    try:
        return {"address": objects.put(result).address, "result": result}
    except ObjectError as error:
        return {"unstored": harmless(error), "result": result}


def pack_result(objects: Objects, result: object) -> Left:
    """The result of a substage: inline when it is small."""
    if result is None:
        return {}
    try:
        packed = objects.pack(result)
    except ObjectError as error:
        return {"unstored": harmless(error), "result": result}
    return {"packed": packed.result, "address": packed.address, "result": result}


def error_of(result: object) -> tuple[str, str | None]:
    """What went wrong, in words, and where: what the result says, else the exception that is being handled."""
    error = sys.exception()
    said = _said(result)
    if error is None or not isinstance(error, Exception):
        return said or "failed, and nobody said why", None
    where = harmless("".join(traceback.format_exception(error)))
    return said or harmless(f"{type(error).__name__}: {error}"), where


def _said(result: object) -> str:
    if isinstance(result, Mapping):
        for name in ("error", "error_message"):
            said = harmless(result.get(name))
            if said:
                return said
    return harmless(result) if isinstance(result, str) else ""
