"""Data sets that are files: where each is by its name, and how it is read and replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from milepost.datasets import csv_frames, csv_text, json_text, parquet
from milepost.datasets.naming import shortened
from milepost.datasets.replacing import already_there, replacing
from milepost.datasets.request import DataSet, Request, known_names
from milepost.datasets.settings import DataSettings
from milepost.datasets.shapes import kind_of
from milepost.errors import DataSetError, UnknownDataSetError

FORMATS = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
SUFFIXES = {"csv": ".csv", "parquet": ".parquet", "json": ".json", "jsonl": ".jsonl"}


class Files:
    """The data sets of a configuration that are files."""

    def __init__(self, settings: DataSettings) -> None:
        self._settings = settings

    def __repr__(self) -> str:
        return f"files in {self._settings.data_dir}, saved in {self._settings.output_dir}"

    def sets(self) -> list[DataSet]:
        """Every data set, by name."""
        found = {name: _described(name, path, is_input=True) for name, path in self._settings.inputs.items()}
        for name, paths in self._stems(self._settings.data_dir).items():
            found.setdefault(name, _described(name, paths[0], is_input=not self._is_one_folder()))
        for name, paths in self._stems(self._settings.output_dir).items():
            found.setdefault(name, _described(name, paths[0], is_input=False))
        return [found[name] for name in sorted(found)]

    def has(self, name: str) -> bool:
        """Whether there is something to load."""
        return any(path.is_file() for path in self._places(name))

    def connect(self) -> None:
        """Files need none."""

    def disconnect(self) -> None:
        """Files need none."""

    def path(self, name: str, form: str | None = None) -> Path:
        """The file that a name stands for. Raises UnknownDataSetError, and DataSetError when it is not one file."""
        places = [path for path in self._places(name) if form is None or FORMATS.get(path.suffix.lower()) == form]
        if len(places) == 1:
            return _present(name, places[0])
        if not places:
            raise self._unknown(name, form)
        listed = " and ".join(str(path) for path in places)
        raise DataSetError(f"data set {name!r} is more than one file: {listed}. Name the format, or rename one.")

    def parts(self, name: str, request: Request, form: str | None) -> Iterator[object]:
        """What a file holds, in one part or several."""
        path = self.path(name, _checked_format(form))
        what = f"data set {name!r} ({path})"
        try:
            yield from _reader(_format_of(name, path), request)(path, request, what)
        except OSError as error:
            raise DataSetError(f"{what} cannot be read: {error.strerror or error}", path=str(path)) from error

    def save(self, name: str, data: object, *, form: str | None, replace: bool) -> None:
        """Put the data where `name` is loaded from; on disk when this returns."""
        kind_of(data)
        path = self._target(name, _checked_format(form))
        if not replace and os.path.lexists(path):
            raise already_there(path)
        what = f"data set {name!r}"
        with replacing(path, replace=replace) as file:
            written = FORMATS[path.suffix.lower()]
            if written == "csv":
                _csv_saver(data)(data, file, what)
            elif written == "parquet":
                parquet.save(data, file, what)
            else:
                json_text.save(data, file, what, lines=written == "jsonl")

    def _target(self, name: str, form: str | None) -> Path:
        """Where a name is saved. Inputs are not written over; one name has one format."""
        if any(name.lower().endswith(suffix) for suffix in FORMATS):
            raise DataSetError(f"save {shortened(name)} without its suffix: save_data('…', data, format='csv')")
        places = self._places(name)
        outside = [path for path in places if path.parent != self._settings.output_dir]
        if outside or self._settings.inputs.get(name, self) is None:
            where = outside[0] if outside else "config['dummy_data_filepaths']"
            raise DataSetError(f"{name!r} is an input ({where}) and is not written over: save under another name")
        if not places:
            return self._settings.output_dir / f"{name}{SUFFIXES[form or self._settings.save_format]}"
        if form is not None and FORMATS[places[0].suffix.lower()] != form:
            raise DataSetError(f"{name!r} is there as {places[0]}: save it in that format, or under another name")
        return places[0]

    def _places(self, name: str) -> list[Path]:
        """The files a name may stand for: the configured one, else those in the two folders."""
        configured = self._settings.inputs.get(name)
        folders = dict.fromkeys([self._settings.data_dir, self._settings.output_dir])
        found = [path for folder in folders for path in self._stems(folder).get(name, ())]
        if configured is None:
            return found
        if configured.parent == self._settings.output_dir:
            return [configured]
        saved = [path for path in found if path.parent == self._settings.output_dir]
        return list(dict.fromkeys([configured, *saved]))

    def _stems(self, folder: Path) -> dict[str, list[Path]]:
        """The files in a folder whose format is known, by stem."""
        found: dict[str, list[Path]] = {}
        try:
            entries = sorted(os.listdir(folder))
        except FileNotFoundError:
            return found
        except OSError as error:
            raise DataSetError(f"cannot look into {folder}: {error.strerror}", path=str(folder)) from error
        for entry in entries:
            path = folder / entry
            if not entry.startswith(".") and path.suffix.lower() in FORMATS and path.is_file():
                found.setdefault(path.stem, []).append(path)
        return found

    def _is_one_folder(self) -> bool:
        return self._settings.data_dir == self._settings.output_dir

    def _unknown(self, name: str, form: str | None) -> DataSetError:
        if name in self._settings.inputs:
            return DataSetError(f"data set {name!r} has no path in config['dummy_data_filepaths']")
        kind = f" as {form}" if form else ""
        known = known_names(name, [each.name for each in self.sets()])
        return UnknownDataSetError(f"no data set {shortened(name)}{kind} in {self!r}.{known}", name=name)


def _described(name: str, path: Path | None, *, is_input: bool) -> DataSet:
    if path is None:
        return DataSet(name=name, format="", is_input=is_input, is_there=False)
    kind = FORMATS.get(path.suffix.lower(), path.suffix.removeprefix("."))
    try:
        size = path.stat().st_size
    except OSError:
        return DataSet(name=name, format=kind, path=str(path), is_input=is_input, is_there=False)
    return DataSet(name=name, format=kind, path=str(path), size_bytes=size, is_input=is_input)


def _present(name: str, path: Path) -> Path:
    if path.is_file():
        return path
    trouble = "is no file" if path.exists() else "is not there"
    raise DataSetError(f"the file of data set {name!r} {trouble}: {path}", path=str(path))


def _checked_format(form: str | None) -> str | None:
    if form is None or form in SUFFIXES:
        return form
    raise DataSetError(f"no format {form!r}.{known_names(form, SUFFIXES)}")


def _format_of(name: str, path: Path) -> str:
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise DataSetError(f"data set {name!r}: {path} is of no known format; known are {', '.join(FORMATS)}")
    return kind


def _csv_saver(data: object) -> Callable[..., None]:
    kind = kind_of(data)
    if kind == "records":
        return csv_text.save
    return csv_frames.save_pandas if kind == "pandas" else csv_frames.save_polars


def _reader(kind: str, request: Request) -> Callable[[Path, Request, str], Iterator[object]]:
    if kind == "csv":
        return {"pandas": csv_frames.pandas_parts, "polars": csv_frames.polars_parts, "records": csv_text.parts}[
            request.kind
        ]
    return parquet.parts if kind == "parquet" else json_text.parts
