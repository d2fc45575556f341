"""`ProcessManager`: decisions and stage results of a program that calls its stages itself."""

from milepost.process.manager.documented import ProcessManager
from milepost.process.manager.stage_data import StageData

__all__ = ["ProcessManager", "StageData"]
