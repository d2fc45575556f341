"""Looks at a workspace from outside, again and again: rules to findings, findings to changes, changes to people.

One watcher of a workspace at a time records and tells; it holds a lock that the kernel drops when it dies. Others see
what it recorded and take its place when it is gone. Nothing here touches a run.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence

from milepost.alerts.conditions import HealthNow, Observer
from milepost.alerts.courier import Courier
from milepost.alerts.folding import Outgoing
from milepost.alerts.journal import Journal
from milepost.alerts.notice import Notice, clean, notice_of
from milepost.alerts.rules import Health, Rule
from milepost.alerts.scene import Scene
from milepost.alerts.settings import AlertSettings
from milepost.alerts.waiting import SUPERSEDED, TOO_OLD, by_channel, is_due, superseded, too_old
from milepost.errors import AlertSettingsError, MilepostError
from milepost.kernel.clock import SYSTEM, Clock
from milepost.kernel.lock import RunLock, try_acquire
from milepost.kernel.warning import warn as warn_of
from milepost.kernel.workspace import Workspace
from milepost.model.alerting import AlertState, Change, Finding, Standing

LOCK = "watch.lock"
LONGEST_TEXT = 1000


class Watcher:
    """Evaluates rules once for each `look`.

    `health` is asked for rules on health, and AlertSettingsError raised when one has nobody to ask. `warn` hears, once
    each, what goes wrong in here.

    Example:
        >>> import pathlib, tempfile
        >>> from milepost.testing import memory_workspace
        >>> watcher = Watcher(memory_workspace(pathlib.Path(tempfile.mkdtemp())), AlertSettings())
        >>> watcher.look(), watcher.firing()
        ([], [])
        >>> watcher.close()
    """

    def __init__(
        self,
        workspace: Workspace,
        settings: AlertSettings,
        *,
        health: Callable[[], HealthNow] | None = None,
        clock: Clock = SYSTEM,
        warn: Callable[[str], object] = warn_of,
        courier: Courier | None = None,
    ) -> None:
        for rule in settings.rules:
            if isinstance(rule, Health) and health is None:
                raise AlertSettingsError(
                    f"rule {rule.name!r} is on health: give the watcher health= to ask", field="on"
                )
        self._workspace = workspace
        self._settings = settings
        self._clock = clock
        self._say = warn
        self._said: set[str] = set()
        self._journal = Journal(workspace.store, self._warn)
        self._observer = Observer(health)
        self._courier = courier or Courier(warn)
        self._lock: RunLock | None = None
        self._has_looked = False
        self._tried: set[str] = set()  # channels that this watcher found down

    @property
    def is_owner(self) -> bool:
        """Whether this watcher is the one that records and tells."""
        return self._lock is not None

    def look(self) -> list[Change]:
        """One look; what changed since the one before, by this watcher or by the one that records."""
        if self._lock is None:
            self._lock = try_acquire(os.fspath(self._workspace.path / "runs" / LOCK))
        try:
            others = self._journal.catch_up()
        except MilepostError as error:
            self._warn(f"the ledger cannot be read: {error}")
            return []
        told = others if self._has_looked else []  # what was there before is no change
        self._has_looked = True
        if self.is_owner:
            told = told + self._evaluate()
            self._settle()
            self._send()
        return told

    def firing(self) -> list[tuple[Rule, str, Standing]]:
        """What fires now, under the rules of these settings."""
        return [
            (rule, subject, standing)
            for rule in self._settings.rules
            for subject, standing in self._journal.book(rule.name).open(AlertState.FIRING).items()
        ]

    def close(self, wait_seconds: float = 0.0) -> None:
        """Give messages under way so long, record what became of them, and let another watcher take over."""
        deadline = time.monotonic() + wait_seconds
        while self.is_owner and self._courier.wait(max(deadline - time.monotonic(), 0.0)):
            self._settle()
            if time.monotonic() >= deadline or not self._send():  # what waited for a channel that works again
                break
        self._courier.close()
        if self.is_owner:
            self._settle()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _evaluate(self) -> list[Change]:
        """Look at every rule; what changed, recorded, with the messages about it."""
        now = self._clock.now()
        scene = Scene(self._workspace.store, self._workspace.path / "runs", now=now, at=self._clock.monotonic())
        changes: list[Change] = []
        for rule in self._settings.rules:
            book = self._journal.book(rule.name)
            findings = self._findings(rule, scene)
            if findings is not None:
                changes += book.changes(rule.policy, map(_cleaned, findings), now)
        with contextlib.suppress(MilepostError):
            self._observer.forget_all_but({seen.run.id for seen in scene.active})
        self._journal.record(changes, now)
        for rule in self._settings.rules:
            for message in self._journal.book(rule.name).messages(rule.policy, now):
                self._journal.tell(message, rule.channels or (), os.urandom(8).hex())
        return changes

    def _findings(self, rule: Rule, scene: Scene) -> list[Finding] | None:
        """None when a rule could not be looked at: then nothing about it changes."""
        holding = self._journal.book(rule.name).open()
        try:
            return self._observer.findings(rule, scene, holding)
        except Exception as error:  # a locked ledger, a check that fails: the other rules are looked at
            self._warn(f"rule {rule.name!r} could not be looked at: {type(error).__name__}: {error}")
            return None

    def _send(self) -> int:
        """Hand over what waits for a channel that works or is to be tried again; how many messages that were."""
        now = self._clock.now()
        count = 0
        for name, waiting in by_channel(self._journal.outgoing()).items():
            channel = self._settings.channels.get(name)
            if channel is None:
                self._let_go(waiting, name, "this channel is no longer there")
                continue
            for outgoing in self._wanted(waiting, name, now):
                count += self._courier.hand_over(self._notice(outgoing), channel)
        return count

    def _wanted(self, waiting: Sequence[Outgoing], channel: str, now: float) -> Sequence[Outgoing]:
        """What to hand over to this channel; where it is down, what nobody needs any more is let go."""
        waiting = self._let_go(too_old(waiting, now), channel, TOO_OLD, of=waiting)
        down = self._journal.down(channel)
        if down is None:
            return waiting
        waiting = self._let_go(superseded(waiting), channel, SUPERSEDED, of=waiting)
        is_first = channel not in self._tried  # somebody may have mended it, and started this watcher to see
        self._tried.add(channel)
        return waiting[:1] if is_first or is_due(down, now) else ()

    def _let_go(
        self, those: Sequence[Outgoing], channel: str, why: str, *, of: Sequence[Outgoing] = ()
    ) -> Sequence[Outgoing]:
        """Keep that these are not delivered for good; the rest."""
        for outgoing in those:
            self._journal.sent(outgoing.id, channel, why, self._clock.now())
        return [outgoing for outgoing in of if outgoing not in those] if those else of

    def _notice(self, outgoing: Outgoing) -> Notice:
        rule = next((rule for rule in self._settings.rules if rule.name == outgoing.message.rule), None)
        severity = "warning" if rule is None else rule.severity
        place = os.fspath(self._workspace.path)
        return notice_of(outgoing.message, number=outgoing.id, severity=severity, workspace=place)

    def _settle(self) -> None:
        for done in self._courier.delivered():
            if done.error is None:
                self._journal.sent(done.id, done.channel, None, self._clock.now())
            else:
                self._journal.undelivered(done.id, done.channel, done.error, self._clock.now())
                self._tried.add(done.channel)

    def _warn(self, text: str) -> None:
        text = clean(text, LONGEST_TEXT)
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _cleaned(finding: Finding) -> Finding:
    return Finding(clean(finding.subject, LONGEST_TEXT), clean(finding.text, LONGEST_TEXT), finding.times)
