"""Requests over the back channel that wait for consent, and authorization codes that wait to be used."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.store.database import Database

Q = load("authorizations")
KEPT = timedelta(hours=1)
"""How long what has expired can still be told from what never was."""


class BackchannelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An application asks for a token about a SIM (OpenID Connect CIBA)."""

    app_key: str
    msisdn: str
    scopes: tuple[str, ...]
    purpose: str
    created_at: datetime
    expires_at: datetime
    pause: int
    """Seconds between two polls."""
    polled_at: datetime | None = None
    used_at: datetime | None = None


class AuthorizationCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a code stands for (RFC 6749 clause 4.1.2, RFC 7636 clause 4.4)."""

    app_key: str
    msisdn: str
    scopes: tuple[str, ...]
    purpose: str
    redirect_uri: str
    challenge: str
    nonce: str | None
    created_at: datetime
    expires_at: datetime


class Authorizations:
    """Every method may raise StoreUnavailable. Ids and codes are stored as digests only."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add_request(self, id: str, new: BackchannelRequest) -> None:  # noqa: A002 - CIBA's word
        """Store a request under its auth_req_id."""
        args = (_digest(id), new.app_key, new.msisdn, list(new.scopes), new.purpose)
        await self._db.execute(Q["add_request"], *args, new.created_at, new.expires_at, new.pause)

    async def count_open(self, app_key: str, now: datetime, most: int) -> int:
        """How many requests of an application wait, `most` at most."""
        found: int = await self._db.fetchval(Q["count_open"], app_key, now, most)
        return found

    async def count_requests(self, app_key: str, most: int) -> int:
        """How many requests of an application are kept, `most` at most."""
        found: int = await self._db.fetchval(Q["count_requests"], app_key, most)
        return found

    async def count_codes(self, app_key: str, most: int) -> int:
        """How many codes of an application are kept, `most` at most."""
        found: int = await self._db.fetchval(Q["count_codes"], app_key, most)
        return found

    async def waiting(self, app_key: str, now: datetime, limit: int) -> Sequence[BackchannelRequest]:
        """Requests of an application that wait, the oldest first."""
        rows = await self._db.fetch(Q["open_requests"], app_key, now, limit)
        return [_request({**dict(row), "pause": 0}) for row in rows]

    async def poll(self, id: str, now: datetime, app_key: str) -> BackchannelRequest | None:  # noqa: A002
        """The application's request with this id, as it stood before this poll, which is written down."""
        async with self._db.transaction() as connection:
            row = await connection.fetchrow(Q["lock_request"], _digest(id))
            if row is None or row["app_key"] != app_key:
                return None
            found = _request(dict(row))
            early = found.polled_at is not None and now < found.polled_at + timedelta(seconds=found.pause)
            await connection.execute(Q["polled"], _digest(id), now, found.pause + (5 if early else 0))
        return found

    async def use_request(self, id: str, now: datetime) -> bool:  # noqa: A002
        """Use a request up; returns whether it was not used before."""
        return await self._db.fetchval(Q["use_request"], _digest(id), now) is not None

    async def add_code(self, code: str, new: AuthorizationCode) -> None:
        """Store what a code stands for."""
        args = (_digest(code), new.app_key, new.msisdn, list(new.scopes), new.purpose, new.redirect_uri)
        await self._db.execute(Q["add_code"], *args, new.challenge, new.nonce, new.created_at, new.expires_at)

    async def use_code(self, code: str, now: datetime, token_id: str) -> AuthorizationCode | None:
        """Use a code up for the token with this jti; None when there is no such code, or it was used before."""
        row = await self._db.fetchrow(Q["use_code"], _digest(code), now, token_id)
        return None if row is None else msgspec.convert(dict(row), AuthorizationCode)

    async def used_for(self, code: str) -> tuple[str, str] | None:
        """APPKEY, and the jti of the token that a code was used for; None: of none, or it was ended."""
        row = await self._db.fetchrow(Q["code_used"], _digest(code))
        return None if row is None or row["token_id"] is None else (row["app_key"], row["token_id"])

    async def token_ended(self, code: str) -> None:
        """The token that a code was used for is ended: that need not be done again."""
        await self._db.execute(Q["token_ended"], _digest(code))

    async def forget(self, now: datetime) -> None:
        """Delete what expired an hour ago."""
        await self._db.execute(Q["forget_requests"], now - KEPT)
        await self._db.execute(Q["forget_codes"], now - KEPT)


def _request(row: dict[str, object]) -> BackchannelRequest:
    return msgspec.convert(row, BackchannelRequest)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
