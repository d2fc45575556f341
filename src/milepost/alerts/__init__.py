"""Alerts: rules looked at from outside a run, what they found kept in the ledger, people told over channels.

::

    [alerts] in TOML → settings → rules ─→ conditions ─→ model.alerting ─→ journal (events of the ledger)
                          └────→ channels ←─ courier (a thread each) ←─ watcher ←─ waiting (what was not taken)
"""

from milepost.alerts.rules import DEFAULT_RULES, Rule
from milepost.alerts.settings import AlertSettings, load_settings, read_settings
from milepost.alerts.watcher import Watcher

__all__ = ["DEFAULT_RULES", "AlertSettings", "Rule", "Watcher", "load_settings", "read_settings"]
