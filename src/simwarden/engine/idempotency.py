"""Calls that may be repeated: under one Idempotency-Key the work is done once, and the answer kept for a day.

The key is claimed, the work done and the answer kept in one transaction, so a crash never leaves one without the
others. Of two calls at once the second waits for the first and gets its answer.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from simwarden.domain.errors import KeyReused, StoreUnavailable
from simwarden.kit.clock import now_utc
from simwarden.store import idempotency as store
from simwarden.store.coalesce import Coalescer
from simwarden.store.idempotency import CallKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

__all__ = ["KEPT", "CallKey", "IdempotencyStore", "IdempotentRequest", "ReplayedResponse", "StoredResponse"]

_log = structlog.get_logger()
KEPT = timedelta(hours=24)
"""So long an answer is given again."""
PRUNE_EVERY = timedelta(minutes=1)
_PRUNED_AT_ONCE = 5_000


class StoredResponse(msgspec.Struct, frozen=True):
    """An answer as it is kept."""

    status: int
    body: bytes
    secret: tuple[tuple[str, str], ...] = ()
    """Headers that hold a secret; encrypted at rest, and the body with them: it says where the secret is used."""


class _Sealed(msgspec.Struct, frozen=True):
    body: bytes
    headers: tuple[tuple[str, str], ...]


_headers = msgspec.json.Decoder(tuple[tuple[str, str], ...])
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Sealed)


class IdempotentRequest(msgspec.Struct, frozen=True):
    """A call that is to be carried out once."""

    name: CallKey
    digest: bytes
    """Of everything that is asked: the same key with another digest is another request."""
    keep: Callable[[Any], StoredResponse]
    """The answer to what the work came to, or to the SimwardenError that refused it."""


class ReplayedResponse(Exception):
    """The call was carried out before: this is what was answered."""

    def __init__(self, kept: StoredResponse) -> None:
        super().__init__()
        self.kept = kept


class IdempotencyStore:
    """The kept answers."""

    def __init__(self, db: Database, vault: Vault | None = None, *, clock: Callable[[], datetime] = now_utc) -> None:
        """`vault` is needed for answers with secret headers only."""
        self._db = db
        self._vault = vault
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._lookups: Coalescer[CallKey, store.Row] = Coalescer(self._find)

    async def find(self, name: CallKey, digest: bytes) -> StoredResponse | None:
        """What was answered to this call before. Raises KeyReused when the key names another request."""
        row = await self._lookups.get(name)
        return None if row is None else self._same(name, row, digest)

    async def claim(
        self, connection: asyncpg.Connection, calls: Sequence[IdempotentRequest]
    ) -> Mapping[CallKey, StoredResponse | KeyReused]:
        """Take the keys of these calls, each key once; returns those that need no work, with their answers."""
        now = self._clock()
        taken = await store.claim(connection, {call.name: call.digest for call in calls}, now, now - KEPT)
        found: dict[CallKey, StoredResponse | KeyReused] = {}
        for call in calls:
            if call.name in taken:
                try:
                    found[call.name] = self._same(call.name, taken[call.name], call.digest)
                except KeyReused as error:
                    found[call.name] = error
        return found

    async def claim_one(self, connection: asyncpg.Connection, call: IdempotentRequest) -> None:
        """Take the key of one call. Raises ReplayedResponse when it was carried out before, KeyReused."""
        before = (await self.claim(connection, [call])).get(call.name)
        if isinstance(before, StoredResponse):
            raise ReplayedResponse(before)
        if before is not None:
            raise before

    async def keep(self, connection: asyncpg.Connection, outcomes: Sequence[tuple[IdempotentRequest, Any]]) -> None:
        """Keep the answers to what claimed calls came to, in the transaction that claimed them."""
        if outcomes:
            rows = {call.name: self._row(call, call.keep(outcome)) for call, outcome in outcomes}
            await store.answer(connection, rows)

    def start(self) -> None:
        """Begin to forget answers that are too old."""
        self._task = asyncio.create_task(self._forget(), name="idempotency")

    async def stop(self) -> None:
        """Stop forgetting."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _forget(self) -> None:
        while True:
            more = False
            try:
                more = await store.prune(self._db, self._clock() - KEPT, _PRUNED_AT_ONCE) == _PRUNED_AT_ONCE
            except StoreUnavailable as error:
                _log.warning("old answers are forgotten later", reason=error.message)
            await asyncio.sleep(1 if more else PRUNE_EVERY.total_seconds())

    async def _find(self, names: Sequence[CallKey]) -> Mapping[CallKey, store.Row]:
        return await store.find(self._db, names, self._clock() - KEPT)

    def _same(self, name: CallKey, row: store.Row, digest: bytes) -> StoredResponse:
        if row.digest != digest:
            raise KeyReused
        if row.secret is None:
            return StoredResponse(row.status, row.body)
        opened = self._sealer().open(row.secret, _purpose(name))
        if row.body:  # kept by a version that sealed the headers only
            return StoredResponse(row.status, row.body, _headers.decode(opened))
        sealed = _decoder.decode(opened)
        return StoredResponse(row.status, sealed.body, sealed.headers)

    def _row(self, call: IdempotentRequest, kept: StoredResponse) -> store.Row:
        if not kept.secret:
            return store.Row(call.digest, kept.status, kept.body, None)
        plain = _encoder.encode(_Sealed(kept.body, kept.secret))
        return store.Row(call.digest, kept.status, b"", self._sealer().seal(plain, _purpose(call.name)))

    def _sealer(self) -> Vault:
        assert self._vault is not None, "answers with secrets need a vault"
        return self._vault


def _purpose(name: CallKey) -> str:
    return f"idempotency:{name.app_key}:{name.key}"
