"""Short messages that SIMs receive, as customers are told of them, and which of them they want to be told of. Pure."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.domain.sim import SimRef
from simwarden.domain.texts import Encoding, OptOut, Segment, encoding_of, keyword_of, opt_out_of, parts_of
from simwarden.domain.zones import zone_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.domain.reports import SmsRecord

MOST_TEXT = 1600
"""Characters of a text that are handed on; of a longer one these."""
INBOUND = "inbound"
"""The direction of messages that a SIM received."""


class Arrived(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as it reached Simwarden, whoever the SIM belongs to."""

    sender: str | None
    receiver: str | None
    text: str | None
    received_at: datetime
    carried: Segment = Segment()


class Recipient(msgspec.Struct, frozen=True):
    """Of a SIM what its messages need."""

    bucket: int
    imsi: str
    account_id: str
    msisdn: str | None
    nai: str | None

    @property
    def number(self) -> str:
        """What the other side knows it by, as far as that is known; else its IMSI."""
        return self.msisdn or self.imsi

    @property
    def device(self) -> dict[str, Any] | None:
        """A CAMARA device that names it; None: it has no such name."""
        if self.msisdn is not None:
            return {"phoneNumber": self.msisdn}
        return None if self.nai is None else {"networkAccessIdentifier": self.nai}


class ReceivedMessage(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What customers get: the data of `sms-received`, and the items of retrieve-received."""

    message_id: str
    from_: str = msgspec.field(name="from")
    received_at: datetime
    encoding: Encoding
    parts: int
    to: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    binary: str | UnsetType = UNSET
    """Base64."""
    udh: str | UnsetType = UNSET
    """Base64."""
    partial: bool = False
    keyword: str | UnsetType = UNSET
    opt_out: OptOut | UnsetType = UNSET
    sent_at: datetime | UnsetType = UNSET


class MessageOrigin(msgspec.Struct, frozen=True):
    """Where a message came from and went to."""

    sim: SimRef
    sender: str


class Wish(msgspec.Struct, frozen=True):
    """Which received messages a subscription is about."""

    keyword: str | None = None
    """The first word, in any case."""
    senders: tuple[str, ...] = ()
    """E.164 numbers or their beginnings; none: everybody."""

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Wish:
        """As it stands in the configuration of a subscription."""
        detail = config.get("subscriptionDetail", {})
        return cls(detail.get("keyword"), tuple(detail.get("from", ())))

    def wants(self, message: ReceivedMessage) -> bool:
        """Whether it is about this message."""
        if self.keyword is not None and (
            message.keyword is UNSET or message.keyword.casefold() != self.keyword.casefold()
        ):
            return False
        return not self.senders or message.from_.startswith(self.senders)


def arrived(record: SmsRecord, received_at: datetime) -> Arrived:
    """What a gateway reported."""
    carried = record.carried or Segment(sent_at=record.sent_at)
    return Arrived(record.sender, record.receiver, record.content, received_at, carried)


def peer_of(number: str | None, imsi: str) -> str:
    """The other side's number, E.164 where it can be read so; else, as of names and short codes, as it was reported."""
    found = zone_of(number, imsi).number
    return found if found.startswith("+") else (number or "").strip()


def received(message_id: str, message: Arrived, sim: Recipient, words: frozenset[str] | None = None) -> ReceivedMessage:
    """A message to a SIM as its customer gets it. `words`: those that opt out; None: the usual ones."""
    carried = message.carried
    text = None if carried.binary is not None or message.text is None else message.text[:MOST_TEXT]
    read = message.text if text is not None and message.text is not None else ""
    meaning = None if text is None else opt_out_of(text) if words is None else opt_out_of(text, words)
    if carried.encoding is not None:
        encoding = carried.encoding
    elif text is None:
        encoding = Encoding.UNKNOWN
    else:
        encoding = encoding_of(read)
    return ReceivedMessage(
        message_id=message_id,
        from_=peer_of(message.sender, sim.imsi),
        received_at=message.received_at,
        encoding=encoding,
        parts=carried.parts or len(parts_of(read)),
        to=(message.receiver if carried.uplink else sim.msisdn) or UNSET,
        text=UNSET if text is None else text,
        binary=UNSET if carried.binary is None else base64.b64encode(carried.binary).decode(),
        udh=UNSET if carried.udh is None else base64.b64encode(carried.udh).decode(),
        partial=carried.partial,
        keyword=UNSET if text is None else keyword_of(text) or UNSET,
        opt_out=UNSET if meaning is None else meaning,
        sent_at=UNSET if carried.sent_at is None else carried.sent_at,
    )
