"""Which networks can be a line's own, and where a line is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.fixed_line import FixedLine, parse_line_network
from simwarden.domain.locating import Site
from simwarden.domain.place import Place, PlaceSource


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.7/29", "203.0.113.0/29"),
        ("10.1.0.0/16", "10.1.0.0/16"),
        (" 2001:DB8:7::1 ", "2001:db8:7::1/128"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_networks(text: str, network: str) -> None:
    assert parse_line_network(text) == network


@pytest.mark.parametrize(
    "text", ["", "x", "203.0.113.256", "203.0.113.7:80", "0.0.0.0/0", "10.0.0.0/15", "::/0", "2001::/31"]
)
def test_what_is_none_or_too_wide_for_one_line(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_line_network(text)


def test_a_line_is_at_its_address_at_any_time() -> None:
    line = FixedLine(number="+34910000001", account_id="acme", site=Site(40.4, -3.7, 50.0))
    now = datetime(2026, 11, 22, tzinfo=UTC)
    for at in (now, now + timedelta(days=1000)):
        assert line.place(at) == Place(40.4, -3.7, 50.0, at, PlaceSource.ADDRESS, "")
