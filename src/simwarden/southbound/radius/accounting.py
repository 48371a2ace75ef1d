"""What an Accounting-Request says: which SIM has a data session, in which device, since and until when.

RFC 2866 section 5 (attributes), RFC 2869 section 5 (gigawords, Event-Timestamp), 3GPP TS 29.061 16.4.7 (IMSI, IMEISV,
location, radio access).
"""

from __future__ import annotations

import enum
import ipaddress
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from socket import inet_ntoa
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import parse_apn, parse_imei, parse_imsi, parse_msisdn
from simwarden.domain.radio import radio_of
from simwarden.domain.session import Octets
from simwarden.southbound.radius.codec import Attribute, InvalidPacket, Vendor3gpp
from simwarden.southbound.radius.location import MalformedLocation, decode_location, location_time

if TYPE_CHECKING:
    from simwarden.southbound.radius.codec import Packet

CLOCK_SET = 946_684_800
"""Event-Timestamps before the year 2000 are of a clock that was never set, and count as missing."""
DECISION_MARK = b"simwarden;"
"""What a Class of this server begins with."""
MAX_SESSION_ID = 128
"""Characters of an Acct-Session-Id. Gateways use 16 to 40."""


class AccountingStatus(enum.IntEnum):
    """Values of Acct-Status-Type that mean something here (RFC 2866 section 5.1)."""

    START = 1
    STOP = 2
    INTERIM = 3
    ON = 7
    OFF = 8


class PacketIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who a packet is about, and where that is. What cannot be read counts as missing."""

    at: datetime
    """When it happened: Event-Timestamp, else the time of receipt less Acct-Delay-Time; never after the receipt."""
    imsi: str | None = None
    msisdn: str | None = None
    """With its plus sign, from Calling-Station-Id."""
    imei: str | None = None
    """14 digits; None when there is none that can be read."""
    svn: str | None = None
    """Two digits: the software version that stands in an IMEISV."""
    cells: tuple[str, ...] = ()
    """Keys of the cell and of the area around it, from 3GPP-User-Location-Info; none when it cannot be read."""
    cells_at: datetime | None = None
    """When the device was there: 3GPP-User-Location-Info-Time, where it is before `at`."""
    plmn: str | None = None
    """MCC and MNC of the serving network, from 3GPP-SGSN-MCC-MNC."""
    apn: str | None = None
    """From Called-Station-Id, without the operator identifier that may stand behind it."""
    rat: str | None = None
    """From 3GPP-RAT-Type, in the words of `domain.radio`."""


class Accounting(PacketIdentity, frozen=True, kw_only=True):
    """One Accounting-Request, understood."""

    status: AccountingStatus | None
    """None: another one (tunnels, failures), which is acknowledged and left alone."""
    began_at: datetime
    """When the session began: `at` less Acct-Session-Time."""
    session: str = ""
    """Acct-Session-Id; empty where a NAS speaks of itself (ON, OFF)."""
    ipv4: str | None = None
    ipv6: str | None = None
    """Prefix, from Framed-IPv6-Prefix, else Delegated-IPv6-Prefix, else Framed-IPv6-Address."""
    octets: Octets | None = None
    """Since the session began, with the gigawords. Input is what the device sent, as packet gateways count."""
    decision: str | None = None
    """The Class that this server gave with its Access-Accept."""


def identity(packet: Packet, received_at: datetime) -> PacketIdentity:
    """Who an authentic packet is about. Raises InvalidPacket (`value`) for a time of the wrong form."""
    at = _time(packet, received_at)
    vendor = packet.vendor
    imei, svn = _device(vendor.get(Vendor3gpp.IMEISV))
    return PacketIdentity(
        at=at,
        imsi=_imsi(vendor.get(Vendor3gpp.IMSI)),
        msisdn=_msisdn(packet.attributes.get(Attribute.CALLING_STATION_ID)),
        imei=imei,
        svn=svn,
        cells=_cells(vendor.get(Vendor3gpp.USER_LOCATION_INFO)),
        cells_at=_cells_at(vendor.get(Vendor3gpp.USER_LOCATION_INFO_TIME), at),
        plmn=_plmn(vendor.get(Vendor3gpp.SGSN_MCC_MNC)),
        apn=access_point(packet.attributes.get(Attribute.CALLED_STATION_ID)),
        rat=_rat(vendor.get(Vendor3gpp.RAT_TYPE)),
    )


def read(packet: Packet, received_at: datetime) -> Accounting:
    """Understand an authentic Accounting-Request.

    Raises InvalidPacket: `value` (an attribute has the wrong form), `status` or `session` (one is missing, or the
    session's name is longer than MAX_SESSION_ID).
    """
    number = packet.integer(Attribute.ACCT_STATUS_TYPE)
    if number is None:
        raise InvalidPacket("status", "An Accounting-Request needs an Acct-Status-Type")
    status = _KNOWN.get(number)
    at = _time(packet, received_at)
    if status not in _OF_SESSIONS:
        return Accounting(status=status, at=at, began_at=at)
    session = packet.text(Attribute.ACCT_SESSION_ID)
    if not session or len(session) > MAX_SESSION_ID:
        raise InvalidPacket(
            "session", f"An Accounting-Request needs an Acct-Session-Id of 1 to {MAX_SESSION_ID} octets"
        )
    begins = status is AccountingStatus.START
    lasted = 0 if begins else packet.integer(Attribute.ACCT_SESSION_TIME)
    attributes, vendor = packet.attributes, packet.vendor
    imei, svn = _device(vendor.get(Vendor3gpp.IMEISV))
    # As `identity` does: to fill in a part that both have costs a packet 2 of 15 us.
    return Accounting(
        status=status,
        at=at,
        began_at=at - timedelta(seconds=lasted) if lasted else at,
        session=session,
        imsi=_imsi(vendor.get(Vendor3gpp.IMSI)),
        msisdn=_msisdn(attributes.get(Attribute.CALLING_STATION_ID)),
        imei=imei,
        svn=svn,
        cells=_cells(vendor.get(Vendor3gpp.USER_LOCATION_INFO)),
        cells_at=_cells_at(vendor.get(Vendor3gpp.USER_LOCATION_INFO_TIME), at),
        plmn=_plmn(vendor.get(Vendor3gpp.SGSN_MCC_MNC)),
        apn=access_point(attributes.get(Attribute.CALLED_STATION_ID)),
        rat=_rat(vendor.get(Vendor3gpp.RAT_TYPE)),
        ipv4=_ipv4(attributes.get(Attribute.FRAMED_IP_ADDRESS)),
        ipv6=None if _IPV6.isdisjoint(attributes) else _ipv6(packet),
        octets=None if begins else _octets(packet),
        decision=_decision(packet) if Attribute.CLASS in attributes else None,
    )


def _decision(packet: Packet) -> str | None:
    """Among the Classes that it was given by several servers."""
    for value in packet.all_of(Attribute.CLASS):
        if value.startswith(DECISION_MARK) and value.isascii() and value.decode().isprintable():
            return value.decode()
    return None


_KNOWN = {int(status): status for status in AccountingStatus}
_OF_SESSIONS = frozenset({AccountingStatus.START, AccountingStatus.INTERIM, AccountingStatus.STOP})


def _time(packet: Packet, received_at: datetime) -> datetime:
    stamp = packet.integer(Attribute.EVENT_TIMESTAMP)
    if stamp is not None and stamp >= CLOCK_SET:
        return min(datetime.fromtimestamp(stamp, UTC), received_at)
    return received_at - timedelta(seconds=packet.integer(Attribute.ACCT_DELAY_TIME) or 0)


def _imsi(value: bytes | None) -> str | None:
    """Digits, behind which some gateways send NUL octets."""
    if value is None:
        return None
    if value.isdigit() and 6 <= len(value) <= 15:
        return value.decode("ascii")
    try:
        return parse_imsi(value.rstrip(b"\0").decode())
    except (InvalidIdentifier, UnicodeDecodeError):
        return None


def _msisdn(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return parse_msisdn(value.decode())
    except (InvalidIdentifier, UnicodeDecodeError):
        return None


def _device(value: bytes | None) -> tuple[str | None, str | None]:
    """The first 14 digits of a 3GPP-IMEISV and its software version, which an IMEI in its place has not.

    Digits as text, or as eight octets with the lower half first.
    """
    if value is None:
        return None, None
    if len(value) == 16 and value.isdigit() and value.strip(b"0"):
        digits = value.decode("ascii")
        return digits[:14], digits[14:]
    if len(value) == 8 and not value.isdigit():
        value = b"".join(b"%x%x" % (octet & 15, octet >> 4) for octet in value).rstrip(b"f")
    try:
        imei = parse_imei(value.rstrip(b"\0").decode("ascii"))
        return imei.key, imei.software_version
    except (InvalidIdentifier, UnicodeDecodeError):
        return None, None


@lru_cache(maxsize=4096)
def _plmn(value: bytes | None) -> str | None:
    """MCC and MNC as five or six digits; what has another form counts as missing."""
    if value is None:
        return None
    digits = value.rstrip(b"\0")
    return digits.decode("ascii") if len(digits) in (5, 6) and digits.isdigit() else None


@lru_cache(maxsize=4096)
def access_point(value: bytes | None) -> str | None:
    """Network identifier of an access point name (TS 23.003 9.1), in small letters; what is none counts as missing."""
    if value is None:
        return None
    try:
        name = value.rstrip(b"\0").decode("ascii").rstrip(".")
        return parse_apn(_OPERATOR_IDENTIFIER.sub("", name))
    except (InvalidIdentifier, UnicodeDecodeError):
        return None


_OPERATOR_IDENTIFIER = re.compile(r"\.mnc[0-9]{2,3}\.mcc[0-9]{3}\.gprs\Z", re.IGNORECASE)


def _rat(value: bytes | None) -> str | None:
    """One octet, or four where a gateway sends a number as others do."""
    return radio_of(int.from_bytes(value, "big")) if value is not None and len(value) in (1, 4) else None


_NO_ADDRESSES = frozenset({b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\xfe"})
"""RFC 2865 section 5.8: chosen by the device, or by the NAS."""


def _ipv4(value: bytes | None) -> str | None:
    return None if value is None or len(value) != 4 or value in _NO_ADDRESSES else inet_ntoa(value)


_IPV6 = frozenset({Attribute.FRAMED_IPV6_PREFIX, Attribute.DELEGATED_IPV6_PREFIX, Attribute.FRAMED_IPV6_ADDRESS})


def _ipv6(packet: Packet) -> str | None:
    """RFC 3162 section 2.3, RFC 4818: an octet that says nothing, a length, and as much of the prefix as it needs."""
    for type_ in (Attribute.FRAMED_IPV6_PREFIX, Attribute.DELEGATED_IPV6_PREFIX):
        value = packet.attributes.get(type_)
        if value is not None and 2 <= len(value) <= 18 and 0 < value[1] <= 128:
            network = ipaddress.IPv6Network((value[2:].ljust(16, b"\0"), value[1]), strict=False)
            if not network.network_address.is_unspecified:
                return str(network)
    value = packet.attributes.get(Attribute.FRAMED_IPV6_ADDRESS)
    return f"{ipaddress.IPv6Address(value)}/128" if value is not None and len(value) == 16 and any(value) else None


def _octets(packet: Packet) -> Octets | None:
    up = _total(packet, Attribute.ACCT_INPUT_OCTETS, Attribute.ACCT_INPUT_GIGAWORDS)
    down = _total(packet, Attribute.ACCT_OUTPUT_OCTETS, Attribute.ACCT_OUTPUT_GIGAWORDS)
    return None if up is None and down is None else Octets(up or 0, down or 0)


def _total(packet: Packet, low: int, high: int) -> int | None:
    """RFC 2869 sections 5.1 and 5.2: how often 2^32 was passed, and the rest."""
    rest, passed = packet.integer(low), packet.integer(high)
    return None if rest is None else (passed or 0) << 32 | rest


@lru_cache(maxsize=16_384)
def _cells(value: bytes | None) -> tuple[str, ...]:
    try:
        return () if value is None else tuple(cell.key for cell in decode_location(value))
    except MalformedLocation:
        return ()


def _cells_at(value: bytes | None, at: datetime) -> datetime | None:
    told = location_time(int.from_bytes(value, "big")) if value is not None and len(value) == 4 else None
    return told if told is not None and told < at else None
