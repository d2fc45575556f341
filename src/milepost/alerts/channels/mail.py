"""To a mailbox, over SMTP with TLS; the password comes from an environment variable and nowhere else."""

from __future__ import annotations

import smtplib
import ssl
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Annotated, Literal

import msgspec

from milepost.alerts.channels.channel import TIMEOUT_SECONDS, Channel, ChannelDown
from milepost.alerts.channels.deadline import broken_off_at
from milepost.alerts.notice import Notice, clean

IN_ALL_SECONDS = 30.0  # for a mail, however often its server says something within the time-out
Text = Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^\r\n\x00]*$")]


class MailChannel(Channel, frozen=True, kw_only=True, tag="mail"):
    """Mails from `sender` to each of `to`. `security` "none" is only for servers that ask for no password."""

    host: Text
    sender: Text
    to: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password_env: str | None = None
    ca_file: str | None = None

    def check(self) -> None:
        """A password is there when a user is, and never goes over an open line."""
        if (self.user is None) != (self.password_env is None):
            raise self.refuse("password_env", "user and password_env belong together")
        if self.password_env is None:
            return
        if self.security == "none":
            raise self.refuse("security", "a password is not sent over an open line; use starttls or tls")
        self.secret_of("password_env", self.password_env)

    def send(self, notice: Notice) -> None:
        """One message, addressed to all. What goes wrong after it was taken, with the farewell, is no failure."""
        is_taken = False
        try:
            with self._server() as server, broken_off_at(time.monotonic() + IN_ALL_SECONDS, lambda: server.sock):
                greeting, said = server.connect(self.host, self.port)
                if greeting != 220:
                    raise smtplib.SMTPConnectError(greeting, said)
                if self.security == "starttls":
                    server.starttls(context=self._trust())
                if self.user is not None and self.password_env is not None:
                    server.login(self.user, self.secret_of("password_env", self.password_env))
                server.send_message(self._message(notice), self.sender, list(self.to))
                is_taken = True
        except (OSError, smtplib.SMTPException, ValueError) as error:
            if is_taken:
                return
            raise ChannelDown(f"{self.host}: {clean(f'{type(error).__name__}: {error}', 300)}") from error

    def _server(self) -> smtplib.SMTP:
        """Not connected yet."""
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(timeout=TIMEOUT_SECONDS, context=self._trust())
        else:
            server = smtplib.SMTP(timeout=TIMEOUT_SECONDS)
        server._host = self.host  # type: ignore[attr-defined]  # what `connect` checks the certificate against
        return server

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = self.sender, ", ".join(self.to)
        message["Subject"] = clean(f"milepost {notice.title}", 200)
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(notice.id, domain="milepost.invalid")
        lines = [notice.text, "", f"rule: {notice.rule} ({notice.severity})", f"since: {notice.at}"]
        lines += [f"about: {', '.join(notice.subjects)}", f"workspace: {notice.workspace}"]
        message.set_content("\n".join(lines) + "\n")
        return message
