"""Whatever a check answers, raises or is registered with: one sound line of the report, and the others stand."""

import asyncio
import json
import math
import threading

import pytest

from milepost.errors import InvalidDataError
from milepost.health import Finding, HealthCheckManager, HealthReport, HealthStatus


class Bad:
    """Nothing can be said of it."""

    def __repr__(self):
        raise RuntimeError("no text")

    def __bool__(self):
        raise RuntimeError("no truth")


class Mute(Exception):
    def __str__(self):
        raise ValueError


class Long(Exception):
    def __str__(self):
        return "z" * 30_000_000


def asked(manager, answer):
    """What becomes of a check that answers this, in a report that is sound."""

    def ask():
        if isinstance(answer, BaseException):
            raise answer
        return answer

    manager.register("mine", ask, looks=1)
    report = manager.perform_health_check()
    told = json.dumps(report.to_dict(), allow_nan=False)
    assert HealthReport.from_dict(json.loads(told)) == report
    assert "canary" not in told
    told.encode()
    assert len(report.checks) == len(manager.names)
    (mine,) = [check for check in report.checks if check.name == "mine"]
    assert len(mine.text) < 3_000
    return mine


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (Mute(), "critical", "Mute: <without a text: ValueError>"),
        (KeyboardInterrupt(), "critical", "KeyboardInterrupt"),
        (SystemExit(3), "critical", "SystemExit: 3"),
        (StopIteration(), "critical", "StopIteration"),
        (asyncio.CancelledError(), "critical", "CancelledError"),
        (ExceptionGroup("g", [ValueError("x")]), "critical", "ExceptionGroup: g (1 sub-exception)"),
        (OSError("token=canary12345678"), "critical", "token=***"),
        (Finding("warning", "by its name"), "warning", "by its name"),
        (Finding("bogus", "text"), "unknown", "it answered a Finding with status 'bogus'"),
        (Finding(HealthStatus.WARNING, 5), "warning", "5"),
        (Finding(HealthStatus.WARNING, None), "warning", ""),
        (Finding(HealthStatus.WARNING, Bad()), "warning", "<without a text: RuntimeError>"),
        (Finding(HealthStatus.WARNING, "half \ud800"), "warning", "half \\ud800"),
        (Finding(HealthStatus.WARNING, "at https://u:canary12345678@h/"), "warning", "at https://***@h/"),
        (Finding(HealthStatus.WARNING, "t", None), "warning", "t"),
        (Finding(HealthStatus.WARNING, "t", 5), "warning", "t"),
        (Bad(), "unknown", "it answered Bad, which is no Finding, HealthStatus, bool or None"),
        ("healthy", "unknown", "it answered str, which is no Finding, HealthStatus, bool or None"),
        (1, "unknown", "it answered int, which is no Finding, HealthStatus, bool or None"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_answer_is_one_sound_line(manager, answer, status, text):
    """Also what raises when it is looked at."""
    found = asked(manager, answer)
    assert (found.status, found.text) == (status, text)


def test_a_text_of_any_length_is_shortened(manager):
    """Its beginning, and how long it was."""
    assert asked(manager, Long()).text.startswith("Long: zzz")
    assert "(30,000,006 characters)" in asked(manager, Long()).text
    assert "(10,000,000 characters)" in asked(manager, Finding(HealthStatus.HEALTHY, "y" * 10_000_000)).text


def test_figures_that_are_none_are_left_out(manager):
    """Numbers by name, finite ones; those of the workspace's own checks are nobody else's."""
    figures = {"nan": math.nan, "inf": math.inf, "huge": 10**400, "text": "7", 5: 6.0, "fine": 7, "flag": True}
    found = asked(manager, Finding(HealthStatus.HEALTHY, "", {**figures, "error_rate": 5.0, "total_docs": 3.0}))
    report = manager.perform_health_check()
    assert found.metrics == {"fine": 7, "error_rate": 5.0, "total_docs": 3.0}
    assert (report.error_rate, report.total_docs) == (0.0, 0)
    assert report.metrics["fine"] == 7


def test_a_check_may_be_async(manager):
    """It is awaited in its thread."""

    async def ask():
        await asyncio.sleep(0)
        return HealthStatus.WARNING

    manager.register("async", ask, looks=1)
    assert [check.status for check in manager.perform_health_check().checks if check.name == "async"] == ["warning"]


JUNK = [None, "x", b"x", [], {}, object(), Bad(), math.nan, -1, 10**5000, lambda: 1]


@pytest.mark.parametrize("parameter", ["name", "fn", "timeout", "ttl", "looks"])
@pytest.mark.parametrize("junk", JUNK, ids=lambda value: type(value).__name__)
def test_what_cannot_be_a_check_is_refused(manager, parameter, junk):
    """InvalidDataError in some words, and nothing is registered."""
    names = manager.names
    good = {"name": "mine", "fn": lambda: True, "timeout": 1, "ttl": 1, "looks": 1}
    if (parameter, type(junk)) in (("name", str), ("fn", type(lambda: 1))):
        return
    with pytest.raises(InvalidDataError) as refused:
        manager.register(**{**good, parameter: junk})
    assert 20 < len(str(refused.value)) < 300
    assert manager.names == names


@pytest.mark.parametrize("name", [None, [], Bad(), "nosuch", 10**5000], ids=lambda value: type(value).__name__)
def test_an_unknown_check_cannot_go(manager, name):
    """With the nearest, or all that there are."""
    with pytest.raises(InvalidDataError, match="there is no check"):
        manager.unregister(name)


@pytest.mark.parametrize(
    "given",
    [{"workspace": 5}, {"workspace": b"x"}, {"timeout": None}, {"timeout": math.inf}, {"timeout": "5"}, {"timeout": 0},
     {"thresholds": 5}, {"thresholds": {}}, {"store": 5}, {"clock": 5}],
    ids=repr,
)  # fmt: skip
def test_what_a_manager_cannot_be_made_of(given):
    """At once, not at the first look."""
    with pytest.raises(InvalidDataError):
        HealthCheckManager(**given)


def test_looks_without_an_end_are_none(manager):
    """So many bad ones in a row have to be remembered."""
    with pytest.raises(InvalidDataError, match="looks is a whole number from 1 to 10"):
        manager.register("mine", lambda: True, looks=11)


def test_a_check_in_the_place_of_one_that_hangs_is_asked(manager):
    """The old one's thread hangs on; the new one answers at once."""
    stuck = threading.Event()
    manager.register("mine", stuck.wait, timeout=0.05, looks=1)
    assert _mine(manager).status == "unknown"
    manager.register("mine", lambda: HealthStatus.WARNING, timeout=5, looks=1)
    assert _mine(manager).status == "warning"
    manager.unregister("mine")
    stuck.set()
    manager.register("mine", lambda: True, timeout=5, looks=1)
    assert _mine(manager).status == "healthy"


def test_checks_that_are_gone_leave_no_threads(manager):
    """A thousand that come and go."""
    for n in range(1_000):
        manager.register(f"mine {n}", lambda: True)
    assert manager.perform_health_check().status == "healthy"
    for n in range(1_000):
        manager.unregister(f"mine {n}")
    asking = [thread for thread in threading.enumerate() if thread.name.startswith("milepost-health-mine ")]
    for thread in asking:
        thread.join(10)
    assert not any(thread.is_alive() for thread in asking)


def test_another_check_of_the_store_is_asked_for_readiness(manager):
    """In the place of the one that the workspace has."""
    manager.register("store", lambda: Finding(HealthStatus.CRITICAL, "the database of customers is away"))
    report = manager.perform_readiness_check()
    assert (report.status, [check.name for check in report.checks]) == ("critical", ["store"])


def test_checks_that_change_the_checks(manager):
    """While they are asked; also one that asks for all of them, itself included."""
    manager.register("adds", lambda: manager.register("added", lambda: True))
    manager.register("asks", lambda: manager.perform_health_check().status, timeout=0.2, looks=1)
    assert manager.perform_health_check().status == "unknown"
    assert "added" in manager.names


def _mine(manager):
    return next(check for check in manager.perform_health_check().checks if check.name == "mine")
