"""`DataManager`: what a program loads and saves by name, wherever it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, overload

from milepost.datasets.files import Files
from milepost.datasets.naming import checked_name
from milepost.datasets.request import DataSet, Request
from milepost.datasets.settings import DataSettings
from milepost.datasets.shapes import wanted_kind
from milepost.errors import DataSetError, UnkeyableError
from milepost.model.files import File

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    import pandas
    import polars


class Source(Protocol):
    """Where data sets are: files or tables. Names are checked before."""

    def sets(self) -> list[DataSet]: ...
    def has(self, name: str) -> bool: ...
    def path(self, name: str) -> Path: ...
    def parts(self, name: str, request: Request, form: str | None) -> Iterator[object]: ...
    def save(self, name: str, data: object, *, form: str | None, replace: bool) -> None: ...
    def connect(self) -> None: ...
    def disconnect(self) -> None: ...


class DataManager:
    """Named data sets, loaded and saved. Made by `make_data_manager`.

    Example:
        >>> data = make_data_manager({"output_dir": "out"})
        >>> data.save_data("orders", [{"id": 1, "net": 9.5}, {"id": 2, "net": None}]).path.endswith("orders.csv")
        True
        >>> data.load_data("orders", as_="records")
        [{'id': 1, 'net': 9.5}, {'id': 2, 'net': None}]
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __repr__(self) -> str:
        return f"<DataManager: {self._source!r}>"

    def __enter__(self) -> DataManager:
        return self.connect()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    def __milepost_key__(self) -> object:
        """A stage that loads data by itself is not reused: whether they changed cannot be known before it does."""
        raise UnkeyableError("a data manager may load other data each time: take data_manager.path(name) as a File")

    def connect(self) -> DataManager:
        """Connect to the database now rather than at first use; with files there is nothing to do."""
        self._source.connect()
        return self

    def disconnect(self) -> None:
        """Close the connections to the database; with files there is nothing to do. Loading connects again."""
        self._source.disconnect()

    def names(self) -> list[str]:
        """The names of all data sets, sorted."""
        return [each.name for each in self._source.sets()]

    def list_data(self) -> list[DataSet]:
        """All data sets, by name: where each is, its format and size, whether it is there."""
        return self._source.sets()

    def has(self, name: str) -> bool:
        """Whether there is something to load by this name."""
        return self._source.has(checked_name(name))

    def path(self, name: str) -> File:
        """The file of a data set, as a decision whose content counts. Raises DataSetError for a table."""
        return File(self._source.path(checked_name(name)))

    @overload
    def load_data(
        self,
        name: str,
        *,
        as_: Literal["records"],
        columns: Iterable[str] | None = ...,
        chunks: None = ...,
        format: str | None = ...,
        missing: Iterable[str] = ...,
        text: Iterable[str] = ...,
        separator: str = ...,
    ) -> list[dict[str, object]]: ...
    @overload
    def load_data(
        self,
        name: str,
        *,
        as_: Literal["polars"],
        columns: Iterable[str] | None = ...,
        chunks: None = ...,
        format: str | None = ...,
        missing: Iterable[str] = ...,
        text: Iterable[str] = ...,
        separator: str = ...,
    ) -> polars.DataFrame: ...
    @overload
    def load_data(
        self,
        name: str,
        *,
        as_: Literal["pandas"] | None = ...,
        columns: Iterable[str] | None = ...,
        chunks: None = ...,
        format: str | None = ...,
        missing: Iterable[str] = ...,
        text: Iterable[str] = ...,
        separator: str = ...,
    ) -> pandas.DataFrame: ...
    @overload
    def load_data(
        self,
        name: str,
        *,
        as_: str | None = ...,
        columns: Iterable[str] | None = ...,
        chunks: int,
        format: str | None = ...,
        missing: Iterable[str] = ...,
        text: Iterable[str] = ...,
        separator: str = ...,
    ) -> Iterator[pandas.DataFrame]: ...
    def load_data(
        self,
        name: str,
        *,
        as_: str | None = None,
        columns: Iterable[str] | None = None,
        chunks: int | None = None,
        format: str | None = None,  # noqa: A002  # a keyword, and the plain word
        missing: Iterable[str] = (),
        text: Iterable[str] = (),
        separator: str = ",",
    ) -> object:
        """The data set of this name: a pandas frame if pandas is installed, else a polars frame, else records.

        `as_` is "pandas", "polars" or "records". With `chunks=100_000` it is an iterator over pieces of so many rows.
        `format` chooses among files of one name. For CSV: `missing` are words that mean no value (an empty field
        always does), `text` the columns that stay text, `separator` what stands between fields.

        Raises UnknownDataSetError naming those that exist, DataSetError naming the column, file or line.
        """
        request = Request(
            kind=wanted_kind(as_),
            columns=_texts("columns", columns),
            chunks=_row_count(chunks),
            missing=_texts("missing", missing) or (),
            text=_texts("text", text) or (),
            separator=_one_character(separator),
        )
        parts = self._source.parts(checked_name(name), request, format)
        first = next(parts)  # what is wrong is said here, not when the first chunk is asked for
        return first if chunks is None else _from(first, parts)

    def save_data(
        self,
        name: str,
        data: object,
        *,
        format: str | None = None,  # noqa: A002
        replace: bool = True,
    ) -> DataSet:
        """Save a pandas or polars frame, or mappings (a list, or an iterator that is consumed), under this name.

        A file goes to output_dir and appears whole or not at all: who reads meanwhile, and who reads after this was
        killed, has the old one. Inputs are never written over. With `replace=False` nothing that is there is replaced.
        `format` is "csv" (the default), "parquet", "json" or "jsonl". A table is replaced in one transaction.

        Raises DataSetError; what was there before is then unchanged.
        """
        self._source.save(checked_name(name), data, form=format, replace=replace)
        return next(each for each in self._source.sets() if each.name == name)


def make_data_manager(config: Mapping[str, object] | None = None, *, use_db: bool | None = None) -> DataManager:
    """The data manager of a configuration: files, or with `use_db` the tables of the database at config["db_url"].

    `use_db=None` takes config["use_db"]. Nothing is opened or made before the first use.

    Example:
        >>> make_data_manager({"dummy_data_filepaths": {"orders": "raw/orders.csv"}}).names()
        ['orders']
    """
    settings = DataSettings.read(config)
    chosen = settings.use_db if use_db is None else use_db
    if not chosen:
        return DataManager(Files(settings.without_address()))
    from milepost.datasets.tables import Tables  # only those who have a database need it

    return DataManager(Tables(settings.database()))


def _from(first: object, rest: Iterator[object]) -> Iterator[object]:
    yield first
    yield from rest


def _texts(option: str, given: Iterable[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    texts = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(text, str) for text in texts):
        raise DataSetError(f"{option}= takes names, not {texts!r}")
    return texts


def _row_count(chunks: object) -> int | None:
    if chunks is None or (isinstance(chunks, int) and not isinstance(chunks, bool) and chunks > 0):
        return chunks
    raise DataSetError(f"chunks= is a number of rows, at least 1, not {chunks!r}")


def _one_character(separator: object) -> str:
    if isinstance(separator, str) and len(separator) == 1 and separator not in '"\r\n':
        return separator
    raise DataSetError(f"separator= is one character, not {separator!r}")
