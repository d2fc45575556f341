"""Old events of alerts are forgotten, and nothing that still counts with them."""

from __future__ import annotations

from typing import Any

import pytest
from alert_places import Place, look, rules

from milepost.alerts.forgetting import LOCK, MOST_KEPT, forget_alerts
from milepost.errors import StoreFull
from milepost.kernel.lock import try_acquire
from milepost.kernel.workspace import Workspace
from milepost.model.rows import EventRow
from milepost.store.memory import MemoryStore

DAY = 86_400.0


def forget(place: Place, **more: Any) -> int:
    return forget_alerts(place.workspace, now=place.clock.now(), **{"delete": True, **more})


def history(place: Place, watcher: Any, rounds: int) -> None:
    """A run that died and went on, again and again."""
    run = place.run("calm-crane")
    for _ in range(rounds):
        place.kill(run)
        look(watcher)
        place.clock.advance(400)
        place.resume(run)
        run = place.store.get(type(run), id=run.id)
        look(watcher)
        place.clock.advance(400)


def test_what_is_old_goes_and_what_is_open_stays(place: Place) -> None:
    """After a month of it: few events are left, and the next watcher finds what fires and tells nobody again."""
    watcher = place.watcher(rules(dead={"on": "interrupted", "most_per_hour": 1000}))
    place.run("old-elk", alive=False)
    history(place, watcher, 50)
    watcher.close(30)
    before = len(place.kinds())
    place.clock.advance(31 * DAY)
    assert forget(place, delete=False) == before
    assert len(place.kinds()) == before
    assert forget(place) == before
    assert place.kinds() == ["alerts_forgotten"]
    told = len(place.post.sent)
    again = place.watcher(rules(dead={"on": "interrupted", "most_per_hour": 1000, "newest_seconds": 1}))
    assert look(again) == []
    assert [subject for _, subject, _ in again.firing()] == ["old-elk"]
    again.close(30)
    assert len(place.post.sent) == told
    assert forget(place) == 0


def test_the_newest_stay_in_any_case_and_the_rest_counts_on(place: Place) -> None:
    """Cut anywhere in a history, what a new watcher finds is what the old one knew."""
    settings = rules(dead={"on": "interrupted", "most_per_hour": 3})
    watcher = place.watcher(settings)
    place.run("old-elk", alive=False)
    history(place, watcher, 4)
    watcher.close(30)
    untold = len(watcher._journal.book("dead").page(place.clock.now()).untold)
    total = len(place.kinds())
    for kept in range(total, -1, -3):
        forget(place, most=kept)
        events = [kind for kind in place.kinds() if kind != "alerts_forgotten"]
        assert len(events) == min(kept, total)
        assert place.kinds().count("alerts_forgotten") == (kept < total)
        fresh = place.watcher(settings)._journal
        fresh.catch_up()
        assert fresh.book("dead").page(place.clock.now()) == watcher._journal.book("dead").page(place.clock.now())
        assert [each.id for each in fresh.outgoing()] == [each.id for each in watcher._journal.outgoing()]
    assert untold == len(fresh.book("dead").page(place.clock.now()).untold) > 0


def test_a_watcher_at_work_is_not_disturbed(place: Place) -> None:
    """It neither repeats nor forgets when the past goes away under it, and records on."""
    watcher = place.watcher(rules(dead={"on": "interrupted"}))
    run = place.run("old-elk", alive=False)
    assert look(watcher) == [("dead", "old-elk", "firing")]
    forget(place, most=0)
    assert look(watcher) == []
    place.resume(run)
    assert look(watcher) == [("dead", "old-elk", "resolved")]
    forget(place, most=0)
    watcher.close(30)
    assert [told.state for told in place.post.sent] == ["firing", "resolved"]
    after = place.watcher(rules(dead={"on": "interrupted"}))
    assert look(after) == []
    after.close(30)
    assert len(place.post.sent) == 2


def test_who_is_broken_off_between_writing_and_taking_away(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left over is read by nobody, and taken away the next time."""
    watcher = place.watcher(rules(dead={"on": "interrupted"}))
    place.run("old-elk", alive=False)
    look(watcher)
    watcher.close(30)

    def refuse(self: MemoryStore, *given: Any, **equal: Any) -> int:
        raise StoreFull("no space is left")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryStore, "drop", refuse)
        with pytest.raises(StoreFull):
            forget(place, most=0)
    again = place.watcher(rules(dead={"on": "interrupted"}))
    assert look(again) == []
    assert [subject for _, subject, _ in again.firing()] == ["old-elk"]
    again.close(30)
    assert forget(place, most=0) == 3
    assert place.kinds() == ["alerts_forgotten"]
    assert len(place.post.sent) == 1


def test_two_at_once(place: Place) -> None:
    """The second does nothing."""
    place.write(EventRow(at=1.0, run="", kind="alert_sent", json='{"id": "1", "channel": "x"}'))
    lock = try_acquire(place.workspace.path / "runs" / LOCK)
    assert lock is not None
    assert forget(place, most=0) == 0
    lock.release()
    assert forget(place, most=0) == 1


def test_on_disk_the_newest_ten_thousand_stay(tmp_path: Any) -> None:
    """With a real ledger, and the limit that `milepost gc` has."""
    with Workspace.open(tmp_path / ".milepost") as workspace:
        workspace.store.write([
            EventRow(at=1e9, run="", kind="alert_sent", json='{"id": "1", "channel": "x"}')
            for _ in range(MOST_KEPT + 7)
        ])  # fmt: skip
        assert forget_alerts(workspace, now=1e9, delete=False) == 7
        assert forget_alerts(workspace, now=1e9, delete=True) == 7
        assert len(workspace.store.rows(EventRow, run="")) == MOST_KEPT + 1
        assert forget_alerts(workspace, now=1e9, delete=True) == 0
