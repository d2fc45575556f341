"""What a program's configuration says about its data sets, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from milepost.datasets.naming import checked_name
from milepost.datasets.request import known_names
from milepost.errors import DataSetError

DATA_DIR = "data"
OUTPUT_DIR = "output"

_MODES = ("memory", "persist", "hybrid")
_FORMATS = ("csv", "db", "parquet", "json", "jsonl")
_POLICIES = ("keep_all", "keep_latest", "keep_none")


class Hidden:
    """A value that may hold a password: no text of the settings shows it."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"


class DataSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where data sets are. Paths are absolute: a later change of the working folder does not move them."""

    data_dir: Path
    output_dir: Path
    inputs: Mapping[str, Path | None]  # configured by name; None: without a path
    save_format: str = "csv"
    use_db: bool = False
    db_url: Hidden = Hidden(None)

    @classmethod
    def read(cls, config: Mapping[str, object] | None) -> DataSettings:
        """From a configuration as programs have it; what it does not say has a default, the rest is not looked at.

        Raises DataSetError naming the setting that cannot be.
        """
        config = {} if config is None else config
        if not isinstance(config, Mapping):
            raise DataSetError(f"the configuration is a mapping, not {type(config).__name__}")
        return cls(
            data_dir=_folder(config, "data_dir", DATA_DIR),
            output_dir=_folder(config, "output_dir", OUTPUT_DIR),
            inputs=_inputs(config.get("dummy_data_filepaths")),
            save_format=_save_format(config.get("storage_strategy")),
            use_db=bool(config.get("use_db")),
            db_url=Hidden(config.get("db_url")),
        )

    def without_address(self) -> DataSettings:
        """What files need: they may be pickled, an address with a password may not."""
        return msgspec.structs.replace(self, db_url=Hidden(None))

    def database(self) -> str:
        """The address of the database. Raises DataSetError that does not repeat it."""
        address = self.db_url.value
        if not isinstance(address, str) or "://" not in address:
            trouble = "is not set" if not address else "is no address of a database"
            raise DataSetError(f"config['db_url'] {trouble}: give one such as sqlite:///sales.db")
        return address


def _folder(config: Mapping[str, object], key: str, default: str) -> Path:
    return _path(config.get(key) or default, f"config[{key!r}]")


def _path(given: object, where: str) -> Path:
    if not isinstance(given, str | os.PathLike):
        raise DataSetError(f"{where} is a path, not {type(given).__name__}")
    text = os.fspath(given)
    if not isinstance(text, str) or "\0" in text:
        raise DataSetError(f"{where} is not a path that a file can have")
    return Path(os.path.abspath(os.path.expanduser(text)))


def _inputs(given: object) -> dict[str, Path | None]:
    if given is None:
        return {}
    where = "config['dummy_data_filepaths']"
    if not isinstance(given, Mapping):
        raise DataSetError(f"{where} maps names to paths; it is {type(given).__name__}")
    return {checked_name(name): _path(path, f"{where}[{name!r}]") if path else None for name, path in given.items()}


def _save_format(strategy: object) -> str:
    """The format that `storage_strategy` asks for. Its other settings are about stage results, and only checked."""
    if strategy is None:
        return "csv"
    if not isinstance(strategy, Mapping):
        raise DataSetError(f"config['storage_strategy'] is a mapping; it is {type(strategy).__name__}")
    _one_of(strategy, "mode", _MODES)
    _one_of(strategy, "cleanup_policy", _POLICIES)
    chosen = _one_of(strategy, "persist_format", _FORMATS) or "csv"
    return "csv" if chosen == "db" else chosen


def _one_of(strategy: Mapping[str, object], key: str, allowed: tuple[str, ...]) -> str | None:
    given = strategy.get(key)
    if given is None or given == "":
        return None
    if given not in allowed:
        raise DataSetError(f"config['storage_strategy'][{key!r}] is {given!r}.{known_names(given, allowed)}")
    return str(given)
