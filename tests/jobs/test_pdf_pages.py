"""A real job: the text of real PDFs, page by page, some of them damaged, its process killed at random."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

from pdf_documents import ROOT, lay_out

from milepost import Workspace
from milepost.model.deaths import DIED
from milepost.model.rows import RunRow, SessionRow, StepRow
from milepost.model.status import ProcessingStatus, RunState

KILLS = 7
DAMAGED = {"cut.pdf", "empty.pdf", "letter.pdf", "zeroed.pdf"}
DONE = (ProcessingStatus.SUCCESS, ProcessingStatus.WARNING)


class Job:
    """The example, with a folder for its texts and its ledger."""

    def __init__(self, folder, documents):
        folder.mkdir()
        self.texts = folder / "texts"
        self.workspace = folder / ".milepost"
        self.said = folder / "said"
        self._documents = documents
        self._environment = {
            **os.environ, "MILEPOST_WORKSPACE": str(self.workspace), "XDG_DATA_HOME": str(folder / "data"),
        }  # fmt: skip

    def start(self):
        with open(self.said, "a") as said:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "examples" / "pdf_pages.py"), str(self._documents), str(self.texts)],
                env=self._environment, stdout=said, stderr=said,
            )  # fmt: skip

    def finish(self, process=None):
        assert (process or self.start()).wait(timeout=120) == 0, self.said.read_text()

    def written(self):
        return len(list(self.texts.iterdir())) if self.texts.exists() else 0

    def rows(self, kind):
        if not (self.workspace / "ledger.db").exists():
            return []
        with Workspace.open(self.workspace, create=False, read_only=True) as workspace:
            return workspace.store.rows(kind)

    def outcomes(self):
        """What became of each page at last: its status and error."""
        rows = [row for row in self.rows(StepRow) if not is_death(row)]
        return {row.item: (row.status, row.error) for row in rows}

    def contents(self):
        return {path.name: path.read_text() for path in self.texts.iterdir()}


def is_death(row):
    return row.error is not None and row.error.startswith(DIED)


def killed_at_random(job, dice):
    """One session, killed after some pages or some time; what was done before it died stays done."""
    sessions, begun = len(job.rows(SessionRow)), job.written()
    process = job.start()
    enough, end = begun + dice.randint(2, 14), time.monotonic() + 60
    while (len(job.rows(SessionRow)) == sessions or job.written() < enough) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)
    time.sleep(dice.uniform(0, 0.05))
    done = {row.item for row in job.rows(StepRow) if row.status.is_done}
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, job.said.read_text()
    assert done <= {row.item for row in job.rows(StepRow) if row.status.is_done}


def test_every_page_once_with_its_text_or_its_error(tmp_path):
    """Killed at random, the ledger and the texts end as those of a job that nobody disturbed; no page is done twice."""
    lay_out(tmp_path / "documents")
    undisturbed, killed = (
        Job(tmp_path / "undisturbed", tmp_path / "documents"),
        Job(tmp_path / "killed", tmp_path / "documents"),
    )
    beside, dice = undisturbed.start(), random.Random(11)
    for _ in range(KILLS):
        killed_at_random(killed, dice)
    killed.finish()
    undisturbed.finish(beside)

    expected = undisturbed.outcomes()
    assert expected == killed.outcomes()
    assert undisturbed.contents() == killed.contents()
    assert {page for page, (status, _) in expected.items() if status is ProcessingStatus.FAILED} == DAMAGED
    assert all(error for status, error in expected.values() if status is not ProcessingStatus.SUCCESS)
    assert Counter(page.partition("#")[0] for page in expected if "#" in page).keys() == {
        "data.pdf",
        "faq.pdf",
        "flipped.pdf",
    }

    rows = killed.rows(StepRow)
    ends = Counter(row.item for row in rows if row.status in DONE)
    assert set(ends.values()) == {1}
    assert ends.keys() | DAMAGED == expected.keys()
    assert len([row for row in rows if is_death(row)]) <= KILLS
    (run,) = killed.rows(RunRow)
    assert run.state is RunState.COMPLETED
    assert len(killed.rows(SessionRow)) == KILLS + 1
