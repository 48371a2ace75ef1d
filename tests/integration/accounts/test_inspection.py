"""Revocation (RFC 7009) and introspection (RFC 7662), by the application that a token is of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.integration.accounts.world import ISSUER, MINE, SCOPE, World
from tests.support.patience import PATIENCE

from simwarden.accounts.forgetting import Forgetting
from simwarden.domain.errors import StoreUnavailable
from simwarden.store import revocations
from simwarden.store.database import connect

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault


@pytest.fixture
async def world(database: Database, vault: Vault) -> World:
    world = World(database, vault)
    await world.furnish()
    return world


async def token_of(world: World) -> str:
    token: str = (await world.ask(grant_type="client_credentials", scope=SCOPE, **world.secret())).json["access_token"]
    return token


async def test_a_client_sees_what_its_token_is(world: World) -> None:
    token = await token_of(world)
    for way in (world.secret(), world.by_key(aud=f"{ISSUER}/oauth2/introspect")):
        reply = await world.ask("/oauth2/introspect", token=token, token_type_hint="access_token", **way)
        assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")
        assert reply.json["active"] is True
        assert (reply.json["scope"], reply.json["client_id"]) == (SCOPE, world.app_key)
        assert reply.json["exp"] - reply.json["iat"] == 3600
    await world.consent()
    about = (await world.about(MINE)).json["access_token"]
    shown = (await world.ask("/oauth2/introspect", token=about, **world.secret())).json
    assert MINE.lstrip("+") not in str(shown)


async def test_anothers_token_and_none_at_all_look_alike(world: World) -> None:
    token = await token_of(world)
    for asked in (token, "x", token[:-3] + "AAA", "é" * 2000):
        reply = await world.ask("/oauth2/introspect", token=asked, **world.theirs())
        assert (reply.status, reply.json) == (200, {"active": False})
    world.clock.at += 3600
    assert (await world.ask("/oauth2/introspect", token=token, **world.secret())).json == {"active": False}


async def test_a_revoked_token_is_good_no_longer_in_any_process(world: World, database: Database, vault: Vault) -> None:
    other = World(database, vault, clock=world.clock)
    token, kept = await token_of(world), await token_of(world)
    assert await other.tokens.check(token) is not None
    reply = await world.ask("/oauth2/revoke", token=token, **world.by_key(aud=f"{ISSUER}/oauth2/revoke"))
    assert (reply.status, reply.body) == (200, b"")
    assert await world.tokens.check(token) is None
    other.tokens.invalidate(world.app_key)  # what the notification does
    assert await other.tokens.check(token) is None
    assert await other.tokens.check(kept) is not None
    again = await world.ask("/oauth2/revoke", token=token, **world.secret())
    assert again.status == 200
    assert (await world.ask("/oauth2/introspect", token=token, **world.secret())).json == {"active": False}


async def test_a_lost_notification_of_a_revocation_costs_five_seconds(
    world: World, database: Database, vault: Vault
) -> None:
    other = World(database, vault, clock=world.clock)
    token = await token_of(world)
    assert await other.tokens.check(token) is not None
    await world.ask("/oauth2/revoke", token=token, **world.secret())
    assert await other.tokens.check(token) is not None
    world.clock.at += 5
    assert await other.tokens.check(token) is None
    fresh = World(database, vault, clock=world.clock)
    assert await fresh.tokens.check(token) is None


async def test_nobody_revokes_anothers_token(world: World) -> None:
    token = await token_of(world)
    reply = await world.ask("/oauth2/revoke", token=token, **world.theirs())
    unknown = await world.ask("/oauth2/revoke", token="x", **world.theirs())
    assert (reply.status, reply.body) == (unknown.status, unknown.body) == (200, b"")
    world.tokens.invalidate("")
    assert await world.tokens.check(token) is not None


async def test_the_notification_names_the_application(world: World) -> None:
    heard: asyncio.Queue[object] = asyncio.Queue()
    token = await token_of(world)
    listening = await connect(world.db.url)
    try:
        await listening.add_listener("simwarden_application", lambda *said: heard.put_nowait(said[-1]))
        await world.ask("/oauth2/revoke", token=token, **world.secret())
        assert await asyncio.wait_for(heard.get(), PATIENCE) == world.app_key
    finally:
        await listening.close()


async def test_who_asks_must_say_who_he_is_and_which_token(world: World) -> None:
    token = await token_of(world)
    for path in ("/oauth2/revoke", "/oauth2/introspect"):
        assert (await world.ask(path, token=token)).status == 401
        assert (await world.ask(path, token=token, client_id=world.app_key, client_secret="x")).status == 401
        assert (await world.ask(path, **world.secret())).json["error"] == "invalid_request"
    assert await world.tokens.check(token) is not None


async def test_revocations_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "MOST", 2)
    tokens = [await token_of(world) for _ in range(3)]
    statuses = [(await world.ask("/oauth2/revoke", token=token, **world.secret())).status for token in tokens]
    assert statuses == [200, 200, 429]
    assert world.refusals == ["revocations"]
    assert await world.tokens.check(tokens[2]) is not None


async def test_what_is_over_is_forgotten(world: World) -> None:
    await world.ask("/oauth2/revoke", token=await token_of(world), **world.by_key(aud=ISSUER))
    count = "select (select count(*) from token_revocation) + (select count(*) from used_once)"
    forgetting = Forgetting(world.db, clock=world.server.time)
    await forgetting.turn()
    assert await world.db.fetchval(count) == 2
    world.clock.at += 3601
    await forgetting.turn()
    assert await world.db.fetchval(count) == 0


async def test_a_refusal_and_the_end_of_its_tokens_are_one_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.consent()

    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(revocations, "end_consent", away)
    with pytest.raises(StoreUnavailable):
        await world.consent(granted=False)
    assert (await world.about(MINE)).status == 200, "it did not happen: who refused knows that, and says it again"
