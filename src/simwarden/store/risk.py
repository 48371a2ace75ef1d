"""Rules of accounts with their history, and what they remember of SIMs."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import structlog

from simwarden.domain.errors import AlreadyExists
from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.risk import RiskRule, StoredRule
from simwarden.domain.risk_windows import SimWindows
from simwarden.kit.ids import uuid4_text
from simwarden.store.columns import keys_of, numbers
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from simwarden.store.database import Database

Q = load("risk")
_log = structlog.get_logger()
MOST_VERSIONS = 100
"""Of a rule that are kept, the newest ones."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SimWindows)


class RuleVersion(msgspec.Struct, frozen=True):
    """What a rule was once."""

    version: int
    name: str
    is_on: bool
    rule: RiskRule | None
    """None: it was removed."""
    set_at: datetime
    set_by: str


def _rule(row: asyncpg.Record) -> StoredRule:
    return msgspec.convert(dict(row), StoredRule)


async def count_alone(connection: asyncpg.Connection, account_id: str) -> int:
    """How many rules an account has; nobody else changes them until the transaction ends."""
    await hold(connection, account_id)
    found: int = await connection.fetchval(Q["count"], account_id)
    return found


async def hold(connection: asyncpg.Connection, account_id: str) -> None:
    """Nobody else changes the account's rules until the transaction ends."""
    await connection.execute(Q["lock_account"], account_id)


async def add(connection: asyncpg.Connection, made: StoredRule, by: str) -> StoredRule:
    """Add a rule, its account being held. Raises AlreadyExists when the account has one of this name."""
    row = await connection.fetchrow(
        Q["insert"], made.id, made.account_id, made.name, made.is_on, made.rule, made.created_at
    )
    if row is None:
        raise AlreadyExists(f"The account has a rule named {made.name!r} already")
    await _remember(connection, made, by)
    return _rule(row)


async def change(connection: asyncpg.Connection, made: StoredRule, by: str) -> StoredRule | None:
    """Write the next version of a rule, its account being held; None when that is not the next one any more.

    Raises AlreadyExists.
    """
    try:
        row = await connection.fetchrow(
            Q["change"], made.id, made.name, made.version, made.is_on, made.rule, made.changed_at
        )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(f"The account has a rule named {made.name!r} already") from error
    if row is None:
        return None
    await _remember(connection, made, by)
    return _rule(row)


async def delete(connection: asyncpg.Connection, rule: StoredRule, now: datetime, by: str) -> None:
    """Delete a rule, its account being held. Its history stays."""
    await connection.execute(Q["delete"], rule.id)
    said = (rule.id, rule.version + 1, rule.account_id, rule.name, False, None, now, by)
    await connection.execute(Q["add_version"], *said)
    await _stamp(connection, rule.account_id)


async def _remember(connection: asyncpg.Connection, made: StoredRule, by: str) -> None:
    said = (made.id, made.version, made.account_id, made.name, made.is_on, made.rule, made.changed_at, by)
    await connection.execute(Q["add_version"], *said)
    await connection.execute(Q["forget_versions"], made.id, made.version - MOST_VERSIONS)
    await _stamp(connection, made.account_id)


async def _stamp(connection: asyncpg.Connection, account_id: str) -> None:
    """From this commit on reports go by the rules as they are."""
    on = [_rule(row).rule for row in await connection.fetch(Q["of_accounts"], [account_id])]
    counts, watches = any(not each.is_silence for each in on), any(each.is_silence for each in on)
    await connection.execute(Q["stamp"], account_id, uuid4_text(), counts, watches)


async def page(db: Database, account_id: str | None, after: tuple[str, str], limit: int) -> list[StoredRule]:
    """Rules of one account or of all, by name and id, from behind the one at `after`."""
    return [_rule(row) for row in await db.fetch(Q["page"], account_id, *after, limit)]


async def find(db: Database | asyncpg.Connection, name_or_id: str) -> list[StoredRule]:
    """The rule with this id; else those with this name, at most two, each of another account."""
    found = [_rule(row) for row in await db.fetch(Q["find"], name_or_id)]
    return found[:1] if found and found[0].id == name_or_id else found


async def versions(db: Database, rule_id: str) -> list[RuleVersion]:
    """What a rule was, oldest first."""
    return [msgspec.convert(dict(row), RuleVersion) for row in await db.fetch(Q["versions"], rule_id)]


async def on(source: Database | asyncpg.Connection, account_ids: Collection[str]) -> list[StoredRule]:
    """The rules of these accounts that are on."""
    return [_rule(row) for row in await source.fetch(Q["of_accounts"], sorted(account_ids))]


class StoredWindows(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of a SIM, as it was read."""

    state: SimWindows
    first_event: int
    """Of the SIM's life that it is of: who had its IMSI before had other ones."""
    version: int = 0
    """How often it was written."""


async def stamps(connection: asyncpg.Connection, account_ids: Collection[str]) -> dict[str, str]:
    """Of these accounts, those that have rules that count, each with the stamp of its rules."""
    return {row["account_id"]: row["stamp"] for row in await connection.fetch(Q["stamps"], list(account_ids))}


async def states(connection: asyncpg.Connection, lives: Mapping[str, int]) -> dict[str, StoredWindows]:
    """What is remembered of SIMs, by IMSI; nothing is locked: see `save_states`. `lives`: the first event of each."""
    rows = await connection.fetch(Q["states"], *keys_of(list(lives)))
    found = {row["imsi"]: row for row in rows}
    return {
        imsi: StoredWindows(_state(found[imsi], life), life, found[imsi]["version"])
        if imsi in found
        else StoredWindows(SimWindows(), life)
        for imsi, life in lives.items()
    }


def _state(row: asyncpg.Record, life: int) -> SimWindows:
    """What cannot be read, by whatever accident, is forgotten: records are to be stored all the same."""
    if not row["state"] or row["first_event"] not in (None, life):
        return SimWindows()
    try:
        return _decoder.decode(row["state"])
    except msgspec.MsgspecError:
        _log.exception("what rules remember cannot be read, they begin anew", imsi=row["imsi"])
        return SimWindows()


async def save_states(connection: asyncpg.Connection, sims: Mapping[str, StoredWindows], day: date) -> set[str]:
    """Write what is remembered of SIMs, by IMSI, as it was read and counted on. `day`: in UTC.

    Returns those that were written. Of the others something else was written since they were read: their rows are
    locked now, to be read and counted again.
    """
    _, buckets, imsis = keys_of(list(sims))
    rows = await connection.fetch(
        Q["save_states"],
        buckets,
        imsis,
        numbers([sim.first_event for sim in sims.values()]),
        numbers([sim.version + 1 for sim in sims.values()]),
        [_encoder.encode(sim.state) for sim in sims.values()],
        day,
    )
    return {row["imsi"] for row in rows}


async def forget(connection: asyncpg.Connection, imsis: Sequence[str]) -> None:
    """Nothing of these SIMs is remembered."""
    for query in ("forget_states", "forget_silences"):
        await connection.execute(Q[query], [bucket_of(imsi) for imsi in imsis], list(imsis))


async def of_silence(db: Database) -> list[StoredRule]:
    """The rules of silence that are on, of all accounts."""
    return [_rule(row) for row in await db.fetch(Q["of_silence"])]


async def silent(
    db: Database, rule: StoredRule, after: str, before: datetime, limit: int
) -> tuple[str | None, list[str]]:
    """Among so many SIMs of the rule's account, from behind this IMSI: those that nobody has seen since then, and for
    whose silence the rule has not fired yet. Returns the IMSI to go on from too; None: there are no more SIMs."""
    last = await db.fetchval(Q["next_sims"], ALL_BUCKETS, rule.account_id, after, limit)
    if last is None:
        return None, []
    rows = await db.fetch(Q["silent"], ALL_BUCKETS, rule.account_id, after, before, rule.id, last)
    return last, [row["imsi"] for row in rows]


async def reached(source: Database | asyncpg.Connection, imsis: Collection[str], before: date) -> dict[str, set[str]]:
    """Countries that SIMs, by IMSI, wrote to or called before this day, as far as the days are counted."""
    found: dict[str, set[str]] = {}
    for row in await source.fetch(Q["reached"], *keys_of(list(imsis)), before):
        found.setdefault(row["imsi"], set()).add(row["zone"])
    return found


async def is_current(connection: asyncpg.Connection, rule: StoredRule) -> bool:
    """Whether a rule is on, and still as it was read."""
    return bool(await connection.fetchval(Q["stands"], rule.id, rule.version))


async def note_silence(connection: asyncpg.Connection, rule_id: str, since: Mapping[str, datetime]) -> set[str]:
    """Remember that a rule fires for these silences, by IMSI, of locked SIMs; returns those for which it had not."""
    imsis = sorted(since)
    rows = await connection.fetch(Q["noted_silences"], [bucket_of(imsi) for imsi in imsis], imsis, rule_id)
    noted = {row["imsi"]: row["seen_at"] for row in rows}
    new = [imsi for imsi in imsis if noted.get(imsi) != since[imsi]]
    if new:
        times = [since[imsi] for imsi in new]
        await connection.execute(Q["note_silences"], [bucket_of(imsi) for imsi in new], new, times, rule_id)
    return set(new)


async def prune_silences(db: Database, at_once: int) -> int:
    """Forget silences for rules that are no more, `at_once` rows a bucket; returns how many."""
    return sum([await db.execute(Q["prune_silences"], bucket, at_once) for bucket in ALL_BUCKETS])


async def prune(db: Database, before: date, at_once: int) -> int:
    """Forget SIMs of which nothing was counted since this day, `at_once` rows a statement; returns how many."""
    count = 0
    for bucket in ALL_BUCKETS:
        done = at_once
        while done >= at_once:
            done = await db.execute(Q["prune_states"], bucket, before, at_once)
            count += done
    return count


async def tag(connection: asyncpg.Connection, tags: Sequence[tuple[str, str]]) -> None:
    """Give locked SIMs, by IMSI, one more tag each; not beyond as many as a SIM may have."""
    for imsi, name in tags:
        await connection.execute(Q["tag"], bucket_of(imsi), imsi, name)
