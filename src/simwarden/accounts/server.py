"""What the authorization server is made of: its parts, given once, and handed to each of its endpoints."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.accounts.fetching import KeySets
from simwarden.edge.throttle import Allowance
from simwarden.store.authorizations import Authorizations
from simwarden.store.clients import Clients, UsedOnce
from simwarden.store.consents import Consents

if TYPE_CHECKING:
    from simwarden.accounts.keys import SigningKeys
    from simwarden.accounts.operator_tokens import OperatorTokens
    from simwarden.accounts.tokens import Tokens
    from simwarden.domain.sim import Sim, SimRef
    from simwarden.edge.throttle import Guard
    from simwarden.store.accounts import Accounts
    from simwarden.store.database import Database

    Find = Callable[[str, SimRef], Awaitable[Sim | None]]

TOKEN_PATH = "/oauth2/token"  # noqa: S105
BACKCHANNEL_PATH = "/oauth2/bc-authorize"
INTROSPECTION_PATH = "/oauth2/introspect"
REVOCATION_PATH = "/oauth2/revoke"
AUTHORIZATION_PATH = "/oauth2/authorize"
CONSENT_PATH = "/oauth2/consent"
METADATA_PATH = "/.well-known/openid-configuration"
OAUTH_METADATA_PATH = "/.well-known/oauth-authorization-server"
JWKS_PATH = "/.well-known/jwks.json"
CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CIBA = "urn:openid:params:grant-type:ciba"
AUTHORIZATION_CODE = "authorization_code"
AGREED_GRANTS = {"authorization_code": AUTHORIZATION_CODE, "ciba": CIBA, "jwt_bearer": JWT_BEARER}
"""Ways to a token that are agreed with an application one by one: what a profile calls them, and grant_type."""
ASKED_PER_MINUTE = 600
"""Authorization requests of one address, at once and then in a minute."""
SKEW = 5
"""Seconds by which clocks of others may be ahead or behind."""


def _refused(_reason: str) -> None:
    """Count nothing."""


class AuthorizationServer(msgspec.Struct, frozen=True, kw_only=True):
    """The parts. Addresses of its endpoints begin with `tokens.issuer`."""

    db: Database
    accounts: Accounts
    clients: Clients
    consents: Consents
    authorizations: Authorizations
    once: UsedOnce
    tokens: Tokens
    keys: SigningKeys
    key_sets: KeySets
    """Of clients that publish their keys."""
    find: Find
    """Finds an account's SIM;"""
    find_virtual: Find | None = None
    """in the sandbox."""
    guard: Guard | None = None
    """Bounds wrong credentials; without one there is no bound."""
    refused: Callable[[str], None] = _refused
    """Is given the name of a limit that refused a request."""
    operator_tokens: OperatorTokens | None = None
    """Opens `operatortoken:`; without it there are none."""
    skew: int = SKEW
    askers: Allowance = msgspec.field(default_factory=lambda: Allowance(ASKED_PER_MINUTE))
    """Bounds requests of browsers, by address."""
    now: Callable[[], float] = time.time

    @classmethod
    def over(
        cls,
        db: Database,
        accounts: Accounts,
        tokens: Tokens,
        keys: SigningKeys,
        *,
        find: Find,
        find_virtual: Find | None = None,
        guard: Guard | None = None,
        refused: Callable[[str], None] = _refused,
        key_sets: KeySets | None = None,
        operator_tokens: OperatorTokens | None = None,
        askers: Allowance | None = None,
        skew: int = SKEW,
        now: Callable[[], float] = time.time,
    ) -> AuthorizationServer:
        """The parts over a database."""
        return cls(
            db=db,
            accounts=accounts,
            clients=Clients(db, keys.vault),
            consents=Consents(db),
            authorizations=Authorizations(db),
            once=UsedOnce(db),
            tokens=tokens,
            keys=keys,
            key_sets=key_sets or KeySets(allow_private=False),
            find=find,
            find_virtual=find_virtual,
            guard=guard,
            refused=refused,
            operator_tokens=operator_tokens,
            askers=askers or Allowance(ASKED_PER_MINUTE),
            skew=skew,
            now=now,
        )

    @property
    def issuer(self) -> str:
        """How this server names itself."""
        return self.tokens.issuer

    def address(self, path: str) -> str:
        """The URL of an endpoint."""
        return self.tokens.issuer + path

    def time(self) -> datetime:
        """Now."""
        return datetime.fromtimestamp(self.now(), UTC)

    def token_end(self, now: datetime) -> datetime:
        """When every access token has expired that is valid now."""
        return now + timedelta(seconds=self.tokens.lifetime)
