"""What all channels have in common."""

from __future__ import annotations

import os

import msgspec

from milepost.alerts.notice import Notice
from milepost.errors import AlertSettingsError, MilepostError
from milepost.model.redaction import register_secret

TIMEOUT_SECONDS = 5.0


class ChannelDown(MilepostError):
    """A notice could not be handed over; it may be tried again. The text holds no secret."""


class Channel(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """A way to people. Its settings may be secrets, so no text of it shows them."""

    name: str = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def check(self) -> None:
        """Raise AlertSettingsError for settings that cannot be, MissingExtra when what it needs is not installed."""

    def send(self, notice: Notice) -> None:
        """Hand the notice over, within seconds. Raises ChannelDown when that failed."""
        raise NotImplementedError

    def refuse(self, field: str, trouble: str) -> AlertSettingsError:
        """The error that names this channel and a field of it."""
        return AlertSettingsError(f"channel {self.name!r}: {field}: {trouble}", channel=self.name, field=field)

    def secret_of(self, field: str, variable: str) -> str:
        """The value of an environment variable, never shown from now on. Raises AlertSettingsError when it is unset."""
        value = os.environ.get(variable, "")
        if not value:
            raise self.refuse(field, f"the environment variable {variable} is not set")
        hide(value)
        return value


def hide(value: str) -> None:
    """Mask a value wherever it appears from now on, where it is long enough for that."""
    if len(value) >= 4:
        register_secret(value)
