"""RADIUS packets: bytes to attributes and back, and the digests that prove who made them. No I/O.

RFC 2865 (packets, attributes), RFC 2866 (accounting), RFC 2869 (Message-Authenticator, Event-Timestamp), RFC 5176
(Disconnect and CoA), RFC 6929 section 3 (limits of a decoder); 3GPP TS 29.061 16.4.7 (attributes of vendor 10415).
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import struct
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER = 20
"""Octets before the attributes: Code, Identifier, Length (2), Authenticator (16)."""
MAX_PACKET = 4096
"""RFC 2865 section 3: a longer Length is to be discarded."""
MAX_ATTRIBUTES = 256
"""Attributes of one packet, those within vendor-specific ones counted. An honest accounting packet holds about 40."""
VENDOR_3GPP = 10415
_NO_AUTHENTICATOR = bytes(16)
VENDOR_SPECIFIC = 26
_MAX_VALUE = 253
_MAX_VENDOR_VALUE = 247


class InvalidPacket(ValueError):
    """These octets are no RADIUS packet that can be used. `reason` is one of a few words, for the metrics."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Code(enum.IntEnum):
    """Packet types (RFC 2865 section 4, RFC 2866 section 4, RFC 5176 section 3, RFC 5997 section 3)."""

    ACCESS_REQUEST = 1
    ACCESS_ACCEPT = 2
    ACCESS_REJECT = 3
    ACCOUNTING_REQUEST = 4
    ACCOUNTING_RESPONSE = 5
    STATUS_SERVER = 12
    DISCONNECT_REQUEST = 40
    DISCONNECT_ACK = 41
    DISCONNECT_NAK = 42
    COA_REQUEST = 43
    COA_ACK = 44
    COA_NAK = 45


class Attribute:
    """Types of attributes that are read or written here. No enumeration: to name a member of one takes 0.1 us, and to
    read a packet takes some thirty names."""

    USER_NAME = 1
    USER_PASSWORD = 2
    NAS_IP_ADDRESS = 4
    FRAMED_IP_ADDRESS = 8
    FILTER_ID = 11
    REPLY_MESSAGE = 18
    CLASS = 25
    SESSION_TIMEOUT = 27
    CALLED_STATION_ID = 30
    CALLING_STATION_ID = 31
    NAS_IDENTIFIER = 32
    PROXY_STATE = 33
    ACCT_STATUS_TYPE = 40
    ACCT_DELAY_TIME = 41
    ACCT_INPUT_OCTETS = 42
    ACCT_OUTPUT_OCTETS = 43
    ACCT_SESSION_ID = 44
    ACCT_SESSION_TIME = 46
    ACCT_INPUT_GIGAWORDS = 52
    ACCT_OUTPUT_GIGAWORDS = 53
    EVENT_TIMESTAMP = 55
    MESSAGE_AUTHENTICATOR = 80
    ACCT_INTERIM_INTERVAL = 85
    FRAMED_IPV6_PREFIX = 97
    ERROR_CAUSE = 101
    DELEGATED_IPV6_PREFIX = 123
    FRAMED_IPV6_ADDRESS = 168


class Vendor3gpp:
    """Types of 3GPP's attributes (TS 29.061 16.4.7.2) that are read or written here. See Attribute."""

    IMSI = 1
    SGSN_MCC_MNC = 18
    """MCC and MNC of the network that serves the device, as text."""
    TEARDOWN_INDICATOR = 19
    IMEISV = 20
    RAT_TYPE = 21
    USER_LOCATION_INFO = 22
    USER_LOCATION_INFO_TIME = 30


class Packet(msgspec.Struct, frozen=True):
    """A packet as it came."""

    code: int
    identifier: int
    authenticator: bytes
    raw: bytes
    """The packet without the padding behind its Length."""
    attributes: dict[int, bytes]
    """First value of each type."""
    vendor: dict[int, bytes]
    """The same of 3GPP's."""

    def text(self, type_: int) -> str | None:
        """A text attribute: UTF-8 without NUL octets. Raises InvalidPacket (`value`)."""
        return _text(type_, self.attributes.get(type_))

    def integer(self, type_: int) -> int | None:
        """An attribute of four octets: a number without sign, or a time in seconds. Raises InvalidPacket (`value`)."""
        value = self.attributes.get(type_)
        if value is None:
            return None
        if len(value) != 4:
            raise InvalidPacket("value", f"Attribute {type_} has {len(value)} octets in place of 4")
        return int.from_bytes(value, "big")

    def all_of(self, type_: int) -> list[bytes]:
        """All values of a type, in their order."""
        found, at = [], HEADER
        while at < len(self.raw):
            if self.raw[at] == type_:
                found.append(self.raw[at + 2 : at + self.raw[at + 1]])
            at += self.raw[at + 1]
        return found

    def proxy_states(self) -> list[bytes]:
        """The Proxy-States, encoded as they came, for the answer (RFC 2865 section 5.33)."""
        if Attribute.PROXY_STATE not in self.attributes:
            return []
        return [attribute(Attribute.PROXY_STATE, value) for value in self.all_of(Attribute.PROXY_STATE)]


def _text(type_: int, value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise InvalidPacket("value", f"Attribute {type_} is not UTF-8") from None
    if "\0" in text:
        raise InvalidPacket("value", f"Attribute {type_} holds a NUL octet")
    return text


def decode(data: bytes) -> Packet:
    """Take a datagram apart. Nothing is proved by that: see `is_authentic_request` and `is_authentic_response`.

    Octets behind Length are padding (RFC 2865 section 3). Of an attribute that stands twice the first counts. Unknown
    ones are left out; vendor-specific ones of other vendors are not looked into. Raises InvalidPacket alone:
    `short`, `length`, `attribute`, `vendor` or `too_many`.
    """
    if len(data) < HEADER:
        raise InvalidPacket("short", f"A packet has at least {HEADER} octets, this one {len(data)}")
    code, identifier, length = struct.unpack_from("!BBH", data)
    if not HEADER <= length <= MAX_PACKET:
        raise InvalidPacket("length", f"Length is {length}, and must be {HEADER} to {MAX_PACKET}")
    if length > len(data):
        raise InvalidPacket("short", f"Length is {length}, but only {len(data)} octets came")
    attributes: dict[int, bytes] = {}
    vendor: dict[int, bytes] = {}
    count, at = 0, HEADER
    while at < length:
        size = data[at + 1] if at + 1 < length else 0
        if size < 2 or at + size > length:
            raise InvalidPacket("attribute", f"The attribute at octet {at} has the length {size}")
        type_, value = data[at], data[at + 2 : at + size]
        count += 1
        if type_ == VENDOR_SPECIFIC:
            count += _vendor_specific(value, vendor, at)
        else:
            attributes.setdefault(type_, value)
        if count > MAX_ATTRIBUTES:
            raise InvalidPacket("too_many", f"The packet holds more than {MAX_ATTRIBUTES} attributes")
        at += size
    return Packet(code, identifier, data[4:HEADER], data[:length], attributes, vendor)


def _vendor_specific(value: bytes, found: dict[int, bytes], where: int) -> int:
    """Read the attributes within one of 3GPP's into `found`; returns how many there are (RFC 2865 section 5.26)."""
    if len(value) < 4:
        raise InvalidPacket("vendor", f"The vendor-specific attribute at octet {where} names no vendor")
    if int.from_bytes(value[:4], "big") != VENDOR_3GPP:
        return 0
    count, at = 0, 4
    while at < len(value):
        size = value[at + 1] if at + 1 < len(value) else 0
        if size < 2 or at + size > len(value):
            raise InvalidPacket("vendor", f"The attribute within the 3GPP one at octet {where} has the length {size}")
        found.setdefault(value[at], value[at + 2 : at + size])
        count += 1
        at += size
    return count


def attribute(type_: int, value: bytes) -> bytes:
    """One encoded attribute. Raises ValueError when it is too long (253 octets)."""
    if len(value) > _MAX_VALUE:
        raise ValueError(f"Attribute {type_} would have {len(value)} octets")
    return bytes((type_, len(value) + 2)) + value


def integer(type_: int, value: int) -> bytes:
    """One encoded attribute of four octets."""
    return attribute(type_, value.to_bytes(4, "big"))


def vendor_attribute(type_: int, value: bytes) -> bytes:
    """One encoded attribute of 3GPP's, alone in a Vendor-Specific one. Raises ValueError when it is too long."""
    if len(value) > _MAX_VENDOR_VALUE:
        raise ValueError(f"3GPP attribute {type_} would have {len(value)} octets")
    inner = bytes((type_, len(value) + 2)) + value
    return attribute(VENDOR_SPECIFIC, VENDOR_3GPP.to_bytes(4, "big") + inner)


def encode_request(
    code: Code, identifier: int, attributes: Iterable[bytes], secret: bytes, *, prove: bool = True
) -> bytes:
    """An Accounting- or Disconnect-Request of encoded attributes.

    The Request Authenticator is a digest over the packet (RFC 2866 section 3, RFC 5176 section 2.3). `prove`: the
    first attribute is a Message-Authenticator, made with an authenticator of zeros (RFC 5176 section 3.4).
    Raises ValueError when the packet would be too long.
    """
    draft = bytearray(_assemble(code, identifier, _NO_AUTHENTICATOR, attributes, prove=prove))
    if prove:
        draft[HEADER + 2 : HEADER + 18] = hmac.digest(secret, draft, "md5")
    draft[4:HEADER] = _md5(draft, secret)
    return bytes(draft)


def encode_proved_request(
    code: Code, identifier: int, attributes: Iterable[bytes], secret: bytes, authenticator: bytes
) -> bytes:
    """An Access-Request or Status-Server of encoded attributes, with a Message-Authenticator as the first one.

    `authenticator`: 16 octets that nobody can foretell (RFC 2865 section 3). Raises ValueError when the packet would be
    too long.
    """
    draft = bytearray(_assemble(code, identifier, authenticator, attributes, prove=True))
    draft[HEADER + 2 : HEADER + 18] = hmac.digest(secret, draft, "md5")
    return bytes(draft)


def encode_response(
    code: Code, request: Packet, secret: bytes, attributes: Iterable[bytes] = (), *, prove: bool = False
) -> bytes:
    """The answer to a request, with a Response Authenticator (RFC 2865 section 3).

    `prove`: with a Message-Authenticator, made with the request's authenticator, as the first attribute.
    Raises ValueError when the packet would be too long.
    """
    draft = bytearray(_assemble(code, request.identifier, request.authenticator, attributes, prove=prove))
    if prove:
        draft[HEADER + 2 : HEADER + 18] = hmac.digest(secret, draft, "md5")
    draft[4:HEADER] = _md5(draft, secret)
    return bytes(draft)


def is_authentic_request(packet: Packet, secret: bytes) -> bool:
    """Whether who made this Accounting- or Disconnect-Request knows the secret.

    A Message-Authenticator need not be there: the Request Authenticator of these requests is a digest already, which
    CVE-2024-3596 does not touch. One that is there must be right.
    """
    blank = packet.raw[:4] + _NO_AUTHENTICATOR + packet.raw[HEADER:]
    if not hmac.compare_digest(_md5(blank, secret), packet.authenticator):
        return False
    return _proof_holds(packet, _NO_AUTHENTICATOR, secret)


def is_proved_request(packet: Packet, secret: bytes) -> bool:
    """Whether who made this Access-Request or Status-Server knows the secret, by its Message-Authenticator, which must
    be there (RFC 2869 section 5.14; its Request Authenticator is random, and proves nothing)."""
    return Attribute.MESSAGE_AUTHENTICATOR in packet.attributes and _proof_holds(packet, packet.authenticator, secret)


def is_authentic_response(packet: Packet, request_authenticator: bytes, secret: bytes) -> bool:
    """Whether a packet answers the request with this authenticator, and was made with the secret."""
    asked = packet.raw[:4] + request_authenticator + packet.raw[HEADER:]
    if not hmac.compare_digest(_md5(asked, secret), packet.authenticator):
        return False
    return _proof_holds(packet, request_authenticator, secret)


def _proof_holds(packet: Packet, authenticator: bytes, secret: bytes) -> bool:
    """Whether the Message-Authenticator (RFC 2869 section 5.14) is right, or there is none."""
    found = packet.attributes.get(Attribute.MESSAGE_AUTHENTICATOR)
    if found is None:
        return True
    if len(found) != 16:
        return False
    draft = bytearray(packet.raw)
    draft[4:HEADER] = authenticator
    at = HEADER
    while draft[at] != Attribute.MESSAGE_AUTHENTICATOR:
        at += draft[at + 1]
    draft[at + 2 : at + 18] = bytes(16)
    return hmac.compare_digest(hmac.digest(secret, draft, "md5"), found)


def _assemble(code: Code, identifier: int, authenticator: bytes, attributes: Iterable[bytes], *, prove: bool) -> bytes:
    body = b"".join(attributes)
    if prove:
        body = attribute(Attribute.MESSAGE_AUTHENTICATOR, bytes(16)) + body
    length = HEADER + len(body)
    if length > MAX_PACKET:
        raise ValueError(f"The packet would have {length} octets")
    return struct.pack("!BBH", code, identifier, length) + authenticator + body


def _md5(packet: bytes | bytearray, secret: bytes) -> bytes:
    return hashlib.md5(packet + secret, usedforsecurity=False).digest()
