"""What an Accounting-Request says: which SIM has a data session, in which device, since and until when.

RFC 2866 section 5 (attributes), RFC 2869 section 5.3 (Event-Timestamp), 3GPP TS 29.061 16.4.7 (IMSI, IMEISV, location).
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import parse_imei, parse_imsi, parse_msisdn
from simwarden.southbound.radius.codec import Attribute, InvalidPacket, Vendor3gpp
from simwarden.southbound.radius.location import MalformedLocation, decode_location, location_time

if TYPE_CHECKING:
    from simwarden.southbound.radius.codec import Packet

CLOCK_SET = 946_684_800
"""Event-Timestamps before the year 2000 are of a clock that was never set, and count as missing."""
MAX_SESSION_ID = 128
"""Characters of an Acct-Session-Id. Gateways use 16 to 40."""


class AccountingStatus(enum.IntEnum):
    """Values of Acct-Status-Type that mean something here (RFC 2866 section 5.1)."""

    START = 1
    STOP = 2
    INTERIM = 3
    ON = 7
    OFF = 8


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """One Accounting-Request, understood."""

    status: AccountingStatus | None
    """None: another one (tunnels, failures), which is acknowledged and left alone."""
    at: datetime
    """When it happened: Event-Timestamp, else the time of receipt less Acct-Delay-Time; never after the receipt."""
    began_at: datetime
    """When the session began: `at` less Acct-Session-Time."""
    session: str = ""
    """Acct-Session-Id; empty where a NAS speaks of itself (ON, OFF)."""
    imsi: str | None = None
    msisdn: str | None = None
    """With its plus sign, from Calling-Station-Id."""
    imei: str | None = None
    """14 digits; None when there is none that can be read."""
    cells: tuple[str, ...] = ()
    """Keys of the cell and of the area around it, from 3GPP-User-Location-Info; none when it cannot be read."""
    cells_at: datetime | None = None
    """When the device was there: 3GPP-User-Location-Info-Time, where it is before `at`."""
    svn: str | None = None
    """Two digits: the software version that stands in an IMEISV."""
    plmn: str | None = None
    """MCC and MNC of the serving network, from 3GPP-SGSN-MCC-MNC."""


def read(packet: Packet, received_at: datetime) -> Accounting:
    """Understand an authentic Accounting-Request. An identity that cannot be read counts as missing.

    Raises InvalidPacket: `value` (an attribute has the wrong form), `status` or `session` (one is missing, or the
    session's name is longer than MAX_SESSION_ID).
    """
    number = packet.integer(Attribute.ACCT_STATUS_TYPE)
    if number is None:
        raise InvalidPacket("status", "An Accounting-Request needs an Acct-Status-Type")
    status = AccountingStatus(number) if number in _KNOWN else None
    at = _time(packet, received_at)
    if status in (None, AccountingStatus.ON, AccountingStatus.OFF):
        return Accounting(status=status, at=at, began_at=at)
    session = packet.text(Attribute.ACCT_SESSION_ID)
    if not session or len(session) > MAX_SESSION_ID:
        raise InvalidPacket(
            "session", f"An Accounting-Request needs an Acct-Session-Id of 1 to {MAX_SESSION_ID} octets"
        )
    imei, svn = _device(packet.vendor.get(Vendor3gpp.IMEISV))
    lasted = packet.integer(Attribute.ACCT_SESSION_TIME) if status is not AccountingStatus.START else 0
    return Accounting(
        status=status,
        at=at,
        began_at=at - timedelta(seconds=lasted or 0),
        session=session,
        imsi=_imsi(packet),
        msisdn=_msisdn(packet),
        cells=_cells(packet.vendor.get(Vendor3gpp.USER_LOCATION_INFO)),
        cells_at=_cells_at(packet.vendor.get(Vendor3gpp.USER_LOCATION_INFO_TIME), at),
        imei=imei,
        svn=svn,
        plmn=_plmn(packet.vendor.get(Vendor3gpp.SGSN_MCC_MNC)),
    )


_KNOWN = frozenset(AccountingStatus)


def _time(packet: Packet, received_at: datetime) -> datetime:
    stamp = packet.integer(Attribute.EVENT_TIMESTAMP)
    if stamp is not None and stamp >= CLOCK_SET:
        return min(datetime.fromtimestamp(stamp, UTC), received_at)
    return received_at - timedelta(seconds=packet.integer(Attribute.ACCT_DELAY_TIME) or 0)


def _imsi(packet: Packet) -> str | None:
    try:
        text = packet.vendor_text(Vendor3gpp.IMSI)
        return None if text is None else parse_imsi(text)
    except (InvalidIdentifier, InvalidPacket):
        return None


def _msisdn(packet: Packet) -> str | None:
    try:
        text = packet.text(Attribute.CALLING_STATION_ID)
        return None if text is None else parse_msisdn(text)
    except (InvalidIdentifier, InvalidPacket):
        return None


def _device(value: bytes | None) -> tuple[str | None, str | None]:
    """The first 14 digits of a 3GPP-IMEISV and its software version, which an IMEI in its place has not.

    Digits as text, or as eight octets with the lower half first.
    """
    if value is None:
        return None, None
    if len(value) == 8 and not value.isdigit():
        value = b"".join(b"%x%x" % (octet & 15, octet >> 4) for octet in value).rstrip(b"f")
    try:
        imei = parse_imei(value.rstrip(b"\0").decode("ascii"))
        return imei.key, imei.software_version
    except (InvalidIdentifier, UnicodeDecodeError):
        return None, None


def _plmn(value: bytes | None) -> str | None:
    """MCC and MNC as five or six digits; what has another form counts as missing."""
    if value is None:
        return None
    digits = value.rstrip(b"\0")
    return digits.decode("ascii") if len(digits) in (5, 6) and digits.isdigit() else None


def _cells(value: bytes | None) -> tuple[str, ...]:
    try:
        return () if value is None else tuple(cell.key for cell in decode_location(value))
    except MalformedLocation:
        return ()


def _cells_at(value: bytes | None, at: datetime) -> datetime | None:
    told = location_time(int.from_bytes(value, "big")) if value is not None and len(value) == 4 else None
    return told if told is not None and told < at else None
