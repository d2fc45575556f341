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
            descriptor = os.open(os.path.expanduser(self.file), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, notice.body() + b"\n")
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            told = refusal_text(error) if isinstance(error, OSError) else str(error)
            raise ChannelDown(f"{self.file} cannot be written: {told}") from error
