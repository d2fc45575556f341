"""The machine of alerts: what fires, what is resolved, what is told, under any history."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.model.alerting import HOUR_SECONDS, AlertState, Book, Change, Finding, Message, Policy

FIRING, RESOLVED, PENDING, WITHDRAWN = (
    AlertState.FIRING, AlertState.RESOLVED, AlertState.PENDING, AlertState.WITHDRAWN,
)  # fmt: skip


class History:
    """A book that is looked at, with all that came of it."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.book = Book("rule")
        self.changes: list[Change] = []
        self.messages: list[Message] = []

    def look(self, subjects: set[str], now: float) -> list[Change]:
        changes = self.book.changes(self.policy, [Finding(subject, f"{subject} is ill") for subject in subjects], now)
        for change in changes:
            self.book.fold(change)
        self.changes += changes
        for message in self.book.messages(self.policy, now):
            assert self.book.fold_told(message.at, len(message.changes)) == message.changes
            self.messages.append(message)
        return changes

    def states(self, subject: str) -> list[AlertState]:
        return [change.state for change in self.changes if change.subject == subject]


policies = st.builds(
    Policy,
    for_seconds=st.sampled_from([0.0, 10.0, 60.0]),
    cooldown_seconds=st.sampled_from([0.0, 300.0, 4000.0]),
    most_per_hour=st.integers(1, 5),
)
looks = st.lists(
    st.tuples(st.sampled_from([1.0, 5.0, 59.0, 301.0, 3601.0]), st.sets(st.sampled_from("abcdefgh"))), max_size=60
)


def looked_at(policy: Policy, seen: list[tuple[float, set[str]]]) -> History:
    history, now = History(policy), 1_000_000.0
    for seconds, subjects in seen:
        now += seconds
        history.look(subjects, now)
    return history


@given(policies, looks)
def test_never_more_messages_than_the_cap_in_any_hour(policy: Policy, seen: list[tuple[float, set[str]]]) -> None:
    """Whatever happens, an hour has at most `most_per_hour` messages of a rule."""
    times = [message.at for message in looked_at(policy, seen).messages]
    for start in times:
        assert sum(start <= at < start + HOUR_SECONDS for at in times) <= policy.most_per_hour


@given(policies, looks)
def test_every_firing_is_resolved_or_still_firing(policy: Policy, seen: list[tuple[float, set[str]]]) -> None:
    """An alert goes pending → firing → resolved, or pending → withdrawn; what is open is what holds."""
    history = looked_at(policy, seen)
    follows = {None: {PENDING, FIRING}, PENDING: {FIRING, WITHDRAWN}, FIRING: {RESOLVED}}
    for subject in "abcdefgh":
        state = None
        for after in history.states(subject):
            assert after in follows.get(state, {PENDING, FIRING})
            state = after
        assert (state in (PENDING, FIRING)) == (subject in history.book.open())
    if seen:
        assert set(history.book.open()) == seen[-1][1]


@given(policies, looks)
def test_nothing_is_told_twice_and_nothing_is_forgotten(policy: Policy, seen: list[tuple[float, set[str]]]) -> None:
    """Each firing and each resolution is in exactly one message, in their order, once hours enough have passed."""
    history = looked_at(policy, seen)
    last = seen[-1][1] if seen else set()
    now = 9_000_000.0
    for _ in range(3):  # a summary takes all that is left
        now += HOUR_SECONDS
        history.look(last, now)
    told = [change for message in history.messages for change in message.changes]
    assert told == [change for change in history.changes if change.state in (FIRING, RESOLVED)]


@given(policies, looks)
def test_two_firings_of_one_subject_are_the_cooldown_apart(policy: Policy, seen: list[tuple[float, set[str]]]) -> None:
    """Flapping does not fire again within `cooldown_seconds`, and nothing fires before it held for `for_seconds`."""
    history = looked_at(policy, seen)
    for subject in "abcdefgh":
        mine = [change for change in history.changes if change.subject == subject]
        fired = [change.at for change in mine if change.state is FIRING]
        assert all(later - earlier >= policy.cooldown_seconds for earlier, later in zip(fired, fired[1:], strict=False))
        for before, after in zip(mine, mine[1:], strict=False):
            if (before.state, after.state) == (PENDING, FIRING):
                assert after.at - before.at >= policy.for_seconds


@given(policies, looks, st.integers(0, 60))
def test_a_book_folded_anew_goes_on_alike(policy: Policy, seen: list[tuple[float, set[str]]], cut: int) -> None:
    """A watcher that was restarted anywhere finds and tells just what the one that was not would have."""
    whole = looked_at(policy, seen)
    begun = looked_at(policy, seen[:cut])
    again = History(policy)
    again.changes, again.messages = begun.changes, begun.messages
    facts = sorted([*begun.changes, *begun.messages], key=lambda fact: (fact.at, isinstance(fact, Message)))
    for fact in facts:
        if isinstance(fact, Message):
            again.book.fold_told(fact.at, len(fact.changes))
        else:
            again.book.fold(fact)
    now = 1_000_000.0 + sum(seconds for seconds, _ in seen[:cut])
    for seconds, subjects in seen[cut:]:
        now += seconds
        again.look(subjects, now)
    assert Counter(map(msgspec.json.encode, again.changes)) == Counter(map(msgspec.json.encode, whole.changes))
    assert [len(message.changes) for message in again.messages] == [len(message.changes) for message in whole.messages]


def test_a_thousand_subjects_are_summed_up_in_the_last_message() -> None:
    """A storm of 1,000 with a cap of 20 is 19 messages and one for the other 981; then silence for an hour."""
    history = History(Policy(most_per_hour=20))
    storm = {f"run-{number}" for number in range(1000)}
    history.look(storm, 0.0)
    assert [len(message.changes) for message in history.messages] == [1] * 19 + [981]
    assert [message.is_last for message in history.messages] == [False] * 19 + [True]
    history.look(set(), 60.0)
    assert len(history.messages) == 20
    history.look(set(), 3600.0)
    assert [len(message.changes) for message in history.messages[20:]] == [1] * 19 + [981]
    assert {change.state for message in history.messages[20:] for change in message.changes} == {RESOLVED}


def test_a_condition_that_goes_before_its_time_fires_nothing() -> None:
    """With `for_seconds` a short trouble is pending, then withdrawn, and nobody is told."""
    history = History(Policy(for_seconds=60.0))
    history.look({"a"}, 0.0)
    history.look({"a"}, 59.0)
    history.look(set(), 60.0)
    assert history.states("a") == [PENDING, WITHDRAWN]
    assert history.messages == []


def test_what_comes_back_within_the_cooldown_fires_when_it_is_over() -> None:
    """A second death after 100 s waits until 300 s have passed since the first was told; it is not forgotten."""
    history = History(Policy())
    for now, subjects in ((0.0, {"a"}), (50.0, set()), (100.0, {"a"}), (299.0, {"a"}), (300.0, {"a"})):
        history.look(subjects, now)
    assert history.states("a") == [FIRING, RESOLVED, PENDING, FIRING]
    assert [change.at for change in history.changes if change.state is FIRING] == [0.0, 300.0]


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_a_day_silences_nobody(jump: float) -> None:
    """After the wall clock was set by a day, back or forth, alerts fire, are resolved and are told as before."""
    history = History(Policy(most_per_hour=1))
    history.look({"a"}, 0.0)
    history.look(set(), 10.0)
    history.look({"a"}, jump)
    history.look({"a"}, jump + 10.0)
    assert history.states("a") == [FIRING, RESOLVED, FIRING]
    assert len(history.messages) == 2


def test_a_subject_found_twice_in_one_look_is_one_alert() -> None:
    """Duplicates among findings change nothing."""
    changes = Book("rule").changes(Policy(), [Finding("a", "one"), Finding("a", "two")], 0.0)
    assert [change.subject for change in changes] == ["a"]
