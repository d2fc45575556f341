"""A sweep never takes what somebody was just told is there."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from milepost.errors import ObjectMissing
from milepost.store import files
from milepost.store.objects import Objects


class Thing:
    """A user's object, which only pickle can store."""


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects", bytes(32))


def aged(objects: Objects, value: object, seconds: float = 300.0) -> str:
    """The address of a value that was put some time ago."""
    address = objects.put(value).address
    then = time.time() - seconds
    os.utime(objects.path(address), (then, then))
    return address


def while_removing(monkeypatch: pytest.MonkeyPatch, put: Callable[[], object]) -> list[threading.Thread]:
    """Have `put` begin when a sweep has found an object old and is about to remove it, and give it time to finish."""
    remove, writers = os.unlink, []

    def unlink(path: str | Path) -> None:
        monkeypatch.setattr(os, "unlink", remove)
        writers.append(threading.Thread(target=put))
        writers[0].start()
        writers[0].join(0.5)  # a writer that is not held back is through by then
        remove(path)

    monkeypatch.setattr(os, "unlink", unlink)
    return writers


def test_what_is_put_while_it_is_removed_is_there(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a sweep's last look at an object's age and its removal nobody finds the object there."""
    address = aged(objects, "value")
    writers = while_removing(monkeypatch, lambda: objects.put("value"))
    assert objects.sweep(set(), older_than_seconds=60, dry_run=False).count == 1
    writers[0].join()
    assert objects.get(address) == "value"


def test_what_is_written_over_while_it_is_removed_is_there(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that may not use the old file, since another key signed it, does not lose its own to the sweep."""
    thing = Thing()
    address = aged(Objects(objects.root, b"another" * 5), thing)
    writers = while_removing(monkeypatch, lambda: objects.put(thing))
    objects.sweep(set(), older_than_seconds=60, dry_run=False)
    writers[0].join()
    assert type(objects.get(address)) is Thing


@pytest.mark.parametrize("grace", [0.0, 60.0, 599.0])
def test_what_is_put_again_is_young_for_any_grace(objects: Objects, grace: float) -> None:
    """However short the grace and however young the object: since it was found, it counts as written now."""
    address = aged(objects, "value", seconds=grace + 1)
    begun = time.time()
    objects.put("value")
    assert objects.sweep(set(), older_than_seconds=grace, as_of=begun, dry_run=False).count == 0
    assert objects.get(address) == "value"


def test_ages_count_from_when_the_rows_were_read(objects: Objects) -> None:
    """What is put between the reading of the rows and the sweep is in no row that was read, and stays."""
    begun = time.time()
    address = objects.put("value").address
    assert objects.sweep(set(), older_than_seconds=0, as_of=begun, dry_run=False).count == 0
    assert objects.sweep(set(), older_than_seconds=0, as_of=begun + 1, dry_run=False).count == 1
    with pytest.raises(ObjectMissing):
        objects.get(address)


def test_a_guard_ends_with_its_holder(tmp_path: Path) -> None:
    """A child that was forked inside it and lives on keeps no sweep waiting."""
    with files.guarded(tmp_path):
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
    try:
        with files.guarded(tmp_path, alone=True):
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
