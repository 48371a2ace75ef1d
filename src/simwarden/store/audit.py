"""What operators did, as chains of rows: each row is signed together with the one before it.

A worker has a chain of its own for each day (UTC), so that none waits for another. The signatures are made with the
master key, which is not in the database: who can write there, but does not have it, can neither change a row nor take
one away without `faults` finding it. The database itself refuses UPDATE and DELETE, but for `audit_prune`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from simwarden.store.database import Database

    Sign = Callable[[bytes], bytes]

Q = load("audit")
NEWEST = 2**63 - 1
"""In front of every row."""
PURPOSE = "audit"
"""Of the key that signs (`Vault.keyed_digest`)."""
_LOCK = 0x53494D57_41554454
"""Advisory lock "SIMWAUDT": one process at a time opens a chain."""
_PAGE = 5_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encoder = msgspec.json.Encoder()


class Act(msgspec.Struct, frozen=True):
    """A call that changed something, or was to."""

    at: datetime
    app_key: str
    """APPKEY of the operator's key, or id of the person."""
    key_name: str
    operation: str
    """operationId."""
    target: str
    """What its path names; empty where it names nothing."""
    status: int
    code: str | None
    """Of the error that it was answered with."""
    correlator: str
    detail: str | None
    """Its body as JSON, without what is secret, personal or long."""
    address: str = ""
    """Where the call came from, as the trusted proxies say."""
    session: str | None = None
    """Of a person; None: a key."""
    role: str | None = None
    changes: str | None = None
    """JSON: each property that is not what it was, with its value before and after."""


class AuditFault(msgspec.Struct, frozen=True):
    """Something in the list is not as it was written."""

    chain: int | None
    link: int | None
    fault: str


class AuditChecked(msgspec.Struct, frozen=True):
    """What was found of some chains."""

    chains: int
    rows: int
    faults: list[AuditFault]
    next: int | None
    """The last chain that was looked at, where there may be more behind it."""


class ChainLost(Exception):
    """The chain is not as this worker left it."""


class _Chain:
    """The end of the chain that this process adds to."""

    def __init__(self, n: int, day: date, last: bytes) -> None:
        self.n = n
        self.day = day
        self.links = 0
        self.last = last


class AuditTrail:
    """Adds acts to a chain of this process. Every method may raise StoreUnavailable."""

    def __init__(self, db: Database, sign: Sign, server: str) -> None:
        self._db = db
        self._sign = sign
        self._server = server
        self._chain: _Chain | None = None
        self._turn = asyncio.Lock()

    async def add(self, acts: Sequence[Act]) -> None:
        """Write some in one statement, in their order.

        A chain that is not as this process left it is left alone: they begin another one. What became of it,
        `check` finds.
        """
        async with self._turn:
            chain, self._chain = self._chain, None  # whatever goes wrong below: the next one begins anew
            today = datetime.now(UTC).date()
            if chain is None or chain.day != today or not await self._append(chain, acts):
                chain = await self._open(today)
                if not await self._append(chain, acts):
                    raise ChainLost(f"The chain {chain.n} of the audit list is not as this worker left it")
            self._chain = chain

    async def _append(self, chain: _Chain, acts: Sequence[Act]) -> bool:
        """Whether the chain was as it should be; if not, nothing is written."""
        last, digests = chain.last, []
        for act in acts:
            last = digest(self._sign, last, act)
            digests.append(last)
        links = chain.links + len(acts)
        head = head_of(self._sign, chain.n, links, last)
        columns = [list(column) for column in zip(*(msgspec.structs.astuple(act) for act in acts), strict=True)]
        args = (chain.n, links, last, head, chain.links, chain.last)
        numbers = list(range(chain.links + 1, links + 1))
        if await self._db.fetchval(Q["add_acts"], *args, numbers, digests, *columns) is None:
            return False
        chain.links, chain.last = links, last
        return True

    async def _open(self, day: date) -> _Chain:
        async with self._db.transaction() as connection:
            await connection.execute(Q["lock_chains"], _LOCK)
            newest = await connection.fetchrow(Q["newest_chain"])
            n, previous = (newest["n"] + 1, newest["seal"]) if newest else (1, b"")
            opened_at = datetime.now(UTC)
            seal = seal_of(self._sign, n, day, self._server, opened_at, previous)
            head = head_of(self._sign, n, 0, seal)
            await connection.execute(Q["open_chain"], n, day, self._server, opened_at, previous, seal, head)
        return _Chain(n, day, seal)


async def acts(
    db: Database,
    *,
    before: int = NEWEST,
    operator: str | None = None,
    operation: str | None = None,
    targets: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    correlator: str | None = None,
    limit: int,
) -> list[tuple[int, Act]]:
    """Acts with their numbers. `operator`: APPKEY, id or name; `targets`: any of these."""
    wanted = None if targets is None else list(targets)
    rows = await db.fetch(Q["acts"], before, operator, operation, wanted, since, until, correlator, limit)
    return [(row["id"], _act(row)) for row in rows]


async def prune(db: Database, before: datetime, limit: int) -> int:
    """Delete whole chains of days before this one, about `limit` rows; returns how many rows that were."""
    return int(await db.fetchval(Q["prune"], before, limit))


async def check(db: Database, sign: Sign, *, after: int, kept: timedelta, most: int = 50_000) -> AuditChecked:
    """Hold chains behind number `after` against their signatures, until `most` rows have been read.

    `kept`: for how long rows are kept; what is missing at the beginning and is younger was taken away.
    """
    chains = rows = 0
    faults: list[AuditFault] = []
    at = after
    before: Any = None
    if after:
        [before] = await db.fetch(Q["chains"], after - 1, 1) or [None]
    elif lost := await db.fetchval(Q["lost"]):
        faults.append(AuditFault(None, None, f"{lost} rows belong to no chain"))
    async for chain in _chains(db, after):
        if chains and rows >= most:
            return AuditChecked(chains, rows, faults, at)
        if before is None and chain["n"] > 1 and chain["day"] > (datetime.now(UTC) - kept).date():
            faults.append(AuditFault(chain["n"], None, "The chains before it were taken away"))
        elif before is not None and chain["n"] != before["n"] + 1:
            faults.append(AuditFault(chain["n"], None, f"{chain['n'] - before['n'] - 1} chains before it are missing"))
        elif before is not None and chain["previous"] != before["seal"]:
            faults.append(AuditFault(chain["n"], None, "It does not continue the chain before it"))
        looked_at, found = await _check(db, sign, chain)
        rows += looked_at
        faults += found
        chains, at, before = chains + 1, chain["n"], chain
    return AuditChecked(chains, rows, faults, None)


async def _chains(db: Database, after: int) -> AsyncIterator[Any]:
    while page := await db.fetch(Q["chains"], after, 100):
        for row in page:
            yield row
        after = page[-1]["n"]


async def _check(db: Database, sign: Sign, chain: Any) -> tuple[int, list[AuditFault]]:
    """How many rows a chain has, and what is wrong with it."""
    n, faults = chain["n"], []
    if chain["seal"] != seal_of(sign, n, chain["day"], chain["server"], chain["opened_at"], chain["previous"]):
        faults.append(AuditFault(n, None, "Its own row was changed"))
    if chain["head"] != head_of(sign, n, chain["links"], chain["last"]):
        faults.append(AuditFault(n, None, "Its end was changed"))
    last, link, rows = chain["seal"], 0, 0
    while page := await db.fetch(Q["chain_rows"], n, link, _PAGE):
        for row in page:
            if row["link"] > chain["links"]:  # added since it was looked at, or by somebody else
                [now] = await db.fetch(Q["chains"], n - 1, 1) or [chain]
                if row["link"] > now["links"]:
                    faults.append(AuditFault(n, row["link"], "The row is none that the server wrote"))
                break
            if row["link"] > link + 1:
                faults.append(AuditFault(n, link + 1, f"{row['link'] - link - 1} rows are missing"))
            elif row["digest"] != digest(sign, last, _act(row)):
                faults.append(AuditFault(n, row["link"], "The row was changed"))
            link, last, rows = row["link"], row["digest"], rows + 1
        else:
            continue
        break
    if link < chain["links"]:
        faults.append(AuditFault(n, link + 1, f"{chain['links'] - link} rows are missing"))
    elif last != chain["last"]:
        faults.append(AuditFault(n, link, "The last row is another one"))
    return rows, faults


def seal_of(sign: Sign, n: int, day: date, server: str, opened_at: datetime, previous: bytes) -> bytes:
    """The signature of a chain's beginning."""
    return sign(_encoder.encode(["seal", n, day.isoformat(), server, _micros(opened_at), previous.hex()]))


def head_of(sign: Sign, n: int, links: int, last: bytes) -> bytes:
    """The signature of a chain's end."""
    return sign(_encoder.encode(["head", n, links, last.hex()]))


def digest(sign: Sign, before: bytes, act: Act) -> bytes:
    """The signature of an act and the one before it."""
    return sign(_encoder.encode(["act", before.hex(), _micros(act.at), *msgspec.structs.astuple(act)[1:]]))


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _act(row: Any) -> Act:
    return Act(**{name: row[name] for name in Act.__struct_fields__})
