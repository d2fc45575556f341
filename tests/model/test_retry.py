"""Waits between attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.model.retry import Backoff

backoffs = st.builds(
    Backoff,
    attempts=st.integers(1, 10_000),
    base=st.floats(0, 1e6),
    factor=st.floats(1, 100),
    maximum=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
)


@given(backoffs, st.integers(1, 10_000), st.floats(0, 1))
def test_bounds(backoff, attempt, random01):
    """A wait is within its share of the ceiling and the maximum; after the last attempt there is none."""
    delay = backoff.delay(attempt, random01)
    if attempt >= backoff.attempts:
        assert delay is None
    else:
        ceiling = backoff.ceiling(attempt)
        assert ceiling * (1 - backoff.jitter) - 1e-9 <= delay <= ceiling * (1 + 1e-12) <= backoff.maximum * (1 + 1e-9)


@given(backoffs, st.integers(1, 1000))
def test_ceilings_rise(backoff, attempt):
    """The longest wait never becomes shorter, and never overflows."""
    assert backoff.ceiling(attempt) <= backoff.ceiling(attempt + 1)


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"base": -1}, {"factor": 0.5}, {"maximum": float("inf")}, {"jitter": 2}, {"base": float("nan")}],
)
def test_refused(wrong):
    """A backoff that makes no sense is refused and named."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Backoff(**wrong)
