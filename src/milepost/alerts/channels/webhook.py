"""To a webhook: HTTPS to an address that was checked, no redirects, a fixed small body, five seconds in all."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from milepost.alerts.channels.addresses import resolve
from milepost.alerts.channels.channel import TIMEOUT_SECONDS, Channel, ChannelDown, hide
from milepost.alerts.channels.deadline import broken_off_at
from milepost.alerts.notice import Notice

SECRET_LENGTH = 12  # characters; a shorter path or query is no key


class WebhookChannel(Channel, frozen=True, kw_only=True, tag="webhook"):
    """Posts to `url`, or to what the variable `url_env` holds. `ca_file`: who signed the server's certificate.

    Private addresses and those of this machine are refused unless `allow_private`.
    """

    url: str | None = None
    url_env: str | None = None
    allow_private: bool = False
    ca_file: str | None = None

    def check(self) -> None:
        """The URL is one, and the certificates can be read."""
        self._parts()
        try:
            ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:
            raise self.refuse("ca_file", f"{self.ca_file} cannot be read: {error}") from error

    def send(self, notice: Notice) -> None:
        """Resolve, check, connect to just that, post; anything but a 2xx answer is a failure."""
        parts = self._parts()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        host, port = parts.hostname or "", parts.port or 443
        addresses = resolve(host, port, allow_private=self.allow_private, timeout_seconds=TIMEOUT_SECONDS)
        try:
            with self._connected(host, port, addresses, deadline) as channel:
                status = _post(channel, host, port, _path(parts), notice.body())
            if time.monotonic() >= deadline:
                raise TimeoutError("the answer was broken off")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ChannelDown(f"{host}: {_words(error, deadline)}") from error
        if 300 <= status < 400:
            raise ChannelDown(f"{host} answered {status}: redirects are not followed")
        if not 200 <= status < 300:
            raise ChannelDown(f"{host} answered {status}")

    def _parts(self) -> SplitResult:
        """The parts of the URL, which is a secret: its path often is the key."""
        field = "url" if self.url_env is None else "url_env"
        if (self.url is None) == (self.url_env is None):
            raise self.refuse("url", "give either url or url_env")
        url = self.url if self.url_env is None else self.secret_of("url_env", self.url_env)
        try:
            parts = urlsplit(url or "")
            port = parts.port
        except ValueError:
            raise self.refuse(field, "this is no URL") from None
        if parts.scheme != "https" or not parts.hostname or port == 0:
            raise self.refuse(field, "an https:// URL is wanted: what it carries is nobody else's business")
        if parts.username is not None or any(sign <= " " or sign == "\x7f" for sign in url or ""):
            raise self.refuse(field, "user names and white space have no place in it")
        for secret in (parts.path, parts.query):
            if len(secret) >= SECRET_LENGTH:
                hide(secret)
        return parts

    @contextlib.contextmanager
    def _connected(self, host: str, port: int, addresses: list[str], deadline: float) -> Iterator[ssl.SSLSocket]:
        """A verified connection to the first of these addresses that answers, broken off at the deadline."""
        plain = _reach(addresses, port, deadline)
        context = ssl.create_default_context(cafile=self.ca_file)
        with (
            plain,
            context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False) as channel,
            broken_off_at(deadline, lambda: channel),
        ):
            channel.do_handshake()
            yield channel


def _reach(addresses: list[str], port: int, deadline: float) -> socket.socket:
    trouble: OSError = TimeoutError("no time was left to connect")
    for address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        plain = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        plain.settimeout(left)
        try:
            plain.connect((address, port))  # a number: no resolver is asked again
            return plain
        except OSError as error:
            plain.close()
            trouble = error
    raise trouble


def _post(channel: ssl.SSLSocket, host: str, port: int, path: str, body: bytes) -> int:
    """The status that the server answers; of its body nothing is read."""
    connection = http.client.HTTPSConnection(host, port)
    connection.sock = channel
    headers = {"Content-Type": "application/json", "User-Agent": "milepost", "Connection": "close"}
    connection.request("POST", path, body=body, headers=headers)
    return connection.getresponse().status


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _words(error: Exception, deadline: float) -> str:
    if time.monotonic() >= deadline - 0.01:
        return f"no answer within {TIMEOUT_SECONDS:g} s"
    return f"{type(error).__name__}: {error}"
