"""Whom a request comes from."""

from __future__ import annotations

import pytest

from simwarden.edge.clients import InvalidNetwork, Proxies, group


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ("", "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.0/8", "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.0.0.0/8, 2001:db8::/32", "2001:db8::1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.0/8", "10.1.2.3", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.0/8", "10.1.2.3", None, "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3", "unknown", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.7, garbage, 10.4.4.4", "10.4.4.4"),
        ("10.0.0.0/8", "", "198.51.100.7", ""),
    ],
)
def test_only_trusted_proxies_name_the_client(trusted: str, peer: str, forwarded: str | None, client: str) -> None:
    headers = [(b"host", b"x")] + ([(b"x-forwarded-for", forwarded.encode())] if forwarded else [])
    assert Proxies(trusted).client(peer, headers) == client


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "localhost", "10.0.0.1;10.0.0.2"])
def test_a_proxy_is_an_address_or_a_network(wrong: str) -> None:
    with pytest.raises(InvalidNetwork, match=wrong.replace(".", r"\.")):
        Proxies(wrong)


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        (":", ":"),
    ],
)
def test_a_client_of_ipv6_is_its_network(address: str, counted_as: str) -> None:
    assert group(address) == counted_as
