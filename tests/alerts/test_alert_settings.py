"""`[alerts]` as users write it, and as they should not have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from milepost.alerts import DEFAULT_RULES, load_settings, read_settings
from milepost.alerts.channels import CHANNELS
from milepost.alerts.rules import KINDS, ErrorRate, Interrupted
from milepost.errors import AlertSettingsError
from milepost.model.redaction import redact

FULL = """
[alerts]
channels = ["desk"]
cooldown_seconds = 60

[alerts.rule.dead]
on = "interrupted"
severity = "critical"
channels = ["desk", "log"]

[alerts.rule."many errors"]
on = "error_rate"
above = 0.2
cooldown_seconds = 5

[alerts.channel.desk]
kind = "command"
command = ["notify-send", "milepost"]
"""


def test_a_file_gives_rules_with_their_channels(tmp_path: Path) -> None:
    """What `[alerts]` says holds for all rules, what a rule says comes first; `log` is always there."""
    path = tmp_path / "alerts.toml"
    path.write_text(FULL)
    settings = load_settings(path)
    dead, errors = settings.rules
    assert dead == Interrupted(name="dead", severity="critical", channels=("desk", "log"), cooldown_seconds=60)
    assert errors == ErrorRate(name="many errors", above=0.2, channels=("desk",), cooldown_seconds=5)
    assert sorted(settings.channels) == ["desk", "log"]


def test_without_rules_the_default_ones_hold() -> None:
    """Interrupted, stalled and failing too often, told over the channels that are named."""
    settings = read_settings({"channels": ["log"], "most_per_hour": 3})
    assert [rule.name for rule in settings.rules] == [rule.name for rule in DEFAULT_RULES]
    assert {(rule.channels, rule.most_per_hour) for rule in settings.rules} == {(("log",), 3)}


RULE = {"on": "error_rate"}
WRONG = [
    ({"rul": {}}, "[alerts]: there is no field 'rul'. Did you mean 'rule'?"),
    ({"cooldown_seconds": "long"}, "[alerts]: cooldown_seconds: expected `float`, got `str`"),
    ({"rule": {"a": {"on": "interupted"}}}, "rule 'a': on: there is no 'interupted'. Did you mean 'interrupted'?"),
    ({"rule": {"a": {}}}, "rule 'a': on is missing; it is one of interrupted, failed"),
    ({"rule": {"a": 3}}, "rule 'a' is a table of fields, not int"),
    ({"rule": {"a": {**RULE, "abov": 1}}}, "rule 'a': there is no field 'abov'. Did you mean 'above'?"),
    ({"rule": {"a": {**RULE, "above": 2.0}}}, "rule 'a': above: expected `float` <= 1.0"),
    ({"rule": {"a": {**RULE, "least": 0}}}, "rule 'a': least: expected `int` >= 1"),
    ({"rule": {"a": {**RULE, "severity": "bad"}}}, "rule 'a': severity: invalid enum value 'bad'"),
    ({"rule": {"a": {"on": "duration"}}}, "rule 'a': above_seconds is missing"),
    ({"rule": {"a": {**RULE, "name": "b"}}}, "rule 'a': there is no field 'name'"),
    ({"rule": {"a": {**RULE, "channels": ["pagr"]}}, "channel": {"pager": {"kind": "log"}}},
     "rule 'a': channels: there is no channel 'pagr'. Did you mean 'pager'?"),
    ({"channels": ["desk"]}, "[alerts]: channels: there is no channel 'desk'. Known: log."),
    ({"channel": {"a": {"kind": "webhok", "url": "https://h"}}}, "channel 'a': kind: there is no 'webhok'. Did you"),
    ({"channel": {"a": {"kind": "command", "command": "rm -rf"}}}, "channel 'a': command: expected `array`, got `str`"),
    ({"channel": {"a": {"kind": "command", "command": []}}}, "channel 'a': command: expected `array` of length >= 1"),
    ({"channel": {"a": {"kind": "command", "command": ["a\0b"]}}}, "channel 'a': command: an argument holds a NUL"),
    ({"channel": {"a": {"kind": "webhook"}}}, "channel 'a': url: give either url or url_env"),
    ({"channel": {"a": {"kind": "webhook", "url": "http://example.org/x"}}}, "channel 'a': url: an https:// URL"),
    ({"channel": {"a": {"kind": "webhook", "url": "https:///x"}}}, "channel 'a': url: an https:// URL"),
    ({"channel": {"a": {"kind": "webhook", "url": "https://h:99999/"}}}, "channel 'a': url: this is no URL"),
    ({"channel": {"a": {"kind": "webhook", "url": "https://u:hunter2@h/"}}}, "channel 'a': url: user names"),
    ({"channel": {"a": {"kind": "webhook", "url": "https://h/\r\nX: y"}}}, "channel 'a': url: user names and white"),
    ({"channel": {"a": {"kind": "webhook", "url_env": "UNSET_HOOK"}}},
     "channel 'a': url_env: the environment variable UNSET_HOOK is not set"),
    ({"channel": {"a": {"kind": "webhook", "url": "https://h/", "ca_file": "/nowhere.pem"}}}, "ca_file: /nowhere.pem"),
    ({"channel": {"a": {"kind": "mail", "host": "h", "sender": "a@b", "to": ["c@d"], "password": "x"}}},
     "channel 'a': there is no field 'password'. Did you mean 'password_env'?"),
    ({"channel": {"a": {"kind": "mail", "host": "h", "sender": "a@b", "to": ["c@d"], "user": "u"}}},
     "channel 'a': password_env: user and password_env belong together"),
    ({"channel": {"a": {"kind": "mail", "host": "h", "sender": "a@b\r\nBcc: e@f", "to": ["c@d"]}}},
     "channel 'a': sender: expected `str` matching regex"),
    ({"channel": {"a": {"kind": "mail", "host": "h", "sender": "a@b", "to": ["c@d"], "security": "none", "user": "u",
                        "password_env": "HOME"}}}, "channel 'a': security: a password is not sent over an open line"),
    ({"channel": {"a": {"kind": "apprise"}}}, "channel 'a': urls: give either urls or urls_env"),
    ("loud", "[alerts] is a table of fields, not str"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said[:50] for _, said in WRONG])
def test_what_cannot_be_is_named_with_its_rule_and_field(given: object, said: str) -> None:
    """An error says which rule or channel, which field, and what was nearest or is wanted; no secret's value."""
    with pytest.raises(AlertSettingsError, match=re.escape(said)) as caught:
        read_settings(given)
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[alarms]\n", "has no table [alerts]. Did you mean 'alarms'?"),
        ("[alerts\n", "is no TOML: "),
        ("[alerts.rule.a]\non = 'stalld'\n", "alerts.toml: rule 'a': on: there is no 'stalld'. Did you"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_is_named(tmp_path: Path, text: str, said: str) -> None:
    """The file stands in front of what is wrong in it."""
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    with pytest.raises(AlertSettingsError, match=re.escape(said)):
        load_settings(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Absent, a folder, or not UTF-8."""
    (tmp_path / "latin.toml").write_bytes(b"[alerts]\n# \xe9\n")
    for path in (tmp_path / "none.toml", tmp_path, tmp_path / "latin.toml"):
        with pytest.raises(AlertSettingsError, match=re.escape(str(path))):
            load_settings(path)


def test_no_text_of_a_channel_shows_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its repr nor, from then on, any text that passes the redactor."""
    monkeypatch.setenv("HOOK", "https://hooks.example.org/services/T0123/canary-4711-abc")
    settings = read_settings({"channel": {"a": {"kind": "webhook", "url_env": "HOOK"}}})
    assert repr(settings.channels["a"]) == "<WebhookChannel 'a'>"
    assert "canary" not in repr(settings)
    assert "canary" not in redact("posting to /services/T0123/canary-4711-abc failed")


@pytest.mark.parametrize("kinds", [KINDS, CHANNELS])
def test_every_kind_and_field_stands_in_the_reference(kinds: dict[str, type]) -> None:
    """docs/reference.md names each kind of rule and of channel with each of its fields."""
    text = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")
    section = text.partition("### Alerts")[2].partition("\n## ")[0]
    for kind, record in kinds.items():
        assert f"`{kind}`" in section
        for field in record.__struct_fields__:
            assert field == "name" or f"`{field}`" in section, (kind, field)
