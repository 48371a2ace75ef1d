"""Alarms: raised and cleared in the transaction that finds them, read by people, taken by the channels that push."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from simwarden.domain.alarm import AGAIN, FLAPPING, SETTLED, SEVERITY, Alarm, AlarmKind
from simwarden.domain.errors import ResourceNotFound
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from simwarden.domain.alarm import Key, Trouble
    from simwarden.store.database import Database

Q = load("alarms")
ChannelName = Literal["log", "webhook", "mail"]


class AlarmNotFound(ResourceNotFound):
    """No alarm has this number."""


class Channel(msgspec.Struct, frozen=True):
    """How pushing by one channel goes."""

    due_at: datetime
    """Nothing is pushed before."""
    sent_at: datetime | None = None
    failures: int = 0
    """In a row."""
    last_error: str | None = None


async def raise_all(connection: asyncpg.Connection, troubles: Iterable[Trouble], now: datetime) -> None:
    """Raise alarms, or count the troubles in those that are open, in the caller's transaction.

    The caller has locked what each trouble is about (the SIM, the gateway, the subscription), so that raising and
    clearing one alarm are in one order.
    """
    merged: dict[Key, Trouble] = {}
    for trouble in troubles:
        before = merged.get(trouble.key)
        times = trouble.times + (before.times if before else 0)
        merged[trouble.key] = msgspec.structs.replace(trouble, times=times)
    again = await _write(connection, "reopen", list(merged.values()), now, now - AGAIN) if merged else []
    for row in again:
        del merged[AlarmKind(row["kind"]), row["subject"]]
    if merged:
        await _write(connection, "raise", list(merged.values()), now)


async def _write(
    connection: asyncpg.Connection, query: str, troubles: Sequence[Trouble], *times: datetime
) -> Sequence[asyncpg.Record]:
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        Q[query],
        [trouble.kind for trouble in troubles],
        [trouble.subject for trouble in troubles],
        [trouble.severity or SEVERITY[trouble.kind] for trouble in troubles],
        [trouble.gateway_id for trouble in troubles],
        [trouble.imsi for trouble in troubles],
        [trouble.account_id for trouble in troubles],
        [trouble.facts for trouble in troubles],
        [trouble.times for trouble in troubles],
        *times,
    )
    return rows


async def clear_all(connection: asyncpg.Connection, keys: Iterable[Key], now: datetime, because: str) -> int:
    """End the open alarms among these, in the caller's transaction; returns how many were open.

    One that keeps coming back stays open for SETTLED, and ends then if it has not come back.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return 0
    kinds, subjects = [kind for kind, _ in wanted], [subject for _, subject in wanted]
    tag: str = await connection.execute(Q["clear"], kinds, subjects, now, because, FLAPPING, SETTLED)
    return int(tag.rsplit(" ", 1)[-1])


async def settle(db: Database, now: datetime) -> int:
    """End the alarms that kept coming back and have not for SETTLED; returns how many."""
    return await db.execute(Q["settle"], now)


async def open_subjects(
    connection: asyncpg.Connection, kind: AlarmKind, account_ids: Sequence[str]
) -> dict[str, set[str]]:
    """Of these accounts: what their open alarms of a kind are about."""
    found: dict[str, set[str]] = {}
    for row in await connection.fetch(Q["open_subjects"], kind, account_ids):
        found.setdefault(row["account_id"], set()).add(row["subject"])
    return found


async def page(
    db: Database,
    *,
    before: int = 2**63 - 1,
    is_open: bool | None = None,
    kind: str | None = None,
    severity: str | None = None,
    acknowledged: bool | None = None,
    gateway_id: int | None = None,
    imsi: str | None = None,
    account_id: str | None = None,
    limit: int,
) -> list[Alarm]:
    """Alarms with numbers below `before`, the newest first."""
    rows = await db.fetch(
        *(Q["page"], before, is_open, kind, severity, acknowledged, gateway_id, imsi, account_id, limit)
    )
    return [_alarm(row) for row in rows]


async def show(db: Database, id_: int) -> Alarm:
    """One alarm. Raises AlarmNotFound."""
    return _one(await db.fetchrow(Q["show"], id_))


async def acknowledge(db: Database, id_: int, now: datetime, by: str) -> Alarm:
    """Somebody has taken it on; the first one stays. Raises AlarmNotFound."""
    return _one(await db.fetchrow(Q["acknowledge"], id_, now, by))


async def prune(db: Database, before: datetime) -> int:
    """Forget alarms that ended before this time; returns how many."""
    return await db.execute(Q["prune"], before)


async def open_counts(db: Database) -> list[dict[str, Any]]:
    """Open alarms by `kind` and `severity`: `count`, and of these `unacknowledged`."""
    return [dict(row) for row in await db.fetch(Q["open_counts"])]


# -- channels ---------------------------------------------------------------------------------------------------------


async def unsent(db: Database, channel: ChannelName, limit: int) -> list[Alarm]:
    """Alarms that changed since this channel last pushed them, the oldest first."""
    return [_alarm(row) for row in await db.fetch(Q[f"unsent_{channel}"], limit)]


async def sent(db: Database, channel: ChannelName, alarms: Sequence[Alarm]) -> None:
    """These were pushed as they are here."""
    await db.execute(Q[f"sent_{channel}"], [alarm.id for alarm in alarms], [alarm.version for alarm in alarms])


async def skip(db: Database, channel: Literal["webhook", "mail"]) -> None:
    """The channel is not set up: what is old when it will be is not pushed."""
    await db.execute(Q[f"skip_{channel}"])


async def channel_state(db: Database, name: ChannelName, now: datetime) -> Channel:
    """How pushing by this channel went last."""
    row = await db.fetchrow(Q["channel"], name)
    return Channel(due_at=now) if row is None else Channel(**dict(row))


async def save_channel(db: Database, name: ChannelName, state: Channel) -> None:
    """Keep how it went; without `sent_at` that of before stays."""
    await db.execute(Q["save_channel"], name, state.sent_at, state.failures, state.due_at, state.last_error)


def _one(row: asyncpg.Record | None) -> Alarm:
    if row is None:
        raise AlarmNotFound
    return _alarm(row)


def _alarm(row: asyncpg.Record) -> Alarm:
    values = {name: row[name] for name in Alarm.__struct_fields__}
    return msgspec.convert(values, Alarm)
