"""Who is let in, as the settings want it: access tokens, and the authorization server that issues them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.accounts.fetching import KeySets
from simwarden.accounts.operator_tokens import OperatorTokens
from simwarden.accounts.outside import Issuer, OutsideTokens
from simwarden.accounts.request_signing import RequestSignatures
from simwarden.accounts.server import AuthorizationServer
from simwarden.accounts.tokens import Tokens
from simwarden.edge import tls
from simwarden.edge.throttle import Allowance, Guard
from simwarden.sandbox.ports import VirtualSims
from simwarden.store.clients import Clients, UsedOnce

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.accounts.keys import SigningKeys
    from simwarden.settings import Settings
    from simwarden.store.accounts import Accounts
    from simwarden.store.database import Database
    from simwarden.store.sims import Sims
    from simwarden.store.vault import Vault

_MOST_KEYS = 50
"""Of an issuer that the operator trusts."""


def tokens_of(settings: Settings, db: Database, accounts: Accounts, keys: SigningKeys) -> Tokens:
    """Our own tokens, and those of the outside issuer, where one is set."""
    outside = None
    if settings.outside_issuer is not None and settings.outside_jwks_url is not None:
        issuer = Issuer(
            issuer=settings.outside_issuer,
            jwks_url=settings.outside_jwks_url,
            audience=settings.outside_audience or settings.base_url,
            client_claim=settings.outside_client_claim,
        )
        clients = Clients(db, keys.vault)
        outside = OutsideTokens(issuer, clients, _trusted(settings), skew=settings.clock_skew_seconds)
    return Tokens(accounts, keys, issuer=settings.base_url, lifetime=settings.token_seconds, outside=outside)


def authorization_server(
    settings: Settings,
    db: Database,
    tokens: Tokens,
    *,
    accounts: Accounts,
    keys: SigningKeys,
    sims: Sims,
    guard: Guard,
    refused: Callable[[str], None],
) -> AuthorizationServer:
    """The authorization server."""
    operators = None
    if settings.operator_token_issuer is not None and settings.operator_token_jwks_url is not None:
        operators = OperatorTokens(
            settings.operator_token_issuer,
            settings.operator_token_jwks_url,
            settings.base_url,
            _trusted(settings),
            skew=settings.clock_skew_seconds,
        )
    return AuthorizationServer.over(
        db,
        accounts,
        tokens,
        keys,
        find=sims.find,
        find_virtual=VirtualSims().find,
        guard=guard,
        refused=refused,
        key_sets=KeySets(allow_private=settings.allow_private_sinks, tls=tls.client_context(settings)),
        operator_tokens=operators,
        askers=Allowance(settings.authorizations_per_address),
        skew=settings.clock_skew_seconds,
    )


def signatures_of(settings: Settings, db: Database, vault: Vault, tokens: Tokens) -> RequestSignatures:
    """Checks requests that are signed."""
    guard = Guard(settings.failed_logins_per_client, settings.failed_logins_per_address)
    return RequestSignatures(Clients(db, vault), UsedOnce(db), tokens, guard)


def _trusted(settings: Settings) -> KeySets:
    """Key sets that the operator has named: they may be within this network."""
    return KeySets(allow_private=True, tls=tls.client_context(settings), most=_MOST_KEYS)
