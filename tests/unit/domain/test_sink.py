"""The guard against sinks that lead into our own network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.sink import InvalidSink, parse_sink, refusal

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible
    "::8.8.8.8",  # IPv4-compatible: deprecated, goes nowhere good
    "::ffff:127.0.0.1",  # IPv4-mapped
    "::ffff:169.254.169.254",
    "::ffff:a00:1",
    "::ffff:0:127.0.0.1",  # IPv4-translated
    "64:ff9b::127.0.0.1",  # NAT64
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::8.8.8.8",  # local NAT64
    "100::1",  # discard
    "2001::1",  # Teredo, server 0.0.0.0
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",  # Teredo, client 10.0.0.1
    "2001:2::1",  # benchmarking
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:a00:1::",  # 6to4 of 10.0.0.1
    "2606:4700::5efe:10.0.0.1",  # ISATAP
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "not an address",
    "",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.128.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_inner_addresses_are_refused(address: str) -> None:
    assert refusal(address) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_not(address: str) -> None:
    assert refusal(address) is None


@given(st.ip_addresses(v=4))
def test_every_embedding_of_a_refused_address_is_refused(address: object) -> None:
    text = str(address)
    for embedded in (f"::ffff:{text}", f"64:ff9b::{text}", f"2606:4700::5efe:{text}"):
        assert (refusal(embedded) is None) == (refusal(text) is None)


@pytest.mark.parametrize(
    ("sink", "origin"),
    [
        ("https://example.com/sink?x=1", "https://example.com:443"),
        ("https://EXAMPLE.com:8443", "https://example.com:8443"),
        ("https://example.com./", "https://example.com:443"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example:443"),
        ("https://8.8.8.8/", "https://8.8.8.8:443"),
        ("https://[2606:4700:4700::1111]:99/x", "https://[2606:4700:4700::1111]:99"),
        ("https://a_b.example.com/%20", "https://a_b.example.com:443"),
    ],
)
def test_good_sinks(sink: str, origin: str) -> None:
    parsed = parse_sink(sink, allow_private=False)
    assert parsed.origin == origin


@pytest.mark.parametrize(
    "sink",
    [
        "",
        "example.com",
        "/sink",
        "https://",
        "https:///path",
        "http://example.com/",
        "ftp://example.com/",
        "javascript:alert(1)",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://:@example.com/",
        "https://@example.com/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:x/",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: x",
        "https://example.com\\@127.0.0.1/",
        "https://büch.example/",
        "https://-example.com/",
        "https://exa$mple.com/",
        "https://localhost/",
        "https://a.localhost/",
        "https://localhost./",
        "https://" + "a" * 2048,
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[not-an-address]/",
        *(f"https://{address}/" for address in REFUSED if "." in address and ":" not in address),
    ],
)
def test_bad_sinks(sink: str) -> None:
    with pytest.raises(InvalidSink):
        parse_sink(sink, allow_private=False)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "1.2.3.4.5", "0x", "8.8.8"]
)
@pytest.mark.parametrize("allow_private", [False, True])
def test_numbers_that_only_some_read_as_addresses_are_refused_always(host: str, allow_private: bool) -> None:
    with pytest.raises(InvalidSink):
        parse_sink(f"https://{host}/", allow_private=allow_private)


@pytest.mark.parametrize(
    "sink", ["http://127.0.0.1:8080/x", "http://localhost/", "https://10.0.0.1/", "http://[::1]:1/"]
)
def test_private_sinks_when_allowed(sink: str) -> None:
    assert str(parse_sink(sink, allow_private=True).url) == sink


@pytest.mark.parametrize("sink", ["http://user@localhost/", "ftp://localhost/", "http://localhost:0/"])
def test_private_sinks_still_have_to_be_urls(sink: str) -> None:
    with pytest.raises(InvalidSink):
        parse_sink(sink, allow_private=True)
