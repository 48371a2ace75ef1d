"""Operators as people: who they are, their sessions, and their attempts to log in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.errors import AlreadyExists, ResourceNotFound
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("people")


class UserNotFound(ResourceNotFound):
    """There is no such person."""


class SessionNotFound(ResourceNotFound):
    """There is no such session."""


class User(msgspec.Struct, frozen=True):
    """A person who operates this server."""

    id: str
    email: str
    name: str
    role: str
    manages: str | None
    issuer: str | None
    subject: str | None
    password: str | None
    """Argon2id, in PHC form."""
    totp: bytes | None
    """Sealed secret of the second factor."""
    totp_pending: bytes | None
    totp_step: int
    created_at: datetime
    logged_in_at: datetime | None
    disabled_at: datetime | None


class OperatorSession(msgspec.Struct, frozen=True):
    """A person who is logged in somewhere."""

    id: str
    user_id: str
    created_at: datetime
    used_at: datetime
    """To the minute."""
    ends_at: datetime
    address: str
    method: str
    """password, openid or setup."""


class People:
    """In PostgreSQL. Every method may raise StoreUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self,
        user_id: str,
        email: str,
        name: str,
        role: str,
        now: datetime,
        *,
        manages: str | None = None,
        issuer: str | None = None,
        subject: str | None = None,
    ) -> User:
        """Store a new person. Raises AlreadyExists."""
        row = await self._db.fetchrow(Q["add"], user_id, email, name, role, manages, issuer, subject, now)
        if row is None:
            raise AlreadyExists(f"There is a person with the e-mail address {email} already")
        return _user(row)

    async def add_first(
        self, user_id: str, email: str, name: str, role: str, password: str, now: datetime
    ) -> User | None:
        """Store a person with a password (as it is stored) where there is nobody yet; None: there is somebody."""
        async with self._db.transaction() as connection:
            await connection.execute(Q["lock_first"])
            row = await connection.fetchrow(Q["add_first"], user_id, email, name, role, password, now)
        return None if row is None else _user(row)

    async def any(self) -> bool:
        """Whether there is a person at all."""
        return bool(await self._db.fetchval(Q["any"]))

    async def get(self, user_id: str) -> User:
        """One person. Raises UserNotFound."""
        row = await self._db.fetchrow(Q["by_id"], user_id)
        if row is None:
            raise UserNotFound
        return _user(row)

    async def by_email(self, email: str) -> User | None:
        """Who logs in here with this address."""
        row = await self._db.fetchrow(Q["by_email"], email)
        return None if row is None else _user(row)

    async def by_subject(self, issuer: str, subject: str) -> User | None:
        """Who is this at an OpenID provider."""
        row = await self._db.fetchrow(Q["by_subject"], issuer, subject)
        return None if row is None else _user(row)

    async def page(self, after: tuple[str, str], limit: int) -> list[User]:
        """People by e-mail address and id, from behind the one at `after`."""
        return [_user(row) for row in await self._db.fetch(Q["page"], *after, limit)]

    async def change(
        self, user_id: str, name: str, role: str, manages: str | None, disabled_at: datetime | None, *, end: bool
    ) -> User:
        """Replace what is known of a person; with `end` his sessions end. Raises UserNotFound."""
        async with self._db.transaction() as connection:
            row = await connection.fetchrow(Q["change"], user_id, name, role, manages, disabled_at)
            if row is None:
                raise UserNotFound
            if end:
                await connection.execute(Q["end_sessions"], user_id, None)
        return _user(row)

    async def change_role(self, user_id: str, role: str) -> bool:
        """Another role, unless he is locked; his sessions end. Returns whether he is not."""
        async with self._db.transaction() as connection:
            if await connection.fetchval(Q["change_role"], user_id, role) is None:
                return False
            await connection.execute(Q["end_sessions"], user_id, None)
        return True

    async def rename(self, user_id: str, email: str, name: str) -> None:
        """What an OpenID provider calls somebody now."""
        await self._db.execute(Q["renamed"], user_id, email, name)

    async def set_password(self, user_id: str, password: str, *, keep: str | None) -> None:
        """Replace a password (as it is stored); all sessions but `keep` end, and so does what could set another."""
        async with self._db.transaction() as connection:
            await connection.execute(Q["set_password"], user_id, password)
            await connection.execute(Q["drop_setup"], user_id)
            await connection.execute(Q["end_sessions"], user_id, keep)

    async def offer_totp(self, user_id: str, sealed: bytes) -> None:
        """Remember a second factor's secret until a code proves it."""
        await self._db.execute(Q["offer_totp"], user_id, sealed)

    async def confirm_totp(self, user_id: str, step: int, sealed: bytes, recovery: Sequence[bytes]) -> bool:
        """Make the offered secret the second factor, with recovery codes' hashes; False: another was offered since."""
        async with self._db.transaction() as connection:
            if await connection.fetchval(Q["confirm_totp"], user_id, step, sealed) is None:
                return False
            await connection.execute(Q["drop_recovery"], user_id)
            await connection.execute(Q["add_recovery"], user_id, list(recovery))
        return True

    async def use_totp(self, user_id: str, step: int) -> bool:
        """Whether the code of this step is good still; it is no more."""
        return await self._db.fetchval(Q["use_totp"], user_id, step) is not None

    async def use_recovery(self, user_id: str, hashed: bytes) -> bool:
        """Whether this is one of his recovery codes; it is no more."""
        return await self._db.fetchval(Q["use_recovery"], user_id, hashed) is not None

    async def recovery_left(self, user_id: str) -> int:
        """Recovery codes that were not used."""
        return int(await self._db.fetchval(Q["recovery_left"], user_id))

    async def put_setup(
        self, user_id: str, hashed: bytes, ends_at: datetime, *, drop_factor: bool, end_sessions: bool
    ) -> None:
        """Replace the code with which a person sets a password."""
        async with self._db.transaction() as connection:
            await connection.execute(Q["put_setup"], hashed, user_id, ends_at)
            if drop_factor:
                await connection.execute(Q["drop_totp"], user_id)
                await connection.execute(Q["drop_recovery"], user_id)
            if end_sessions:
                await connection.execute(Q["end_sessions"], user_id, None)

    async def setup(self, hashed: bytes, now: datetime) -> User | None:
        """Whose code this is."""
        row = await self._db.fetchrow(Q["setup"], hashed, now)
        return None if row is None else _user(row)

    async def use_setup(self, hashed: bytes, now: datetime) -> bool:
        """Whether the code is good still; it is no more."""
        return await self._db.fetchval(Q["use_setup"], hashed, now) is not None

    async def open_session(self, session: OperatorSession, hashed: bytes, client: str) -> bool:
        """Store a new session, unless its owner is locked; returns whether he is not.

        `client`: the address that he is known by from now on.
        """
        opened = await self._db.fetchval(
            *(Q["open_session"], session.id, hashed, session.user_id, session.created_at),
            *(session.ends_at, session.address, session.method),
        )
        if opened is None:
            return False
        await self._db.execute(Q["logged_in"], session.user_id, session.created_at)
        await self._db.execute(Q["know_address"], session.user_id, client, session.created_at)
        return True

    async def session(self, hashed: bytes, now: datetime, used_after: datetime) -> tuple[User, OperatorSession] | None:
        """A session that has not ended, and whose it is."""
        row = await self._db.fetchrow(Q["session"], hashed, now, used_after)
        if row is None:
            return None
        found = OperatorSession(
            *(row["session_id"], row["id"], row["begun_at"], row["used_at"], row["ends_at"]),
            *(row["address"], row["method"]),
        )
        return _user(row), found

    async def touch(self, session_id: str, now: datetime) -> None:
        """The session is used."""
        await self._db.execute(Q["touch"], session_id, now)

    async def sessions(self, user_id: str, now: datetime, used_after: datetime) -> list[OperatorSession]:
        """Sessions of a person that have not ended, the newest first."""
        return [
            msgspec.convert(dict(row), OperatorSession)
            for row in await self._db.fetch(Q["sessions"], user_id, now, used_after)
        ]

    async def end_session(self, session_id: str, user_id: str | None) -> None:
        """End a session, of this person (None: anybody's). Raises SessionNotFound."""
        if await self._db.fetchval(Q["end_session"], session_id, user_id) is None:
            raise SessionNotFound

    async def end_sessions(self, user_id: str) -> None:
        """End all sessions of a person."""
        await self._db.execute(Q["end_sessions"], user_id, None)

    async def knows(self, user_id: str, address: str) -> bool:
        """Whether he was logged in from this address lately."""
        return bool(await self._db.fetchval(Q["known_address"], user_id, address))

    async def attempt(self, keys: Sequence[bytes], now: datetime, since: datetime) -> dict[bytes, tuple[int, datetime]]:
        """Count an attempt for each key; how many that are since when, forgetting those that began before `since`."""
        rows = await self._db.fetch(Q["attempt"], list(keys), now, since)
        return {row["key"]: (row["attempts"], row["since"]) for row in rows}

    async def forgive(self, keys: Sequence[bytes], refunded: Sequence[bytes] = ()) -> None:
        """Forget the attempts of some keys, and one attempt of others."""
        await self._db.execute(Q["forgive"], list(keys))
        if refunded:
            await self._db.execute(Q["refund"], list(refunded))

    async def prune(
        self, now: datetime, used_before: datetime, attempts_before: datetime, known_before: datetime
    ) -> None:
        """Delete sessions that ended, old attempts, and addresses that were not used for long."""
        await self._db.execute(Q["prune_sessions"], now, used_before)
        await self._db.execute(Q["prune_throttle"], attempts_before)
        await self._db.execute(Q["prune_addresses"], known_before)


def _user(row: asyncpg.Record | Any) -> User:
    return User(**{name: row[name] for name in User.__struct_fields__})
