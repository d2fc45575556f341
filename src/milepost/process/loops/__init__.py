"""Any loop made resumable: `with open_run("extract") as run: for step in run.items(books, key="isbn"): …`."""

from milepost.process.loops.run import LoopRun, open_run
from milepost.process.loops.step import LoopStep

__all__ = ["LoopRun", "LoopStep", "open_run"]
