"""Numbers as people read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.model.units import ago_text, bytes_text, count_text, duration_text, rate_text

UNIT_SECONDS = {"µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}


def seconds_of(text):
    parts = re.findall(r"([\d.,]+) (\S+)", text)
    return sum(float(number.replace(",", "")) * UNIT_SECONDS[unit] for number, unit in parts)


@given(st.floats(1e-6, 1e9))
def test_durations_read_back(seconds):
    """A duration's text is true to 5 % or half of its smallest unit, and short."""
    text = duration_text(seconds)
    smallest = UNIT_SECONDS[text.split()[-1]]
    tolerance = max(0.05 * seconds, smallest * 1.01) if len(text.split()) > 2 else max(0.05 * seconds, smallest * 0.51)
    assert seconds_of(text) == pytest.approx(seconds, abs=max(tolerance, 60 if seconds >= 3600 else 0))
    assert len(text) <= 13


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_durations_keep_order(one, other):
    """A longer duration never reads shorter."""
    short, long = sorted((one, other))
    assert seconds_of(duration_text(short)) <= seconds_of(duration_text(long)) + 1e-12


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.9996, "1.0 s"), (9.96, "10 s"), (59.7, "1 min"), (3599.6, "1 h"), (4320, "1 h 12 min")]
    + [(86399.9, "1 d"), (-3.2, "-3.2 s"), (None, "–"), (float("nan"), "–"), (float("inf"), "–"), (0.18, "180 ms")],
)
def test_duration_borders(seconds, text):
    """At the borders the next unit is used, and what is unknown is a dash."""
    assert text == duration_text(seconds)


@given(st.integers(0, 10**17))
def test_bytes_read_back(count):
    """A size's text is true to half a percent and never longer than 8 characters."""
    number, unit = bytes_text(count).split()
    factor = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}[unit]
    assert float(number.replace(",", "")) * factor == pytest.approx(count, rel=0.0051)
    assert len(number) <= 4


@pytest.mark.parametrize(
    ("count", "text"),
    [(999_500, "1.00 MB"), (999_499, "999 kB"), (-2048, "-2.05 kB"), (None, "–"), (10**19, "10,000 PB")],
)
def test_bytes_borders(count, text):
    """Four figures become the next unit."""
    assert text == bytes_text(count)


@given(st.integers())
def test_counts_read_back(count):
    """A count is exact."""
    assert count == int(count_text(count).replace(",", ""))


@given(st.floats(1e-4, 1e9))
def test_rates_read_back(rate):
    """A rate's text is true to 6 %."""
    number, unit = rate_text(rate).split("/")
    assert float(number.replace(",", "")) / UNIT_SECONDS[unit] == pytest.approx(rate, rel=0.06)


@pytest.mark.parametrize("rate", [None, float("nan"), -1.0, float("inf")])
def test_unknown_rates(rate):
    """A rate that is not known is a dash."""
    assert "–" == rate_text(rate)


@given(st.floats(-1e3, 1e9))
def test_ages(seconds):
    """An age is never more than it is, nor less than half of it; the near future is now."""
    text = ago_text(seconds)
    if seconds < 5:
        assert "just now" == text
    else:
        assert seconds / 2 < seconds_of(text) <= seconds
