"""Gateways, the state of their ports, and reports that could not be read."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from simwarden.domain.alarm import AlarmKind, of_gateway
from simwarden.domain.errors import AlreadyExists, GatewayNotFound
from simwarden.domain.locating import Site
from simwarden.domain.report_order import Line, ReportOrder
from simwarden.store import alarms, attachments
from simwarden.store.coalesce import Coalescer
from simwarden.store.queries import load
from simwarden.store.records import REJECT
from simwarden.store.vault import gateway_purpose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simwarden.domain.reports import GatewayFacts
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("gateways")
KEPT_REJECTS = 1000
"""Unreadable bodies kept per gateway."""
KEPT_BYTES = 65_536
"""Bytes kept of each."""


class GatewayRef(msgspec.Struct, frozen=True):
    """What the receiver must know of a gateway."""

    id: int
    name: str
    report_interval: int
    mac: str | None
    source_addresses: tuple[str, ...] = ()
    """Networks that its reports may come from; none: any."""


class CommandAccess(msgspec.Struct, frozen=True):
    """How to reach a gateway's command interface."""

    id: int
    name: str
    kind: str
    url: str | None
    username: str | None
    password: str | None
    generation: str | None
    unreachable_count: int = 0
    """Commands in a row that got no answer."""
    source_addresses: tuple[str, ...] = ()
    """Networks (CIDR) that its reports may come from; none: any."""
    account_id: str | None = None
    """It reports for SIMs of this account alone."""

    def __repr__(self) -> str:
        return f"CommandAccess({self.name!r})"  # never the password


class Heard(msgspec.Struct, kw_only=True):
    """What a batch of reports says about one gateway, as far as it is followed."""

    id: int
    at: datetime
    reports: int = 0
    order: ReportOrder
    renumbered: bool = False
    """The numberings that are remembered changed."""
    status_at: datetime | None = None
    facts: GatewayFacts | None = None


class LockedGateway(msgspec.Struct, frozen=True):
    """A gateway that this transaction has locked."""

    id: int
    report_interval: int
    order: ReportOrder
    unreachable: bool
    silent: bool
    """Its silence was raised as an alarm."""
    status_at: datetime | None
    """When a whole status was last believed."""
    account_id: str | None
    """It reports for SIMs of this account alone."""
    max_ports: int | None
    site: Site | None = None


class GatewayChange(msgspec.Struct, frozen=True):
    """What is to become of a gateway's own settings; UNSET leaves as it is, None takes away."""

    name: str | UnsetType = UNSET
    command_url: str | UnsetType | None = UNSET
    username: str | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    report_interval: int | UnsetType = UNSET
    account_id: str | UnsetType | None = UNSET
    source_addresses: tuple[str, ...] | UnsetType | None = UNSET


def token_hash(token: str) -> bytes:
    """What is stored of a gateway's secret. The token is 256 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(token.encode()).digest()


class Gateways:
    """Registered gateways."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault
        self._tokens: Coalescer[bytes, GatewayRef] = Coalescer(self._by_token_hash)

    async def add(
        self,
        name: str,
        *,
        kind: str,
        command_url: str | None,
        username: str | None,
        password: str | None,
        generation: str | None = None,
        report_interval: int = 60,
        account_id: str | None = None,
        source_addresses: Sequence[str] = (),
    ) -> tuple[int, str]:
        """Register a network element. Returns its id and its report token, shown once. Raises AlreadyExists.

        `kind`: the folder of `southbound/` whose source knows it.
        `account_id`: it reports for SIMs of this account alone. `source_addresses`: its reports come from these
        networks (CIDR) alone.
        """
        token = secrets.token_urlsafe(32)
        try:
            async with self._db.transaction() as connection:
                row = await connection.fetchrow(
                    *(Q["add"], name, kind, command_url, username, None, token_hash(token), generation),
                    *(report_interval, account_id, list(source_addresses)),
                )
                if password is not None:
                    sealed = self._vault.seal(password.encode(), gateway_purpose(row["id"]))
                    await connection.execute(Q["set_password"], row["id"], sealed)
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists(f"A gateway named {name!r} exists already") from error
        return row["id"], token

    async def update(self, name: str, change: GatewayChange, now: datetime) -> None:
        """Change a gateway; what waits for it is tried at once. Raises GatewayNotFound, AlreadyExists."""
        try:
            async with self._db.transaction() as connection:
                id_ = await lock_named(connection, name)
                if id_ is None:
                    raise GatewayNotFound(f"No gateway is named {name!r}")
                password = change.password
                sealed = (
                    self._vault.seal(password.encode(), gateway_purpose(id_)) if isinstance(password, str) else None
                )
                values = (change.name, change.command_url, change.username, change.report_interval)
                await connection.execute(
                    Q["update"],
                    id_,
                    *(part for value in values for part in (value is not UNSET, None if value is UNSET else value)),
                    password is not UNSET,
                    sealed,
                    change.account_id is not UNSET,
                    None if change.account_id is UNSET else change.account_id,
                    None if change.source_addresses is UNSET else list(change.source_addresses or ()),
                )
                await attachments.retry_now(connection, [id_], now)
                await attachments.wake(connection)
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists(f"A gateway named {change.name!r} exists already") from error

    async def renew_token(self, name: str) -> str:
        """A new report token; the old one stops working. Raises GatewayNotFound."""
        token = secrets.token_urlsafe(32)
        if await self._db.fetchval(Q["set_token"], name, token_hash(token)) is None:
            raise GatewayNotFound(f"No gateway is named {name!r}")
        return token

    async def set_command_url(self, name: str, command_url: str) -> None:
        """Another address of a gateway's command interface. Raises GatewayNotFound."""
        if await self._db.fetchval(Q["set_command_url"], name, command_url) is None:
            raise GatewayNotFound(f"No gateway is named {name!r}")

    async def by_token(self, token: str) -> GatewayRef | None:
        """The gateway whose report URL carries this token."""
        return await self._tokens.get(token_hash(token))

    async def _by_token_hash(self, hashes: Sequence[bytes]) -> dict[bytes, GatewayRef]:
        rows = await self._db.fetch(Q["by_token"], hashes)
        return {
            row["token_hash"]: GatewayRef(
                row["id"], row["name"], row["report_interval"], row["mac"], tuple(row["source_addresses"])
            )
            for row in rows
        }

    async def access(self, gateway_id: int) -> CommandAccess:
        """How to command a gateway, password included. Raises GatewayNotFound, WrongKey."""
        row = await self._db.fetchrow(Q["by_id"], gateway_id)
        if row is None:
            raise GatewayNotFound
        return self._access(row)

    async def of_kind(self, kind: str) -> list[CommandAccess]:
        """All network elements of a kind, passwords included. Raises WrongKey."""
        return [self._access(row) for row in await self._db.fetch(Q["of_kind"], kind)]

    def _access(self, row: asyncpg.Record) -> CommandAccess:
        sealed = row["password"]
        return CommandAccess(
            row["id"],
            row["name"],
            row["kind"],
            row["command_url"],
            row["username"],
            None if sealed is None else self._vault.open(sealed, gateway_purpose(row["id"])).decode(),
            row["generation"],
            row["unreachable_count"],
            tuple(row["source_addresses"]),
            row["account_id"],
        )

    async def id_of(self, name: str) -> int:
        """Raises GatewayNotFound."""
        row = await self._db.fetchrow(Q["by_name"], name)
        if row is None:
            raise GatewayNotFound(f"No gateway is named {name!r}")
        return int(row["id"])

    async def all(self) -> list[dict[str, Any]]:
        """Every gateway with its state, without secrets."""
        hidden = {"password", "token_hash", "boot_digests", "lines"}
        return [{k: v for k, v in row.items() if k not in hidden} for row in await self._db.fetch(Q["all"])]

    async def names(self, ids: Iterable[int]) -> dict[int, str]:
        """Names of these gateways, by id; of those that there are."""
        wanted = sorted(set(ids))
        return {row["id"]: row["name"] for row in await self._db.fetch(Q["names"], wanted)} if wanted else {}

    async def ids(self, names: Iterable[str]) -> dict[str, int]:
        """Ids of these gateways, by name; of those that there are."""
        wanted = sorted(set(names))
        return {row["name"]: row["id"] for row in await self._db.fetch(Q["ids"], wanted)} if wanted else {}

    async def remember_generation(self, gateway_id: int, generation: str) -> None:
        """Keep which generation of the command interface a gateway answers."""
        await self._db.execute(Q["set_generation"], gateway_id, generation)

    async def reject(
        self,
        gateway_id: int,
        now: datetime,
        reason: str,
        content_type: str | None,
        body: bytes,
        *,
        count: int = 1,
        refused: bool = True,
    ) -> None:
        """Keep a body that could not be read, up to KEPT_BYTES of it and KEPT_REJECTS per gateway, and count it and
        those that were not kept before it (`count` in all).

        `refused`: nothing of it was taken in, which is an alarm.
        """
        kept = (content_type or "")[:200], len(body), self._vault.seal(body[:KEPT_BYTES], REJECT)
        async with self._db.transaction() as connection:
            await connection.execute(Q["reject"], gateway_id, now, reason[:500], *kept, count)
            await connection.execute(Q["prune_rejects"], gateway_id, KEPT_REJECTS)
            if refused:
                trouble = of_gateway(AlarmKind.REPORTS_UNPARSED, gateway_id, reason=reason[:500])
                trouble = msgspec.structs.replace(trouble, times=count)
                await alarms.raise_all(connection, [trouble], now)

    async def rejects(self, name: str | None, limit: int, *, before: int | None = None) -> list[dict[str, Any]]:
        """Bodies that could not be read, newest first, from behind the id `before`. Raises WrongKey."""
        found = []
        for row in await self._db.fetch(Q["rejects"], name, limit, before):
            reject = dict(row)
            if reject.pop("sealed"):
                reject["body"] = self._vault.open(reject["body"], REJECT)
            found.append(reject)
        return found


async def lock(connection: asyncpg.Connection, ids: Sequence[int]) -> dict[int, LockedGateway]:
    """Lock gateways, so that reports of one gateway are taken in one after the other."""
    rows = await connection.fetch(Q["lock"], sorted(ids))
    return {
        row["id"]: LockedGateway(
            row["id"],
            row["report_interval"],
            ReportOrder(
                row["boot"],
                row["status_sequence"],
                tuple(row["boot_digests"]),
                row["accepted_at"],
                msgspec.convert(row["lines"], tuple[Line, ...]) if row["lines"] else (),
            ),
            row["unreachable_since"] is not None,
            row["silent_since"] is not None,
            row["status_at"],
            row["account_id"],
            row["max_ports"],
            None if row["latitude"] is None else Site(row["latitude"], row["longitude"], row["radius"]),
        )
        for row in rows
    }


async def lock_named(connection: asyncpg.Connection, name: str) -> int | None:
    """Lock the gateway of this name; returns its id."""
    found: int | None = await connection.fetchval(Q["lock_named"], name)
    return found


async def forget(connection: asyncpg.Connection, gateway_id: int) -> None:
    """Delete a gateway with its slots, rejected reports and attachments."""
    await connection.execute(Q["delete"], gateway_id)


async def mark_unreachable(
    connection: asyncpg.Connection, gateway_id: int, now: datetime
) -> tuple[int, datetime | None]:
    """Commands do not get through; the next report of this gateway makes what waits due at once.

    Returns how many in a row got no answer, and when the gateway last reported.
    """
    row = await connection.fetchrow(Q["unreachable"], gateway_id, now)
    return (0, None) if row is None else (row["unreachable_count"], row["reported_at"])


async def answered(connection: asyncpg.Connection, gateway_id: int) -> None:
    """A command got an answer."""
    await connection.execute(Q["answered"], gateway_id)


async def heard(connection: asyncpg.Connection, items: Sequence[Heard]) -> None:
    """Write what reports say about their gateways."""
    facts = [item.facts for item in items]
    await connection.execute(
        Q["heard"],
        [item.id for item in items],
        [item.at for item in items],
        [item.reports for item in items],
        [item.order.boot for item in items],
        [item.order.status_sequence for item in items],
        [item.order.accepted_at for item in items],
        [item.status_at for item in items],
        [f and f.mac for f in facts],
        [f and f.address for f in facts],
        [f and f.version for f in facts],
        [f and f.max_ports for f in facts],
        [f and f.max_slots for f in facts],
    )
    for item in items:
        if item.renumbered:
            lines = msgspec.to_builtins(item.order.lines)
            await connection.execute(Q["set_numberings"], item.id, list(item.order.boot_digests), lines)
