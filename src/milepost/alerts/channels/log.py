"""To the log: a line of JSON in a file, else a record of Python's `milepost.alerts` logger."""

from __future__ import annotations

import logging
import os

from milepost.alerts.channels.channel import Channel, ChannelDown
from milepost.alerts.notice import Notice
from milepost.model.refusal import refusal_text

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}


class LogChannel(Channel, frozen=True, kw_only=True, tag="log"):
    """Appends to `file`, made 0600 when absent; without one, logs."""

    file: str | None = None

    def send(self, notice: Notice) -> None:
        """One line, in one write."""
        if self.file is None:
            level = logging.INFO if notice.state == "resolved" else LEVELS.get(notice.severity, logging.WARNING)
            logging.getLogger("milepost.alerts").log(level, "%s: %s", notice.title, notice.text)
            return
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK  # a pipe without a reader keeps nobody
            descriptor = os.open(os.path.expanduser(self.file), flags, 0o600)
            try:
                line = notice.body() + b"\n"
                written = os.write(descriptor, line)
            finally:
                os.close(descriptor)
            if written < len(line):
                raise ChannelDown(f"{self.file} took a part of the line alone")
        except (OSError, ValueError) as error:
            told = refusal_text(error) if isinstance(error, OSError) else str(error)
            raise ChannelDown(f"{self.file} cannot be written: {told}") from error
