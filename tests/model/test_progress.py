"""What progress, rates and estimates promise."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from milepost.model.progress import Pace, fraction

times = st.floats(0.001, 1e6)
steps = st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 50)), min_size=1, max_size=30)


def folded(steps: list[tuple[float, int]], started: float = 0.0) -> tuple[Pace, float]:
    pace, at, done = Pace(started=started), started, 0
    for seconds, items in steps:
        at, done = at + seconds, done + items
        pace = pace.observe(at=at, done=done)
    return pace, at


@given(st.floats(0.01, 1000), st.integers(1, 200))
def test_a_steady_load_has_its_rate_and_its_eta(seconds: float, items: int) -> None:
    """Items of equal length: the rate is exact and so is the estimate."""
    pace, at = folded([(seconds, 1)] * items)
    assert math.isclose(pace.rate(now=at) or 0.0, 1 / seconds, rel_tol=1e-6)
    assert math.isclose(pace.eta(left=7, now=at) or 0.0, 7 * seconds, rel_tol=1e-6)


@given(steps)
def test_a_rate_is_positive_and_finite_or_unknown(steps: list[tuple[float, int]]) -> None:
    """No order of observations gives a negative, infinite or undefined rate."""
    pace, at = folded(steps)
    rate = pace.rate(now=at + 1)
    assert (rate is None) == (sum(items for _, items in steps) == 0)
    assert rate is None or 0 < rate < math.inf


@given(steps, st.integers(0, 1000), st.floats(0, 1000))
def test_an_eta_is_never_negative(steps: list[tuple[float, int]], left: int, later: float) -> None:
    """Whatever was seen and however late it is."""
    pace, at = folded(steps)
    eta = pace.eta(left=left, now=at + later)
    assert eta is None or 0 <= eta < math.inf


@given(steps, st.floats(0, 1e9))
def test_only_elapsed_time_counts(steps: list[tuple[float, int]], started: float) -> None:
    """A monotonic clock may begin anywhere."""
    early, at = folded(steps)
    late, then = folded(steps, started=started)
    first, second = early.rate(now=at), late.rate(now=then)
    assert (first is None) == (second is None)
    assert first is None or math.isclose(first, second or 0.0, rel_tol=1e-3)


def test_resumed_items_do_not_inflate_the_rate() -> None:
    """9,000 items of earlier sessions are never observed; ten in ten seconds are one a second."""
    pace, at = folded([(1.0, 1)] * 10)
    assert math.isclose(pace.rate(now=at) or 0.0, 1.0)


def test_an_eta_counts_down_within_a_long_item_and_grows_when_it_is_overdue() -> None:
    """Items of 60 s: thirty seconds into one, half a minute less is left; after ten minutes of silence, more is."""
    pace, at = folded([(60.0, 1)] * 3)
    assert math.isclose(pace.eta(left=2, now=at + 30) or 0.0, 90.0)
    overdue = pace.eta(left=2, now=at + 600)
    assert overdue is not None
    assert overdue > 120


def test_an_eta_is_shown_for_items_of_a_minute_after_the_first() -> None:
    """One item is enough for an estimate."""
    pace, at = folded([(60.0, 1)])
    assert math.isclose(pace.eta(left=1, now=at) or 0.0, 60.0)


def test_a_drift_is_followed_faster_than_by_the_overall_mean() -> None:
    """After ten items of 1 s and ten of 3 s the rate is nearer to 1/3 than 20/40."""
    pace, at = folded([(1.0, 1)] * 10 + [(3.0, 1)] * 10)
    assert 1 / 3 < (pace.rate(now=at) or 0.0) < 0.5


def test_a_step_back_is_ignored() -> None:
    """Neither a clock nor a count that goes back changes what is known."""
    pace, at = folded([(1.0, 5)])
    assert pace.observe(at=at - 0.5, done=9) == pace
    assert pace.observe(at=at + 1, done=3) == pace


@given(st.floats(-10, 1e6), st.one_of(st.none(), st.floats(0, 1e6)), st.one_of(st.none(), st.floats(-2, 5)))
def test_a_fraction_stays_between_nothing_and_all(done: float, total: float | None, told: float | None) -> None:
    """A wrong total or a fraction beyond 1 shows as 1, an unknown total as unknown."""
    found = fraction(done=done, total=total, told=told)
    assert found is None or 0.0 <= found <= 1.0
    assert (found is None) == (total is None and told is None)


def test_no_items_are_all_done() -> None:
    """Zero of zero is complete."""
    assert fraction(done=0, total=0) == 1.0
