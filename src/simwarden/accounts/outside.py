"""Access tokens of an outside issuer: the operator's own authorization server, whose keys are at a URL (RFC 9068).

They open the customer APIs for the application that the operator named after the client they were issued to, with the
scopes that both they and the application have. They are about no SIM: whom an outside issuer names is not known here.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.accounts import assertions
from simwarden.accounts.assertions import AssertionRefused
from simwarden.accounts.fetching import KeysUnavailable
from simwarden.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.accounts.fetching import KeySets
    from simwarden.store.clients import Clients

MAX_LENGTH = 16_384
"""Characters of a token."""
LONGEST = 86_400
"""Seconds for which a token may be good from now on."""
NAME = "outside"
"""Under which all outside tokens of an application are revoked, when it is no longer called what it was."""
_MAX_NAME = 256
_TYPES = frozenset({None, "JWT", "at+jwt", "application/at+jwt"})
_OF_ID_TOKENS = frozenset({"nonce", "at_hash", "c_hash"})


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say of it."""

    issuer: str
    jwks_url: str
    audience: str
    client_claim: str = "client_id"
    """The claim that says to which client a token was issued."""


class OutsideTokens:
    """Checks them. What it returns is remembered by who asks (`tokens`)."""

    def __init__(
        self,
        issuer: Issuer,
        clients: Clients,
        key_sets: KeySets,
        *,
        skew: int = 5,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._clients = clients
        self._key_sets = key_sets
        self._skew = skew
        self._now = now

    async def claims(self, token: str) -> dict[str, Any] | None:
        """The claims that a token of our own would have; None when it is not good. Raises StoreUnavailable."""
        try:
            statement = assertions.read(token, longest=MAX_LENGTH)
            said = statement.claims
            if said.get("iss") != self._issuer.issuer or statement.header.typ not in _TYPES:
                return None
            keys = await self._key_sets.keys(self._issuer.jwks_url, statement.header.kid)
            assertions.check_signature(statement, keys)
            expires_at = assertions.check_running(said, self._now(), skew=self._skew)
        except AssertionRefused:
            return None
        except KeysUnavailable as error:
            raise StoreUnavailable("The keys of the issuer of this token cannot be had") from error
        audience, issued_at, scope = said.get("aud"), said.get("iat"), said.get("scope")
        named = audience if isinstance(audience, list) else [audience]
        if self._issuer.audience not in named or not _OF_ID_TOKENS.isdisjoint(said) or not isinstance(scope, str):
            return None
        if isinstance(issued_at, bool) or not isinstance(issued_at, int | float) or expires_at > self._now() + LONGEST:
            return None
        client = said.get(self._issuer.client_claim)
        if not isinstance(client, str) or not 0 < len(client) <= _MAX_NAME or "\x00" in client:
            return None
        app_key = await self._clients.by_outside_id(client)
        if app_key is None:
            return None
        return {
            "client_id": app_key,
            "sub": app_key,
            "scope": scope,
            "iat": int(issued_at),
            "exp": int(expires_at),
            "jti": f"{NAME}:{hashlib.sha256(token.encode()).hexdigest()}",
        }
