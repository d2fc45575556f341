"""The items of a run as other programs read them: CSV, JSON, Parquet, a page of the ledger at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec

from milepost.errors import InvalidDataError, MissingExtra
from milepost.model.refusal import refusal_text
from milepost.model.rows import StepRow
from milepost.model.shortening import encodable
from milepost.model.status import ProcessingStatus
from milepost.model.text import inert
from milepost.store.protocol import Store
from milepost.views.items import last_attempts
from milepost.views.view import View, utc

PAGE = 1_000  # as many as the store tells the last attempts of at once
FORMATS = ("csv", "json", "parquet")


class ItemRecord(View, frozen=True, kw_only=True):
    """One attempt of one item. `details` and `metrics` are JSON."""

    run: str
    stage: str
    item: str
    attempt: int
    status: ProcessingStatus
    seconds: float
    at: datetime | None
    error: str | None
    details: msgspec.Raw | None
    metrics: msgspec.Raw | None


Pages = Iterator[list[ItemRecord]]


def item_pages(
    store: Store,
    run: str,
    *,
    name: str,
    stage: str | None = None,
    status: Sequence[ProcessingStatus] | None = None,
    attempts: bool = False,
) -> Pages:
    """The items of a run called `name`, in the order they were recorded; `attempts`: every attempt, not the last alone.

    The run "" has the documents that belong to none.
    """
    asked: dict[str, Any] = {"step": stage, "status": None if status is None else tuple(status)}
    equal = {column: value for column, value in asked.items() if value is not None}
    after = 0
    while rows := store.rows(StepRow, run=run, after=after, limit=PAGE, **equal):
        after = rows[-1].seq
        yield [_record(row, name) for row in (rows if attempts else last_attempts(store, run, rows))]


def write_csv(pages: Pages, out: TextIO) -> None:
    """One line an item under one of titles; what a spreadsheet would take for a formula is mere text."""
    from csv import writer

    lines = writer(out, lineterminator="\n")
    lines.writerow(ItemRecord.__struct_fields__)
    for page in pages:
        lines.writerows([inert(cell) for cell in _cells(record)] for record in page)


def write_json(pages: Pages, out: TextIO) -> None:
    """One array, with an item on each line."""
    encode = msgspec.json.Encoder().encode
    out.write("[")
    before = "\n"
    for page in pages:
        for record in page:
            out.write(f"{before}{encode(record).decode()}")
            before = ",\n"
    out.write("\n]\n")


def write_parquet(pages: Pages, path: Path) -> None:
    """A file with a group of rows for each page. Raises MissingExtra without pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("Parquet needs pyarrow: run  pip install 'milepost[frames]'") from None
    text, moment = pyarrow.string(), pyarrow.timestamp("us", tz="UTC")
    kinds = {"attempt": pyarrow.int64(), "seconds": pyarrow.float64(), "at": moment}
    schema = pyarrow.schema([(name, kinds.get(name, text)) for name in ItemRecord.__struct_fields__])
    with parquet.ParquetWriter(path, schema) as writer:
        for page in pages:
            columns = zip(*(_cells(record, at=record.at) for record in page), strict=True)
            arrays = [pyarrow.array(cells, kind.type) for cells, kind in zip(columns, schema, strict=True)]
            if arrays:
                writer.write_batch(pyarrow.record_batch(arrays, schema=schema))


def export(pages: Pages, form: str, path: Path) -> None:
    """Write the file whole or not at all. Raises InvalidDataError where it cannot be written, MissingExtra."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        if form == "parquet":
            write_parquet(pages, part)
        else:
            with open(part, "w", encoding="utf-8", newline="") as file:
                WRITERS[form](pages, file)
        os.replace(part, path)
    except OSError as error:
        raise InvalidDataError(f"cannot write {path}: {refusal_text(error)}", path=str(path)) from error
    finally:
        with suppress(OSError):
            part.unlink()


WRITERS: dict[str, Callable[[Pages, TextIO], None]] = {"csv": write_csv, "json": write_json}


def _record(row: StepRow, run: str) -> ItemRecord:
    return ItemRecord(
        run=run,
        stage=row.step,
        item=row.item,
        attempt=row.attempt,
        status=row.status,
        seconds=row.seconds,
        at=utc(row.at),
        error=row.error,
        details=None if row.details is None else msgspec.Raw(row.details.encode()),
        metrics=None if row.metrics is None else msgspec.Raw(row.metrics.encode()),
    )


def _cells(record: ItemRecord, at: datetime | None = None) -> list[object]:
    """The record as plain values; the time as text unless it is given."""
    return [
        encodable(record.run),
        encodable(record.stage),
        encodable(record.item),
        record.attempt,
        record.status.value,
        record.seconds,
        at or (record.at.isoformat() if record.at else None),
        None if record.error is None else encodable(record.error),
        _text(record.details),
        _text(record.metrics),
    ]


def _text(raw: msgspec.Raw | None) -> str | None:
    return None if raw is None else bytes(raw).decode()
