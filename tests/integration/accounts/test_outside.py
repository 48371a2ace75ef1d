"""Access tokens of an outside issuer, and tokens of the operator's entitlement server."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from msgspec.structs import replace
from tests.integration.accounts.world import BACKCHANNEL, BIND, ISSUER, MINE, QUERY, SCOPE, Time, World
from tests.support.patience import PATIENCE

from simwarden.accounts.fetching import KeySets
from simwarden.accounts.operator_tokens import OperatorTokens
from simwarden.accounts.outside import LONGEST, NAME, Issuer, OutsideTokens
from simwarden.accounts.tokens import Tokens
from simwarden.domain.errors import StoreUnavailable
from simwarden.store import revocations

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

THEIRS = "https://idp.example/realms/iot"
KEY = RSAKey.generate_key(2048, {"kid": "one"})


class Outside:
    """An issuer that publishes its keys, and a server that takes its tokens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys: Any = {"keys": [KEY.as_dict(private=False)]}
        self.asked = 0
        key_sets = KeySets(allow_private=True, clock=world.clock, fetch=self._fetch)
        issuer = Issuer(issuer=THEIRS, jwks_url=f"{THEIRS}/certs", audience="simwarden", client_claim="azp")
        outside = OutsideTokens(issuer, world.server.clients, key_sets, now=world.clock)
        self.tokens = Tokens(world.accounts, world.keys, issuer=ISSUER, now=world.clock, outside=outside)

    async def _fetch(self, _url: str) -> Any:
        self.asked += 1
        if self.keys is None:
            raise OSError("connection refused")
        return self.keys

    def token(self, key: Any = KEY, header: dict[str, Any] | None = None, /, **claims: Any) -> str:
        now = int(self.world.clock())
        said = {"iss": THEIRS, "aud": ["account", "simwarden"], "azp": "meters@idp", "sub": "u-1", "iat": now}
        said = {**said, "exp": now + 300, "scope": f"openid {QUERY}", **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "one", "typ": "JWT", **(header or {})}, said, key)


@pytest.fixture
async def outside(database: Database, vault: Vault) -> Outside:
    world = World(database, vault)
    await world.furnish(outside_id="meters@idp")
    return Outside(world)


async def test_a_token_of_the_outside_issuer_is_its_applications(outside: Outside) -> None:
    token = outside.token(scope=f"openid {QUERY} sim-swap:check")
    for _ in range(2):
        caller = await outside.tokens.check(token)
        assert caller is not None
        assert (caller.app_key, caller.device) == (outside.world.app_key, None)
        assert caller.scopes == frozenset({QUERY})  # what both have
    assert outside.asked == 1
    assert await outside.tokens.check(outside.token(KEY, {"typ": "at+jwt"}, aud="simwarden")) is not None
    assert await outside.tokens.check(await outside.tokens.issue(outside.world.issued.application, [BIND])) is not None
    outside.world.clock.at += 306
    assert await outside.tokens.check(token) is None


async def test_any_other_token_is_refused(outside: Outside) -> None:
    now = int(outside.world.clock())
    wrong: list[dict[str, Any]] = [
        {"iss": "https://idp.example/realms/other"},
        {"aud": "account"},
        {"aud": None},
        {"azp": "nobody@idp"},
        {"azp": None},
        {"azp": outside.world.app_key},
        {"azp": "x\x00"},
        {"exp": now - 5},
        {"exp": now + LONGEST + 1},
        {"exp": None},
        {"nbf": now + 60},
        {"iat": None},
        {"scope": None},
        {"scope": [QUERY]},
        {"nonce": "n"},
        {"at_hash": "h"},
    ]
    for claims in wrong:
        assert await outside.tokens.check(outside.token(**claims)) is None, claims
    stranger = RSAKey.generate_key(2048)
    for key, header in ((stranger, {}), (KEY, {"kid": "two"}), (KEY, {"typ": "logout+jwt"})):
        assert await outside.tokens.check(outside.token(key, header)) is None
    assert outside.asked == 1  # a made-up key id asks for the keys every half minute at most
    assert await outside.world.tokens.check(outside.token()) is None  # no outside issuer is set there


async def test_keys_are_rotated_and_an_issuer_that_is_down_is_outlived(outside: Outside) -> None:
    world, new = outside.world, ECKey.generate_key("P-256", {"kid": "new"})
    assert await outside.tokens.check(outside.token()) is not None
    outside.keys = {"keys": [new.as_dict(private=False), KEY.as_dict(private=False)]}
    assert await outside.tokens.check(outside.token(new, {"alg": "ES256", "kid": "new"}, jti="1")) is None
    world.clock.at += 30
    assert await outside.tokens.check(outside.token(new, {"alg": "ES256", "kid": "new"}, jti="2")) is not None
    outside.keys = None
    world.clock.at += 3600
    assert await outside.tokens.check(outside.token()) is not None
    world.clock.at += LONGEST
    with pytest.raises(StoreUnavailable):
        await outside.tokens.check(outside.token())


async def test_who_is_called_otherwise_has_no_outside_tokens_any_more(outside: Outside) -> None:
    world, token = outside.world, outside.token()
    assert await outside.tokens.check(token) is not None
    await world.server.clients.change(world.app_key, lambda before: replace(before, outside_id=None))
    now = world.server.time()
    await revocations.end_all(world.db, world.app_key, NAME, now, now)
    await revocations.end_all(world.db, world.app_key, NAME, now, world.server.token_end(now))
    outside.tokens.invalidate(world.app_key)
    assert await outside.tokens.check(token) is None
    world.clock.at += 1
    assert await outside.tokens.check(outside.token()) is None
    own = await outside.tokens.issue(world.issued.application, [QUERY])
    assert await outside.tokens.check(own) is not None
    await world.accounts.revoke(world.app_key)


async def test_an_operator_token_names_a_sim(database: Database, vault: Vault) -> None:
    clock = Time()

    async def fetch(_url: str) -> Any:
        return {"keys": [KEY.as_dict(private=False)]}

    key_sets = KeySets(allow_private=True, clock=clock, fetch=fetch)
    operators = OperatorTokens("https://ts43.example", "https://ts43.example/keys", ISSUER, key_sets, now=clock)
    world = World(database, vault, clock=clock, operator_tokens=operators)
    await world.furnish()
    await world.consent()

    def token(**claims: Any) -> str:
        said = {"iss": "https://ts43.example", "aud": ISSUER, "exp": int(clock()) + 60, "phone_number": MINE, **claims}
        return f"operatortoken:{jwt.encode({'alg': 'RS256', 'kid': 'one'}, said, KEY)}"

    assert (await world.about(sub=token())).status == 200
    begun = await world.ask("/oauth2/bc-authorize", login_hint=token(), scope=SCOPE, **world.by_key(aud=BACKCHANNEL))
    assert begun.status == 200
    for claims in (
        {"iss": ISSUER},
        {"aud": "x"},
        {"exp": 1},
        {"phone_number": "1"},
        {"phone_number": "+8613800000009"},
    ):
        assert (await world.about(sub=token(**claims))).json["error"] == "invalid_grant"


MODULES = Path(os.environ.get("SIMWARDEN_NODE_OIDC", "/nonexistent"))
"""The folder of node packages that oidc-provider is in (`.ci/run` installs it)."""


@pytest.mark.skipif(
    not (MODULES / "oidc-provider").is_dir() or shutil.which("node") is None,
    reason="SIMWARDEN_NODE_OIDC names no node_modules with oidc-provider, or node is not installed",
)
async def test_tokens_of_a_certified_openid_provider_are_taken(database: Database, vault: Vault) -> None:
    """oidc-provider, certified by the OpenID Foundation, with its keys fetched over HTTP."""
    script = Path(__file__).parents[2] / "support" / "oidc_provider.mjs"
    arguments = ("node", str(script), str(MODULES.parent))
    program = await asyncio.create_subprocess_exec(*arguments, stdout=PIPE, stderr=DEVNULL)
    try:
        assert program.stdout is not None
        issuer = (await asyncio.wait_for(program.stdout.readline(), PATIENCE)).decode().strip()
        world = World(database, vault)
        await world.furnish(outside_id="meters@idp")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{issuer}/.well-known/openid-configuration") as reply:
                metadata = await reply.json()
            form = {"grant_type": "client_credentials", "resource": "urn:simwarden", "scope": f"{QUERY} sim-swap:check"}
            login = {"authorization": "Basic " + base64.b64encode(b"meters%40idp:secret").decode()}
            async with session.post(metadata["token_endpoint"], data=form, headers=login) as reply:
                token = (await reply.json())["access_token"]
        settings = Issuer(issuer=issuer, jwks_url=metadata["jwks_uri"], audience="urn:simwarden")
        outside = OutsideTokens(settings, world.server.clients, KeySets(allow_private=True))
        tokens = Tokens(world.accounts, world.keys, issuer=ISSUER, outside=outside)
        caller = await tokens.check(token)
        assert caller is not None
        assert (caller.app_key, caller.scopes) == (world.app_key, frozenset({QUERY}))
        assert await tokens.check(token[:-6] + "AAAAAA") is None
        guarded = OutsideTokens(settings, world.server.clients, KeySets(allow_private=False))
        with pytest.raises(StoreUnavailable):  # a customer's key set on this machine would not be asked for
            await guarded.claims(token)
    finally:
        program.terminate()
        await program.wait()
