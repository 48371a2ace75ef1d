"""OpenID Connect CIBA in poll mode, as CAMARA's profile narrows it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from tests.integration.accounts.world import (
    ADDRESS,
    BACKCHANNEL,
    FOREIGN,
    FRAUD,
    ISSUER,
    MINE,
    OTHER_OF_MINE,
    QUERY,
    SCOPE,
    World,
)
from tests.unit.northbound.asgi import Reply

from simwarden.accounts import backchannel

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

CIBA = "urn:openid:params:grant-type:ciba"
PATH = "/oauth2/bc-authorize"


@pytest.fixture
async def world(database: Database, vault: Vault) -> World:
    world = World(database, vault)
    await world.furnish()
    return world


async def begin(world: World, hint: str = f"tel:{MINE}", scope: str = f"openid {SCOPE}", **more: str) -> Reply:
    return await world.ask(PATH, login_hint=hint, scope=scope, **more, **world.by_key(aud=BACKCHANNEL))


async def poll(world: World, id_: str) -> Reply:
    return await world.ask(grant_type=CIBA, auth_req_id=id_, **world.by_key())


async def test_a_request_waits_for_consent_and_is_used_once(world: World) -> None:
    begun = await begin(world)
    assert begun.status == 200
    assert (begun.json["expires_in"], begun.json["interval"]) == (600, 5)
    id_ = begun.json["auth_req_id"]
    waiting = await poll(world, id_)
    assert (waiting.status, waiting.json["error"]) == (400, "authorization_pending")
    await world.consent()
    world.clock.at += 5
    granted = await poll(world, id_)
    assert granted.status == 200
    assert granted.json["scope"] == f"openid {SCOPE}"
    assert "refresh_token" not in granted.json
    caller = await world.tokens.check(granted.json["access_token"])
    assert caller is not None
    assert caller.device == MINE
    world.clock.at += 5
    again = await poll(world, id_)
    assert (again.status, again.json["error"]) == (400, "invalid_grant")


async def test_of_two_polls_at_a_time_one_gets_the_token(world: World) -> None:
    await world.consent()
    id_ = (await begin(world)).json["auth_req_id"]
    replies = await asyncio.gather(*(poll(world, id_) for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [200, 400, 400, 400]


async def test_the_id_token_names_the_sim_by_a_pseudonym(world: World) -> None:
    await world.consent()
    tokens = []
    for scope in (f"openid {SCOPE}", SCOPE):
        id_ = (await begin(world, scope=scope)).json["auth_req_id"]
        tokens.append((await poll(world, id_)).json)
    assert "id_token" not in tokens[1]
    keys = (await world.keys.jwks())["keys"]
    claims = jwt.decode(tokens[0]["id_token"], OKPKey.import_key(keys[0]), algorithms=["Ed25519"]).claims
    assert (claims["iss"], claims["aud"]) == (ISSUER, world.app_key)
    assert MINE.lstrip("+") not in str(claims)
    subject = world.tokens._subjects.pseudonym(world.stranger.application.app_key, MINE)
    assert claims["sub"] != subject
    assert await world.tokens.check(tokens[0]["id_token"]) is None  # is no access token


async def test_a_sim_is_named_by_number_or_address(world: World) -> None:
    cases: list[Any] = [
        (f"tel:{MINE}", MINE),
        (f"ipport:{ADDRESS}:40000", MINE),
        ("ipport:[2001:db8::1]:443", OTHER_OF_MINE),
        ("ipport:[2001:DB8:0::1]", OTHER_OF_MINE),
    ]
    for hint, device in cases:
        await world.consent()
        id_ = (await begin(world, hint)).json["auth_req_id"]
        caller = await world.tokens.check((await poll(world, id_)).json["access_token"])
        assert caller is not None
        assert caller.device == device


async def test_other_hints_are_refused(world: World) -> None:
    cases: list[Any] = [
        (f"tel:{FOREIGN}", "unknown_user_id"),
        ("tel:+8613899999999", "unknown_user_id"),
        (f"ipport:{ADDRESS}:40001", "unknown_user_id"),
        (f"ipport:{ADDRESS}", "unknown_user_id"),
        ("operatortoken:anything", "unknown_user_id"),
        (MINE, "invalid_request"),
        (f"tel:{MINE[1:]}", "invalid_request"),
        ("tel:+86 138 0000 0001", "invalid_request"),
        ("ipport:300.1.1.1:80", "invalid_request"),
        (f"ipport:{ADDRESS}:0", "invalid_request"),
        (f"ipport:{ADDRESS}:70000", "invalid_request"),
        ("ipport:[::1%eth0]", "invalid_request"),
        ("", "invalid_request"),
        ("tel:+" + "1" * 5000, "invalid_request"),
    ]
    for hint, error in cases:
        reply = await begin(world, hint)
        assert (reply.status, reply.json["error"]) == (400, error)


async def test_a_foreign_sim_and_an_unknown_one_are_answered_alike(world: World) -> None:
    assert (await begin(world, f"tel:{FOREIGN}")).json == (await begin(world, "tel:+8613899999999")).json


async def test_who_polls_too_fast_is_slowed_down(world: World) -> None:
    id_ = (await begin(world)).json["auth_req_id"]
    assert (await poll(world, id_)).json["error"] == "authorization_pending"
    world.clock.at += 4
    assert (await poll(world, id_)).json["error"] == "slow_down"
    world.clock.at += 9
    assert (await poll(world, id_)).json["error"] == "slow_down"
    world.clock.at += 15
    assert (await poll(world, id_)).json["error"] == "authorization_pending"


async def test_a_request_expires(world: World) -> None:
    id_ = (await begin(world)).json["auth_req_id"]
    await world.consent()
    world.clock.at += 600
    assert (await poll(world, id_)).json["error"] == "expired_token"


async def test_a_refusal_ends_it(world: World) -> None:
    id_ = (await begin(world)).json["auth_req_id"]
    await world.consent(granted=False)
    assert (await poll(world, id_)).json["error"] == "access_denied"
    later = await begin(world)
    assert (later.status, later.json["error"]) == (403, "access_denied")


async def test_a_request_is_its_clients_own(world: World) -> None:
    await world.consent()
    id_ = (await begin(world)).json["auth_req_id"]
    theirs = await world.ask(grant_type=CIBA, auth_req_id=id_, **world.theirs())
    unknown = await world.ask(grant_type=CIBA, auth_req_id="x", **world.theirs())
    assert theirs.json == unknown.json
    assert theirs.json["error"] == "invalid_grant"
    assert (await poll(world, id_)).status == 200


async def test_what_camara_does_not_implement_is_ignored(world: World) -> None:
    more = {"binding_message": "W4SCT", "user_code": "1", "requested_expiry": "10", "acr_values": "3"}
    reply = await begin(world, scope=f"openid offline_access {SCOPE}", **more)
    assert (reply.status, reply.json["expires_in"]) == (200, 600)


async def test_a_wrong_request_is_refused(world: World) -> None:
    cases: list[Any] = [
        ({"login_hint": ""}, "invalid_request"),
        ({"scope": ""}, "invalid_request"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": QUERY}, "invalid_scope"),
        ({"scope": f"dpv:Marketing {QUERY}"}, "invalid_scope"),
        ({"scope": f"dpv:{FRAUD} sim-swap:check"}, "invalid_scope"),
        ({"login_hint_token": "x"}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"request_uri": "https://client.example/request"}, "invalid_request"),
        ({"request": "x"}, "invalid_request"),
    ]
    for form, error in cases:
        right = {"login_hint": f"tel:{MINE}", "scope": SCOPE}
        reply = await world.ask(PATH, **{**right, **form}, **world.secret())
        assert (reply.status, reply.json["error"]) == (400, error)


async def test_only_who_is_known_asks(world: World) -> None:
    reply = await world.ask(PATH, login_hint=f"tel:{MINE}", scope=SCOPE)
    assert (reply.status, reply.json["error"]) == (401, "invalid_client")


async def test_a_signed_request_counts_alone(world: World) -> None:
    await world.consent()
    request = world.signed(aud=BACKCHANNEL, sub=None, login_hint=f"tel:{MINE}", scope=SCOPE)
    reply = await world.ask(PATH, request=request, **world.by_key(aud=BACKCHANNEL))
    assert reply.status == 200
    again = await world.ask(PATH, request=request, **world.by_key(aud=BACKCHANNEL))
    assert (again.status, again.json["error"]) == (400, "invalid_request_object")
    fresh = world.signed(aud=ISSUER, sub=None, login_hint=f"tel:{MINE}", scope=SCOPE)
    beside = await world.ask(PATH, request=fresh, scope=SCOPE, **world.by_key(aud=BACKCHANNEL))
    assert (beside.status, beside.json["error"]) == (400, "invalid_request")


async def test_a_wrong_signed_request_is_refused(world: World) -> None:
    cases: list[Any] = [
        {"aud": "https://other.example"},
        {"aud": None},
        {"iss": "swk_other"},
        {"client_id": "swk_other"},
        {"exp": None},
        {"iat": None},
        {"jti": None},
        {"iat": 1},
        {"login_hint": {"tel": MINE}},
        {"request": "x"},
    ]
    for changes in cases:
        said = {"aud": BACKCHANNEL, "login_hint": f"tel:{MINE}", "scope": SCOPE, **changes}
        reply = await world.ask(PATH, request=world.signed(**said), **world.by_key(aud=BACKCHANNEL))
        assert (reply.status, reply.json["error"]) == (400, "invalid_request_object")


async def test_waiting_requests_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backchannel, "MOST_WAITING", 2)
    assert [(await begin(world)).status for _ in range(3)] == [200, 200, 429]
    world.clock.at += 600
    assert (await begin(world)).status == 200


async def test_scopes_that_were_taken_away_meanwhile_are_not_granted(world: World) -> None:
    id_ = (await begin(world)).json["auth_req_id"]
    await world.consent()
    from msgspec.structs import replace

    await world.server.clients.change(world.app_key, lambda before: replace(before, purposes=()))
    assert (await poll(world, id_)).json["error"] == "invalid_scope"


async def test_requests_of_an_hour_are_bounded_used_ones_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backchannel, "MOST_KEPT", 2)
    await world.consent()
    for _ in range(2):
        assert (await poll(world, (await begin(world)).json["auth_req_id"])).status == 200
    refused = await begin(world)
    assert (refused.status, refused.json["error"]) == (429, "slow_down")
    assert world.refusals == ["kept_authentications"]


async def test_consent_that_is_withdrawn_while_the_token_is_made_gives_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.consent()
    id_, mint = (await begin(world)).json["auth_req_id"], world.tokens.mint

    async def late(*args: Any, **options: Any) -> Any:
        await world.consent(granted=False)
        world.clock.at += 2
        return await mint(*args, **options)

    monkeypatch.setattr(world.tokens, "mint", late)
    assert (await poll(world, id_)).json["error"] == "invalid_grant"
