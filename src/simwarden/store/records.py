"""Records of traffic: short messages and calls. Texts, numbers and details are sealed."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.identifiers import bucket_of
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.reports import CallRecord, SmsRecord
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("records")
REJECT = "gateway-reject"
"""Purpose of sealed bodies that could not be read: they may hold messages and numbers."""
_encoder = msgspec.json.Encoder()
_SMS = ("sender", "receiver", "content", "detail")
_CALL = ("caller", "callee", "detail")


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
    connection: asyncpg.Connection, vault: Vault, items: Sequence[tuple[int, SmsRecord, datetime]]
) -> None:
    """Store messages (gateway id, message, time of receipt); one that is stored already stays as it is."""
    records = [record for _, record, _ in items]
    keys = [sms_key(vault, record.key) for record in records]
    await connection.execute(
        Q["add_sms"],
        [bucket_for(record.imsi, gateway_id) for gateway_id, record, _ in items],
        [gateway_id for gateway_id, _, _ in items],
        keys,
        [r.key for r in records],
        [r.direction for r in records],
        [r.imsi for r in records],
        [r.port for r in records],
        [r.slot for r in records],
        [r.pool for r in records],
        [r.pool_slot for r in records],
        [r.at for r in records],
        [r.status for r in records],
        [received_at for _, _, received_at in items],
        [
            seal_sms(vault, gateway_id, key, (r.sender, r.receiver, r.content, r.detail))
            for (gateway_id, r, _), key in zip(items, keys, strict=True)
        ],
    )


async def save_calls(
    connection: asyncpg.Connection, vault: Vault, items: Sequence[tuple[int, CallRecord, datetime]]
) -> None:
    """Store calls as far as they have come. A call stays in the bucket in which its first report put it."""
    keys = [call_key(call.call_id) for _, call, _ in items]
    rows = await connection.fetch(Q["known_calls"], [gateway_id for gateway_id, _, _ in items], keys)
    known = {(row["gateway_id"], row["key"]): row["bucket"] for row in rows}
    for (gateway_id, call, received_at), key in zip(items, keys, strict=True):
        bucket = known.setdefault((gateway_id, key), bucket_for(call.imsi, gateway_id))
        await connection.execute(
            *(Q["save_call"], bucket, gateway_id, key, call.call_id, call.imsi, call.port, call.slot, call.direction),
            *(call.begin_at, call.alert_at, call.answer_at, call.update_at, call.end_at),
            *(call.reason_code, call.reason, received_at),
            *(seal_call(vault, gateway_id, key, name, getattr(call, name)) for name in _CALL),
        )


def call_key(call_id: str) -> bytes:
    """What a call is found by. Outsiders choose the Call-ID, as long as they like; a digest fits every index."""
    return hashlib.sha256(call_id.encode()).digest()


async def sms_of(db: Database, vault: Vault, sim: Sim, limit: int = 50) -> list[dict[str, Any]]:
    """The newest messages of a SIM. Raises WrongKey."""
    found = []
    for row in await db.fetch(Q["sms_of"], sim.bucket, sim.imsi, limit):
        message = dict(row)
        sealed = message.pop("sealed")
        if sealed is not None:
            opened = vault.open(sealed, f"sms:{row['gateway_id']}:{row['key'].hex()}")
            message.update(zip(_SMS, msgspec.json.decode(opened), strict=True))
        found.append(message)
    return found


async def calls_of(db: Database, vault: Vault, sim: Sim, limit: int = 50) -> list[dict[str, Any]]:
    """The newest calls of a SIM. Raises WrongKey."""
    found = []
    for row in await db.fetch(Q["calls_of"], sim.bucket, sim.imsi, limit):
        call = dict(row)
        for name in _CALL:
            sealed = call.pop(f"sealed_{name}")
            if sealed is not None:
                opened = vault.open(sealed, f"call:{row['gateway_id']}:{row['key'].hex()}:{name}")
                call[name] = msgspec.json.decode(opened)
        found.append(call)
    return found
