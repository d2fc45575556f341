"""`ProcessStageHandler`: a process that its program carries out stage by stage, and that survives the program."""

from __future__ import annotations

from milepost.process.handler.handler import ProcessStageHandler

__all__ = ["ProcessStageHandler"]
