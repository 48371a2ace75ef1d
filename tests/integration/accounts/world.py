"""An authorization server of two accounts with SIMs, and clients of it that sign what they say."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from tests.unit.northbound.asgi import Reply, call

from simwarden.accounts import applications, jwks, oauth
from simwarden.accounts.consent import decide
from simwarden.accounts.keys import SigningKeys
from simwarden.accounts.server import AGREED_GRANTS, AuthorizationServer
from simwarden.accounts.tokens import Tokens
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import IdentifierKind, Sim, SimRef
from simwarden.edge.throttle import Guard
from simwarden.store import sim_names
from simwarden.store import sims as sim_store
from simwarden.store.accounts import Accounts
from simwarden.store.clients import ClientProfile
from simwarden.store.consents import Consent
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from simwarden.accounts.fetching import KeySets
    from simwarden.accounts.operator_tokens import OperatorTokens
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

ISSUER = "https://warden.example"
TOKEN = f"{ISSUER}/oauth2/token"
BACKCHANNEL = f"{ISSUER}/oauth2/bc-authorize"
FORM = "application/x-www-form-urlencoded"
MINE, OTHER_OF_MINE, FOREIGN = "+8613800000001", "+8613800000002", "+8613800000009"
QUERY = "iot-sim-fraud-prevention:query"
BIND = "iot-sim-fraud-prevention:bind"
FRAUD = "FraudPreventionAndDetection"
SCOPE = f"dpv:{FRAUD} {QUERY}"
REDIRECT = "https://client.example/back?tenant=7"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ADDRESS = "192.0.2.1"
"""Of whoever calls (`asgi.call`)."""


class Time:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.at = float(int(time.time()))

    def __call__(self) -> float:
        return self.at


class World:
    """One process's view of the server. `billing` of `meters` may do everything; its key is `self.key`."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        clock: Time | None = None,
        key_sets: KeySets | None = None,
        operator_tokens: OperatorTokens | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.db = database
        self.vault = vault
        self.clock = clock or Time()
        self.accounts = Accounts(database)
        self.keys = SigningKeys(self.accounts, vault)
        self.tokens = Tokens(self.accounts, self.keys, issuer=ISSUER, now=self.clock)
        self.sims = Sims(database)
        self.refusals: list[str] = []
        self.server = AuthorizationServer.over(
            database,
            self.accounts,
            self.tokens,
            self.keys,
            find=self.sims.find,
            guard=guard,
            refused=self.refusals.append,
            key_sets=key_sets,
            operator_tokens=operator_tokens,
            now=self.clock,
        )
        self.app = Starlette(routes=oauth.routes(self.server))
        self.key = ECKey.generate_key("P-256")

    async def furnish(self, **profile: Any) -> None:
        """The accounts, their SIMs and applications. `profile`: what differs in that of `billing`."""
        self.account = await applications.open_account(self.accounts, "meters")
        stranger = await applications.open_account(self.accounts, "stranger")
        now = datetime.now(UTC)
        cause = Cause(CauseKind.OPERATOR, "test", now)
        async with self.db.transaction() as connection:
            await sim_store.insert(connection, self.account.id, [sim(MINE), sim(OTHER_OF_MINE)], cause, now)
            await sim_store.insert(connection, stranger.id, [sim(FOREIGN)], cause, now)
            names = [
                (sim(MINE), SimRef(IdentifierKind.IPV4, f"{ADDRESS}:40000")),
                (sim(OTHER_OF_MINE), SimRef(IdentifierKind.IPV6, "2001:db8::1")),
            ]
            await sim_names.add_addresses(connection, self.account.id, names)
        self.issued = await applications.issue(self.accounts, "meters", "billing", [QUERY, BIND])
        self.stranger = await applications.issue(self.accounts, "stranger", "theirs", [QUERY, BIND])
        agreed: dict[str, Any] = {
            "keys": (jwks.public_part(self.key.as_dict(private=False)),),
            "grants": tuple(AGREED_GRANTS),
            "purposes": (FRAUD,),
            "redirect_uris": (REDIRECT,),
        }
        self.profile = ClientProfile(**agreed | profile)
        await self.server.clients.change(self.app_key, lambda _: self.profile)
        strangers = ClientProfile(**agreed | {"keys": ()})
        await self.server.clients.change(self.stranger.application.app_key, lambda _: strangers)

    @property
    def app_key(self) -> str:
        """Of `billing`."""
        return self.issued.application.app_key

    def signed(self, key: Any = None, header: dict[str, Any] | None = None, /, **claims: Any) -> str:
        """A statement of `billing` for the token endpoint that is right but for what is given; None leaves it out."""
        now = int(self.clock())
        right = {"iss": self.app_key, "sub": self.app_key, "aud": TOKEN, "iat": now, "exp": now + 60}
        said = {**right, "jti": uuid4().hex, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        algorithm = (header or {}).get("alg", "ES256")
        return jwt.encode({"alg": algorithm, **(header or {})}, said, key or self.key, algorithms=[algorithm])

    def secret(self) -> dict[str, str]:
        """`billing` by its secret."""
        return {"client_id": self.app_key, "client_secret": self.issued.app_secret}

    def theirs(self) -> dict[str, str]:
        """The other account's application by its secret."""
        return {"client_id": self.stranger.application.app_key, "client_secret": self.stranger.app_secret}

    def by_key(self, **claims: Any) -> dict[str, str]:
        """`billing` by a statement that it signs."""
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.signed(**claims)}

    async def ask(self, path: str = "/oauth2/token", /, **form: str) -> Reply:
        """Send a form."""
        return await call(self.app, "POST", path, urlencode(form).encode(), [("content-type", FORM)])

    async def about(self, device: str = MINE, /, **claims: Any) -> Reply:
        """Ask for a token about a SIM by a signed statement (RFC 7523)."""
        said = {"sub": f"tel:{device}", "scope": SCOPE, **claims}
        grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        return await self.ask(grant_type=grant_type, assertion=self.signed(**said))

    async def consent(
        self, *, granted: bool = True, msisdn: str = "", purpose: str = FRAUD, scopes: tuple[str, ...] = ()
    ) -> None:
        """A decision of the account of `billing`, now."""
        decision = Consent(self.app_key, purpose, msisdn, granted, scopes, self.server.time(), "operator")
        await decide(self.db, decision)
        self.tokens.invalidate(self.app_key)


def sim(number: str) -> Sim:
    """A SIM with this phone number."""
    imsi = "46000" + number[-10:]
    return Sim(bucket=bucket_of(imsi), imsi=imsi, account_id="", msisdn=number, event_count=1)
