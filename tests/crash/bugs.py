"""Bugs that the harness has to find, each planted into the real code by a small replacement."""

from __future__ import annotations

import os


def plant(name: str) -> None:
    """Put the bug of this name into this process."""
    PLANTS[name]()


def acknowledge_before_commit() -> None:
    """What is recorded is committed with whatever is recorded next."""
    from milepost.kernel.recorder import Recorder
    from milepost.model.rows import StepRow

    record, held = Recorder.record, []

    def late(self, *rows, durable=False):
        if rows and all(isinstance(row, StepRow) for row in rows):
            held.extend(rows)
            return len(rows)
        waiting, held[:] = list(held), []
        return record(self, *waiting, *rows, durable=durable)

    Recorder.record = late


def two_statements_without_a_transaction() -> None:
    """The stage's row and its result commit one after the other."""
    from milepost.kernel.recorder import Recorder

    record = Recorder.record

    def one_by_one(self, *rows, durable=False):
        return sum(record(self, row, durable=durable) for row in rows)

    Recorder.record = one_by_one


def object_written_in_place() -> None:
    """No temporary file: the object grows under its own name."""
    from milepost.store import files

    def write_in_place(path, header, payload):
        path.parent.mkdir(exist_ok=True)
        content = b"".join((header, *payload))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(handle, content[: len(content) // 2])
        os.write(handle, content[len(content) // 2 :])
        os.fsync(handle)
        os.close(handle)
        files.sync_folder(path.parent)
        files.sync_folder(path.parent.parent)

    files.write_whole = write_in_place


def position_saved_before_the_work() -> None:
    """Items are recorded as done when they are handed out."""
    from milepost.model.rows import StepRow
    from milepost.model.status import ProcessingStatus
    from milepost.process.mapping.job import MappedJob

    next_task = MappedJob.next_task

    def recording(self):
        task = next_task(self)
        if task is not None:
            packed = self._trade.objects.pack(0)
            self._trade.recorder.record(*[
                StepRow(run=self._trade.run, step=self.plan.stage, item=item.item, attempt=item.attempt,
                        status=ProcessingStatus.SUCCESS, key=self.plan.items_key or "", digest=item.digest,
                        result=packed.result, at=1.0)
                for item in task.items
            ])  # fmt: skip
        return task

    MappedJob.next_task = recording


def rename_without_fsync() -> None:
    """An object gets its name before its bytes are on the disk."""
    from milepost.store import files

    files._sync_file = lambda handle: None


def no_fsync_of_the_folder() -> None:
    """An object's name may be lost."""
    from milepost.store import files

    sync_folder = files.sync_folder
    files.sync_folder = lambda folder: None if "objects" in folder.parts else sync_folder(folder)


def sync_that_changes_no_page() -> None:
    """A barrier that SQLite sees no reason to sync."""
    from milepost.store.sqlite import writer

    writer.MOVE_DURABLE_SEQ = "UPDATE meta SET durable_seq = durable_seq WHERE 0"


def results_without_a_sync() -> None:
    """Decisions and results commit as items do."""
    from milepost.kernel.recorder import Recorder

    record = Recorder.record

    def soft(self, *rows, durable=False):
        return record(self, *rows)

    Recorder.record = soft


def run_forgotten_before_its_results() -> None:
    """gc drops a run's row first: what is left of it is then found by nobody."""
    from milepost.model.rows import RunRow
    from milepost.process import collecting

    forget = collecting.forget

    def run_first(store, runs):
        alone = collecting._keys_of_none_else(store, runs)
        for run in runs:
            store.drop(RunRow, id=run.id)
        collecting._keys_of_none_else = lambda store, runs: alone
        forget(store, runs)

    collecting.forget = run_first


PLANTS = {
    plant.__name__: plant
    for plant in (
        acknowledge_before_commit,
        two_statements_without_a_transaction,
        object_written_in_place,
        position_saved_before_the_work,
        rename_without_fsync,
        no_fsync_of_the_folder,
        sync_that_changes_no_page,
        results_without_a_sync,
        run_forgotten_before_its_results,
    )
}
