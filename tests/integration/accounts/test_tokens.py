"""Signing keys and access tokens over a real database, with the time in our hands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from tests.integration.accounts.world import FRAUD, MINE
from tests.integration.accounts.world import World as PublicWorld

from simwarden.accounts import applications
from simwarden.accounts.keys import SigningKeys
from simwarden.accounts.scopes import KNOWN
from simwarden.accounts.tokens import MAX_LENGTH, STATUS_FOR, Caller, Tokens
from simwarden.store.accounts import Accounts, Application

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

ISSUER = "https://warden.example"
SCOPES = ["iot-sim-fraud-prevention:bind", "iot-sim-fraud-prevention:query"]


class Time:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


class World:
    """One process's view: keys, tokens and an application."""

    def __init__(self, database: Database, vault: Vault, application: Application, clock: Time) -> None:
        self.clock = clock
        self.application = application
        self.accounts = Accounts(database)
        self.keys = SigningKeys(self.accounts, vault, clock=clock)
        self.tokens = Tokens(self.accounts, self.keys, issuer=ISSUER, now=clock)


@pytest.fixture
async def application(database: Database) -> Application:
    accounts = Accounts(database)
    await applications.open_account(accounts, "meters")
    return (await applications.issue(accounts, "meters", "billing")).application


@pytest.fixture
def world(database: Database, vault: Vault, application: Application) -> World:
    return World(database, vault, application, Time())


async def forged(world: World, **changes: object) -> str:
    """A token signed with our key whose claims or header differ from what we issue."""
    kid, key = await world.keys.signer()
    issued = jwt.decode(await world.tokens.issue(world.application, SCOPES), key, algorithms=["Ed25519"])
    header = {**issued.header, **{name[7:]: value for name, value in changes.items() if name.startswith("header_")}}
    claims = {**issued.claims, **{name: value for name, value in changes.items() if not name.startswith("header_")}}
    assert header.get("kid") == kid or "header_kid" in changes
    return jwt.encode(header, claims, key, algorithms=["Ed25519"])


async def test_a_token_says_who_calls(world: World) -> None:
    token = await world.tokens.issue(world.application, SCOPES)
    granted = frozenset(world.application.scopes)
    expected = Caller(world.application.app_key, world.application.account_id, frozenset(SCOPES), granted=granted)
    assert await world.tokens.check(token) == expected
    assert await world.tokens.check(token) == expected  # remembered


async def about_a_sim(public: PublicWorld, scopes: Iterable[str]) -> str:
    """A 3-legged token, as an application gets it (CIBA)."""
    await public.furnish()
    await public.db.execute("update application set scopes = $2 where app_key = $1", public.app_key, [*scopes])
    await public.consent()
    wanted = " ".join(["openid", f"dpv:{FRAUD}", *scopes])
    asked = await public.ask("/oauth2/bc-authorize", login_hint=f"tel:{MINE}", scope=wanted, **public.secret())
    assert asked.status == 200, asked.body
    grant = "urn:openid:params:grant-type:ciba"
    given = await public.ask(grant_type=grant, auth_req_id=asked.json["auth_req_id"], **public.secret())
    assert given.status == 200, given.body
    return str(given.json["access_token"])


async def test_a_token_with_all_scopes_there_are_is_taken_and_leaves_room_for_twice_as_many(
    database: Database, vault: Vault
) -> None:
    public = PublicWorld(database, vault)
    token = await about_a_sim(public, KNOWN)
    caller = await public.tokens.check(token)
    assert caller is not None
    assert caller.scopes >= KNOWN.keys()
    assert caller.device == MINE
    assert len(token) < MAX_LENGTH / 2


async def test_a_token_carries_the_claims_of_rfc_9068(world: World) -> None:
    token = await world.tokens.issue(world.application, SCOPES)
    jwks = await world.keys.jwks()
    decoded = jwt.decode(token, OKPKey.import_key(jwks["keys"][0]), algorithms=["Ed25519"])
    assert decoded.header == {"typ": "at+jwt", "alg": "Ed25519", "kid": jwks["keys"][0]["kid"]}
    assert decoded.claims.pop("jti")
    assert decoded.claims == {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": world.application.app_key,
        "client_id": world.application.app_key,
        "iat": 1_800_000_000,
        "exp": 1_800_003_600,
        "scope": " ".join(SCOPES),
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"aud": "https://other.example"},
        {"exp": 1_799_999_999},
        {"exp": "tomorrow"},
        {"client_id": "swk_unknown", "sub": "swk_unknown"},
        {"client_id": 7},
        {"sub": "user-17"},
        {"sub": "tel:+1"},
        {"scope": ["a"]},
        {"header_typ": "JWT"},
        {"header_kid": "unknown"},
    ],
)
async def test_a_token_that_is_not_right_is_refused(world: World, changes: dict[str, object]) -> None:
    assert await world.tokens.check(await forged(world)) is not None
    assert await world.tokens.check(await forged(world, **changes)) is None


@pytest.mark.parametrize(
    "token", ["", "a", "a.b.c", "é.é.é", "W10.e30.AA", "bnVsbA.e30.AA", "ImFsZyI.e30.AA", "." * 10, "x" * 5000]
)
async def test_garbage_is_refused(world: World, token: str) -> None:
    assert await world.tokens.check(token) is None


async def test_other_signatures_are_refused(world: World) -> None:
    kid, own = await world.keys.signer()
    token = await world.tokens.issue(world.application, SCOPES)
    claims = jwt.decode(token, own, algorithms=["Ed25519"]).claims
    stranger = OKPKey.generate_key("Ed25519")
    header = {"alg": "Ed25519", "typ": "at+jwt", "kid": kid}
    assert await world.tokens.check(jwt.encode(header, claims, stranger, algorithms=["Ed25519"])) is None
    shared = OctKey.import_key(msgspec.json.encode((await world.keys.jwks())["keys"][0]))
    confused = jwt.encode({**header, "alg": "HS256"}, claims, shared, algorithms=["HS256"])
    assert await world.tokens.check(confused) is None
    assert await world.tokens.check(token[:-4] + "AAAA") is None


async def test_a_token_expires_also_when_remembered(world: World) -> None:
    token = await world.tokens.issue(world.application, SCOPES)
    assert await world.tokens.check(token) is not None
    world.clock.at += 3599
    assert await world.tokens.check(token) is not None
    world.clock.at += 1
    assert await world.tokens.check(token) is None


async def test_the_memory_of_tokens_is_bounded(world: World) -> None:
    small = Tokens(world.accounts, world.keys, issuer=ISSUER, remembered=3, now=world.clock)
    tokens = [await small.issue(world.application, SCOPES) for _ in range(5)]
    for token in tokens:
        assert await small.check(token) is not None
    assert len(small._checked) == 3
    assert await small.check(tokens[0]) is not None


async def test_a_revoked_application_is_refused_at_once_when_told_and_soon_when_not(
    world: World, database: Database, vault: Vault
) -> None:
    other = World(database, vault, world.application, world.clock)
    token = await world.tokens.issue(world.application, SCOPES)
    assert await world.tokens.check(token) is not None
    assert await other.tokens.check(token) is not None
    await world.accounts.revoke(world.application.app_key)
    world.tokens.invalidate(world.application.app_key)
    assert await world.tokens.check(token) is None
    assert await other.tokens.check(token) is not None  # has not heard of it
    other.tokens.invalidate("")
    assert await other.tokens.check(token) is None


async def test_a_lost_notification_costs_five_seconds(world: World) -> None:
    token = await world.tokens.issue(world.application, SCOPES)
    assert await world.tokens.check(token) is not None
    await world.accounts.revoke(world.application.app_key)
    world.clock.at += STATUS_FOR - 0.1
    assert await world.tokens.check(token) is not None
    world.clock.at += 0.1
    assert await world.tokens.check(token) is None


async def test_a_status_read_before_a_revocation_is_not_kept(world: World) -> None:
    """The look was under way when the application was revoked: what it saw must not count afterwards."""
    token = await world.tokens.issue(world.application, SCOPES)
    read, go = asyncio.Event(), asyncio.Event()
    original = world.accounts.application

    async def slow(app_key: str) -> Application:
        found = await original(app_key)
        read.set()
        await go.wait()
        return found

    world.accounts.application = slow  # type: ignore[method-assign]
    checking = asyncio.create_task(world.tokens.check(token))
    await read.wait()
    await world.accounts.revoke(world.application.app_key)
    world.tokens.invalidate(world.application.app_key)
    go.set()
    await checking
    assert await world.tokens.check(token) is None


async def test_concurrent_checks_share_one_look(world: World) -> None:
    tokens = [await world.tokens.issue(world.application, SCOPES) for _ in range(20)]
    looks = 0
    original = world.accounts.application

    async def counted(app_key: str) -> Application:
        nonlocal looks
        looks += 1
        return await original(app_key)

    world.accounts.application = counted  # type: ignore[method-assign]
    assert all(await asyncio.gather(*(world.tokens.check(token) for token in tokens)))
    assert looks == 1


async def test_two_processes_make_one_key_and_it_survives_a_restart(
    database: Database, vault: Vault, application: Application
) -> None:
    worlds = [World(database, vault, application, Time()) for _ in range(6)]
    signers = await asyncio.gather(*(world.keys.signer() for world in worlds))
    assert len({kid for kid, _ in signers}) == 1
    token = await worlds[0].tokens.issue(application, SCOPES)
    restarted = World(database, vault, application, Time())
    assert await restarted.tokens.check(token) is not None
    assert await database.fetchval("select count(*) from signing_key") == 1


async def test_private_keys_lie_encrypted(world: World, database: Database) -> None:
    kid, key = await world.keys.signer()
    sealed = await database.fetchval("select private_key from signing_key where kid = $1", kid)
    assert str(key.as_dict(private=True)["d"]).encode() not in sealed
    public = await database.fetchval("select public_jwk from signing_key where kid = $1", kid)
    assert "d" not in public


async def test_rotation_keeps_old_tokens_and_reaches_other_processes(
    world: World, database: Database, vault: Vault
) -> None:
    old = await world.tokens.issue(world.application, SCOPES)
    other = World(database, vault, world.application, world.clock)
    assert await other.tokens.check(old) is not None
    kid = await world.keys.rotate()
    new = await world.tokens.issue(world.application, SCOPES)
    assert (await world.keys.signer())[0] == kid
    assert len((await world.keys.jwks())["keys"]) == 2
    assert await world.tokens.check(old) is not None
    world.clock.at += 10
    assert await other.tokens.check(new) is not None  # an unknown key id makes it look again


async def test_a_revocation_counts_though_the_clock_was_set_back(world: World) -> None:
    """What was read at a time that lies ahead now is not believed until that time has come."""
    token = await world.tokens.issue(world.application, SCOPES)
    world.clock.at += 600
    assert await world.tokens.check(token) is not None
    await world.accounts.revoke(world.application.app_key)
    world.clock.at -= 500
    assert await world.tokens.check(token) is None
