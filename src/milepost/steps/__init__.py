"""The ledger of documents: any document, any named step, any number of attempts, from anywhere."""

from __future__ import annotations

from milepost.model.status import ProcessingStatus
from milepost.steps.manager import ProcessingStepManager
from milepost.steps.step import ProcessingStep
from milepost.steps.under_way import StepUnderWay, current_step

__all__ = ["ProcessingStatus", "ProcessingStep", "ProcessingStepManager", "StepUnderWay", "current_step"]
