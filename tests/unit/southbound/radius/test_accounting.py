"""What accounting packets say, and the times they say it of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.session import Octets
from simwarden.southbound.radius import accounting, codec
from simwarden.southbound.radius.accounting import Accounting, AccountingStatus
from simwarden.southbound.radius.codec import Attribute, Code, InvalidPacket, Vendor3gpp

NOW = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
SESSION = codec.attribute(Attribute.ACCT_SESSION_ID, b"0A0B0C0D00000001")
IMSI = codec.vendor_attribute(Vendor3gpp.IMSI, b"460000990123698")


def read(*attributes: bytes, status: int = 1) -> Accounting:
    parts = [codec.integer(Attribute.ACCT_STATUS_TYPE, status), *attributes]
    packet = codec.decode(codec.encode_request(Code.ACCOUNTING_REQUEST, 1, parts, b"s"))
    return accounting.read(packet, NOW)


def imeisv(value: bytes) -> str | None:
    return read(SESSION, codec.vendor_attribute(Vendor3gpp.IMEISV, value)).imei


def test_a_start_of_a_packet_gateway() -> None:
    told = read(
        SESSION,
        codec.vendor_attribute(Vendor3gpp.IMSI, b"460000990123698\0"),
        codec.vendor_attribute(Vendor3gpp.IMEISV, b"3536895307079001"),
        codec.attribute(Attribute.CALLING_STATION_ID, b"8613715266978"),
        codec.integer(Attribute.EVENT_TIMESTAMP, 1769999400),
    )
    at = datetime.fromtimestamp(1769999400, UTC)
    assert told == Accounting(
        status=AccountingStatus.START,
        at=at,
        began_at=at,
        session="0A0B0C0D00000001",
        imsi="460000990123698",
        msisdn="+8613715266978",
        imei="35368953070790",
        svn="01",
    )


def test_an_interim_update_says_when_its_session_began() -> None:
    told = read(SESSION, IMSI, codec.integer(Attribute.ACCT_SESSION_TIME, 600), status=3)
    assert (told.status, told.at, told.began_at) == (AccountingStatus.INTERIM, NOW, NOW - timedelta(minutes=10))


def test_the_time_of_what_happened() -> None:
    def at(*attributes: bytes) -> datetime:
        return read(SESSION, *attributes).at

    delayed = codec.integer(Attribute.ACCT_DELAY_TIME, 7)
    assert at() == NOW
    assert at(delayed) == NOW - timedelta(seconds=7)
    stamp = int(NOW.timestamp()) - 60
    assert at(codec.integer(Attribute.EVENT_TIMESTAMP, stamp), delayed) == NOW - timedelta(minutes=1)
    assert at(codec.integer(Attribute.EVENT_TIMESTAMP, stamp + 3600)) == NOW  # its clock is fast
    assert at(codec.integer(Attribute.EVENT_TIMESTAMP, 12345), delayed) == NOW - timedelta(seconds=7)  # never set


@pytest.mark.parametrize(
    ("value", "imei"),
    [
        (b"3536895307079001", "35368953070790"),
        (b"353689530707901", "35368953070790"),
        (b"35368953070790", "35368953070790"),
        (b"35368953070790\0\0", "35368953070790"),
        (bytes.fromhex("5363983570700910"), "35368953070790"),
        (bytes.fromhex("53639835707009f1"), "35368953070790"),
        (bytes.fromhex("53639835707009ff"), "35368953070790"),
        (b"12345678", None),
        (b"0000000000000000", None),
        (b"", None),
        (b"not a number", None),
        (b"\xff" * 8, None),
        (b"\xff" * 16, None),
    ],
)
def test_an_imeisv_in_the_forms_that_gateways_send(value: bytes, imei: str | None) -> None:
    assert imeisv(value) == imei


def test_identities_that_cannot_be_read_count_as_missing() -> None:
    told = read(
        SESSION,
        codec.vendor_attribute(Vendor3gpp.IMSI, b"\xff\xfe"),
        codec.attribute(Attribute.CALLING_STATION_ID, b"nobody"),
    )
    assert (told.imsi, told.msisdn, told.imei) == (None, None, None)


@pytest.mark.parametrize(
    ("number", "status"), [(7, AccountingStatus.ON), (8, AccountingStatus.OFF), (9, None), (15, None)]
)
def test_a_nas_that_speaks_of_itself_names_no_session(number: int, status: AccountingStatus | None) -> None:
    assert read(status=number) == Accounting(status=status, at=NOW, began_at=NOW)


def test_what_every_packet_needs() -> None:
    for parts, reason in (
        ([SESSION], "status"),
        ([codec.integer(Attribute.ACCT_STATUS_TYPE, 1)], "session"),
        ([codec.integer(Attribute.ACCT_STATUS_TYPE, 1), codec.attribute(44, b"")], "session"),
        ([codec.integer(Attribute.ACCT_STATUS_TYPE, 1), codec.attribute(44, b"x" * 129)], "session"),
        ([codec.attribute(Attribute.ACCT_STATUS_TYPE, b"\1")], "value"),
        ([codec.integer(Attribute.ACCT_STATUS_TYPE, 1), codec.attribute(44, b"a\0b")], "value"),
    ):
        packet = codec.decode(codec.encode_request(Code.ACCOUNTING_REQUEST, 1, parts, b"s"))
        with pytest.raises(InvalidPacket) as refused:
            accounting.read(packet, NOW)
        assert refused.value.reason == reason


_TYPES = st.sampled_from([30, 40, 41, 44, 46, 55])


@given(
    st.lists(st.tuples(_TYPES, st.binary(max_size=8)), max_size=8),
    st.lists(st.tuples(st.sampled_from([1, 20]), st.binary(max_size=20)), max_size=4),
)
def test_any_values_are_understood_or_refused(plain: list[tuple[int, bytes]], vendor: list[tuple[int, bytes]]) -> None:
    parts = [codec.attribute(type_, value) for type_, value in plain]
    parts += [codec.vendor_attribute(type_, value) for type_, value in vendor]
    packet = codec.decode(codec.encode_request(Code.ACCOUNTING_REQUEST, 1, parts, b"s"))
    try:
        told = accounting.read(packet, NOW)
    except InvalidPacket:
        return
    assert told.began_at <= told.at <= NOW
    assert told.imei is None or (len(told.imei) == 14 and told.imei.isdigit())


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_no_number_is_too_large_for_a_time(stamp: int, delay: int, lasted: int) -> None:
    told = read(
        SESSION,
        codec.integer(Attribute.EVENT_TIMESTAMP, stamp),
        codec.integer(Attribute.ACCT_DELAY_TIME, delay),
        codec.integer(Attribute.ACCT_SESSION_TIME, lasted),
        status=2,
    )
    assert told.began_at <= told.at <= NOW


def location(value: str, time: int | None = None) -> Accounting:
    parts = [codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO, bytes.fromhex(value))]
    if time is not None:
        stamp = (time + 2_208_988_800).to_bytes(4, "big")
        parts.append(codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO_TIME, stamp))
    return read(SESSION, IMSI, *parts, status=3)


def test_the_cell_and_the_area_around_it() -> None:
    assert location("8264f000123464f00000012345").cells == ("ecgi:46000-0012345", "tai:46000-1234")
    assert location("8264f000123464f00000012345").cells_at is None


@pytest.mark.parametrize("value", ["82", "8264f0001234", "ff00"])
def test_a_location_that_cannot_be_read_counts_as_missing(value: str) -> None:
    assert location(value).cells == ()


def test_a_cell_may_be_of_an_earlier_time_and_never_of_a_later_one() -> None:
    before = int(NOW.timestamp()) - 60
    assert location("8064f0001234", before).cells_at == NOW - timedelta(seconds=60)
    assert location("8064f0001234", before + 120).cells_at is None
    assert location("8064f0001234", -2_208_988_800).cells_at is None, "a clock that was never set"


@pytest.mark.parametrize(
    ("value", "plmn"),
    [
        (b"46000", "46000"),
        (b"310260", "310260"),
        (b"20801\0", "20801"),
        (b"", None),
        (b"4600", None),
        (b"4600012", None),
        (b"4600x", None),
        (b"\x64\xf0\x00", None),
    ],
)
def test_the_serving_network_is_five_or_six_digits(value: bytes, plmn: str | None) -> None:
    assert read(SESSION, codec.vendor_attribute(Vendor3gpp.SGSN_MCC_MNC, value)).plmn == plmn


@pytest.mark.parametrize(
    ("value", "svn"),
    [(b"3536895307079099", "99"), (b"353689530707903", None), (b"35368953070790", None), (b"x", None)],
)
def test_a_software_version_stands_in_an_imeisv_alone(value: bytes, svn: str | None) -> None:
    assert read(SESSION, codec.vendor_attribute(Vendor3gpp.IMEISV, value)).svn == svn


def test_octets_pass_four_gibibytes() -> None:
    """The golden Interim-Update that FreeRADIUS 3.2.1 accepted: 1 gigaword and 1073741824 octets."""
    golden = (
        "0409007c6d94318616efcbfa062b8d9e4d2042bd2806000000032c12304130423043304430303030303030312a06400000003406000000011a17"
        "000028af01113436303030303939303132333639381a18000028af1412333533363839353330373037393030311a15000028af160f8264f00012"
        "3464f00000012345"
    )
    packet = codec.decode(bytes.fromhex(golden))
    assert codec.is_authentic_request(packet, b"testing123")
    assert accounting.read(packet, NOW).octets == Octets(5368709120, 0)


def test_where_a_session_is_attached() -> None:
    told = read(
        SESSION,
        codec.attribute(Attribute.CALLED_STATION_ID, b"IoT.Example.mnc001.mcc262.gprs"),
        codec.attribute(Attribute.FRAMED_IP_ADDRESS, bytes([10, 45, 0, 7])),
        codec.attribute(Attribute.FRAMED_IPV6_PREFIX, bytes.fromhex("004020010db800010002")),
        codec.vendor_attribute(Vendor3gpp.RAT_TYPE, b"\x06"),
        codec.integer(Attribute.ACCT_OUTPUT_OCTETS, 9),
        status=3,
    )
    assert (told.apn, told.rat, told.ipv4, told.ipv6) == ("iot.example", "EUTRA", "10.45.0.7", "2001:db8:1:2::/64")
    assert told.octets == Octets(0, 9)


@pytest.mark.parametrize(
    "attribute",
    [
        codec.attribute(Attribute.CALLED_STATION_ID, b"\xff\xfe"),
        codec.attribute(Attribute.CALLED_STATION_ID, b"00-11-22-33-44-55:a network"),
        codec.attribute(Attribute.FRAMED_IP_ADDRESS, b"\xff\xff\xff\xfe"),
        codec.attribute(Attribute.FRAMED_IP_ADDRESS, b"\x0a"),
        codec.attribute(Attribute.FRAMED_IPV6_PREFIX, b"\x00\xff" + bytes(16)),
        codec.attribute(Attribute.FRAMED_IPV6_PREFIX, b"\x00"),
        codec.attribute(Attribute.FRAMED_IPV6_PREFIX, b"\x00\x40" + bytes(16)),
        codec.attribute(Attribute.FRAMED_IPV6_ADDRESS, bytes(16)),
        codec.vendor_attribute(Vendor3gpp.RAT_TYPE, b"\xc8"),
        codec.vendor_attribute(Vendor3gpp.RAT_TYPE, b"\x00\x06"),
    ],
)
def test_what_cannot_be_read_of_a_session_counts_as_missing(attribute: bytes) -> None:
    told = read(SESSION, attribute)
    assert (told.apn, told.rat, told.ipv4, told.ipv6) == (None, None, None, None)


def test_an_address_alone_is_a_prefix_of_all_its_bits() -> None:
    address = bytes.fromhex("20010db8000100020000000000000009")
    assert read(SESSION, codec.attribute(Attribute.FRAMED_IPV6_ADDRESS, address)).ipv6 == "2001:db8:1:2::9/128"
    delegated = codec.attribute(Attribute.DELEGATED_IPV6_PREFIX, bytes.fromhex("003820010db80001ff"))
    assert read(SESSION, delegated).ipv6 == "2001:db8:1:ff00::/56"
