"""Decisions as rows, and rows as decisions: what JSON holds exactly is JSON, the rest an object, secrets masked."""

from __future__ import annotations

from typing import cast

import msgspec

from milepost.errors import InvalidDataError, MilepostError, ObjectError
from milepost.kernel import host
from milepost.kernel.clock import SYSTEM
from milepost.kernel.user import user_name
from milepost.model.decision import Choice, DecisionPoint
from milepost.model.files import File
from milepost.model.fingerprint.values import digest, preview
from milepost.model.redaction import redact, redact_value
from milepost.model.rows import DecisionRow, RunRow
from milepost.model.shortening import encodable, shortened
from milepost.process.definition import Process
from milepost.store.objects import Objects
from milepost.store.protocol import Store


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A value as a ledger keeps it: `text` is JSON, a preview when `address` has the value or nothing has it."""

    text: str
    address: str | None = None
    is_redacted: bool = False


def write_value(point: DecisionPoint, value: object, objects: Objects) -> Written:
    """The value in a form that comes back equal, or masked. Secrets are in no form kept."""
    written = in_json(point, value)
    if written is not None:
        return written
    shown = redact_value(point.name, value)[0]
    try:
        text = _json(shown)
    except (TypeError, ValueError, OverflowError):
        text = _json(redact(preview(value)))
    try:
        return Written(text=text, address=objects.put(value).address)
    except ObjectError:
        return Written(text=text, is_redacted=True)


def in_json(point: DecisionPoint, value: object) -> Written | None:
    """The value as JSON that comes back equal, or masked where it has secrets; None when JSON cannot hold it."""
    shown, has_secrets = redact_value(point.name, _built_in(value))
    try:
        text = _json(shown)
        if has_secrets:
            return Written(text=text, is_redacted=True)
        return Written(text=text) if _comes_back(point, text, value) else None
    except (TypeError, ValueError, OverflowError):
        return None


def read_value(point: DecisionPoint, row: DecisionRow, objects: Objects) -> object:
    """The value that was written. Raises InvalidDataError for one that was not kept, ObjectError for a lost one."""
    if row.is_redacted:
        raise InvalidDataError(
            f"the value chosen for {point.path} is not kept, as it is secret or cannot be stored; give it again",
            decision=point.path,
        )
    value = objects.get(row.address) if row.address is not None else msgspec.json.decode(row.value)
    return point.accept(value)


def note_text(note: object) -> str | None:
    """A note as it is recorded: bounded, without secrets. Raises InvalidDataError for what is no text."""
    if note is None:
        return None
    if not isinstance(note, str):
        raise InvalidDataError(f"a note is a text that says why, not {preview(note, 80)}")
    return encodable(redact(shortened(note))) or None


def decision_row(run: str, choice: Choice, objects: Objects, *, at: float | None = None) -> DecisionRow:
    """The row that records this choice now."""
    written = write_value(choice.point, choice.value, objects)
    return DecisionRow(
        run=run,
        stage=choice.point.stage,
        name=choice.point.name,
        value=written.text,
        source=choice.source,
        who=user_name(),
        host=host.host(),
        at=SYSTEM.now() if at is None else at,
        note=choice.note,
        address=written.address,
        is_redacted=written.is_redacted,
        default=_default(choice.point),
    )


def recorded_decisions(store: Store, objects: Objects, run: RunRow, process: Process) -> dict[str, object]:
    """The decisions of a run as they were recorded, for those decision points that still exist.

    One whose decision point is gone is given on, so that settling it says so. Raises InvalidDataError for one that was
    chosen and whose value was not kept: its default would be another choice.
    """
    current = {(row.stage, row.name): row for row in store.rows(DecisionRow, run=run.id)}
    points = process.points
    decisions: dict[str, object] = {}
    for (stage, name), row in current.items():
        point = points.get(stage, {}).get(name)
        if row.source == "default" and (point is None or row.is_redacted):
            continue  # its default stands
        if row.is_redacted:
            raise InvalidDataError(
                f"run {run.name}: the value chosen for {stage}.{name} is not kept, as it is secret or cannot be "
                "stored; start it as before, with that value, and it goes on where it was",
                run=run.name,
                decision=f"{stage}.{name}",
            )
        unchecked = DecisionPoint(stage=stage, name=name)  # settling will check it, and say what does not fit
        decisions[f"{stage}.{name}"] = read_value(unchecked, row, objects)
    return decisions


def _built_in(value: object) -> object:
    """Dataclasses, structs, dates and the like as their schema can rebuild them; the value itself where none can."""
    try:
        return cast(
            "object", msgspec.to_builtins(value, builtin_types=(bytes, bytearray, memoryview), enc_hook=_as_text)
        )
    except (TypeError, ValueError, RecursionError):
        return value


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was carried out with: every value that was kept, and the paths of those that were not."""

    decisions: dict[str, dict[str, object]]
    left_out: tuple[str, ...]


def values_of(store: Store, objects: Objects, run: RunRow) -> Recorded:
    """Every decision of a run with the value that held, chosen or default. Raises ObjectError for a lost one."""
    current = {(row.stage, row.name): row for row in store.rows(DecisionRow, run=run.id)}
    decisions: dict[str, dict[str, object]] = {}
    left_out: list[str] = []
    for (stage, name), row in current.items():
        if row.source == "removed" or (row.source == "default" and row.is_redacted):
            continue  # there is none, or the default stands
        if row.is_redacted:
            left_out.append(f"{stage}.{name}")
        else:
            decisions.setdefault(stage, {})[name] = read_value(DecisionPoint(stage=stage, name=name), row, objects)
    return Recorded(decisions=decisions, left_out=tuple(left_out))


def _comes_back(point: DecisionPoint, text: str, value: object) -> bool:
    try:
        return digest(point.accept(msgspec.json.decode(text))) == digest(value)
    except (MilepostError, ValueError, TypeError):
        return False


def _default(point: DecisionPoint) -> str | None:
    if point.is_required:
        return None
    try:
        return _json(redact_value(point.name, point.default)[0])
    except (TypeError, ValueError, OverflowError):
        return _json(redact(preview(point.default)))


def _json(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=_as_text).decode()


def _as_text(value: object) -> object:
    if isinstance(value, File):
        return str(value)
    raise TypeError
