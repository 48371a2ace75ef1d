"""Who calls the management API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simwarden.accounts.logins import TOKEN_PREFIX
from simwarden.accounts.roles import Role
from simwarden.management.roles import ANYBODY, READ, WRITE, permits
from simwarden.northbound.kernel.errors import PermissionDenied
from simwarden.store import operators
from simwarden.store.accounts import OPERATOR
from simwarden.store.coalesce import Coalescer

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.accounts.logins import Logins
    from simwarden.domain.sim import OneSim
    from simwarden.northbound.kernel.ports import TokenCheck, TokenHolder
    from simwarden.store.database import Database
    from simwarden.store.operators import Grant
    from simwarden.store.people import OperatorSession, User

ANONYMOUS, FOREIGN = "anonymous", "another-site"
"""In place of tokens: of who brings none where none is needed, and of who is sent by another site (`arrival`)."""
GRANT_FOR = 5.0
"""Seconds after which a key's role is read again, should a notification have been lost."""


class OperatorCaller:
    """A caller of the management API. `scopes` are permits (`roles.permits`)."""

    granted: frozenset[str] = frozenset()
    device: str | None = None
    sandbox = False
    daily_quota: int | None = None
    only: OneSim | None = None

    def __init__(
        self,
        app_key: str,
        account_id: str,
        scopes: frozenset[str],
        *,
        name: str = "",
        role: Role | None = None,
        manages: str | None = None,
        session: str | None = None,
        person: tuple[User, OperatorSession, str] | None = None,
    ) -> None:
        """`app_key`: APPKEY of a key, or id of a person. `manages`: id of a reseller's account; None: all accounts.

        `person`: who is logged in, his session and its token; None: a key.
        """
        self.app_key = app_key
        self.account_id = account_id
        self.scopes = scopes
        self.name = name
        self.role = role
        self.manages = manages
        self.session = session
        self.person = person


class Grants:
    """What operators' keys may do, remembered for a few seconds."""

    def __init__(self, db: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, Grant]] = {}
        self._lookup: Coalescer[str, Grant] = Coalescer(lambda keys: operators.grants(db, keys))

    async def of(self, app_key: str) -> Grant | None:
        """Of this key; None: it is no operator's. Raises StoreUnavailable."""
        at, known = self._known.get(app_key, (0.0, None))
        if known is not None and self._clock() - at < GRANT_FOR:
            return known
        at = self._clock()
        found = await self._lookup.get(app_key)
        if found is not None:
            self._known[app_key] = (at, found)
        return found

    def invalidate(self, app_key: str) -> None:
        """Forget what is known of a key ("": of all)."""
        if app_key:
            self._known.pop(app_key, None)
        else:
            self._known.clear()


class OperatorCallers:
    """Knows the operators' keys and sessions. Whose token is another's may call what is open to anybody."""

    def __init__(self, tokens: TokenCheck, grants: Grants, logins: Logins) -> None:
        self._tokens = tokens
        self._grants = grants
        self._logins = logins

    async def check(self, token: str) -> TokenHolder | None:
        """Who calls; None when the token is not valid (any more). Raises StoreUnavailable, PermissionDenied."""
        if token == ANONYMOUS:
            return OperatorCaller("", "", ANYBODY)
        if token == FOREIGN:
            raise PermissionDenied("Another site caused this request, or x-csrf-token is not that of the session")
        if token.startswith(TOKEN_PREFIX):
            return await self._person(token)
        caller = await self._tokens.check(token)
        if caller is None:
            return None
        grant = await self._grants.of(caller.app_key) if caller.account_id == OPERATOR else None
        if grant is None:
            return OperatorCaller(caller.app_key, caller.account_id, ANYBODY)
        role = Role(grant.role)
        return OperatorCaller(
            caller.app_key,
            OPERATOR,
            permits(role, caller.scopes, reseller=grant.manages is not None),
            name=grant.name,
            role=role,
            manages=grant.manages,
        )

    async def _person(self, token: str) -> TokenHolder | None:
        found = await self._logins.holder(token)
        if found is None:
            return None
        user, session = found
        role = Role(user.role)
        complete = not self._logins.second_factor or user.totp is not None or user.issuer is not None
        return OperatorCaller(
            user.id,
            OPERATOR,
            permits(role, (READ, WRITE), reseller=user.manages is not None) if complete else ANYBODY,
            name=user.email,
            role=role,
            manages=user.manages,
            session=session.id,
            person=(user, session, token),
        )
