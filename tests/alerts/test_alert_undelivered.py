"""Messages for a channel that is down: kept, tried again, let go when nobody needs them; through restarts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alert_places import Place, rules

from milepost.alerts import AlertSettings, Watcher
from milepost.alerts.channels import Channel, ChannelDown
from milepost.alerts.courier import Courier
from milepost.alerts.waiting import LONGEST_PAUSE
from milepost.model.rows import EventRow


class Line(Channel, frozen=True, kw_only=True, tag="line"):
    """Works while the test says so."""

    works: list[bool] = []
    sent: list[Any] = []
    tries: list[str] = []

    def send(self, notice: Any) -> None:
        self.tries.append(notice.id)
        if not self.works:
            raise ChannelDown("nobody answers")
        self.sent.append(notice)


@pytest.fixture
def line() -> Line:
    return Line(name="line", works=[], sent=[], tries=[])


def watcher(place: Place, line: Line, **more: Any) -> Watcher:
    given = rules(dead={"on": "interrupted", "cooldown_seconds": 0})
    told = AlertSettings(
        rules=tuple(msgspec.structs.replace(rule, channels=("line",)) for rule in given.rules), channels={"line": line}
    )
    courier = Courier(place.warnings.append, pauses=(0.0, 0.0))
    return Watcher(place.workspace, told, clock=place.clock, warn=place.warnings.append, courier=courier, **more)


def look(watching: Watcher) -> None:
    """Look, and let what was handed over come to an end, at once."""
    watching.look()
    assert watching._courier.wait(30)
    watching._settle()


def told(line: Line) -> list[tuple[str, tuple[str, ...]]]:
    return [(notice.state, notice.subjects) for notice in line.sent]


def reasons(place: Place) -> list[str | None]:
    return [json.loads(row.json)["error"] for row in place.store.rows(EventRow, run="", kind="alert_sent")]


def test_a_message_is_kept_until_its_channel_works(place: Place, line: Line) -> None:
    """Three tries, one warning; then again after 30, 60, 120 seconds; delivered once."""
    place.run("brisk-otter", alive=False)
    watching, tries = watcher(place, line), []
    for seconds in (0, 0, 29, 1, 59, 1, 119):
        place.clock.advance(seconds)
        look(watching)
        tries.append(len(line.tries))
    assert tries == [3, 3, 3, 6, 6, 9, 9]
    line.works.append(True)
    place.clock.advance(1)
    look(watching)
    look(watching)
    watching.close(30)
    assert told(line) == [("firing", ("brisk-otter",))]
    assert place.kinds().count("alert_undelivered") == 3
    assert reasons(place) == [None]
    assert len(place.warnings) == 1
    assert "is down after 3 tries, and is tried again later: nobody answers" in place.warnings[0]


def test_the_next_watcher_goes_on_with_it(place: Place, line: Line) -> None:
    """At its first look, whatever the pause: somebody may have mended the channel. Then it keeps to the pauses."""
    place.run("brisk-otter", alive=False)
    first = watcher(place, line)
    look(first)
    first.close()
    second = watcher(place, line)
    look(second)
    look(second)
    assert len(line.tries) == 6
    second.close()
    line.works.append(True)
    third = watcher(place, line)
    look(third)
    third.close(30)
    assert told(line) == [("firing", ("brisk-otter",))]
    assert len(set(line.tries)) == 1
    fourth = watcher(place, line)
    look(fourth)
    fourth.close(30)
    assert len(line.sent) == 1


def test_a_firing_that_was_not_delivered_gives_way_to_its_resolution(place: Place, line: Line) -> None:
    """What is over is told as over, alone; what is not, is told."""
    run = place.run("brisk-otter", alive=False)
    place.run("old-elk", alive=False)
    watching = watcher(place, line)
    look(watching)
    place.resume(run)
    look(watching)
    assert "a later message tells of all it is about" in reasons(place)
    line.works.append(True)
    place.clock.advance(LONGEST_PAUSE)
    look(watching)
    look(watching)
    watching.close(30)
    assert sorted(told(line)) == [("firing", ("old-elk",)), ("resolved", ("brisk-otter",))]


def test_when_a_channel_works_again_it_is_told_everything_in_order(place: Place, line: Line) -> None:
    """One message is the probe; the others follow it, also when the watcher ends right then."""
    watching = watcher(place, line)
    for name in ("r1", "r2", "r3"):
        place.run(name, alive=False)
        look(watching)
    assert len(line.tries) == 3
    line.works.append(True)
    place.clock.advance(LONGEST_PAUSE)
    look(watching)
    assert [subjects for _, subjects in told(line)] == [("r1",)]
    watching.close(30)
    assert [subjects for _, subjects in told(line)] == [("r1",), ("r2",), ("r3",)]


def test_after_a_day_nobody_is_told(place: Place, line: Line) -> None:
    """Neither by the watcher that tried all day, nor by one that begins then."""
    place.run("brisk-otter", alive=False)
    watching = watcher(place, line)
    for _ in range(200):
        look(watching)
        place.clock.advance(450)
    line.works.append(True)
    look(watching)
    watching.close(30)
    assert line.sent == []
    assert reasons(place) == ["it waited for a day"]
    assert place.kinds().count("alert_undelivered") < 110
    assert [subject for _, subject, _ in watching.firing()] == ["brisk-otter"]


def test_clocks_that_jump_lose_no_message(place: Place, line: Line) -> None:
    """An hour back in the middle of a pause: it is tried again, at once or later, and delivered."""
    place.run("brisk-otter", alive=False)
    watching = watcher(place, line)
    look(watching)
    place.clock.jump(-3600)
    line.works.append(True)
    for _ in range(40):
        look(watching)
        place.clock.advance(30)
    watching.close(30)
    assert told(line) == [("firing", ("brisk-otter",))]


def test_other_channels_do_not_wait(place: Place, line: Line) -> None:
    """What one takes it is told once, however long the other is down."""
    well = Line(name="well", works=[True], sent=[], tries=[])
    rule = msgspec.structs.replace(rules(dead={"on": "interrupted"}).rules[0], channels=("line", "well"))
    settings = AlertSettings(rules=(rule,), channels={"line": line, "well": well})
    courier = Courier(place.warnings.append, pauses=(0.0, 0.0))
    watching = Watcher(place.workspace, settings, clock=place.clock, warn=place.warnings.append, courier=courier)
    place.run("brisk-otter", alive=False)
    for _ in range(3):
        place.clock.advance(LONGEST_PAUSE)
        look(watching)
    watching.close(30)
    assert (len(well.sent), len(line.tries)) == (1, 9)


def test_a_channel_that_is_mended_by_its_settings(tmp_path: Path, place: Place, line: Line) -> None:
    """The message waits for the channel's name, not for what stood behind it."""
    place.run("brisk-otter", alive=False)
    first = watcher(place, line)
    look(first)
    first.close()
    mended = Line(name="line", works=[True], sent=[], tries=[])
    second = watcher(place, mended)
    look(second)
    second.close(30)
    assert len(mended.sent) == 1
