"""Where a notification may go: the guard against server-side request forgery. Pure, nothing is resolved here.

A customer names the sink, so without a guard it could name our own network. A sink is looked at twice: its text when
the subscription is made (`parse_sink`), and every address at the moment of connecting (`refusal`), because a name that
was harmless yesterday may lead to 127.0.0.1 today.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import msgspec
from yarl import URL

from simwarden.domain.errors import SimwardenError

MAX_LENGTH = 2048
"""Longest sink (CAMARA, maxLength of `sink`)."""
_OWN_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-correlator",
    }
)
_OWN_PREFIXES = ("ce-", "content-", "proxy-", "webhook-", "x-forwarded-")
_PRINTABLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
_NUMERIC_END = re.compile(r"(?:\d+|0[xX][0-9a-fA-F]*)")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}

_REFUSED_V4 = [IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24")]
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = [IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"), IPv6Network("2001::/23")]
_EMBEDDING_LOW = [
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped (RFC 4291 2.5.5.2)
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated (RFC 2765 2.1)
    IPv6Network("64:ff9b::/96"),  # NAT64 (RFC 6052 2.1)
]
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_own_header(name: str) -> bool:
    """Whether a notification's header is not the customer's: the delivery sets it, or it would change its meaning."""
    lower = name.lower()
    return lower in _OWN_HEADERS or lower.startswith(_OWN_PREFIXES)


class InvalidSink(SimwardenError, ValueError):
    """The sink must be an https address that can be reached from the internet."""

    status, code = 400, "INVALID_SINK"
    text = "The sink field must be an accessible client address in order to notify the other end when an event occurs"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self._reason = reason

    @property
    def public(self) -> str:
        """CAMARA's sentence, with the reason behind it where there is one."""
        return self.text if self._reason is None else f"{self.text} ({self._reason})"


class Sink(msgspec.Struct, frozen=True):
    """A sink whose text is in order."""

    url: URL
    host: str
    """Lower case; an IPv6 address without brackets."""
    origin: str
    """`scheme://host:port`, the port always written."""


def parse_sink(text: str, *, allow_private: bool) -> Sink:
    """Read a sink URL. Raises InvalidSink.

    It must be https (with `allow_private` http too), carry no credentials, and a literal address must be public. Names
    are judged when they are resolved. Numbers that only some programs read as an address (`2130706433`, `0x7f.1`,
    `127.1`) are refused always.
    """
    if not text.isascii() or not _PRINTABLE.fullmatch(text) or len(text) > MAX_LENGTH:
        raise InvalidSink("A sink is a URL of at most 2048 printable ASCII characters")
    try:
        url = URL(text, encoded=True)
        port = url.explicit_port
    except ValueError as error:
        raise InvalidSink("A sink is a URL; this cannot be read as one") from error
    if url.scheme not in (("https", "http") if allow_private else ("https",)):
        raise InvalidSink("A sink begins with https://")
    if "@" in url.raw_authority:
        raise InvalidSink("A sink carries no user name or password; use sinkCredential")
    if port == 0:
        raise InvalidSink("A sink has a port from 1 to 65535")
    host = (url.raw_host or "").lower()
    _check_host(host, allow_private=allow_private)
    shown = f"[{host}]" if ":" in host else host.rstrip(".")
    return Sink(url, host, f"{url.scheme}://{shown}:{port or _DEFAULT_PORTS[url.scheme]}")


def _check_host(host: str, *, allow_private: bool) -> None:
    if not host:
        raise InvalidSink("A sink names a host")
    try:
        address = ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        if ":" in host or _NUMERIC_END.fullmatch(last) or not _NAME.fullmatch(host) or len(host) > 253:
            raise InvalidSink("A sink names a host by a domain name or a canonical IP address") from None
        if last == "localhost" and not allow_private:
            raise InvalidSink("A sink must be reachable from the internet; localhost is not") from None
        return
    reason = None if allow_private else refusal(str(address))
    if reason:
        raise InvalidSink(f"A sink must be reachable from the internet; {host} is not ({reason})")


def refusal(address: str) -> str | None:
    """Why a connection to this IP address (text, perhaps with a scope) is refused; None when it is public."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not an IP address"
    return _refusal_v4(parsed) if isinstance(parsed, IPv4Address) else _refusal_v6(parsed)


def _refusal_v4(address: IPv4Address) -> str | None:
    kinds = {
        "unspecified": address.is_unspecified,
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "private": address.is_private,
        "reserved": address.is_reserved or any(address in network for network in _REFUSED_V4),
        "not global": not address.is_global,
    }
    return next((kind for kind, applies in kinds.items() if applies), None)


def _refusal_v6(address: IPv6Address) -> str | None:
    if address.scope_id:
        return "scoped"
    embedded = _embedded(address)
    if embedded:
        return next((f"embeds a {reason} address" for reason in map(_refusal_v4, embedded) if reason), None)
    kinds = {
        "unspecified": address.is_unspecified,
        "loopback": address.is_loopback,
        "link-local": address.is_link_local or address.is_site_local,
        "multicast": address.is_multicast,
        "private": address.is_private,
        "reserved": address not in _GLOBAL_V6 or any(address in network for network in _REFUSED_V6),
    }
    return next((kind for kind, applies in kinds.items() if applies), None)


def _embedded(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that a translator or tunnel would take out of this one."""
    value = int(address)
    if any(address in network for network in _EMBEDDING_LOW):
        return [IPv4Address(value & 0xFFFFFFFF)]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if (value >> 32) & 0xFFFFFFFF in _ISATAP:  # RFC 5214 6.1
        return [IPv4Address(value & 0xFFFFFFFF)]
    return []
