"""Connections to PostgreSQL: a pool, transactions, and one error for "not there"."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from simwarden.domain.errors import ReadOnly, SimwardenError, StoreUnavailable, TryAgain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

_encoder = msgspec.json.Encoder()

UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.InsufficientResourcesError,  # class 53: the disk is full, no memory, no connection free
    asyncpg.OperatorInterventionError,  # class 57: going, coming, cancelled
    asyncpg.PostgresSystemError,  # class 58: a file cannot be read or written
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg makes of a connection that is cut at a bad moment
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is not promoted yet
)
"""What asyncpg raises when the server is gone, going or coming, or cannot work now: to be done again."""
AGAIN = (asyncpg.TransactionRollbackError, asyncpg.InvalidCachedStatementError)
"""Another transaction went first (class 40), or a migration changed a table under us: the same at once will do."""


_OF_STATEMENTS = ("0A", "0L", "25", "26", "28", "34", "3D", "3F", "42")
"""Classes of SQLSTATE that speak of the statement, the session or the schema, whatever the values are: not supported,
not granted, wrong state, wrong role, no such database, syntax, no such table. PostgreSQL 18, appendix A."""


def concerns_all(error: BaseException) -> bool:
    """Whether the same would have failed with any other values: to leave some of them out is no help."""
    if isinstance(error, (StoreUnavailable, *UNAVAILABLE, *AGAIN)):
        return True
    return isinstance(error, asyncpg.PostgresError) and str(error.sqlstate or "").startswith(_OF_STATEMENTS)


def is_refusal(error: BaseException) -> bool:
    """Whether the database, or what encodes for it, cannot take the values that it was given: now or ever.

    Everything that PostgreSQL reports is one, except what says that it is not there, that another transaction went
    first (both StoreUnavailable), and what concerns_all values alike. No list of single errors: there are too many.
    """
    if isinstance(error, asyncpg.PostgresError | UnicodeError | OverflowError | RecursionError):
        return not concerns_all(error)
    return False


REFUSED = (
    ValueError,  # the URL cannot be read
    asyncpg.InvalidAuthorizationSpecificationError,  # class 28: user or password
    asyncpg.InvalidCatalogNameError,  # no such database
)
"""What asyncpg raises when waiting does not help: somebody has to mend the URL, or the database's users."""
CONNECT_SECONDS = 10.0
"""Seconds that the database may take to accept a connection."""


class DatabaseRefuses(SimwardenError):
    """The database does not let Simwarden in."""


def to_json(value: Any) -> str:
    """JSON text of any value msgspec knows, for a jsonb column."""
    return _encoder.encode(value).decode()


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=to_json, decoder=msgspec.json.decode, format="text"
    )


def _unavailable(error: BaseException) -> StoreUnavailable | None:
    """What the loss of the database is to the rest of the house; None: the error is none."""
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return ReadOnly()
    if isinstance(error, AGAIN):
        return TryAgain(f"The database had to drop this at the moment ({type(error).__name__})")
    if isinstance(error, UNAVAILABLE):
        return StoreUnavailable(f"The database cannot be reached at the moment ({type(error).__name__})")
    return None


@contextlib.contextmanager
def available() -> Any:
    """Turn the loss of the database into StoreUnavailable; let every other error through."""
    try:
        yield
    except Exception as error:
        lost = _unavailable(error)
        if lost is None:
            raise
        raise lost from error


async def connect(url: str) -> asyncpg.Connection:
    """One connection, outside any pool. Raises DatabaseRefuses, StoreUnavailable; both say why."""
    try:
        return await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except REFUSED as error:
        raise DatabaseRefuses(
            f"The database does not let Simwarden in: {_reason(error)}. Check --database-url (SIMWARDEN_DATABASE_URL)."
        ) from error
    except UNAVAILABLE as error:
        raise StoreUnavailable(f"The database cannot be reached at the moment: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


class PoolUsage(msgspec.Struct, frozen=True):
    """What a pool's connections do at a moment."""

    in_use: int
    idle: int
    waited_for: int
    """Tasks that wait for one."""


_TYPES: dict[tuple[object, frozenset[int]], Sequence[asyncpg.Record]] = {}
"""What asyncpg asked the database of types: by the server's version and the types' numbers."""
_OF_ALL_DATABASES = 10_000
"""Types with a smaller number (OID) are PostgreSQL's own, and the same in all databases of a version."""


class _NoStatement:
    """In place of the statement by which asyncpg asks for types."""

    name = "not executed"


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A pool's connection, whose session is reset on release only after an error.

    asyncpg's reset (all settings, advisory locks, cursors, channels) is a round trip of its own at each release, 40 %
    of the time of a short statement (docs/measurements.md). No statement of a pool leaves anything in its session
    (tests/unit/store/test_statements.py), so there is nothing to reset where the use ended well. A transaction left
    open is rolled back in any case, which asyncpg sees without asking. After an error the session is reset as asyncpg
    does by itself: a cancellation that comes late then meets the reset, and not the next user's statement.

    What asyncpg asks of types (arrays of numbers, say) it asks on each connection anew, by a query of 10 ms and more
    that those wait for who need the new connection. Here it is asked once in a process.
    """

    _suspect = False

    def suspect(self) -> None:
        """Its use ended in an error: reset the session before anyone else has it."""
        self._suspect = True

    async def _introspect_types(self, typeoids: Collection[int], timeout: float | None) -> Any:  # noqa: ASYNC109
        """asyncpg calls this when a statement has types that this connection has not met."""
        key = self.get_server_version(), frozenset(typeoids)
        if key in _TYPES:
            return _TYPES[key], _NoStatement
        found, statement = await super()._introspect_types(typeoids, timeout)
        if all(row["oid"] < _OF_ALL_DATABASES for row in found):
            _TYPES[key] = found
        return found, statement

    def get_reset_query(self) -> str:
        """asyncpg asks for this whenever the connection is released."""
        query: str = super().get_reset_query() if self._suspect else ""
        return query

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's signature
        """Roll back what is open, and after an error reset the session."""
        await super().reset(timeout=timeout)
        self._suspect = False


async def _pool(url: str, size: int, *, read_only: bool = False) -> asyncpg.Pool:
    with available():
        pool = await asyncpg.create_pool(
            url,
            min_size=0,  # more would be restored behind our back after an outage, with a traceback at every try
            max_size=size,
            init=_prepare,
            connection_class=PooledConnection,
            timeout=CONNECT_SECONDS,
            command_timeout=60,
            max_inactive_connection_lifetime=0,
            server_settings={"default_transaction_read_only": "on"} if read_only else None,
        )
        try:
            await pool.release(await pool.acquire())
        except BaseException:
            pool.terminate()
            raise
    return pool


class _Connections:
    """The connections of a pool. Those that were used last are kept at hand, out of asyncpg's own queue: to take one
    from there and to give it back is a third of the time of a short statement (docs/measurements.md).
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._at_hand: list[asyncpg.pool.PoolConnectionProxy] = []
        self._closed = False
        self.waiting = 0
        """Tasks that wait for a connection."""

    @property
    def usage(self) -> PoolUsage:
        size, idle = self._pool.get_size(), self._pool.get_idle_size() + len(self._at_hand)
        return PoolUsage(size - idle, idle, self.waiting)

    async def take(self) -> asyncpg.Connection:
        while self._at_hand:
            connection = self._at_hand.pop()
            if not _is_lost(connection):
                return connection
            await self._pool.release(connection)
        self.waiting += 1
        try:
            return await self._pool.acquire(timeout=10)
        finally:
            self.waiting -= 1

    async def give_back(self, connection: asyncpg.Connection, *, ended_well: bool) -> None:
        if (
            ended_well
            and not self.waiting
            and not self._closed
            and not _is_lost(connection)
            and not connection.is_in_transaction()
        ):
            self._at_hand.append(connection)
        else:
            await self._pool.release(connection)

    async def close(self) -> None:
        """Close all; whatever hangs is cut after five seconds."""
        self._closed = True
        try:
            async with asyncio.timeout(5):
                while self._at_hand:
                    await self._pool.release(self._at_hand.pop())
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


def _is_lost(connection: asyncpg.pool.PoolConnectionProxy) -> bool:
    try:
        closed: bool = connection.is_closed()
    except asyncpg.InterfaceError:  # asyncpg has taken it back when it was lost
        return True
    return closed


class _Use:
    """A connection while it is used: `async with`."""

    __slots__ = ("_connection", "_connections", "_suspect")

    def __init__(self, connections: _Connections) -> None:
        self._connections = connections
        self._connection: asyncpg.Connection
        self._suspect: Callable[[], None]

    async def __aenter__(self) -> asyncpg.Connection:
        try:
            connection = self._connection = await self._connections.take()
        except Exception as error:
            lost = _unavailable(error)
            if lost is None:
                raise
            raise lost from error
        self._suspect = connection.suspect  # of the connection behind the proxy, which forgets it when it is lost
        return connection

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            with available():
                await self._connections.give_back(self._connection, ended_well=True)
            return
        self._suspect()
        try:
            await self._connections.give_back(self._connection, ended_well=False)
        except Exception as other:
            lost = _unavailable(other)
            if lost is None:
                raise
            raise lost from error
        lost = _unavailable(error)
        if lost is not None:
            raise lost from error


class Database:
    """A pool of connections to one PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool, url: str, size: int) -> None:
        self._connections = _Connections(pool)
        self._size = size
        self.url = url

    @property
    def usage(self) -> PoolUsage:
        """How the pool is used now."""
        return self._connections.usage

    @classmethod
    async def connect(cls, url: str, *, size: int = 6, read_only: bool = False) -> Database:
        """Open a pool of up to `size` connections to `url`. Raises StoreUnavailable.

        On `read_only` ones whatever would change something raises ReadOnly, until `make_writable`.
        """
        return cls(await _pool(url, size, read_only=read_only), url, size)

    async def make_writable(self) -> None:
        """Change over to connections that may write; what is under way has five seconds to end.

        Raises StoreUnavailable.
        """
        old, self._connections = self._connections, _Connections(await _pool(self.url, self._size))
        await old.close()

    async def close(self) -> None:
        """Close all connections; whatever hangs is cut after five seconds."""
        await self._connections.close()

    def connection(self) -> _Use:
        """A connection of the pool, for `async with`. Raises StoreUnavailable, also when it is lost while in use."""
        return _Use(self._connections)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection inside a transaction: committed at the end, rolled back on an exception."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, query: str, *args: Any) -> Sequence[asyncpg.Record]:
        """All rows of one statement."""
        async with self.connection() as connection:
            rows: Sequence[asyncpg.Record] = await connection.fetch(query, *args)
            return rows

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None:
        """The first row of one statement, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchmany(self, query: str, args: Sequence[Sequence[Any]]) -> Sequence[asyncpg.Record]:
        """The rows of one statement for each set of arguments, all sent at once, in the order of the sets."""
        async with self.connection() as connection:
            rows: Sequence[asyncpg.Record] = await connection.fetchmany(query, args)
            return rows

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> int:
        """Run one statement; returns the number of rows it touched."""
        async with self.connection() as connection:
            tag: str = await connection.execute(query, *args)
        count = tag.rsplit(" ", 1)[-1]
        return int(count) if count.isdigit() else 0
