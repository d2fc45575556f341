"""The ways to people: each a record of its settings that can send a notice, or say why it could not."""

from milepost.alerts.channels.apprise import AppriseChannel
from milepost.alerts.channels.channel import Channel, ChannelDown
from milepost.alerts.channels.command import CommandChannel
from milepost.alerts.channels.log import LogChannel
from milepost.alerts.channels.mail import MailChannel
from milepost.alerts.channels.webhook import WebhookChannel

CHANNELS: dict[str, type[Channel]] = {
    "log": LogChannel,
    "command": CommandChannel,
    "webhook": WebhookChannel,
    "mail": MailChannel,
    "apprise": AppriseChannel,
}

__all__ = ["CHANNELS", "Channel", "ChannelDown"]
