"""To everything that Apprise reaches; the extra `alerts`. Its URLs hold tokens: neither it nor we show them."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import msgspec

from milepost.alerts.channels.channel import Channel, ChannelDown, hide
from milepost.alerts.notice import Notice
from milepost.errors import MissingExtra

INSTALL = "pip install 'milepost[alerts]'"


class AppriseChannel(Channel, frozen=True, kw_only=True, tag="apprise"):
    """Notifies `urls`, or those that the variable `urls_env` holds, separated by white space."""

    urls: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] | None = None
    urls_env: str | None = None

    def check(self) -> None:
        """Apprise is there and knows every URL."""
        with _Silence():
            self._services()

    def send(self, notice: Notice) -> None:
        """All services, or ChannelDown."""
        kind = {"firing": "failure", "resolved": "success"}.get(notice.state, "warning")
        try:
            with _Silence():
                delivered = self._services().notify(title=notice.title, body=notice.text, notify_type=kind)
        except Exception as error:  # whatever a plugin raises; its text may hold the URL
            raise ChannelDown(f"Apprise failed with {type(error).__name__}") from None
        if not delivered:
            raise ChannelDown("Apprise could not reach all of its services")

    def _services(self) -> Any:
        try:
            import apprise
        except ImportError as error:
            raise MissingExtra(
                f"channel {self.name!r} needs apprise, which is not installed: {INSTALL}", channel=self.name
            ) from error
        services = apprise.Apprise()
        for number, url in enumerate(self._urls(), start=1):
            hide(url)
            if not services.add(url):
                raise self.refuse("urls", f"Apprise does not know what to do with URL {number}")
        return services

    def _urls(self) -> tuple[str, ...]:
        if (self.urls is None) == (self.urls_env is None):
            raise self.refuse("urls", "give either urls or urls_env")
        return self.urls or tuple(self.secret_of("urls_env", self.urls_env or "").split())


class _Silence(logging.Filter):
    """While entered, the logs that tell hosts, paths and answers, where tokens stand, receive nothing: Apprise's own,
    and that of the library it speaks HTTP with. From no thread, for Apprise has threads of its own.
    """

    LOGGERS = ("apprise", "urllib3.connectionpool", "requests_oauthlib.oauth1_session")

    def __enter__(self) -> None:
        for name in self.LOGGERS:
            logging.getLogger(name).addFilter(self)

    def __exit__(self, *exception: object) -> None:
        for name in self.LOGGERS:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        return False
