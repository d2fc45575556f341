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
_TAKES_TURNS = ("sqlite", "postgresql")
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

    def __reduce__(self) -> str:
        raise TypeError("a data manager of a database holds its password and is not pickled: make it where it is used")

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
        """A transaction that only reads."""
        with self._told(), self._engine().connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Connection]:
        """A transaction that is kept when the block ends well, and undone when it does not.

        Two that write the same table follow one another: the rows of both would else be left in it.
        """
        with self._told():
            engine = self._engine().execution_options(**{_FOR_WRITING: True})
            if engine.dialect.name not in _TAKES_TURNS:
                engine = engine.execution_options(isolation_level="SERIALIZABLE")
            with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    _await_turn(connection, name)
                yield connection

    def connect(self) -> None:
        """Connect, to see that it can be done. A SQLite file that is not there is made by the first save."""
        if self.is_missing():
            if not Path(str(self._url.database)).parent.is_dir():
                raise DataSetError(f"{self!r}: there is no such folder")
            return
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


def _await_turn(connection: Connection, name: str) -> None:
    """A lock that ends with the transaction; unlike one of the table it is there before the table is, and lets read."""
    import hashlib

    from sqlalchemy import func, select

    digest = hashlib.sha256(f"milepost {name}".encode()).digest()
    connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], signed=True))))


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
