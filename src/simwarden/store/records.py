"""Records of traffic: short messages and calls."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

from simwarden.domain.identifiers import bucket_of
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.reports import CallRecord, SmsRecord
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("records")


def bucket_for(imsi: str | None, gateway_id: int) -> int:
    """The SIM's bucket; while the SIM is unknown, one that its gateway's number gives."""
    return bucket_of(imsi) if imsi else zlib.crc32(f"gateway-{gateway_id}".encode()) & 0xFF


async def add_sms(connection: asyncpg.Connection, items: Sequence[tuple[int, SmsRecord, datetime]]) -> None:
    """Store messages (gateway id, message, time of receipt); one that is stored already stays as it is."""
    records = [record for _, record, _ in items]
    await connection.execute(
        Q["add_sms"],
        [bucket_for(record.imsi, gateway_id) for gateway_id, record, _ in items],
        [gateway_id for gateway_id, _, _ in items],
        [r.key for r in records],
        [r.direction for r in records],
        [r.imsi for r in records],
        [r.port for r in records],
        [r.slot for r in records],
        [r.pool for r in records],
        [r.pool_slot for r in records],
        [r.at for r in records],
        [r.sender for r in records],
        [r.receiver for r in records],
        [r.content for r in records],
        [r.status for r in records],
        [r.detail for r in records],
        [received_at for _, _, received_at in items],
    )


async def save_calls(connection: asyncpg.Connection, items: Sequence[tuple[int, CallRecord, datetime]]) -> None:
    """Store calls as far as they have come. A call stays in the bucket in which its first report put it."""
    keys = [call_key(call.call_id) for _, call, _ in items]
    rows = await connection.fetch(Q["known_calls"], [gateway_id for gateway_id, _, _ in items], keys)
    known = {(row["gateway_id"], row["key"]): row["bucket"] for row in rows}
    for (gateway_id, call, received_at), key in zip(items, keys, strict=True):
        bucket = known.setdefault((gateway_id, key), bucket_for(call.imsi, gateway_id))
        await connection.execute(
            *(Q["save_call"], bucket, gateway_id, key, call.call_id, call.imsi, call.port, call.slot, call.direction),
            *(call.caller, call.callee, call.begin_at, call.alert_at, call.answer_at, call.update_at, call.end_at),
            *(call.reason_code, call.reason, call.detail, received_at),
        )


def call_key(call_id: str) -> bytes:
    """What a call is found by. Outsiders choose the Call-ID, as long as they like; a digest fits every index."""
    return hashlib.sha256(call_id.encode()).digest()


async def sms_of(db: Database, sim: Sim, limit: int = 50) -> list[dict[str, Any]]:
    """The newest messages of a SIM."""
    return [dict(row) for row in await db.fetch(Q["sms_of"], sim.bucket, sim.imsi, limit)]


async def calls_of(db: Database, sim: Sim, limit: int = 50) -> list[dict[str, Any]]:
    """The newest calls of a SIM."""
    return [dict(row) for row in await db.fetch(Q["calls_of"], sim.bucket, sim.imsi, limit)]
