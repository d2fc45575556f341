"""Commands, logs, mail and Apprise: what arrives, what a failure says, and that no secret is told."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import stat
import sys
import threading
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest
from alert_servers import CERTIFICATE, Hook, MailServer, notice, server_context

from milepost.alerts.channels import ChannelDown
from milepost.alerts.channels.apprise import AppriseChannel
from milepost.alerts.channels.command import CommandChannel
from milepost.alerts.channels.log import LogChannel
from milepost.alerts.channels.mail import MailChannel
from milepost.errors import AlertSettingsError, MissingExtra

apprise_warns = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what its plugins import


def command(*arguments: str, **fields: Any) -> CommandChannel:
    return CommandChannel(name="desk", command=(sys.executable, *arguments), **fields)


def test_a_command_receives_json_and_its_arguments_as_they_are(tmp_path: Path) -> None:
    """No shell looks at them: a semicolon is a semicolon."""
    told = tmp_path / "told.json"
    program = "import sys; open(sys.argv[1], 'w').write(sys.argv[2] + '\\n' + sys.stdin.read())"
    command("-c", program, str(told), "; rm -rf $HOME `id`").send(notice())
    argument, document = told.read_text().splitlines()
    assert argument == "; rm -rf $HOME `id`"
    assert json.loads(document)["text"] == "run brisk-otter was killed"


def test_a_command_that_fails_says_its_exit_code_and_no_secret() -> None:
    """What it wrote on standard error is told in one line, masked."""
    program = "import sys; sys.exit('cannot reach https://ada:canary@pager.test\\n\\x1b[2J')"
    with pytest.raises(ChannelDown, match="ended with exit code 1: cannot reach") as caught:
        command("-c", program).send(notice())
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_command_that_cannot_be_started_is_down() -> None:
    """It is named."""
    with pytest.raises(ChannelDown, match="/nowhere/pager cannot be started"):
        CommandChannel(name="desk", command=("/nowhere/pager",)).send(notice())


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """After its time neither it nor what it started is left."""
    pids = tmp_path / "pids"
    program = (
        "import os, sys, time\n"
        "child = os.fork()\n"
        "if child: open(sys.argv[1], 'w').write(f'{os.getpid()} {child}')\n"
        "time.sleep(600)"
    )
    with pytest.raises(ChannelDown, match=r"took longer than 1 s"):
        command("-c", program, str(pids), timeout_seconds=1.0).send(notice())
    for pid in map(int, pids.read_text().split()):
        with pytest.raises(ProcessLookupError):
            while True:  # until whoever adopted it has taken note of its end
                os.kill(pid, signal.SIG_DFL)
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    raise ProcessLookupError


def test_a_command_that_does_not_read_is_no_failure() -> None:
    """Whether it wants the message is its own affair."""
    command("-c", "pass").send(notice(text="x" * 100_000))


def test_what_a_command_leaves_in_the_background_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A notifier that forks and ends has done its work, though its child still holds the files it was given."""
    program = (
        "import os, sys, time\n"
        "child = os.fork()\n"
        "if child: open(sys.argv[1], 'w').write(str(child))\n"
        "else: time.sleep(600)"
    )
    command("-c", program, str(tmp_path / "pid"), timeout_seconds=60.0).send(notice())
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_log_file_gets_a_line_each_and_is_ours_alone(tmp_path: Path) -> None:
    """JSON lines, 0600."""
    path = tmp_path / "alerts.jsonl"
    channel = LogChannel(name="log", file=str(path))
    channel.send(notice())
    channel.send(notice(state="resolved", text="line\nbreak"))
    assert [json.loads(line)["state"] for line in path.read_text().splitlines()] == ["firing", "resolved"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_is_down(tmp_path: Path) -> None:
    """A folder, a file below a file, a name with NUL, a pipe that nobody reads."""
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path), str(tmp_path / "file" / "a"), "a\0b", str(tmp_path / "pipe")):
        with pytest.raises(ChannelDown, match="cannot be written"):
            LogChannel(name="log", file=path).send(notice())


def test_a_log_on_a_full_disk_is_down() -> None:
    """It is tried again."""
    with pytest.raises(ChannelDown, match="No space left"):
        LogChannel(name="log", file="/dev/full").send(notice())


def test_without_a_file_pythons_logging_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Under `milepost.alerts`, at the level of the severity; what is over is information."""
    with caplog.at_level(logging.INFO, "milepost.alerts"):
        LogChannel(name="log").send(notice())
        LogChannel(name="log").send(notice(state="resolved"))
    assert [(record.name, record.levelname) for record in caplog.records] == [
        ("milepost.alerts", "CRITICAL"), ("milepost.alerts", "INFO"),
    ]  # fmt: skip


def mail(server: MailServer, **fields: Any) -> MailChannel:
    given = {
        "host": "localhost", "port": server.port, "sender": "milepost@example.org", "to": ("ada@example.org",),
        "user": "ada", "password_env": "MAIL_PASSWORD", "ca_file": str(CERTIFICATE), **fields,
    }  # fmt: skip
    return MailChannel(name="post", **given)


def test_a_mail_arrives_and_the_password_went_over_tls_alone(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STARTTLS comes before AUTH; subject, body and recipients are there; no header can be slipped in."""
    monkeypatch.setenv("MAIL_PASSWORD", "canary-lovelace")
    channel = mail(mail_server, to=("ada@example.org", "bob@example.org"))
    channel.check()
    channel.send(notice(subjects=("brisk\r\nBcc: eve@example.org",), text="größer\n.\nals 3"))
    assert [secure for verb, secure in mail_server.seen if verb in ("AUTH", "MAIL", "DATA")] == [True] * 3
    message = message_from_string(mail_server.mails[0], policy=policy.default)
    assert message["To"] == "ada@example.org, bob@example.org"
    assert message["Bcc"] is None
    assert message["Subject"].startswith("milepost [firing] dead: brisk")
    assert "rule: dead (critical)" in message.get_content()
    assert [verb for verb, _ in mail_server.seen].count("RCPT") == 2


def test_a_server_that_offers_no_trusted_tls_gets_no_password(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown certificate ends it before AUTH."""
    monkeypatch.setenv("MAIL_PASSWORD", "canary-lovelace")
    with pytest.raises(ChannelDown, match="CERTIFICATE_VERIFY_FAILED"):
        mail(mail_server, ca_file=None).send(notice())
    assert "AUTH" not in [verb for verb, _ in mail_server.seen]


def test_a_refused_password_is_not_told(mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a refused mailbox's server taken for working."""
    monkeypatch.setenv("MAIL_PASSWORD", "canary-wrong")
    with pytest.raises(ChannelDown, match="who are you") as caught:
        mail(mail_server).send(notice())
    assert "canary" not in str(caught.value)
    mail_server.refuses_mail = True
    with pytest.raises(ChannelDown, match="no such mailbox"):
        mail(mail_server, user=None, password_env=None).send(notice())
    assert mail_server.mails == []


@pytest.mark.parametrize("said", [b"220-", b"554 not today\r\n"], ids=["byte by byte", "unwilling"])
def test_a_mail_server_that_trickles_or_refuses_is_left(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """A time for all of it: a byte within each time-out holds nobody up for ever."""
    monkeypatch.setattr("milepost.alerts.channels.mail.IN_ALL_SECONDS", 1.0)
    over = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.send(said)
            while said == b"220-" and not over.wait(0.02):
                connection.send(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=trickle)
        server.start()
        slow = MailChannel(
            name="post", host="127.0.0.1", port=listener.getsockname()[1], sender="a@example.org",
            to=("b@example.org",), security="none",
        )  # fmt: skip
        with pytest.raises(ChannelDown, match="SMTPServerDisconnected" if said == b"220-" else "554, b'not today'"):
            slow.send(notice())
        over.set()
        server.join()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2"])
def test_a_mail_over_tls_from_the_start(host: str) -> None:
    """The certificate is checked for the host's name before anything is said; a farewell that is none does no harm."""
    heard: list[str] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with (
            connection,
            contextlib.suppress(OSError),
            server_context().wrap_socket(connection, server_side=True) as tls,
        ):
            tls.send(b"220 mail.test\r\n")
            for line in tls.makefile("rb"):
                verb = line.decode().split()[0].upper() if line.strip() else ""
                heard.append(verb)
                in_mail = heard.count("DATA") > heard.count(".")
                if not in_mail or verb == "DATA":
                    tls.send(b"354 go on\r\n" if verb == "DATA" else b"250 ok\r\n")

    with socket.create_server(("", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        channel = MailChannel(
            name="post", host=host, port=listener.getsockname()[1], sender="a@example.org", to=("b@example.org",),
            security="tls", ca_file=str(CERTIFICATE),
        )  # fmt: skip
        if host == "localhost":
            channel.send(notice())
            assert [verb for verb in heard if verb in ("MAIL", "RCPT", "DATA")] == ["MAIL", "RCPT", "DATA"]
        else:
            with pytest.raises(ChannelDown, match="SSLCertVerificationError"):
                channel.send(notice())
        server.join()


def test_a_password_that_is_not_set_is_found_at_the_start(mail_server: MailServer) -> None:
    """By the name of its variable, when the settings are read."""
    with pytest.raises(AlertSettingsError, match="'post': password_env: the environment variable MAIL_PASSWORD is not"):
        mail(mail_server).check()


@apprise_warns
def test_apprise_delivers_and_says_nothing(plain_hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    """Through Apprise itself, to a server here; of one that it cannot reach neither log nor error tells the URL."""
    reached = AppriseChannel(name="all", urls=(f"json://127.0.0.1:{plain_hook.port}/canary-path/",))
    down = AppriseChannel(name="all", urls=("json://ada:canary-4711@127.0.0.1:9/canary-path/",))
    reached.check()
    with caplog.at_level(logging.DEBUG):
        reached.send(notice())
        with pytest.raises(ChannelDown, match="could not reach all") as caught:
            down.send(notice())
    assert "canary" not in caplog.text + str(caught.value)
    assert [document["message"] for document in plain_hook.documents()] == ["run brisk-otter was killed"]


@apprise_warns
def test_a_url_that_apprise_does_not_know_is_refused_by_its_number() -> None:
    """Its text, which may hold a token, is not repeated."""
    with pytest.raises(AlertSettingsError, match="channel 'all': urls: Apprise does not know .* URL 2") as caught:
        AppriseChannel(name="all", urls=("json://localhost", "canaryservice://token")).check()
    assert "token" not in str(caught.value)


def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that fails, as it does where apprise is not installed."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(MissingExtra, match=r"channel 'all' needs apprise.*pip install 'milepost\[alerts\]'"):
        AppriseChannel(name="all", urls=("json://localhost",)).check()
