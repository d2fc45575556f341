"""Which addresses a webhook may go to: a name is resolved once, every address checked, and one of those connected to.

So neither a name that leads inside, nor one whose answer changes between the check and the connection, reaches a
service of this machine, of its network, or of the cloud it runs in.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading

from milepost.alerts.channels.channel import ChannelDown

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What clouds answer on with credentials, some of it in address space that is public otherwise.
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192",
                 "fd00:ec2::254", "fd20:ce::254")
)  # fmt: skip
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.ip_network("::/96")


def resolve(host: str, port: int, *, allow_private: bool, timeout_seconds: float) -> list[str]:
    """The addresses of a host, all of them checked. Raises ChannelDown naming the first that is refused."""
    found = [ipaddress.ip_address(text.partition("%")[0]) for text in _look_up(host, port, timeout_seconds)]
    for address in found:
        trouble = refusal_of(address, allow_private=allow_private)
        if trouble is not None:
            raise ChannelDown(f"{host} leads to {address}, {trouble}")
    return [str(address) for address in found]


def refusal_of(address: Address, *, allow_private: bool) -> str | None:
    """Why no webhook goes to this address; None when it may.

    Example:
        >>> refusal_of(ipaddress.ip_address("10.1.2.3"), allow_private=False)
        'a private address; allow_private = true permits it'
        >>> refusal_of(ipaddress.ip_address("169.254.169.254"), allow_private=True)
        'where a cloud keeps credentials'
    """
    for inner in (*_inside(address), address):
        if inner in METADATA:
            return "where a cloud keeps credentials"
        if inner.is_unspecified or inner.is_multicast or inner.is_link_local:
            return "an address that is none of a host on the internet"
        is_private = inner.is_private or inner.is_loopback or (inner.version == 4 and inner in _SHARED)
        if is_private and not allow_private:
            return "a private address; allow_private = true permits it"
        if not is_private and (inner.is_reserved or not inner.is_global) and not _wraps(inner):
            return "an address that is none of a host on the internet"
    return None


def _inside(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour]
    found += address.teredo or ()
    if any(address in network for network in (*_NAT64, _COMPATIBLE)) and int(address) > 1:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


def _wraps(address: Address) -> bool:
    """Whether it is only the form in which an IPv4 address is written, which is judged by itself."""
    return bool(_inside(address))


def _look_up(host: str, port: int, timeout_seconds: float) -> list[str]:
    """All addresses of a name, in the resolver's order; a resolver that hangs is left alone."""
    answers: queue.SimpleQueue[list[str] | OSError | ValueError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([str(info[4][0]) for info in infos])
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="milepost-resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_seconds)
    except queue.Empty:
        raise ChannelDown(f"the name {host} was not resolved within {timeout_seconds:g} s") from None
    if not isinstance(answer, list):
        raise ChannelDown(f"the name {host} cannot be resolved: {answer}") from answer
    if not answer:
        raise ChannelDown(f"the name {host} has no address")
    return list(dict.fromkeys(answer))
