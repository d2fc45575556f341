"""Messages on their way: tried three times, never waited for, and what people read."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from alert_servers import notice

from milepost.alerts.channels import Channel, ChannelDown
from milepost.alerts.courier import Courier
from milepost.alerts.notice import LAST_OF_HOUR, notice_of
from milepost.model.alerting import AlertState, Change, Message
from milepost.model.redaction import register_secret


class Post(Channel, frozen=True, kw_only=True, tag="post"):
    """A channel of the test's: fails as often as it is told, and waits while its gate is closed."""

    failures: int = 0
    error: str = "nobody answers"
    sent: list[str] = []
    tries: list[str] = []
    gate: Any = None

    def send(self, notice: Any) -> None:
        if self.gate is not None:
            self.gate.wait()
        self.tries.append(notice.id)
        if len(self.tries) <= self.failures:
            raise ChannelDown(self.error)
        self.sent.append(notice.id)


def courier(warnings: list[str]) -> Courier:
    return Courier(warnings.append, pauses=(0.0, 0.0))


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_channel_is_tried_three_times(failures: int) -> None:
    """Twice down is no trouble: the third try counts."""
    warnings: list[str] = []
    post, way = Post(name="post", failures=failures, sent=[], tries=[]), courier(warnings)
    way.hand_over(notice(), post)
    assert way.wait(30)
    assert [(done.channel, done.error) for done in way.delivered()] == [("post", None)]
    assert post.sent == ["1f"]
    assert warnings == []
    way.close()


def test_a_channel_that_stays_down_is_told_of_with_one_warning() -> None:
    """Three tries, one warning until it works again, secrets masked."""
    register_secret("canary-4711")
    warnings: list[str] = []
    post = Post(name="post", failures=6, error="GET /canary-4711", sent=[], tries=[])
    way = courier(warnings)
    for number in ("1", "2", "3"):
        way.hand_over(notice(id=number), post)
        assert way.wait(30)
    assert [(done.id, done.error is None) for done in way.delivered()] == [("1", False), ("2", False), ("3", True)]
    assert warnings == ["alert channel 'post' is down after 3 tries, and is tried again later: GET /***"]
    way.close()


def test_what_comes_behind_a_message_that_was_not_taken_is_handed_back() -> None:
    """A hundred messages for a channel that is down cost three tries, not 300; they can be handed over anew."""
    gate = threading.Event()
    post, way = Post(name="post", failures=3, gate=gate, sent=[], tries=[]), courier([])
    for number in range(100):
        assert way.hand_over(notice(id=str(number)), post)
    gate.set()
    assert way.wait(30)
    assert [done.id for done in way.delivered()] == ["0"]
    assert post.tries == ["0", "0", "0"]
    assert way.hand_over(notice(id="99"), post)
    assert way.wait(30)
    assert [(done.id, done.error) for done in way.delivered()] == [("99", None)]
    way.close()


def test_a_channel_that_hangs_delays_neither_its_watcher_nor_the_others() -> None:
    """Each has a thread of its own; handing over returns at once."""
    gate = threading.Event()
    slow, quick = Post(name="slow", gate=gate, sent=[], tries=[]), Post(name="quick", sent=[], tries=[])
    way = courier([])
    for number in range(100):
        way.hand_over(notice(id=str(number)), slow)
    way.hand_over(notice(id="now"), quick)
    while not quick.sent:
        way.wait(0.01)
    assert slow.sent == []
    gate.set()
    assert way.wait(30)
    assert len(slow.sent) == 100
    way.close()


def test_a_message_is_handed_over_once_until_it_is_settled() -> None:
    """Whoever looks again while it is under way, or before its outcome was collected, sends nothing twice."""
    gate = threading.Event()
    post, way = Post(name="post", gate=gate, sent=[], tries=[]), courier([])
    way.hand_over(notice(), post)
    way.hand_over(notice(), post)
    gate.set()
    assert way.wait(30)
    way.hand_over(notice(), post)
    assert way.wait(30)
    assert post.sent == ["1f"]
    assert len(way.delivered()) == 1
    way.close()


def test_who_is_closed_while_a_channel_is_down_settles_nothing() -> None:
    """What was not delivered is for the next watcher, not given up."""
    post = Post(name="post", failures=99, sent=[], tries=[])
    way = Courier([].append, pauses=(600.0, 600.0))
    way.hand_over(notice(), post)
    while not post.tries:
        way.wait(0.01)
    way.close()
    assert way.wait(30)
    assert way.delivered() == []


def change(subject: str, state: AlertState = AlertState.FIRING, text: str = "was killed") -> Change:
    return Change(rule="dead", subject=subject, state=state, at=0.0, text=text)


def test_a_notice_is_small_whatever_it_is_about() -> None:
    """A thousand subjects, names of 10 MB, control characters: one harmless line, a few kilobytes."""
    long = "x" * 10_000_000 + "\n\x1b[2J"
    storm = Message(rule=long, at=0.0, changes=tuple(change(f"{n} {long[:5000]}") for n in range(1000)), is_last=True)
    told = notice_of(storm, number="1", severity="critical", workspace="/w")
    assert len(told.body()) < 8192
    assert told.count == 1000
    assert len(told.subjects) == 10
    assert "\x1b" not in told.title + told.text
    assert told.state == "several"


def test_a_storm_is_told_in_numbers_with_the_first_names() -> None:
    """How many fire and how many are over, who they are, and that the rule is silent now."""
    changes = [change("brisk-otter"), *(change(f"r{n}") for n in range(20)), change("old-elk", AlertState.RESOLVED)]
    told = notice_of(Message(rule="dead", at=0.0, changes=tuple(changes), is_last=True), number="1",
                     severity="critical", workspace="/w")  # fmt: skip
    assert told.text.startswith("21 began to fire, 1 were resolved: brisk-otter, r0, r1")
    assert "and 12 more" in told.text
    assert LAST_OF_HOUR in told.text
    assert (told.firing, told.resolved, told.title) == (21, 1, "[several] dead: 22 changes")


@pytest.mark.parametrize("secret", ["postgresql://ada:canary@db/sales", "api_key=canary", "Bearer canary-canary"])
def test_no_secret_is_told(secret: str) -> None:
    """Whatever field it stands in."""
    message = Message(rule=secret, at=0.0, changes=(change(secret, text=f"failed: {secret}"),))
    told = notice_of(message, number="1", severity="critical", workspace=secret)
    assert b"canary" not in told.body()
    assert "canary" not in told.title
