"""`HealthCheckManager`: every check is asked at once, and what they answer in time becomes one report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from milepost.errors import InvalidDataError
from milepost.health.answers import finding_of, finding_of_error
from milepost.health.asking import Asking, Question
from milepost.health.builtin import built_in
from milepost.health.check import TIMEOUT_SECONDS, Check, CheckResult, Finding, checked, seconds, shown
from milepost.health.ground import Place, ground_at
from milepost.health.history import History
from milepost.health.report import HealthReport
from milepost.kernel.clock import SYSTEM, Clock
from milepost.model.health import HealthStatus, Thresholds, counted, worst
from milepost.model.health_looks import LOOKS, Look
from milepost.model.text import duration
from milepost.store.protocol import Store

HISTORY_SECONDS = 1.0  # to read or write what earlier looks found; without it this process's own count
HISTORY = "(history)"
CLOSE_SECONDS = 1.0
CLOSE = "(close)"


class _Cached(NamedTuple):
    until: float  # monotonic
    result: CheckResult


class HealthCheckManager:
    """Health of the workspace: is it written and read, is there room, do documents succeed, do runs go on.

    The workspace is found as everywhere; `workspace=` and `store=` name another. `timeout`: seconds that each of its
    own checks may take. Safe from any thread.

    Example:
        >>> import tempfile
        >>> with HealthCheckManager(workspace=tempfile.mkdtemp() + "/.milepost") as manager:
        ...     manager.register("queue", lambda: HealthStatus.WARNING, critical=False)
        ...     manager.perform_health_check().status
        <HealthStatus.WARNING: 'warning'>
    """

    def __init__(
        self,
        *,
        workspace: Place = None,
        store: Store | None = None,
        clock: Clock = SYSTEM,
        thresholds: Thresholds | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        timeout = seconds(timeout, "timeout")
        self._clock = clock
        self._ground = ground_at(workspace, store, clock=clock, thresholds=thresholds)
        self._history = History()
        self._asking = Asking()
        self._lock = threading.Lock()
        self._checks = {check.name: check for check in built_in(self._ground, self._history, timeout=timeout)}
        self._cached: dict[str, _Cached] = {}

    def __enter__(self) -> HealthCheckManager:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The checks there are, in the order in which they are reported."""
        with self._lock:
            return tuple(self._checks)

    @property
    def is_hanging(self) -> bool:
        """Whether some check has not answered yet."""
        return self._asking.is_waiting

    def register(
        self,
        name: str,
        fn: Callable[[], object],
        *,
        timeout: float = TIMEOUT_SECONDS,
        ttl: float = 0.0,
        critical: bool = True,
        looks: int = LOOKS,
    ) -> None:
        """Add a check, or put it in place of the one with this name.

        `fn` answers a `Finding`, a `HealthStatus`, True or None (healthy) or False (critical); what it raises is
        critical too. After `timeout` seconds it is UNKNOWN, and it is not asked again while it hangs. An answer holds
        for `ttl` seconds. One that is not `critical` is a warning at worst. A bad answer counts after `looks` in a
        row, the first of all at once; a good one counts at once. Raises InvalidDataError.
        """
        check = checked(Check(name=name, ask=fn, timeout=timeout, ttl=ttl, critical=critical, looks=looks))
        with self._lock:
            before = self._checks.get(name)
            if before is not None and before.is_about_readiness:
                check = msgspec.structs.replace(check, is_about_readiness=True)
            self._checks[name] = check
            self._cached.pop(name, None)
        self._asking.forget(name)

    def unregister(self, name: str) -> None:
        """Ask this check no more. Raises InvalidDataError when there is none with this name."""
        with self._lock:
            if not isinstance(name, str) or self._checks.pop(name, None) is None:
                raise InvalidDataError(f"there is no check {shown(name)}; there are: {', '.join(self._checks)}")
            self._cached.pop(name, None)
        self._asking.forget(name)

    def perform_health_check(self) -> HealthReport:
        """Ask every check and report; takes no longer than the longest time-out."""
        return self._report(self._all_checks(), is_damped=True)

    def perform_readiness_check(self) -> HealthReport:
        """Ask only whether the store can be read and written, as it is at this moment."""
        return self._report([check for check in self._all_checks() if check.is_about_readiness], is_damped=False)

    def close(self) -> None:
        """Close what was opened to look and let the threads go; a later check begins anew.

        What hangs is not waited for: it closes when it has answered.
        """
        self._asking.begin(CLOSE, self._ground.close, timeout=CLOSE_SECONDS).wait()
        self._asking.close()

    def _all_checks(self) -> list[Check]:
        with self._lock:
            return list(self._checks.values())

    def _report(self, checks: Sequence[Check], *, is_damped: bool) -> HealthReport:
        at = self._clock.now()
        if is_damped:
            self._keep(self._history.load)
        asked = [(check, self._known(check) or self._begin(check)) for check in checks]
        results = [
            each if isinstance(each, CheckResult) else self._result(check, each, at, is_damped=is_damped)
            for check, each in asked
        ]
        if is_damped:
            self._keep(self._history.save)
        return _report_of(results, at)

    def _begin(self, check: Check) -> Question:
        return self._asking.begin(check.name, check.ask, timeout=check.timeout)

    def _known(self, check: Check) -> CheckResult | None:
        with self._lock:
            cached = self._cached.get(check.name)
        if cached is None or cached.until <= self._clock.monotonic():
            return None
        return msgspec.structs.replace(cached.result, is_cached=True)

    def _result(self, check: Check, question: Question, at: float, *, is_damped: bool) -> CheckResult:
        has_answered = question.wait()
        finding = _finding(question) if has_answered else _hangs(question)
        status = finding.status
        if is_damped and has_answered and check.looks > 1:
            look = Look(at, finding.status)
            status = self._history.look(check.name, look, needed=check.looks, is_shared=check.is_shared)
        result = CheckResult(
            name=check.name,
            status=status,
            found=finding.status,
            text=finding.text,
            metrics=finding.metrics,
            critical=check.critical,
            seconds=question.seconds if has_answered else question.waited_seconds,
        )
        if check.ttl and has_answered:
            with self._lock:
                self._cached[check.name] = _Cached(self._clock.monotonic() + check.ttl, result)
        return result

    def _keep(self, call: Callable[..., None]) -> None:
        """Read or write the history, unless that hangs too."""
        folder = self._ground.folder
        if folder is not None:
            self._asking.begin(HISTORY, lambda: call(folder), timeout=HISTORY_SECONDS).wait()


def _finding(question: Question) -> Finding:
    return finding_of(question.answer) if question.error is None else finding_of_error(question.error)


def _hangs(question: Question) -> Finding:
    text = f"no answer for {duration(question.waited_seconds)}; it is not asked again until it has answered"
    return Finding(HealthStatus.UNKNOWN, text)


def _report_of(results: Sequence[CheckResult], at: float) -> HealthReport:
    metrics: dict[str, float] = {}
    for result in results:  # the workspace's own come first: their figures are nobody else's
        metrics = {**result.metrics, **metrics}
    return HealthReport(
        status=worst(counted(result.status, is_critical=result.critical) for result in results),
        timestamp=datetime.fromtimestamp(at, UTC),
        issues=tuple(
            f"{result.name}: {result.text or result.status}"
            for result in results
            if result.status is not HealthStatus.HEALTHY
        ),
        metrics=metrics,
        error_rate=metrics.get("error_rate", 0.0),
        warning_rate=metrics.get("warning_rate", 0.0),
        failed_docs_ratio=metrics.get("failed_docs_ratio", 0.0),
        avg_processing_time=metrics.get("avg_processing_time", 0.0),
        total_docs=int(metrics.get("total_docs", 0)),
        checks=tuple(results),
    )
