"""Everything Milepost raises, as one tree.

::

    Cancelled (BaseException)             the run was asked to stop; `except Exception` cannot swallow it
    MilepostError
    ├── ProcessManagementError
    │   ├── DefinitionError               a process or stage that cannot be: cycles, unknown needs, duplicates
    │   ├── InvalidDataError (ValueError)
    │   │   └── DecisionValidationError   a decision that its schema refuses
    │   ├── InvalidStageSequenceError     a stage started before those it requires
    │   ├── ScenarioStateError            a scenario that cannot be used or saved
    │   │   └── UnknownScenarioError (IndexError)
    │   ├── DependencyError
    │   ├── StageExecutionError           a stage raised; `stage`, `run`, and the cause are attributes
    │   │   └── StageTimeout
    │   ├── UnknownRunError (LookupError)
    │   └── RunIsAlive                    another session has this run; names its owner
    ├── UnkeyableError (TypeError)        a value that has no fingerprint; `path` says where it is
    ├── TargetError                       a file, module or name that holds no process
    ├── WorkspaceError                    a workspace that cannot be opened, written or trusted
    ├── StoreError (RuntimeError)
    │   ├── StoreBusy                     locked by others for longer than we wait
    │   ├── StoreFull                     no space, or read-only
    │   ├── StoreTooNew                   written by a later Milepost
    │   ├── StoreDamaged
    │   └── LeaseLost                     another session took the run over; nothing was written
    ├── ObjectError
    │   ├── ObjectMissing
    │   ├── ObjectDamaged                 bytes that are not what was stored; quarantined
    │   ├── ObjectRefused                 a pickle that this workspace's key did not sign
    │   └── CannotEncode (TypeError)      a result that no codec can hold
    ├── WorkerError                       a worker died or could not be started
    ├── DataSetError                      a named data set that cannot be read, written or named
    │   └── UnknownDataSetError (LookupError)
    ├── AlertSettingsError                rules or channels of alerts that cannot be; names the rule and its field
    ├── MissingExtra (ImportError)        an optional dependency is absent; names the install command
    ├── ResourceError · CheckpointError · ProgressError · CacheError · LoggingError
"""

from __future__ import annotations


class Cancelled(BaseException):
    """The run was asked to stop. A BaseException, so that `except Exception` cannot swallow it."""

    def __init__(self, message: str = "the run was cancelled", *, signal: int | None = None) -> None:
        super().__init__(message)
        self.signal = signal


class MilepostError(Exception):
    """The root of what Milepost raises; keyword details become attributes of `details`."""

    exit_code = 4

    def __init__(self, message: str = "", **details: object) -> None:
        super().__init__(message)
        self.details = details

    def __getattr__(self, name: str) -> object:
        details = self.__dict__.get("details", {})
        if name in details:
            return details[name]
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")


class ProcessManagementError(MilepostError):
    """A process, its stages, decisions or runs."""

    exit_code = 2


class DefinitionError(ProcessManagementError):
    """A process or stage that cannot be: a cycle, an unknown need, a duplicate name."""


class InvalidDataError(ProcessManagementError, ValueError):
    """Decisions that do not fit their decision point."""


class DecisionValidationError(InvalidDataError):
    """A decision whose value its schema refuses."""


class InvalidStageSequenceError(ProcessManagementError):
    """A stage was started before a stage it requires was completed."""


class ScenarioStateError(ProcessManagementError):
    """A scenario that does not exist or cannot be used."""


class UnknownScenarioError(ScenarioStateError, IndexError):
    """No scenario has this name or id."""


class DependencyError(ProcessManagementError):
    """A dependency that is not met."""


class StageExecutionError(ProcessManagementError):
    """A stage raised. `stage` and `run` name it, `__cause__` is what the stage raised."""

    exit_code = 1


class StageTimeout(StageExecutionError):
    """A stage or item ran longer than its timeout."""


class UnknownRunError(ProcessManagementError, LookupError):
    """No run has this name or id."""

    exit_code = 5


class RunIsAlive(ProcessManagementError):
    """Another session is carrying this run out. `run`, `host`, `pid` and `started` name the owner."""

    exit_code = 3


class UnkeyableError(MilepostError, TypeError):
    """A value without a fingerprint. `path` says where in the value it is."""

    exit_code = 2


class TargetError(MilepostError):
    """A file, module or name in which no process was found."""

    exit_code = 2


class WorkspaceError(MilepostError):
    """A workspace that cannot be opened, written or trusted."""


class StoreError(MilepostError, RuntimeError):
    """The ledger could not be read or written."""


class StoreBusy(StoreError):
    """Others kept the ledger locked for longer than we wait."""


class StoreFull(StoreError):
    """No space is left, or the ledger cannot be written."""


class StoreTooNew(StoreError):
    """The ledger was written by a later Milepost."""


class StoreDamaged(StoreError):
    """The ledger's file is not what we wrote."""


class LeaseLost(StoreError):
    """Another session took the run over; nothing was written."""

    exit_code = 3


class ObjectError(MilepostError):
    """An object by digest could not be stored or loaded."""


class ObjectMissing(ObjectError):
    """No object has this address."""


class ObjectDamaged(ObjectError):
    """The stored bytes are not those that were written; they were quarantined."""


class ObjectRefused(ObjectError):
    """A pickle that this workspace's key did not sign."""


class CannotEncode(ObjectError, TypeError):
    """A value that no codec can hold."""


class WorkerError(MilepostError):
    """A worker died or could not be started. `cause` says how."""

    exit_code = 1


class DataSetError(MilepostError):
    """A named data set that cannot be read, written or named; `path`, `line` and `column` say where, if known."""


class UnknownDataSetError(DataSetError, LookupError):
    """No data set has this name."""

    exit_code = 5


class AlertSettingsError(MilepostError):
    """Rules or channels of alerts that cannot be. The text names the file, the rule or channel, and its field."""

    exit_code = 2


class MissingExtra(MilepostError, ImportError):
    """An optional dependency is absent; the message names the install command."""


class ResourceError(MilepostError):
    """A resource limit was exceeded or could not be read."""


class CheckpointError(MilepostError):
    """A checkpoint could not be saved or loaded."""


class ProgressError(MilepostError):
    """Progress was told something impossible."""


class CacheError(MilepostError):
    """A key-value cache was used wrongly."""


class LoggingError(MilepostError):
    """Logging could not be set up."""
