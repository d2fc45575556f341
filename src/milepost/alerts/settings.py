"""`[alerts]` of a TOML file or a dict, checked: what cannot be is named with its rule, its field and what is near."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from milepost import typed
from milepost.alerts.channels import CHANNELS, Channel
from milepost.alerts.channels.log import LogChannel
from milepost.alerts.rules import DEFAULT_RULES, KINDS, Rule
from milepost.errors import AlertSettingsError
from milepost.model.nearest import did_you_mean
from milepost.model.refusal import refusal_text

TOP = ("channels", "for_seconds", "cooldown_seconds", "most_per_hour", "rule", "channel")
SHARED = ("for_seconds", "cooldown_seconds", "most_per_hour")
LOG = "log"  # a channel that is there without being declared

T = TypeVar("T", Rule, Channel)


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Rules and the channels they tell. Without any, the default rules, which tell nobody but who watches."""

    rules: tuple[Rule, ...] = DEFAULT_RULES
    channels: Mapping[str, Channel] = {}


def load_settings(path: str | Path) -> AlertSettings:
    """The settings in a TOML file. Raises AlertSettingsError, and MissingExtra for a channel that needs one."""
    try:
        text = Path(path).expanduser().read_bytes().decode("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise AlertSettingsError(f"{path} cannot be read: {refusal_text(error)}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, ValueError) as error:
        raise AlertSettingsError(f"{path} is no TOML: {error}") from error
    if "alerts" not in document:
        raise AlertSettingsError(f"{path} has no table [alerts].{did_you_mean('alerts', document)}")
    try:
        return read_settings(document["alerts"])
    except AlertSettingsError as error:
        raise AlertSettingsError(f"{path}: {error}", **error.details) from error


def read_settings(given: object) -> AlertSettings:
    """The settings in what stands under `[alerts]`.

    Example:
        >>> read_settings({"rule": {"slow": {"on": "duration", "above_seconds": 3600}}}).rules[0].name
        'slow'
    """
    table = _table(given, "[alerts]")
    _refuse_unknown(table, TOP, "[alerts]")
    channels = {name: _record(CHANNELS, "kind", "channel", name, fields) for name, fields in _named(table, "channel")}
    channels.setdefault(LOG, LogChannel(name=LOG))
    shared = {field: table[field] for field in SHARED if field in table}
    told = _record_of_defaults(table, shared, channels)
    if "rule" in table:
        given_rules = [(name, {**shared, **_table(fields, _rule(name))}) for name, fields in _named(table, "rule")]
        rules = tuple(_record(KINDS, "on", "rule", name, fields) for name, fields in given_rules)
    else:
        rules = tuple(msgspec.structs.replace(rule, **shared) for rule in DEFAULT_RULES)
    rules = tuple(_with_channels(rule, told, channels) for rule in rules)
    for channel in channels.values():
        channel.check()
    return AlertSettings(rules=rules, channels=channels)


def _record_of_defaults(
    table: Mapping[str, object], shared: Mapping[str, object], channels: Mapping[str, Channel]
) -> tuple[str, ...]:
    """The channels of rules that name none; what `[alerts]` says for all rules is checked on the way."""
    fields = {**shared, **({"channels": table["channels"]} if "channels" in table else {})}
    rule = _converted(Rule, fields, "[alerts]")
    _refuse_strange_channels(rule.channels or (), channels, "[alerts]")
    return rule.channels or ()


def _named(table: Mapping[str, object], key: str) -> Iterable[tuple[str, object]]:
    return _table(table.get(key, {}), f"[alerts.{key}]").items()


def _record(kinds: Mapping[str, type[T]], tag: str, what: str, name: str, given: object) -> T:
    where = f"{what} {name!r}"
    fields = dict(_table(given, where))
    kind = fields.pop(tag, None)
    if kind is None:
        raise AlertSettingsError(f"{where}: {tag} is missing; it is one of {', '.join(kinds)}", field=tag)
    if not isinstance(kind, str) or kind not in kinds:
        raise AlertSettingsError(f"{where}: {tag}: there is no {kind!r}.{did_you_mean(str(kind), kinds)}", field=tag)
    record = _converted(kinds[kind], fields, where)
    return msgspec.structs.replace(record, name=name)


def _converted(kind: type[T], fields: Mapping[str, object], where: str) -> T:
    known = [field for field in kind.__struct_fields__ if field != "name"]
    _refuse_unknown(fields, known, where)
    try:
        return typed.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise _told(str(error), where) from error


def _told(text: str, where: str) -> AlertSettingsError:
    """msgspec's words, with the field where they have it; they hold no value, so no secret either."""
    trouble, _, path = text.partition(" - at ")
    missing = re.search(r"missing required field `(\w+)`", trouble)
    if missing:
        return AlertSettingsError(f"{where}: {missing[1]} is missing", field=missing[1])
    field = path.strip("`").removeprefix("$").removeprefix(".")
    trouble = trouble[:1].lower() + trouble[1:]
    return AlertSettingsError(f"{where}: {field}: {trouble}", field=field)


def _with_channels(rule: Rule, told: tuple[str, ...], channels: Mapping[str, Channel]) -> Rule:
    if rule.channels is None:
        return msgspec.structs.replace(rule, channels=told)
    _refuse_strange_channels(rule.channels, channels, _rule(rule.name))
    return rule


def _refuse_strange_channels(names: tuple[str, ...], channels: Mapping[str, Channel], where: str) -> None:
    for name in names:
        if name not in channels:
            hint = did_you_mean(name, channels)
            raise AlertSettingsError(f"{where}: channels: there is no channel {name!r}.{hint}", field="channels")


def _refuse_unknown(given: Mapping[str, object], known: Iterable[str], where: str) -> None:
    for field in given:
        if field not in known:
            raise AlertSettingsError(f"{where}: there is no field {field!r}.{did_you_mean(field, known)}", field=field)


def _table(given: object, where: str) -> Mapping[str, object]:
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise AlertSettingsError(f"{where} is a table of fields, not {type(given).__name__}")
    return given


def _rule(name: str) -> str:
    return f"rule {name!r}"
