"""A step to the cells of its row and back: written for speed, since a run may have a million."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from blake3 import blake3
from msgspec.structs import astuple

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.digests import row_digest
from milepost.store.sqlite.columns import Cell, from_integer, from_real, from_text, text_cell, to_cell

LONGEST_ITEM = 200  # characters; the index holds a hash of those beyond it
HEX_DIGITS = 32  # items of so many are kept as bytes, as those are named that have no key
HEX = b"\xfe"  # before them; no text in UTF-8 has it
SAME = 1  # instead of a digest: that which the item is named by
STATUSES = tuple(ProcessingStatus)
CODES: Mapping[ProcessingStatus, int] = {status: code for code, status in enumerate(STATUSES)}
NAN = float("nan")

# Values in the order of the table's columns, and no more text than needed: a statement is found again by its text.
_MARKS = ",".join("?" * 16)
INSERT = f"INSERT INTO steps VALUES(NULL,{_MARKS})ON CONFLICT DO NOTHING"
AT_ONCE = 100  # rows in a statement, which opens table and indexes once for them
# The transaction is rolled back when one of them fails. Without OR FAIL, or with a seq, each statement would keep a
# journal of its own: a copy of every page that it changes, in a file beyond 64 kB.
_COLUMNS = (
    "run,step,item,attempt,status,key,digest,row_digest,seconds,at,address,error,result,long_item,details,metrics"
)
_ROWS = ",".join([f"({_MARKS})"] * AT_ONCE)
INSERT_MANY = f"INSERT OR FAIL INTO steps({_COLUMNS})VALUES{_ROWS}ON CONFLICT DO NOTHING"
# A step alone, with its fence: one statement is a transaction of its own, at half the cost of BEGIN, INSERT, COMMIT.
INSERT_FENCED = (
    f"INSERT INTO steps SELECT NULL,{_MARKS} WHERE EXISTS(SELECT 1 FROM runs WHERE id=? AND epoch=?)"
    "ON CONFLICT DO NOTHING"
)
# The same for a step of an item that may have none yet: a run that is NULL is ignored. As a SELECT it would be twice as
# slow, since what reads the table that it fills is first collected.
INSERT_FRESH = (
    "INSERT OR IGNORE INTO steps VALUES(NULL,"
    "CASE WHEN NOT EXISTS(SELECT 1 FROM steps WHERE run=?1 AND step=?2 AND item=?3)THEN ?1 END,?2,?3,"
    f"{','.join('?' * 13)})"
)

Cells = tuple[Cell, ...]
Found = tuple[int, StepRow | None, bool]  # the seq, None where it cannot be made out, whether it is what was written


def encode(row: StepRow, numbers: Mapping[str, int]) -> Cells:
    """What INSERT binds; `numbers` knows the row's words."""
    _, run, step, item, attempt, status, key, digest, result, address, error, seconds, at, details, metrics = astuple(
        row
    )
    code = CODES[status]
    seconds, at = seconds + 0.0, at + 0.0  # as they come back: floats, one zero and
    is_strange = seconds != seconds or at != at  # one NaN
    if is_strange:
        seconds, at = NAN if seconds != seconds else seconds, NAN if at != at else at
    said: tuple[object, ...] = (run, step, item, attempt, code, key, digest, seconds, at, address, error, result)
    if details is not None or metrics is not None:
        said = (*said, details, metrics)
        details, metrics = to_cell(details), to_cell(metrics)
    sealed = row_digest(said)
    if address is not None or error is not None:
        address, error = to_cell(address), to_cell(error)
    if is_strange:
        seconds, at = to_cell(seconds), to_cell(at)
    if attempt != 1:
        attempt = to_cell(attempt)
    if len(item) == HEX_DIGITS and digest.hex() == item:
        item, long_item, digest = HEX + digest, None, SAME
    elif type(item) is str and len(item) < HEX_DIGITS and item.isascii():
        long_item = None  # as most names are: the cell is the name
    else:
        item, long_item = item_cells(item)
    return (
        numbers[run], numbers[step], item, attempt, code, numbers[key], digest, sealed, seconds, at, address, error,
        result, long_item, details, metrics,
    )  # fmt: skip


def inserts(several: Sequence[Cells]) -> Iterator[tuple[str, Sequence[Cells]]]:
    """The statements that insert these cells, each with what it binds, time after time."""
    end = len(several) // AT_ONCE * AT_ONCE
    if end:
        flat = [chain.from_iterable(several[start : start + AT_ONCE]) for start in range(0, end, AT_ONCE)]
        yield INSERT_MANY, [tuple(cells) for cells in flat]
    if end < len(several):
        yield INSERT, several[end:]


def decode(cells: Sequence[Any], texts: Mapping[int, str]) -> Found:
    """The row, or none where a flipped bit made of a cell what no row can hold."""
    try:
        (
            seq,
            run,
            step,
            item,
            attempt,
            code,
            key,
            digest,
            sealed,
            seconds,
            at,
            address,
            error,
            result,
            details,
            metrics,
        ) = cells
        run, step, key = texts[run], texts[step], texts[key]
        if type(digest) is int:
            digest = item[1:]
        if type(item) is not str or type(attempt) is not int:
            item, attempt = item_of(item), from_integer(attempt)
        if type(seconds) is not float or type(at) is not float:
            seconds, at = from_real(seconds), from_real(at)
        if address is not None or error is not None:
            address = None if address is None else from_text(address)
            error = None if error is None else from_text(error)
        if details is not None or metrics is not None:
            details = None if details is None else from_text(details)
            metrics = None if metrics is None else from_text(metrics)
        row = StepRow(
            seq=seq, run=run, step=step, item=item, attempt=attempt, status=STATUSES[code], key=key, digest=digest,
            result=result, address=address, error=error, seconds=seconds, at=at, details=details, metrics=metrics,
        )  # fmt: skip
        said: tuple[object, ...] = (run, step, item, attempt, code, key, digest, seconds, at, address, error, result)
        if details is not None or metrics is not None:
            said = (*said, details, metrics)
        is_whole = row_digest(said) == sealed
    except (ValueError, TypeError, LookupError):
        return int(cells[0]), None, False
    return seq, row, is_whole


def item_cells(item: str) -> tuple[Cell, Cell]:
    """What the index holds for an item key, and the whole of a long one."""
    if len(item) == HEX_DIGITS and (digits := _bytes_of(item)) is not None:
        return HEX + digits, None
    if len(item) <= LONGEST_ITEM:
        return text_cell(item), None
    whole = item.encode("utf-8", "surrogatepass")
    return b"\xff" + blake3(whole).digest(), text_cell(item)


def item_of(cell: str | bytes) -> str:
    """The item key that a cell holds, unless it is a long one's."""
    return cell[1:].hex() if type(cell) is bytes and cell[:1] == HEX else from_text(cell)


def _bytes_of(digits: str) -> bytes | None:
    """What hexadecimal digits stand for, when they are written as we write them."""
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        return None
    return found if found.hex() == digits else None
