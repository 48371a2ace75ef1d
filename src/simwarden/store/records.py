"""Records of traffic: short messages and calls. Texts, numbers and details are sealed."""

from __future__ import annotations

import hashlib
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.daily import DayCounts, Direction, StoredCall
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.record_news import NewRecord, RecordPlace
from simwarden.domain.zones import NOWHERE, Zone, zone_of
from simwarden.store import holders
from simwarden.store.columns import numbers, sparse, sparse_lines, texts
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.record_news import RecordNews
    from simwarden.domain.reports import CallRecord, SmsRecord
    from simwarden.domain.risk_facts import Facts
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.holders import Holder
    from simwarden.store.vault import Vault

Q = load("records")
REJECT = "gateway-reject"
"""Purpose of sealed bodies that could not be read: they may hold messages and numbers."""
_encoder = msgspec.json.Encoder()
_SMS = ("sender", "receiver", "content", "detail")
_CALL = ("caller", "callee", "detail")
_PEER_BYTES = 16
_MOVED = (
    *("gateway_id", "key", "call_id", "imsi", "port", "slot", "direction", "begin_at", "alert_at", "answer_at"),
    *("update_at", "end_at", "reason_code", "reason", "received_at", "sealed_caller", "sealed_callee"),
    *("sealed_detail", "zone", "prefix", "peer", "iccid", "at", "cause_code", "cause", "progress", "called_back"),
)
"""All columns of a call but its bucket and those that lie empty since it is sealed."""


def bucket_for(imsi: str | None, gateway_id: int) -> int:
    """The SIM's bucket; while the SIM is unknown, one that its gateway's number gives."""
    return bucket_of(imsi) if imsi else zlib.crc32(f"gateway-{gateway_id}".encode()) & 0xFF


def sms_key(vault: Vault, key: bytes) -> bytes:
    """What a message is stored under. Its own key is a digest of its content: whoever had it could try all codes."""
    return vault.fingerprint(key, "sms")


def seal_sms(vault: Vault, gateway_id: int, key: bytes, fields: tuple[Any, ...]) -> bytes:
    """Encrypt what is personal in a message: sender, receiver, content, detail."""
    return vault.seal(_encoder.encode(fields), f"sms:{gateway_id}:{key.hex()}")


def seal_call(vault: Vault, gateway_id: int, key: bytes, name: str, value: Any) -> bytes | None:
    """Encrypt one personal field of a call; None stays None."""
    return None if value is None else vault.seal(_encoder.encode(value), f"call:{gateway_id}:{key.hex()}:{name}")


async def add_sms(
    connection: asyncpg.Connection,
    vault: Vault,
    items: Sequence[tuple[int, SmsRecord, datetime]],
    counts: DayCounts | None = None,
    registered: Mapping[str, Holder] | None = None,
    news: RecordNews | None = None,
) -> list[tuple[int, SmsRecord, datetime]]:
    """Store messages (gateway id, message, time of receipt); one that is stored already stays as it is.

    Returns those that are new, in their order; `counts` and `news` are given them too. `registered`: whose the SIMs
    are, by IMSI, if that was read already.
    """
    if not items:
        return []
    registered = await _registered(connection, items) if registered is None else registered
    first: dict[tuple[int, bytes], tuple[int, SmsRecord, datetime]] = {}
    for item in items:
        first.setdefault((item[0], item[1].key), item)
    items = list(first.values())
    records = [record for _, record, _ in items]
    keys = [sms_key(vault, record.key) for record in records]
    rows = await connection.fetch(
        Q["add_sms"],
        numbers([bucket_for(record.imsi, gateway_id) for gateway_id, record, _ in items]),
        numbers([gateway_id for gateway_id, _, _ in items]),
        keys,
        [r.key for r in records],
        texts([r.direction for r in records]),
        texts([r.imsi for r in records]),
        sparse_lines([r.port for r in records]),
        sparse_lines([r.slot for r in records]),
        sparse([r.pool for r in records]),
        sparse_lines([r.pool_slot for r in records]),
        [r.at for r in records],
        sparse_lines([r.status for r in records]),
        [received_at for _, _, received_at in items],
        [
            seal_sms(vault, gateway_id, key, (r.sender, r.receiver, r.content, r.detail))
            for (gateway_id, r, _), key in zip(items, keys, strict=True)
        ],
        sparse([r.iccid for r in records]),
        sparse([r.sent_at for r in records]),
        sparse([r.smsc for r in records]),
        sparse_lines([r.task for r in records]),
        sparse_lines([r.took_ms for r in records]),
        sparse([r.encoding for r in records]),
        sparse([r.status_text for r in records]),
        [peer_of(vault, r.imsi, other_side(r)) for r in records],
        texts([_account(registered, r.imsi) for r in records]),
    )
    stored = {(row["gateway_id"], row["key"]): row for row in rows}
    new = []
    for item, key in zip(items, keys, strict=True):
        if (row := stored.get((item[0], key))) is not None:
            new.append(item)
            if news is not None and row["account_id"] is not None:
                place = RecordPlace(row["bucket"], item[0], key)
                news.messages.append(NewRecord(row["imsi"], row["account_id"], place))
    for _, record, received_at in new:
        if counts is not None and record.imsi is not None:
            zone = zone_of(other_side(record), record.imsi)
            counts.add_sms(
                imsi=record.imsi,
                direction=record.direction,
                at=record.at,
                received_at=received_at,
                zone=zone.country,
                prefix=zone.prefix,
            )
    return new


async def save_calls(
    connection: asyncpg.Connection,
    vault: Vault,
    items: Sequence[tuple[int, CallRecord, datetime]],
    counts: DayCounts | None = None,
    facts: Facts | None = None,
    registered: Mapping[str, Holder] | None = None,
    news: RecordNews | None = None,
) -> None:
    """Store calls as far as they have come. A call stays with the SIM that was named first; until one is, it is in its
    gateway's bucket.

    `counts` and `facts` are given what changes by that, `news` calls that are over and somebody's since now.
    `registered`: whose the SIMs are, by IMSI, if that was read already.
    """
    if not items:
        return
    registered = await _registered(connection, items) if registered is None else registered
    counts = DayCounts(timedelta(0)) if counts is None else counts
    told = [_ToldCall(gateway_id, call, received_at) for gateway_id, call, received_at in items]
    found = await connection.fetch(Q["known_calls"], [one.gateway_id for one in told], [one.key for one in told])
    known: dict[_CallName, tuple[int, StoredCall]] = {
        (row["gateway_id"], row["key"]): (row["bucket"], _stored(row)) for row in found
    }
    over = {(row["gateway_id"], row["key"]) for row in found if _is_over(row)}
    peers: dict[bytes, int] = {}
    while told:
        now: dict[_CallName, _ToldCall] = {}
        # Several reports of a batch that are about one call go one after the other.
        later = [one for one in told if now.setdefault(one.name, one) is not one]
        for name, one in now.items():
            one.bucket, before = known.get(name) or (bucket_for(one.call.imsi, one.gateway_id), None)
            if before is not None and before.imsi is None and one.call.imsi is not None:
                old, one.bucket = one.bucket, bucket_of(one.call.imsi)
                if one.bucket != old:
                    await _move_call(connection, old, one.bucket, *name)
            one.seal(vault, _account(registered, one.call.imsi))
        for row in await connection.fetch(
            Q["save_call"], *map(sparse, zip(*[one.row for one in now.values()], strict=True))
        ):
            name = row["gateway_id"], row["key"]
            one, after = now[name], _stored(row)
            before = known[name][1] if name in known else None
            known[name] = one.bucket, after
            counts.replace_call(before, after)
            if news is not None and _is_over(row) and name not in over:
                over.add(name)
                news.calls.append(NewRecord(row["imsi"], row["account_id"], RecordPlace(one.bucket, *name)))
            if facts is not None:
                facts.replace_call(one.gateway_id, before, after, one.zone)
            if one.peer is not None and (before is None or before.zone is None):
                peers[one.peer] = one.bucket
        told = later
    if peers:
        for row in await connection.fetch(Q["call_back"], list(peers.values()), list(peers)):
            after = _stored(row)
            counts.replace_call(msgspec.structs.replace(after, called_back=False), after)


_CallName = tuple[int, bytes]
"""Of a call: its gateway, and its key."""


class _ToldCall:
    """What a report tells of a call."""

    def __init__(self, gateway_id: int, call: CallRecord, received_at: datetime) -> None:
        self.gateway_id = gateway_id
        self.call = call
        self.received_at = received_at
        self.key = call_key(call.call_id)
        self.name = gateway_id, self.key
        self.zone = _zone(call)
        self.bucket = 0
        self.peer: bytes | None = None
        self.row: tuple[object, ...] = ()

    def seal(self, vault: Vault, account_id: str | None) -> None:
        """Make the row; `bucket` is set."""
        call, zone = self.call, self.zone
        self.peer = None if zone is None or zone.country == NOWHERE else _peer(vault, call.imsi, zone.number)
        self.row = (
            *(self.bucket, self.gateway_id, self.key, call.call_id, call.imsi, call.port, call.slot, call.direction),
            *(call.begin_at, call.alert_at, call.answer_at, call.update_at, call.end_at),
            *(call.reason_code, call.reason, self.received_at),
            *(seal_call(vault, self.gateway_id, self.key, name, getattr(call, name)) for name in _CALL),
            *((None, None) if zone is None else (zone.country, zone.prefix)),
            self.peer,
            *(call.iccid, _first_time(call), call.cause_code, call.cause, progress_of(call), account_id),
        )


async def _registered(
    connection: asyncpg.Connection, items: Sequence[tuple[int, SmsRecord | CallRecord, datetime]]
) -> Mapping[str, Holder]:
    return await holders.of_sims(connection, {record.imsi for _, record, _ in items if record.imsi})


def _account(registered: Mapping[str, Holder], imsi: str | None) -> str | None:
    holder = registered.get(imsi or "")
    return None if holder is None else holder.account_id


def _is_over(row: asyncpg.Record) -> bool:
    """Whether a call is over, and of a SIM that was somebody's."""
    return row["end_at"] is not None and row["imsi"] is not None and row["account_id"] is not None


def _stored(row: asyncpg.Record) -> StoredCall:
    return StoredCall(**{name: row[name] for name in StoredCall.__struct_fields__})


def _zone(call: CallRecord) -> Zone | None:
    """Where the other side of a call is; None: this report does not tell."""
    other = {Direction.INBOUND: call.caller, Direction.OUTBOUND: call.callee}.get(call.direction)  # type: ignore[call-overload]
    return None if other is None or call.imsi is None else zone_of(other, call.imsi)


def other_side(message: SmsRecord) -> str | None:
    """The other side of a message. The sender of a delivery report is a message centre."""
    return message.sender if message.direction == Direction.INBOUND else message.receiver


def peer_of(vault: Vault, imsi: str | None, text: str | None) -> bytes | None:
    """The other side of a SIM's messages and calls, as it is written, to know it again. Names are written alike in
    capitals and small letters."""
    if imsi is None or not text or not text.strip():
        return None
    zone = zone_of(text, imsi)
    return _peer(vault, imsi, zone.number or text.strip().casefold())


def _peer(vault: Vault, imsi: str | None, number: str) -> bytes | None:
    """Of no use to compare SIMs with each other."""
    if imsi is None or not number:
        return None
    return vault.fingerprint(f"{imsi} {number}".encode(), "call-peer")[:_PEER_BYTES]


def _times(call: CallRecord) -> list[datetime]:
    told = (call.begin_at, call.alert_at, call.answer_at, call.update_at, call.end_at)
    return [at for at in told if at is not None]


def _first_time(call: CallRecord) -> datetime | None:
    return min(_times(call), default=None)


def progress_of(call: CallRecord) -> int:
    """How far a call has come by what a report tells of it: by its newest time, then by how much it tells."""
    times = _times(call)
    newest = max(times, default=None)
    told = len(times) + sum(each is not None for each in (call.reason_code, call.reason, call.caller, call.callee))
    return (0 if newest is None else int(newest.timestamp())) * 16 + told


async def _move_call(connection: asyncpg.Connection, old: int, new: int, gateway_id: int, key: bytes) -> None:
    """To where the records of its SIM are, which is known now."""
    row = await connection.fetchrow(Q["take_call"], old, gateway_id, key)
    if row is not None:
        await connection.execute(Q["put_call"], new, *(row[name] for name in _MOVED))


def call_key(call_id: str) -> bytes:
    """What a call is found by. Outsiders choose the Call-ID, as long as they like; a digest fits every index."""
    return hashlib.sha256(call_id.encode()).digest()


async def sms_of(db: Database, vault: Vault, sim: Sim, limit: int = 50) -> list[dict[str, Any]]:
    """The newest messages of a SIM. Raises WrongKey."""
    return [{**row, **opened_sms(vault, row)} for row in await db.fetch(Q["sms_of"], sim.bucket, sim.imsi, limit)]


async def calls_of(db: Database, vault: Vault, sim: Sim, limit: int = 50) -> list[dict[str, Any]]:
    """The newest calls of a SIM. Raises WrongKey."""
    return [{**row, **opened_call(vault, row)} for row in await db.fetch(Q["calls_of"], sim.bucket, sim.imsi, limit)]


def opened_sms(vault: Vault, row: Mapping[str, Any]) -> dict[str, Any]:
    """What is personal in a stored message. Raises WrongKey."""
    if row["sealed"] is None:  # from before messages were sealed
        return {name: row[name] for name in _SMS}
    opened = msgspec.json.decode(vault.open(row["sealed"], f"sms:{row['gateway_id']}:{row['key'].hex()}"))
    return dict(zip(_SMS, opened, strict=True))


def opened_call(vault: Vault, row: Mapping[str, Any]) -> dict[str, Any]:
    """What is personal in a stored call. Raises WrongKey."""
    opened = {}
    for name in _CALL:
        sealed = row[f"sealed_{name}"]
        opened[name] = row[name]
        if sealed is not None:
            opened[name] = msgspec.json.decode(
                vault.open(sealed, f"call:{row['gateway_id']}:{row['key'].hex()}:{name}")
            )
    return opened
