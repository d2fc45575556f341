"""A connection to a database whose address stays secret, and whose refusals are told in our words."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from milepost.datasets.shapes import needed
from milepost.errors import DataSetError, MissingExtra
from milepost.model.redaction import names_a_secret, redact, register_secret

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_FOR_WRITING = "milepost_writes"
_IN_MEMORY = (None, "", ":memory:")


class Database:
    """The database at an address. Connects at first use; a forked child has connections of its own.

    Raises DataSetError for an address that cannot be, MissingExtra when SQLAlchemy or the driver is absent.
    """

    def __init__(self, address: str) -> None:
        self._url = _parsed(address)
        self._made: Engine | None = None
        self._made_in = 0

    def __repr__(self) -> str:
        place = f"{self._url.host or ''}/{self._url.database or ''}"
        return redact(f"{self._url.get_backend_name()} database {place.removeprefix('/') or 'in memory'}")

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite, which knows neither time zones nor decimal numbers."""
        return bool(self._url.get_backend_name() == "sqlite")

    def is_missing(self) -> bool:
        """Whether it is a SQLite file that is not there; connecting would make an empty one."""
        database = self._url.database
        if not self.is_sqlite or database in _IN_MEMORY or str(database).startswith("file:"):
            return False
        return not Path(str(database)).exists()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: all that it reads is of one moment."""
        with self._told(), self._engine().connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is kept when the block ends well, and undone when it does not."""
        with self._told():
            engine = self._engine().execution_options(**{_FOR_WRITING: True})
            with engine.begin() as connection:
                yield connection

    def connect(self) -> None:
        """Connect, to see that it can be done."""
        if self.is_missing():
            raise DataSetError(f"{self!r} is not there")
        with self.reading() as connection:
            connection.exec_driver_sql("SELECT 1")

    def disconnect(self) -> None:
        """Close the connections that are not in use."""
        if self._made is not None:
            self._made.dispose(close=self._made_in == os.getpid())
            self._made = None

    def _engine(self) -> Engine:
        if self._made is not None and self._made_in != os.getpid():
            self._made.dispose(close=False)  # the connections are the parent's
            self._made = None
        if self._made is None:
            self._made, self._made_in = _made(self._url), os.getpid()
        return self._made

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of SQLAlchemy and of drivers as ours, without parameters or anything secret."""
        import sqlalchemy.exc

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", sqlalchemy.exc.SAWarning)  # types that reflection does not know
                yield
        except sqlalchemy.exc.SQLAlchemyError as error:
            text = redact(str(getattr(error, "orig", None) or error).strip().partition("\n")[0])
            raise DataSetError(f"{self!r}: {text}") from None  # what it came from may hold the address
        except (OverflowError, ValueError, TypeError) as error:  # of a value, before it reached the database or after
            raise DataSetError(f"{self!r}: a value that cannot be converted: {redact(str(error))}") from None


def _parsed(address: str) -> URL:
    """The address, its secrets masked in all texts from now on. No error repeats it."""
    sqlalchemy = needed("sqlalchemy", "use_db=True")
    authority = address.partition("://")[2].partition("/")[0]
    if authority.count("@") > 1:
        raise DataSetError("config['db_url'] has more than one @ before the host: write those of a password as %40")
    try:
        url = sqlalchemy.make_url(address)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise DataSetError("config['db_url'] is no address of a database such as sqlite:///sales.db") from None
    given = [url.password, *(value for name, value in url.query.items() if names_a_secret(name))]
    for secret in given:
        if isinstance(secret, str) and len(secret) >= 4:
            register_secret(secret)
    return _absolute(url)


def _absolute(url: URL) -> URL:
    """A SQLite file stays the same when the working folder changes."""
    database = url.database
    if url.get_backend_name() != "sqlite" or database in _IN_MEMORY or str(database).startswith("file:"):
        return url
    return url.set(database=os.path.abspath(str(database)))


def _made(url: URL) -> Engine:
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except sqlalchemy.exc.NoSuchModuleError:
        raise DataSetError(f"config['db_url']: SQLAlchemy knows no database {url.drivername!r}") from None
    except ImportError as error:
        driver = error.name or url.drivername
        message = f"{url.get_backend_name()} needs the driver {driver}, which is not installed: pip install {driver}"
        raise MissingExtra(message) from error
    if url.get_backend_name() == "sqlite":
        _begin_as_told(engine)
    return engine


def _begin_as_told(engine: Engine) -> None:
    """Python's sqlite3 begins a transaction only before a row is changed: dropping a table would be outside."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _no_transactions_of_its_own(driver: object, _record: object) -> None:
        driver.isolation_level = None  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_FOR_WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
