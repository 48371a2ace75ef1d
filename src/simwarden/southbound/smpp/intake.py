"""From what a message centre delivers to the engine's reports; each is stored before it is answered."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.reports import Report, SmsRecord
from simwarden.domain.texts import Segment
from simwarden.engine.ingest import UnacceptableReport
from simwarden.kit.clock import now_utc
from simwarden.southbound.smpp import content
from simwarden.southbound.smpp.codec import CommandStatus, ProtocolError, ShortMessage, Tag, read_message
from simwarden.southbound.smpp.content import Piece
from simwarden.store import smpp as store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from simwarden.engine.ingest import Ingest
    from simwarden.store.database import Database
    from simwarden.store.gateways import GatewayRef
    from simwarden.store.smpp import StoredPart
    from simwarden.store.vault import Vault

JOINED = timedelta(minutes=10)
"""So long a long message waits for its parts."""
_PLAIN = re.compile(r"\+?[1-9][0-9]{4,14}")
_encoder = msgspec.msgpack.Encoder()


class Envelope(msgspec.Struct, frozen=True):
    """A part as it is kept."""

    source: str
    destination: str
    piece: Piece


_decoder = msgspec.msgpack.Decoder(Envelope)


class Handled(msgspec.Struct, frozen=True):
    """What a delivery is answered with."""

    status: int
    mark: tuple[bytes, int] | None = None
    """What to note when it was answered."""


class SmppIntake:
    """Takes in what one message centre delivers. `session` names the connection."""

    def __init__(
        self, ref: GatewayRef, db: Database, vault: Vault, ingest: Ingest, clock: Callable[[], datetime] = now_utc
    ) -> None:
        self._ref = ref
        self._db = db
        self._vault = vault
        self._ingest = ingest
        self._clock = clock

    async def take(self, bodies: Sequence[bytes], session: str) -> list[Handled]:
        """Store messages in their order; returns the answer to each, to be given now."""
        try:
            return await self._take(bodies, session)
        except StoreUnavailable:
            return [Handled(CommandStatus.TEMPORARY)] * len(bodies)
        except UnacceptableReport:
            if len(bodies) == 1:
                return [Handled(CommandStatus.PERMANENT)]
        return [(await self.take([body], session))[0] for body in bodies]  # whichever it was, the others are none

    async def _take(self, bodies: Sequence[bytes], session: str) -> list[Handled]:
        now, handled = self._clock(), []
        records: list[SmsRecord] = []
        sets: list[bytes] = []
        read = [_read(body) for body in bodies]
        marks = iter(
            await self._marks([found[0] for found in read if found is not None and _is_whole(*found)], session, now)
        )
        for found in read:
            if found is None:
                handled.append(Handled(CommandStatus.PERMANENT))
                continue
            message, piece = found
            mark = None
            if message.is_receipt:
                records.append(self._receipt(message, now))
            elif piece.reference is not None:
                digest = self._digest(message.source, message.destination, piece.reference, piece.total)
                parts = await self._add_part(digest, Envelope(message.source, message.destination, piece), now)
                if len(parts) == piece.total and not parts[0].done:
                    records.append(self._joined(digest, parts))
                    sets.append(digest)
            else:
                mark = next(marks)
                records.append(self._record(mark, Envelope(message.source, message.destination, piece), now))
            handled.append(Handled(CommandStatus.OK, mark))
        await self._submit(records, now)
        for digest in sets:
            await store.done(self._db, self._ref.id, digest)
        return handled

    async def sweep(self) -> None:
        """Hand on long messages whose other parts have not come. Raises StoreUnavailable."""
        now = self._clock()
        for digest in await store.overdue(self._db, self._ref.id, now - JOINED):
            found = await store.parts(self._db, self._vault, self._ref.id, digest)
            await self._submit([self._joined(digest, found)], now)
            await store.done(self._db, self._ref.id, digest)

    async def answered(self, marks: Sequence[tuple[bytes, int]]) -> None:
        """These were answered. Raises StoreUnavailable."""
        if marks:
            await store.answered(self._db, self._ref.id, marks)

    async def _submit(self, records: Sequence[SmsRecord], now: datetime) -> None:
        if not records:
            return
        numbers = {_number(text) for record in records for text in (record.sender, record.receiver) if text}
        known = await store.sims(self._db, numbers)
        named = tuple(_with_sim(record, known) for record in records)
        report = Report(
            gateway_id=self._ref.id, gateway_name=self._ref.name, received_at=now, message="deliver_sm", sms=named
        )
        await self._ingest.submit(report)

    async def _add_part(self, digest: bytes, envelope: Envelope, now: datetime) -> list[StoredPart]:
        part = envelope.piece.part, envelope.piece.total, _encoder.encode(envelope)
        return await store.add_part(self._db, self._vault, self._ref.id, digest, part, now, JOINED)

    async def _marks(self, messages: Sequence[ShortMessage], session: str, now: datetime) -> list[tuple[bytes, int]]:
        digests = []
        for message in messages:
            reference = message.options.get(Tag.USER_MESSAGE_REFERENCE, b"")
            told = message.source, message.destination, message.esm_class, message.data_coding
            digests.append(self._digest(*told, reference, message.message))
        numbers = await store.numbers(self._db, self._ref.id, digests, session, now)
        return list(zip(digests, numbers, strict=True))

    def _record(self, mark: tuple[bytes, int], envelope: Envelope, now: datetime) -> SmsRecord:
        text, carried = content.read([envelope.piece])
        key = self._digest("message", *mark)
        return _inbound(key, envelope, text, carried, now)

    def _joined(self, digest: bytes, found: Sequence[StoredPart]) -> SmsRecord:
        """The key is the same whichever part came last, and whether all came: of one message there is one record."""
        envelopes = [_decoder.decode(each.payload) for each in found]
        begin = min(each.received_at for each in found)
        text, carried = content.read([each.piece for each in envelopes])
        key = self._digest("parts", digest, begin.isoformat())
        return _inbound(key, envelopes[0], text, carried, begin)

    def _receipt(self, message: ShortMessage, now: datetime) -> SmsRecord:
        """A delivery report about a message from the SIM that is its receiver."""
        options = sorted(message.options.items())  # they may be all that tells one from another
        return SmsRecord(
            key=self._digest("receipt", message.source, message.destination, message.message, options),
            direction="report",
            at=now,
            sender=message.destination,
            receiver=message.source,
            status=content.receipt_status(message),
            detail={"receipt": message.message.decode("latin-1")},
        )

    def _digest(self, *parts: object) -> bytes:
        return self._vault.fingerprint("\n".join(map(repr, parts)).encode(), "smpp")


def _read(body: bytes) -> tuple[ShortMessage, Piece] | None:
    """None: it cannot be read."""
    try:
        message = read_message(body)
        return message, content.piece(message)
    except ProtocolError:
        return None


def _is_whole(message: ShortMessage, piece: Piece) -> bool:
    """Neither a delivery report nor a part."""
    return not message.is_receipt and piece.reference is None


def _inbound(key: bytes, envelope: Envelope, text: str | None, carried: Segment, at: datetime) -> SmsRecord:
    return SmsRecord(
        key=key,
        direction="inbound",
        at=at,
        sender=envelope.source,
        receiver=envelope.destination,
        content=text,
        carried=carried,
        detail={"data_coding": envelope.piece.data_coding},
    )


def _number(text: str) -> str:
    """E.164 as names of SIMs have it; message centres leave the plus sign out."""
    return f"+{text.removeprefix('+')}" if _PLAIN.fullmatch(text) else text


def _with_sim(record: SmsRecord, known: Mapping[str, str]) -> SmsRecord:
    """A message to a SIM's number is that SIM's; one from a SIM to something else is too, as sent to the platform."""
    sender, receiver = (_number(text or "") for text in (record.sender, record.receiver))
    record = msgspec.structs.replace(record, sender=sender, receiver=receiver)
    if record.direction == "report":
        return msgspec.structs.replace(record, imsi=known.get(sender))
    if receiver in known:
        return msgspec.structs.replace(record, imsi=known[receiver])
    if sender in known:
        carried = msgspec.structs.replace(record.carried or Segment(), uplink=True)
        return msgspec.structs.replace(record, imsi=known[sender], direction="outbound", carried=carried)
    return record
