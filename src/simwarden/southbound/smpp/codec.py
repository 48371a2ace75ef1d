"""PDUs of SMPP 3.4 as values: what is read from and written to a connection. No I/O.

Clauses are those of the Short Message Peer to Peer Protocol Specification v3.4, issue 1.2.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 70_000
"""Bytes of a PDU: a message_payload of 64 KiB and what stands around it."""
_HEADER = struct.Struct(">IIII")
_TLV = struct.Struct(">HH")
RESPONSE = 0x8000_0000


class CommandId(enum.IntEnum):
    """command_id (5.1.2.1)."""

    GENERIC_NACK = 0x8000_0000
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    BIND_TRANSCEIVER = 0x09
    ENQUIRE_LINK = 0x15


class CommandStatus(enum.IntEnum):
    """command_status (5.1.3), as far as it is used."""

    OK = 0x00
    INVALID_COMMAND = 0x03
    TEMPORARY = 0x64
    """ESME_RX_T_APPN: send it again later."""
    PERMANENT = 0x65
    """ESME_RX_P_APPN: it never will be taken."""


class Tag(enum.IntEnum):
    """Optional parameters (5.3.2)."""

    RECEIPTED_MESSAGE_ID = 0x001E
    USER_MESSAGE_REFERENCE = 0x0204
    SAR_REFERENCE = 0x020C
    SAR_TOTAL = 0x020E
    SAR_PART = 0x020F
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


class ProtocolError(Exception):
    """What was received is no PDU of SMPP 3.4; the connection is of no use any more."""


class Pdu(msgspec.Struct, frozen=True):
    """One PDU: its header, and a body that is read by what it is."""

    command: int
    status: int
    sequence: int
    body: bytes = b""


class ShortMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The body of deliver_sm and submit_sm (4.4.1, 4.6.1)."""

    source: str
    destination: str
    source_kind: tuple[int, int] = (1, 1)
    """Type of number and numbering plan (5.2.5, 5.2.6)."""
    destination_kind: tuple[int, int] = (1, 1)
    esm_class: int = 0
    data_coding: int = 0
    registered_delivery: int = 0
    message: bytes = b""
    """short_message, or message_payload where that is given."""
    options: dict[int, bytes] = {}

    @property
    def has_header(self) -> bool:
        """The message begins with a user data header (5.2.12)."""
        return bool(self.esm_class & 0x40)

    @property
    def is_receipt(self) -> bool:
        """It is the message centre's report about a message that was submitted before."""
        return self.esm_class & 0x3C == 0x04


def encode(pdu: Pdu) -> bytes:
    """A PDU as it travels."""
    return _HEADER.pack(_HEADER.size + len(pdu.body), pdu.command, pdu.status, pdu.sequence) + pdu.body


class Decoder:
    """Cuts what is received into PDUs."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Pdu]:
        """The PDUs that are complete by now. Raises ProtocolError."""
        self._buffer += data
        found = []
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if not _HEADER.size <= length <= LONGEST:
                raise ProtocolError(f"A PDU of {length} bytes")
            if len(self._buffer) < length:
                break
            _, command, status, sequence = _HEADER.unpack_from(self._buffer)
            found.append(Pdu(command, status, sequence, bytes(self._buffer[_HEADER.size : length])))
            del self._buffer[:length]
        return found


def bind_transceiver(sequence: int, system_id: str, password: str) -> Pdu:
    """bind_transceiver (4.1.5)."""
    body = _text(system_id, 15) + _text(password, 8) + _text("", 12) + bytes((0x34, 0, 0)) + _text("", 40)
    return Pdu(CommandId.BIND_TRANSCEIVER, 0, sequence, body)


def submit_sm(sequence: int, message: ShortMessage) -> Pdu:
    """submit_sm (4.4.1)."""
    return Pdu(CommandId.SUBMIT_SM, 0, sequence, body_of(message))


def answer(pdu: Pdu, status: int = CommandStatus.OK) -> Pdu:
    """The response to a request; deliver_sm_resp has an empty message_id (4.6.2)."""
    return Pdu(pdu.command | RESPONSE, status, pdu.sequence, b"\0" if pdu.command == CommandId.DELIVER_SM else b"")


def message_id(pdu: Pdu) -> str:
    """Of a submit_sm_resp (4.4.2)."""
    return pdu.body.partition(b"\0")[0].decode("latin-1")


def read_message(body: bytes) -> ShortMessage:
    """The body of a deliver_sm or submit_sm. Raises ProtocolError."""
    try:
        return _read_message(body)
    except (IndexError, struct.error, ValueError) as error:
        raise ProtocolError(f"A message of {len(body)} bytes that breaks off") from error


def _read_message(body: bytes) -> ShortMessage:
    at = body.index(b"\0") + 1  # service_type
    source_kind = body[at], body[at + 1]
    source, at = _pull_text(body, at + 2)
    destination_kind = body[at], body[at + 1]
    destination, at = _pull_text(body, at + 2)
    esm_class = body[at]
    at = body.index(b"\0", at + 3) + 1  # protocol_id, priority_flag, schedule_delivery_time
    at = body.index(b"\0", at) + 1  # validity_period
    registered, data_coding, length = body[at], body[at + 2], body[at + 4]
    at += 5
    message = body[at : at + length]
    if len(message) < length:
        raise IndexError(length)
    options = _options(body, at + length)
    return ShortMessage(
        source=source,
        destination=destination,
        source_kind=source_kind,
        destination_kind=destination_kind,
        esm_class=esm_class,
        data_coding=data_coding,
        registered_delivery=registered,
        message=options.pop(Tag.MESSAGE_PAYLOAD, message),
        options=options,
    )


def _options(body: bytes, at: int) -> dict[int, bytes]:
    found = {}
    while at < len(body):
        tag, length = _TLV.unpack_from(body, at)
        at += _TLV.size
        if at + length > len(body):
            raise IndexError(length)
        found[tag] = body[at : at + length]
        at += length
    return found


def body_of(message: ShortMessage) -> bytes:
    """What `read_message` reads."""
    options: Mapping[int, bytes] = message.options
    short = message.message
    if len(short) > 254:
        options, short = {**options, Tag.MESSAGE_PAYLOAD: short}, b""
    return b"".join(
        (
            b"\0",
            bytes(message.source_kind) + _text(message.source, 20),
            bytes(message.destination_kind) + _text(message.destination, 20),
            bytes((message.esm_class, 0, 0, 0, 0, message.registered_delivery, 0, message.data_coding, 0, len(short))),
            short,
            *(_TLV.pack(tag, len(value)) + value for tag, value in options.items()),
        )
    )


def _text(text: str, most: int) -> bytes:
    """A C-octet string."""
    return text.encode("latin-1", "replace").replace(b"\0", b"")[:most] + b"\0"


def _pull_text(body: bytes, at: int) -> tuple[str, int]:
    end = body.index(b"\0", at)
    return body[at:end].decode("latin-1"), end + 1
