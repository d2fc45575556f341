"""The watcher over a ledger: what it finds, records and tells, with time in the test's hands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alert_places import Place, look, rules
from alert_servers import CERTIFICATE, Hook

from milepost.alerts import AlertSettings, Watcher, read_settings
from milepost.alerts.conditions import HealthNow
from milepost.errors import AlertSettingsError, StoreFull
from milepost.kernel.workspace import Workspace
from milepost.model.rows import EventRow, RunRow, SessionRow
from milepost.model.status import ProcessingStatus, RunState
from milepost.store.memory import MemoryStore

Watching = Callable[..., Watcher]


def test_a_dead_run_fires_once_and_is_resolved_when_it_goes_on(place: Place) -> None:
    """Found by its lock at the next look; told once however often it is looked at; over when another session works."""
    run, watcher = place.run("brisk-otter"), place.watcher()
    assert look(watcher) == []
    place.kill(run)
    assert look(watcher) == [("interrupted", "brisk-otter", "firing")]
    assert look(watcher) == look(watcher) == []
    place.resume(run)
    assert look(watcher) == [("interrupted", "brisk-otter", "resolved")]
    watcher.close(30)
    assert [told.state for told in place.post.sent] == ["firing", "resolved"]
    assert place.post.sent[0].text == "run brisk-otter of sales was interrupted (killed)"
    assert sorted(place.kinds()) == sorted(["alert_firing", "alert_resolved", *["alert_told", "alert_sent"] * 2])


def test_a_restarted_watcher_neither_repeats_nor_forgets(place: Place) -> None:
    """Firing, resolved, pending and the cool-down are where the one before left them."""
    settings = rules(dead={"on": "interrupted", "for_seconds": 60})
    run = place.run("brisk-otter")
    place.kill(run)

    def look_anew(seconds: float) -> list[tuple[str, str, str]]:
        place.clock.advance(seconds)
        watcher = place.watcher(settings)
        found = look(watcher)
        watcher.close(30)
        return found

    assert look_anew(0) == [("dead", "brisk-otter", "pending")]
    assert look_anew(59) == []
    assert look_anew(1) == [("dead", "brisk-otter", "firing")]
    assert look_anew(1000) == []
    place.resume(run)
    assert look_anew(1) == [("dead", "brisk-otter", "resolved")]
    assert [told.state for told in place.post.sent] == ["firing", "resolved"]


def test_a_run_that_ends_while_it_is_looked_at_is_not_taken_for_dead(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is read before, its lock after it ended: its last word is read again before anybody is told."""
    run, watcher = place.run("brisk-otter"), place.watcher()
    read = place.store.rows

    def end_after_reading(kind: Any, /, **equal: Any) -> Any:
        found = read(kind, **equal)
        if kind is RunRow and found and found[0].state is RunState.RUNNING:
            session = place.store.get(SessionRow, run=run.id)
            ended = msgspec.structs.replace(session, ended=place.clock.now(), end=RunState.COMPLETED)
            place.write(ended, msgspec.structs.replace(run, state=RunState.COMPLETED, ended=place.clock.now()))
            place.kill(run)
        return found

    monkeypatch.setattr(place.store, "rows", end_after_reading)
    assert look(watcher) == []
    watcher.close()


def test_a_run_that_died_again_and_again_says_how_often(place: Place) -> None:
    """Between two looks, and while it fires: the text counts the deaths in a row, and later ones are told as well."""
    run, watcher = place.run("brisk-otter"), place.watcher()

    def die_and_go_on(cause: str) -> None:
        nonlocal run
        place.kill(run)
        session = place.store.get(SessionRow, run=run.id, epoch=run.epoch)
        place.write(msgspec.structs.replace(session, end=RunState.INTERRUPTED, ended=place.clock.now(), cause=cause))
        place.resume(run)
        run = place.store.get(RunRow, id=run.id)

    die_and_go_on("out of memory")
    place.kill(run)
    assert look(watcher) == [("interrupted", "brisk-otter", "firing")]
    place.resume(run)
    run = place.store.get(RunRow, id=run.id)
    session = place.store.get(SessionRow, run=run.id, epoch=run.epoch - 1)
    place.write(msgspec.structs.replace(session, end=RunState.INTERRUPTED, cause="killed"))
    place.kill(run)
    assert look(watcher) == []  # within the cool-down
    place.clock.advance(301)
    assert look(watcher) == [("interrupted", "brisk-otter", "firing")]
    assert look(watcher) == []
    watcher.close(30)
    assert [told.text for told in place.post.sent] == [
        "run brisk-otter of sales was interrupted 2 times in a row (out of memory; killed)",
        "run brisk-otter of sales was interrupted 3 times in a row (out of memory; killed; killed)",
    ]
    again = place.watcher()
    assert look(again) == []
    again.close()


def test_old_deaths_and_those_that_a_later_run_replaced_raise_no_alarm(place: Place) -> None:
    """A first watcher of an old workspace is quiet; a new run of the same decisions ends the alert of the dead one."""
    place.run("long-gone", alive=False)
    place.clock.advance(90_000)
    dead, watcher = place.run("brisk-otter", alive=False, hash_="same"), place.watcher()
    assert look(watcher) == [("interrupted", dead.name, "firing")]
    place.clock.advance(90_000)
    assert look(watcher) == []
    place.run("calm-crane", hash_="same")
    assert look(watcher) == [("interrupted", dead.name, "resolved")]
    watcher.close(30)


def test_failed_runs_of_one_process(place: Place) -> None:
    """`failed` with `process`: the others are not its concern."""
    watcher = place.watcher(rules(bad={"on": "failed", "process": "sales"}))
    for name, process in (("brisk-otter", "sales"), ("old-elk", "letters")):
        run = place.run(name, process=process)
        ended = {"state": RunState.FAILED, "ended": place.clock.now(), "cause": "ValueError: no paper"}
        place.write(msgspec.structs.replace(run, **ended))
        place.kill(run)
    assert look(watcher) == [("bad", "brisk-otter", "firing")]
    place.resume(place.store.get(RunRow, name="brisk-otter"))
    place.write(msgspec.structs.replace(place.store.get(RunRow, name="brisk-otter"), state=RunState.RUNNING))
    assert look(watcher) == [("bad", "brisk-otter", "resolved")]
    watcher.close(30)
    assert place.post.sent[0].text == "run brisk-otter of sales failed (ValueError: no paper)"


def test_a_session_without_a_heartbeat_is_stalled(place: Place) -> None:
    """A stopped process holds its lock and says nothing: pending for 10 s, then firing; its next beat resolves it."""
    run, watcher = place.run("brisk-otter"), place.watcher()
    place.clock.advance(61)
    assert look(watcher) == [("stalled", "brisk-otter", "pending")]
    place.clock.advance(10)
    assert look(watcher) == [("stalled", "brisk-otter", "firing")]
    place.beat(run)
    assert look(watcher) == [("stalled", "brisk-otter", "resolved")]
    watcher.close(30)


def test_a_run_of_which_nothing_moves(place: Place) -> None:
    """With `still_seconds`: alive, beating, and no item, no progress for so long."""
    run, watcher = place.run("brisk-otter"), place.watcher(rules(still={"on": "stalled", "still_seconds": 600}))
    began = place.clock.now()
    seen = []
    for done in (1, 2, 2, 2, 3):
        place.clock.advance(400)
        place.beat(run)
        place.stage(run, items_total=9, items_done=done, started=began)
        seen += look(watcher)
    assert seen == [("still", "brisk-otter", "firing"), ("still", "brisk-otter", "resolved")]
    watcher.close(30)


def test_runs_and_stages_that_take_longer(place: Place) -> None:
    """`duration` of the run as a whole, over its sessions, and of one stage."""
    settings = rules(
        long={"on": "duration", "above_seconds": 1000}, slow={"on": "duration", "above_seconds": 100, "stage": "score"}
    )
    run, watcher = place.run("brisk-otter"), place.watcher(settings)
    place.stage(run)
    assert look(watcher) == []
    place.clock.advance(101)
    assert look(watcher) == [("slow", "brisk-otter/score", "firing")]
    place.clock.advance(900)
    assert look(watcher) == [("long", "brisk-otter", "firing")]
    place.kill(run)
    assert sorted(look(watcher)) == [("long", "brisk-otter", "resolved"), ("slow", "brisk-otter/score", "resolved")]
    watcher.close(30)


def test_a_mapped_stage_that_becomes_slow(place: Place) -> None:
    """`rate` over the window, not since the beginning; nothing is said before a window was watched."""
    settings = rules(slow={"on": "rate", "below_per_second": 1, "window_seconds": 100})
    run, watcher = place.run("brisk-otter"), place.watcher(settings)
    began, seen, done = place.clock.now(), [], 0
    for gain in [200] * 5 + [20] * 6 + [500] * 3:
        place.clock.advance(50)
        done += gain
        place.stage(run, items_total=10_000, items_done=done, started=began)
        seen += [(state, done) for _, _, state in look(watcher)]
    assert seen == [("firing", 1040), ("resolved", 1620)]
    watcher.close(30)


def test_too_many_failures_in_the_window(place: Place) -> None:
    """`error_rate`: of `least` attempts or more, in the window alone; it goes down again."""
    run, watcher = place.run("brisk-otter"), place.watcher(rules(bad={"on": "error_rate", "above": 0.1, "least": 20}))
    place.steps(run, ProcessingStatus.FAILED, 19)
    assert look(watcher) == []
    place.steps(run, ProcessingStatus.SUCCESS, 100)
    assert look(watcher) == [("bad", "workspace", "firing")]
    place.clock.advance(301)
    place.steps(run, ProcessingStatus.SUCCESS, 30, begin=100)
    assert look(watcher) == [("bad", "workspace", "resolved")]
    watcher.close(30)
    assert place.post.sent[0].text == "19 of 119 attempts (16%) failed in the last 5 min"


def test_health_through_whoever_knows_it(place: Place) -> None:
    """At its level and worse; what is not known neither fires as critical nor resolves anything."""
    said = ["healthy", "warning", "critical", "unknown", "warning", "healthy"]
    settings = rules(ill={"on": "health"}, weak={"on": "health", "at": "warning"})
    watcher = place.watcher(settings, health=lambda: HealthNow(now, ("disk full in 2 h",)))
    seen = []
    for now in said:
        seen.append([(rule, state) for rule, _, state in look(watcher)])
    assert seen == [[], [("weak", "firing")], [("ill", "firing")], [], [("ill", "resolved")], [("weak", "resolved")]]
    watcher.close(30)
    assert "disk full in 2 h" in place.post.sent[0].text


def test_a_rule_that_cannot_be_looked_at_changes_nothing_and_stops_no_other(place: Place) -> None:
    """Its alerts stay as they are, one warning says so, the other rules go on."""
    fails = [False]

    def health() -> HealthNow:
        if fails[0]:
            raise OSError("no health today")
        return HealthNow("critical")

    watcher = place.watcher(rules(ill={"on": "health"}, dead={"on": "interrupted"}), health=health)
    assert look(watcher) == [("ill", "workspace", "firing")]
    fails[0] = True
    place.run("brisk-otter", alive=False)
    assert look(watcher) == [("dead", "brisk-otter", "firing")]
    assert look(watcher) == []
    watcher.close(30)
    assert place.warnings == ["rule 'ill' could not be looked at: OSError: no health today"]


def test_a_storm_of_a_thousand_runs_is_twenty_messages(place: Place) -> None:
    """1,000 dead runs: all are on record, 20 messages are sent, the last names the rest by number."""
    for number in range(1000):
        place.run(f"run-{number}", alive=False)
    watcher = place.watcher()
    assert len(look(watcher)) == 1000
    assert look(watcher) == []
    watcher.close(30)
    assert len(watcher.firing()) == 1000
    assert len(place.post.sent) == 20
    assert place.post.sent[-1].text.startswith("981 began to fire, 0 were resolved: ")
    assert place.kinds().count("alert_told") == 20


def test_a_full_ledger_keeps_nobody_from_being_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be recorded is told all the same, once, with one warning, and recorded when there is room again."""
    run, watcher = place.run("brisk-otter"), place.watcher()
    write = MemoryStore.write

    def refuse(self: MemoryStore, rows: Any, **more: Any) -> int:
        raise StoreFull("ledger: no space is left")

    monkeypatch.setattr(MemoryStore, "write", refuse)
    place.kill(run)
    assert look(watcher) == [("interrupted", "brisk-otter", "firing")]
    assert look(watcher) == []
    monkeypatch.setattr(MemoryStore, "write", write)
    assert look(watcher) == []
    watcher.close(30)
    assert [told.state for told in place.post.sent] == ["firing"]
    assert sorted(place.kinds()) == ["alert_firing", "alert_sent", "alert_told"]
    assert len(place.warnings) == 1
    again = place.watcher()
    assert look(again) == []
    again.close(30)
    assert len(place.post.sent) == 1


def test_a_write_that_failed_after_it_was_committed_is_not_repeated(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error may come late: what is in the ledger is seen there, and stands in it once."""
    watcher = place.watcher()
    place.run("brisk-otter", alive=False)
    write = MemoryStore.write

    def fail_late(self: MemoryStore, rows: Any, **more: Any) -> int:
        write(self, rows, **more)
        raise StoreFull("ledger: no space is left")

    monkeypatch.setattr(MemoryStore, "write", fail_late)
    assert look(watcher) == [("interrupted", "brisk-otter", "firing")]
    monkeypatch.setattr(MemoryStore, "write", write)
    assert look(watcher) == []
    assert look(watcher) == []
    watcher.close(30)
    assert sorted(place.kinds()) == ["alert_firing", "alert_sent", "alert_told"]
    assert len(place.post.sent) == 1


def test_messages_for_a_channel_that_is_no_longer_there_are_let_go(place: Place) -> None:
    """They do not wait for ever, and do not go elsewhere."""
    place.run("brisk-otter", alive=False)
    watcher = place.watcher()
    gone = AlertSettings(
        rules=tuple(
            msgspec.structs.replace(rule, channels=("fax",)) for rule in rules(dead={"on": "interrupted"}).rules
        )
    )
    with_fax = Watcher(place.workspace, gone, clock=place.clock, warn=place.warnings.append)
    with_fax.look()
    with_fax.close(30)
    assert look(watcher) == [("interrupted", "brisk-otter", "firing")]
    watcher.close(30)
    assert [told.rule for told in place.post.sent] == ["interrupted"]


def test_from_a_dead_run_to_a_webhook(place: Place, hook: Hook) -> None:
    """The whole way, over TLS."""
    place.run("brisk-otter", alive=False)
    url = f"https://localhost:{hook.port}/hooks/1"
    settings = read_settings({
        "channels": ["desk"],
        "rule": {"dead": {"on": "interrupted"}},
        "channel": {"desk": {"kind": "webhook", "url": url, "allow_private": True, "ca_file": str(CERTIFICATE)}},
    })  # fmt: skip
    watcher = Watcher(place.workspace, settings, clock=place.clock, warn=place.warnings.append)
    watcher.look()
    watcher.close(30)
    (document,) = hook.documents()
    assert (document["rule"], document["state"], document["subjects"]) == ("dead", "firing", ["brisk-otter"])
    assert place.warnings == []


def test_a_rule_on_health_needs_somebody_to_ask(place: Place) -> None:
    """It is an error, not a rule that never fires."""
    with pytest.raises(AlertSettingsError, match="rule 'ill' is on health"):
        place.watcher(rules(ill={"on": "health"}))


def test_events_that_cannot_be_read_are_passed_over(place: Place) -> None:
    """A later version may say it differently: one warning each, and the watch goes on."""
    place.write(EventRow(at=1.0, run="", kind="alert_firing", json='{"rule": 3}'))
    place.run("brisk-otter", alive=False)
    watcher = place.watcher()
    assert look(watcher) == [("interrupted", "brisk-otter", "firing")]
    watcher.close(30)
    assert len(place.warnings) == 1


def test_secrets_in_names_and_causes_are_neither_recorded_nor_told(place: Place) -> None:
    """What a run failed with may hold a password."""
    run = place.run("brisk-otter")
    place.write(msgspec.structs.replace(
        run, state=RunState.FAILED, ended=place.clock.now(), cause="cannot reach postgresql://ada:canary@db/sales"
    ))  # fmt: skip
    watcher = place.watcher(rules(bad={"on": "failed"}))
    look(watcher)
    watcher.close(30)
    assert "canary" not in repr([place.post.sent, place.store.rows(EventRow, run="")])


def test_what_is_at_rest_costs_one_small_look(tmp_path: Path) -> None:
    """A look at a workspace of 2,000 finished runs reads none of their sessions, stages or steps."""
    with Workspace.open(tmp_path / ".milepost") as workspace:
        common: dict[str, Any] = {"process": "sales", "state": RunState.COMPLETED, "created": 1.0, "ended": 2.0}
        workspace.store.write([
            RunRow(id=f"id{n}", name=f"run-{n}", decisions_hash=str(n), **common) for n in range(2000)
        ])  # fmt: skip
        watcher = Watcher(workspace, read_settings({}))
        asked = []
        rows = workspace.store.rows
        workspace.store.rows = lambda kind, /, **equal: (asked.append(kind), rows(kind, **equal))[1]  # type: ignore
        assert watcher.look() == []
        watcher.close()
    assert set(asked) == {EventRow, RunRow}
