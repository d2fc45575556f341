"""What a rule may say: what it looks at, when that is trouble, how patient it is, whom it tells."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from milepost.model.alerting import Policy

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Severity = Literal["info", "warning", "critical"]


class Rule(msgspec.Struct, frozen=True, kw_only=True, tag_field="on", forbid_unknown_fields=True):
    """What all rules have. `channels` None: those of `[alerts]`."""

    name: str = ""
    severity: Severity = "warning"
    channels: tuple[str, ...] | None = None
    for_seconds: Seconds = 0.0
    cooldown_seconds: Seconds = 300.0
    most_per_hour: Annotated[int, msgspec.Meta(ge=1)] = 20

    @property
    def policy(self) -> Policy:
        """How patient it is."""
        return Policy(
            for_seconds=self.for_seconds,
            cooldown_seconds=self.cooldown_seconds,
            most_per_hour=self.most_per_hour,
        )


class OfRuns(Rule, frozen=True, kw_only=True):
    """A rule whose subjects are runs, of one process if it says so."""

    process: str | None = None


class Interrupted(OfRuns, frozen=True, kw_only=True, tag="interrupted"):
    """A run is found dead. One whose last sign of life is older than `newest_seconds` raises no new alert."""

    newest_seconds: Seconds = 86_400.0


class Failed(OfRuns, frozen=True, kw_only=True, tag="failed"):
    """A run failed, at most `newest_seconds` ago when it is first seen."""

    newest_seconds: Seconds = 86_400.0


class Stalled(OfRuns, frozen=True, kw_only=True, tag="stalled"):
    """A run's session gave no sign of life for `silent_seconds`, or nothing of it moved for `still_seconds`."""

    silent_seconds: Seconds = 60.0
    still_seconds: Seconds | None = None


class Duration(OfRuns, frozen=True, kw_only=True, tag="duration"):
    """A run, or one stage of it, has been working for longer than `above_seconds`."""

    above_seconds: Seconds
    stage: str | None = None


class Rate(OfRuns, frozen=True, kw_only=True, tag="rate"):
    """A mapped stage finished fewer than `below_per_second` items over `window_seconds` of its work."""

    below_per_second: Annotated[float, msgspec.Meta(gt=0)]
    window_seconds: Annotated[float, msgspec.Meta(gt=0)] = 300.0
    stage: str | None = None


class ErrorRate(Rule, frozen=True, kw_only=True, tag="error_rate"):
    """More than the share `above` of the attempts of `window_seconds`, of all runs, failed; of `least` or more."""

    above: Share = 0.1
    window_seconds: Annotated[float, msgspec.Meta(gt=0)] = 300.0
    least: Annotated[int, msgspec.Meta(ge=1)] = 20
    warnings: bool = False


class Health(Rule, frozen=True, kw_only=True, tag="health"):
    """The health of the workspace is `at` this level or worse."""

    at: Literal["warning", "critical"] = "critical"


KINDS: dict[str, type[Rule]] = {
    "interrupted": Interrupted,
    "failed": Failed,
    "stalled": Stalled,
    "duration": Duration,
    "rate": Rate,
    "error_rate": ErrorRate,
    "health": Health,
}

DEFAULT_RULES: tuple[Rule, ...] = (
    Interrupted(name="interrupted", severity="critical"),
    Stalled(name="stalled", for_seconds=10.0),  # a machine that woke up is given time to beat
    ErrorRate(name="error_rate"),
)
