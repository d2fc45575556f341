"""The rules of health: bounds that hold, statuses that do not flap, rates that are over when they are over."""

import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.model.health import (
    LONG_SECONDS,
    SHORT_SECONDS,
    Count,
    HealthStatus,
    Levels,
    Thresholds,
    bounds,
    counted,
    is_over,
    judge_rate,
    worst,
)
from milepost.model.health_looks import Look, Sample, damped, seconds_until_full, with_look, with_sample

HEALTHY, WARNING, UNKNOWN, CRITICAL = HealthStatus
LEVELS = Thresholds().errors

counts = st.integers(1, 100_000).flatmap(lambda total: st.builds(Count, st.integers(0, total), st.just(total)))
statuses = st.sampled_from(HealthStatus)


@st.composite
def windows(draw):
    """Five minutes, and the hour that contains them."""
    short = draw(st.one_of(st.just(Count(0, 0)), counts))
    before = draw(st.one_of(st.just(Count(0, 0)), counts))
    return short, Count(short.bad + before.bad, short.total + before.total)


def test_statuses_are_ordered_by_how_bad_they_are():
    """Not by their letters; also against the words themselves."""
    assert [HEALTHY, WARNING, UNKNOWN, CRITICAL] == sorted([CRITICAL, UNKNOWN, HEALTHY, WARNING])
    assert CRITICAL > "healthy"
    assert "healthy" == HEALTHY
    assert worst([]) is HEALTHY
    assert WARNING >= WARNING
    assert WARNING <= WARNING
    with pytest.raises(ValueError):
        HEALTHY < "fine"  # noqa: B015


def test_a_status_is_a_word_in_json_and_keeps_its_identity():
    assert msgspec.json.encode(WARNING) == b'"warning"'
    assert pickle.loads(pickle.dumps(WARNING)) is WARNING
    assert len({*HealthStatus, "warning"}) == 4


@given(counts)
def test_the_bounds_enclose_the_share(count):
    low, high = bounds(count)
    assert 0 <= low <= count.share <= high <= 1


@given(counts, st.integers(2, 50))
def test_more_evidence_of_the_same_share_narrows_the_bounds(count, times):
    low, high = bounds(count)
    narrow_low, narrow_high = bounds(Count(count.bad * times, count.total * times))
    assert low <= narrow_low + 1e-12
    assert narrow_high <= high + 1e-12


@given(windows(), st.floats(0, LONG_SECONDS))
def test_one_more_failure_never_makes_it_better(window, silence):
    short, long = window
    before = judge_rate(short, long, LEVELS, silence_seconds=silence)
    after = judge_rate(
        Count(short.bad + 1, short.total + 1), Count(long.bad + 1, long.total + 1), LEVELS, silence_seconds=0
    )
    assert before <= after


@given(windows(), st.floats(0, LONG_SECONDS))
def test_one_more_success_never_makes_it_worse(window, silence):
    short, long = window
    before = judge_rate(short, long, LEVELS, silence_seconds=silence)
    after = judge_rate(
        Count(short.bad, short.total + 1), Count(long.bad, long.total + 1), LEVELS, silence_seconds=silence
    )
    assert after <= before


@given(st.integers(0, 100_000), st.floats(0, LONG_SECONDS))
def test_without_failures_all_is_well(total, silence):
    clean = Count(0, total)
    assert judge_rate(Count(0, 0), clean, LEVELS, silence_seconds=silence) is HEALTHY
    assert judge_rate(clean, clean, LEVELS, silence_seconds=silence) is HEALTHY


@given(st.integers(1, 100_000))
def test_when_everything_fails_it_is_critical_from_the_first_document_on(total):
    all_bad = Count(total, total)
    assert judge_rate(all_bad, all_bad, LEVELS, silence_seconds=0) is CRITICAL


@given(counts)
def test_an_hour_after_the_last_failure_all_is_well(count):
    """Whatever had happened: counts are per window."""
    assert judge_rate(Count(0, 0), Count(0, count.total), LEVELS, silence_seconds=LONG_SECONDS) is HEALTHY


def test_one_failure_in_a_hundred_is_no_evidence_and_thirty_are():
    assert judge_rate(Count(1, 100), Count(1, 100), LEVELS, silence_seconds=0) is HEALTHY
    assert judge_rate(Count(30, 100), Count(30, 100), LEVELS, silence_seconds=0) is CRITICAL
    assert judge_rate(Count(11, 100), Count(11, 100), LEVELS, silence_seconds=0) is WARNING


def test_a_fresh_disaster_is_seen_after_an_hour_of_success():
    """The hour alone would say 0.1 %."""
    assert judge_rate(Count(50, 50), Count(50, 50_050), LEVELS, silence_seconds=0) is CRITICAL


def test_a_slow_job_that_fails_is_seen_between_its_failures():
    """One document in ten minutes, all of them failing: five minutes without any are no recovery."""
    assert judge_rate(Count(0, 0), Count(6, 6), LEVELS, silence_seconds=540) is CRITICAL


def test_a_batch_that_failed_is_over_when_nothing_has_failed_for_a_while():
    """Forty failures of a minute, six minutes ago."""
    assert judge_rate(Count(0, 0), Count(40, 40), LEVELS, silence_seconds=360) is HEALTHY
    assert judge_rate(Count(0, 0), Count(40, 40), LEVELS, silence_seconds=200) is CRITICAL


@given(counts, st.floats(0, SHORT_SECONDS, exclude_max=True))
def test_five_minutes_at_least_have_to_pass_in_silence(count, silence):
    assert is_over(count, silence) == (count.bad == 0)


def test_a_check_that_is_not_critical_is_a_warning_at_worst():
    assert [counted(status, is_critical=False) for status in HealthStatus] == [HEALTHY, WARNING, WARNING, WARNING]
    assert [counted(status, is_critical=True) for status in HealthStatus] == list(HealthStatus)


def test_levels_without_a_critical_one_stop_at_warning():
    assert Levels(0.05).judge(1.0) is WARNING


@given(st.lists(statuses, min_size=1, max_size=20), st.integers(1, 5))
def test_damping_never_shows_what_no_recent_look_found(found, needed):
    """Nor anything worse than the newest look."""
    looks = [Look(float(at), status) for at, status in enumerate(found)]
    shown = damped(looks, needed=needed)
    assert shown in found[-needed:]
    assert shown <= found[-1]


@given(st.lists(statuses, max_size=10), statuses)
def test_three_looks_in_a_row_are_believed(before, status):
    looks = [Look(float(at), each) for at, each in enumerate([*before, status, status, status])]
    assert damped(looks) is status


@given(st.lists(st.sampled_from([WARNING, CRITICAL]), min_size=1))
def test_what_flaps_is_not_shown(bad):
    """Good and bad in turns, beginning with a good one, stays healthy throughout."""
    looks = []
    for at, status in enumerate(bad):
        looks = with_look(looks, Look(2.0 * at, HEALTHY))
        assert damped(looks) is HEALTHY
        looks = with_look(looks, Look(2.0 * at + 1, status))
        assert damped(looks) is HEALTHY


def test_looks_of_another_day_do_not_count():
    """Nor those that a clock which was set back has put into the future."""
    old = [Look(0.0, HEALTHY), Look(1.0, HEALTHY)]
    assert damped(with_look(old, Look(10_000.0, CRITICAL))) is CRITICAL
    assert damped(with_look([Look(9e9, HEALTHY)], Look(10_000.0, CRITICAL))) is CRITICAL


@given(st.integers(1, 10**9), st.integers(6, 60), st.integers(10**6, 10**12))
def test_a_disk_that_fills_steadily_has_a_time(rate, minutes, free):
    samples = [Sample(60.0 * at, 10**15 - 60 * rate * at) for at in range(minutes + 1)]
    left = seconds_until_full(samples, free)
    assert left == pytest.approx(free / rate, rel=1e-6)


def test_one_large_file_is_no_trend_and_neither_is_a_disk_that_empties():
    once = [Sample(60.0 * at, 10**12 if at < 20 else 10**12 - 10**11) for at in range(60)]
    assert seconds_until_full(once, 10**9) is None
    emptying = [Sample(60.0 * at, 10**12 + at) for at in range(60)]
    assert seconds_until_full(emptying, 10**9) is None


def test_a_few_samples_say_nothing():
    assert seconds_until_full([], 10) is None
    assert seconds_until_full([Sample(0.0, 100), Sample(60.0, 50), Sample(120.0, 10)], 10) is None


def test_a_sample_a_minute_is_kept_for_an_hour():
    samples = ()
    for second in range(0, 8000, 7):
        samples = with_sample(samples, Sample(float(second), second))
    assert len(samples) <= 61
    assert samples[-1].at - samples[0].at <= LONG_SECONDS
    assert all(late.at - early.at >= 60 for early, late in zip(samples, samples[1:], strict=False))
