"""Webhooks: what arrives, and where nothing ever goes."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
from typing import Any

import pytest
from alert_servers import CERTIFICATE, Hook, notice, server_context

from milepost.alerts.channels import ChannelDown
from milepost.alerts.channels.addresses import refusal_of, resolve
from milepost.alerts.channels.webhook import WebhookChannel


def channel(hook: Hook, path: str = "/hooks/canary-path", *, host: str = "localhost", **fields: Any) -> WebhookChannel:
    given = {"allow_private": True, "ca_file": str(CERTIFICATE), **fields}
    return WebhookChannel(name="hook", url=f"https://{host}:{hook.port}{path}", **given)


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The machine's resolver answers these addresses, one answer after the other; the names that were asked."""
    asked: list[str] = []

    def answer(host: str, port: int, *arguments: Any, **more: Any) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_a_message_arrives_as_small_json_over_verified_tls(hook: Hook) -> None:
    """POST, JSON, the path and query of the URL, the documented fields and no more."""
    channel(hook, "/hooks/canary-path?key=1").send(notice())
    (path, headers, body), (document,) = hook.posts[0], hook.documents()
    assert path == "/hooks/canary-path?key=1"
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == f"localhost:{hook.port}"
    assert sorted(document) == sorted(notice().__struct_fields__)
    assert len(body) < 4096


def test_without_the_opt_in_nothing_reaches_this_machine(hook: Hook) -> None:
    """A private address is refused before a connection is made, and the error says how to permit it."""
    with pytest.raises(ChannelDown, match=r"localhost leads to .*, a private address; allow_private = true permits it"):
        channel(hook, allow_private=False).send(notice())
    assert hook.connections == 0


def test_a_server_whose_certificate_is_not_trusted_receives_nothing(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither with an unknown signer nor under another name."""
    with pytest.raises(ChannelDown, match="CERTIFICATE_VERIFY_FAILED"):
        channel(hook, ca_file=None).send(notice())
    names(monkeypatch, ["127.0.0.1"])
    with pytest.raises(ChannelDown, match="CERTIFICATE_VERIFY_FAILED"):
        channel(hook, host="other.test").send(notice())
    assert hook.posts == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "private"), ("127.8.9.10", "private"), ("10.1.2.3", "private"), ("172.16.0.1", "private"),
        ("192.168.1.1", "private"), ("100.64.0.1", "private"), ("::1", "private"), ("fd12:3456::1", "private"),
        ("::ffff:127.0.0.1", "private"), ("::ffff:10.0.0.1", "private"), ("64:ff9b::10.0.0.1", "private"),
        ("2002:0a00:0001::1", "private"), ("::127.0.0.1", "private"),
        ("169.254.169.254", "credentials"), ("169.254.170.2", "credentials"), ("168.63.129.16", "credentials"),
        ("100.100.100.200", "credentials"), ("192.0.0.192", "credentials"), ("fd00:ec2::254", "credentials"),
        ("::ffff:169.254.169.254", "credentials"), ("64:ff9b::169.254.169.254", "credentials"),
        ("169.254.1.1", "none of a host"), ("fe80::1", "none of a host"), ("fe80::1%eth0", "none of a host"),
        ("0.0.0.0", "none of a host"), ("::", "none of a host"), ("224.0.0.1", "none of a host"),
        ("ff02::1", "none of a host"),
    ],
)  # fmt: skip
def test_every_class_of_address_that_is_not_the_internet_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str, why: str
) -> None:
    """Whatever form it is written in; what a cloud keeps credentials on, and no hosts at all, also with the opt-in."""
    names(monkeypatch, [address])
    with pytest.raises(ChannelDown, match=why):
        resolve("hook.test", 443, allow_private=False, timeout_seconds=5)
    if why != "private":
        with pytest.raises(ChannelDown, match=why):
            resolve("hook.test", 443, allow_private=True, timeout_seconds=5)
    else:
        assert resolve("hook.test", 443, allow_private=True, timeout_seconds=5) == [
            str(ipaddress.ip_address(address.partition("%")[0]))
        ]


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::8.8.8.8"])
def test_addresses_of_the_internet_are_let_through(address: str) -> None:
    """Also those that a translating network writes as IPv6."""
    assert refusal_of(ipaddress.ip_address(address), allow_private=False) is None


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_no_way_of_writing_the_loopback_address_gets_through(hook: Hook, host: str) -> None:
    """The real resolver reads them; what it makes of them is checked."""
    with pytest.raises(ChannelDown):
        channel(hook, host=host, allow_private=False).send(notice())
    assert hook.connections == 0


def test_one_private_address_among_others_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is trusted with all of its addresses or not at all."""
    names(monkeypatch, ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(ChannelDown, match=re.escape("hook.test leads to 10.0.0.1")):
        resolve("hook.test", 443, allow_private=False, timeout_seconds=5)


def test_a_name_is_asked_once_and_the_checked_address_connected_to(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: a resolver that answers one address to the check and another after it is asked only once."""
    asked = names(monkeypatch, ["127.0.0.1"], ["203.0.113.1"])
    channel(hook, host="alerts.test").send(notice())
    assert asked.count("alerts.test") == 1
    assert [path for path, _, _ in hook.posts] == ["/hooks/canary-path"]


def test_a_redirect_is_a_failure_and_not_followed(hook: Hook) -> None:
    """The server's answer sends nobody elsewhere."""
    hook.answer, hook.location = 307, f"https://localhost:{hook.port}/elsewhere"
    with pytest.raises(ChannelDown, match="localhost answered 307: redirects are not followed"):
        channel(hook).send(notice())
    assert len(hook.posts) == 1


def test_an_answer_that_is_no_success_is_a_failure_without_the_path(hook: Hook) -> None:
    """What the URL holds as a key stands in no error."""
    hook.answer = 500
    with pytest.raises(ChannelDown, match="localhost answered 500") as caught:
        channel(hook).send(notice())
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("handshakes", [False, True], ids=["silent", "byte by byte"])
def test_a_server_that_trickles_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch, handshakes: bool) -> None:
    """The time is for all of it: neither silence at the handshake nor an answer without end stretches it."""
    monkeypatch.setattr("milepost.alerts.channels.webhook.TIMEOUT_SECONDS", 1.0)
    over = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            if handshakes:
                with server_context().wrap_socket(connection, server_side=True) as secure:
                    secure.send(b"HTTP/1.1 200 OK\r\nX: ")
                    while not over.wait(0.02):
                        secure.send(b"x")
            over.wait(60)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=trickle)
        server.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        slow = WebhookChannel(name="hook", url=url, allow_private=True, ca_file=str(CERTIFICATE))
        with pytest.raises(ChannelDown, match=r"no answer within 1 s"):
            slow.send(notice())
        over.set()
        server.join()


def test_a_resolver_that_hangs_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can break it off, so it is left behind."""
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **more: answer.wait(60) and [])
    with pytest.raises(ChannelDown, match=r"the name hook\.test was not resolved within 0\.1 s"):
        resolve("hook.test", 443, allow_private=False, timeout_seconds=0.1)
    answer.set()


def test_a_port_where_nobody_listens_is_a_failure() -> None:
    """It says which host, and what happened."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    closed = WebhookChannel(name="hook", url=f"https://127.0.0.1:{port}/", allow_private=True)
    with pytest.raises(ChannelDown, match=r"127\.0\.0\.1: ConnectionRefusedError"):
        closed.send(notice())
