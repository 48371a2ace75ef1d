"""Clients that sign: private_key_jwt (OpenID Connect Core clause 9) and JWT bearer (RFC 7523) as CAMARA uses them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey
from tests.integration.accounts.world import (
    ASSERTION_TYPE,
    BIND,
    FOREIGN,
    FORM,
    FRAUD,
    ISSUER,
    MINE,
    OTHER_OF_MINE,
    QUERY,
    SCOPE,
    TOKEN,
    Time,
    World,
)
from tests.unit.northbound.asgi import call

from simwarden.accounts.fetching import KeySets
from simwarden.edge.throttle import Guard
from simwarden.store import revocations

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault


@pytest.fixture
async def world(database: Database, vault: Vault) -> World:
    world = World(database, vault)
    await world.furnish()
    return world


async def test_a_client_authenticates_by_its_key(world: World) -> None:
    for audience in (TOKEN, ISSUER, [TOKEN]):
        reply = await world.ask(grant_type="client_credentials", scope=SCOPE, **world.by_key(aud=audience))
        assert reply.status == 200
        assert reply.json["scope"] == SCOPE
        caller = await world.tokens.check(reply.json["access_token"])
        assert caller is not None
        assert (caller.app_key, caller.device, caller.scopes) == (world.app_key, None, frozenset(SCOPE.split()))


async def test_a_client_that_signs_must_name_the_scope(world: World) -> None:
    """CAMARA's profile, "Access Token Request"; by secret everything is granted."""
    reply = await world.ask(grant_type="client_credentials", **world.by_key())
    assert (reply.status, reply.json["error"]) == (400, "invalid_request")
    by_secret = await world.ask(grant_type="client_credentials", **world.secret())
    assert by_secret.json["scope"] == f"{BIND} {QUERY}"


async def test_a_wrong_statement_is_refused(world: World) -> None:
    cases: list[Any] = [
        {"iss": "swk_unknown", "sub": "swk_unknown"},
        {"iss": None},
        {"iss": 7},
        {"iss": "swk_\x00"},
        {"sub": "swk_other"},
        {"sub": None},
        {"aud": "https://other.example/oauth2/token"},
        {"aud": [TOKEN, "https://other.example"]},
        {"aud": None},
        {"exp": None},
        {"exp": 1_000},
        {"exp": "soon"},
        {"iat": 1_000},
        {"jti": None},
        {"jti": 7},
        {"jti": "x" * 257},
    ]
    for changes in cases:
        reply = await world.ask(grant_type="client_credentials", scope=SCOPE, **world.by_key(**changes))
        assert (reply.status, reply.json["error"]) == (401, "invalid_client")
        assert reply.headers["cache-control"] == "no-store"


async def test_other_signatures_are_refused_like_an_unknown_client(world: World) -> None:
    stranger = ECKey.generate_key("P-256")
    unknown = await world.ask(grant_type="client_credentials", scope=SCOPE, **world.by_key(iss="swk_x", sub="swk_x"))
    for key, header in (
        (stranger, {}),
        (stranger, {"jwk": stranger.as_dict(private=False)}),
        (world.key, {"kid": "x"}),
    ):
        assertion = world.signed(key, header)
        form = {**world.by_key(), "client_assertion": assertion}
        reply = await world.ask(grant_type="client_credentials", scope=SCOPE, **form)
        assert (reply.status, reply.json) == (401, unknown.json)


async def test_a_statement_is_used_once_also_by_two_processes_at_a_time(
    world: World, database: Database, vault: Vault
) -> None:
    other = World(database, vault, clock=world.clock)
    form = {"grant_type": "client_credentials", "scope": SCOPE, **world.by_key()}
    replies = await asyncio.gather(*(each.ask(**form) for each in (world, other, world, other)))
    assert sorted(reply.status for reply in replies) == [200, 401, 401, 401]
    assert "used before" in next(reply.json["error_description"] for reply in replies if reply.status == 401)


async def test_the_id_of_a_statement_is_its_clients_own(world: World) -> None:
    """Another application's jti uses up nothing of ours."""
    theirs = OKPKey.generate_key("Ed25519")
    key = world.stranger.application.app_key
    before = await world.server.clients.get(key)
    from msgspec.structs import replace

    profile = replace(before.profile, keys=(theirs.as_dict(private=False),))
    await world.server.clients.change(key, lambda _: profile)
    assertion = world.signed(theirs, {"alg": "Ed25519"}, iss=key, sub=key, jti="one")
    first = await world.ask(
        grant_type="client_credentials", scope=SCOPE, **{**world.by_key(), "client_assertion": assertion}
    )
    second = await world.ask(grant_type="client_credentials", scope=SCOPE, **world.by_key(jti="one"))
    assert (first.status, second.status) == (200, 200)


async def test_other_ways_to_sign_are_refused(world: World) -> None:
    cases: list[Any] = [
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_assertion": ""},
        {"client_id": "swk_other"},
    ]
    for form in cases:
        reply = await world.ask(grant_type="client_credentials", scope=SCOPE, **{**world.by_key(), **form})
        assert (reply.status, reply.json["error"]) == (401, "invalid_client")


async def test_a_proof_of_possession_is_no_error(world: World) -> None:
    """DPoP is not supported, so a proof of it is not looked at (CAMARA's profile, "Sender-Constrained Tokens")."""
    body = urlencode({"grant_type": "client_credentials", **world.secret()}).encode()
    reply = await call(world.app, "POST", "/oauth2/token", body, [("content-type", FORM), ("dpop", "e30.e30.AA")])
    assert (reply.status, reply.json["token_type"]) == (200, "Bearer")


async def test_two_ways_at_a_time_are_refused(world: World) -> None:
    reply = await world.ask(grant_type="client_credentials", scope=SCOPE, **{**world.secret(), **world.by_key()})
    assert (reply.status, reply.json["error"]) == (400, "invalid_request")


async def test_with_keys_only_the_secret_opens_nothing(database: Database, vault: Vault) -> None:
    world = World(database, vault)
    await world.furnish(keys_only=True)
    by_secret = await world.ask(grant_type="client_credentials", **world.secret())
    by_key = await world.ask(grant_type="client_credentials", scope=SCOPE, **world.by_key())
    assert (by_secret.status, by_key.status) == (401, 200)
    wrong = await world.ask(grant_type="client_credentials", client_id=world.app_key, client_secret="sws_wrong")
    assert wrong.json == by_secret.json


async def test_a_revoked_application_signs_in_vain(world: World) -> None:
    await world.accounts.revoke(world.app_key)
    reply = await world.ask(grant_type="client_credentials", scope=SCOPE, **world.by_key())
    assert (reply.status, reply.json["error"]) == (401, "invalid_client")


async def test_wrong_signatures_are_bounded_and_lock_nobody_else_out(database: Database, vault: Vault) -> None:
    world = World(database, vault, guard=Guard(3, 1000))
    await world.furnish()
    stranger = ECKey.generate_key("P-256")
    statuses = []
    for _ in range(4):
        form = {**world.by_key(), "client_assertion": world.signed(stranger)}
        statuses.append((await world.ask(grant_type="client_credentials", scope=SCOPE, **form)).status)
    assert statuses == [401, 401, 401, 429]
    assert world.refusals == ["failed_logins"]
    assert (await world.ask(grant_type="client_credentials", **world.secret())).status == 429
    theirs = await world.ask(grant_type="client_credentials", **world.theirs())
    assert theirs.status == 200


async def test_published_keys_are_fetched_once_and_again_for_a_new_one(database: Database, vault: Vault) -> None:
    clock, asked = Time(), []
    old, new = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    published = [{**old.as_dict(private=False), "kid": "old"}]

    async def fetch(url: str) -> Any:
        asked.append(url)
        return {"keys": published}

    key_sets = KeySets(allow_private=False, clock=clock, fetch=fetch)
    world = World(database, vault, clock=clock, key_sets=key_sets)
    await world.furnish(keys=(), keys_url="https://client.example/keys")

    async def status(key: ECKey, kid: str) -> int:
        form = {**world.by_key(), "client_assertion": world.signed(key, {"kid": kid})}
        return (await world.ask(grant_type="client_credentials", scope=SCOPE, **form)).status

    assert [await status(old, "old"), await status(old, "old"), len(asked)] == [200, 200, 1]
    published[:] = [{**new.as_dict(private=False), "kid": "new"}]
    assert [await status(new, "new"), await status(new, "made-up"), len(asked)] == [401, 401, 1]  # asked just now
    clock.at += 30
    assert [await status(new, "new"), await status(old, "old"), len(asked)] == [200, 401, 2]


async def test_a_place_of_keys_within_this_network_is_never_asked() -> None:
    for url in ("https://127.0.0.1:1/keys", "https://localhost/keys", "http://client.example/keys", "https://[::1]/"):
        with pytest.raises(ValueError, match="A sink"):
            await KeySets(allow_private=False)._get(url)


# JWT bearer


async def test_a_statement_about_a_sim_gives_a_short_token_about_it(world: World) -> None:
    await world.consent()
    reply = await world.about(MINE)
    assert reply.status == 200
    assert (reply.json["expires_in"], reply.json["scope"]) == (300, SCOPE)
    assert "refresh_token" not in reply.json
    caller = await world.tokens.check(reply.json["access_token"])
    assert caller is not None
    assert caller.device == MINE


async def test_a_token_about_a_sim_does_not_name_its_number(world: World) -> None:
    await world.consent()
    tokens = [(await world.about(MINE)).json["access_token"] for _ in range(2)]
    keys = (await world.keys.jwks())["keys"]
    said = [jwt.decode(token, OKPKey.import_key(keys[0]), algorithms=["Ed25519"]).claims for token in tokens]
    assert all(MINE.lstrip("+") not in str(claims) for claims in said)
    assert said[0]["sub"] == said[1]["sub"] != said[0]["client_id"]
    assert said[0]["dev"] != said[1]["dev"]


async def test_without_consent_there_is_no_token_about_a_sim(world: World) -> None:
    """CAMARA's profile, "JWT Bearer Flow": the request is rejected if the subject has not given consent."""
    assert (await world.about(MINE)).json["error"] == "invalid_grant"
    await world.consent(scopes=(BIND,))
    assert (await world.about(MINE)).json["error"] == "invalid_grant"
    await world.consent(msisdn=OTHER_OF_MINE)
    assert (await world.about(MINE)).json["error"] == "invalid_grant"
    assert (await world.about(OTHER_OF_MINE)).status == 200
    await world.consent()
    assert (await world.about(MINE)).status == 200
    await world.consent(msisdn=MINE, granted=False)
    assert (await world.about(MINE)).json["error"] == "invalid_grant"


async def test_withdrawn_consent_ends_the_tokens_that_rest_on_it(world: World) -> None:
    await world.consent()
    mine = (await world.about(MINE)).json["access_token"]
    other = (await world.about(OTHER_OF_MINE)).json["access_token"]
    own = (await world.ask(grant_type="client_credentials", scope=SCOPE, **world.by_key())).json["access_token"]
    assert all([await world.tokens.check(token) for token in (mine, other, own)])
    world.clock.at += 1
    await world.consent(msisdn=MINE, granted=False)
    assert await world.tokens.check(mine) is None
    assert await world.tokens.check(other) is not None
    world.clock.at += 1
    await world.consent(granted=False)
    assert await world.tokens.check(other) is None
    assert await world.tokens.check(own) is not None  # about no SIM
    world.clock.at += 1
    for msisdn in (MINE, ""):
        await world.consent(msisdn=msisdn)
    assert await world.tokens.check(mine) is None  # a new consent revives no old token
    assert await world.tokens.check((await world.about(MINE)).json["access_token"]) is not None


async def test_a_wrong_statement_about_a_sim_is_refused(world: World) -> None:
    cases: list[Any] = [
        ({"sub": f"tel:{FOREIGN}"}, "invalid_grant"),
        ({"sub": "tel:+8613899999999"}, "invalid_grant"),
        ({"sub": MINE}, "invalid_grant"),
        ({"sub": "ipport:192.0.2.1:40000"}, "invalid_grant"),
        ({"sub": "operatortoken:x"}, "invalid_grant"),
        ({"sub": None}, "invalid_grant"),
        ({"aud": ISSUER}, "invalid_grant"),
        ({"iat": None}, "invalid_grant"),
        ({"jti": None}, "invalid_grant"),
        ({"iss": "swk_unknown"}, "invalid_grant"),
        ({"scope": None}, "invalid_grant"),
        ({"scope": QUERY}, "invalid_scope"),
        ({"scope": f"dpv:{FRAUD}"}, "invalid_scope"),
        ({"scope": f"dpv:Marketing {QUERY}"}, "invalid_scope"),
        ({"scope": f"dpv:{FRAUD} dpv:Marketing {QUERY}"}, "invalid_scope"),
        ({"scope": f"dpv:{FRAUD} sim-swap:check"}, "invalid_scope"),
    ]
    for changes, error in cases:
        await world.consent()
        reply = await world.about(MINE, **changes)
        assert (reply.status, reply.json["error"]) == (400, error)


async def test_a_foreign_sim_and_an_unknown_one_are_answered_alike(world: World) -> None:
    await world.consent()
    assert (await world.about(FOREIGN)).json == (await world.about("+8613899999999")).json


async def test_the_scope_is_a_claim_and_no_parameter(world: World) -> None:
    await world.consent()
    grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    statement = world.signed(sub=f"tel:{MINE}", scope=SCOPE)
    reply = await world.ask(grant_type=grant_type, assertion=statement, scope=SCOPE)
    assert (reply.status, reply.json["error"]) == (400, "invalid_request")
    assert (await world.ask(grant_type=grant_type)).json["error"] == "invalid_request"
    beside = await world.ask(grant_type=grant_type, assertion=statement, **world.secret())
    assert beside.status == 200
    again = await world.ask(grant_type=grant_type, assertion=statement)
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    theirs = await world.ask(
        grant_type=grant_type, assertion=world.signed(sub=f"tel:{MINE}", scope=SCOPE), **world.theirs()
    )
    assert (theirs.status, theirs.json["error"]) == (400, "invalid_grant")


async def test_a_way_to_a_token_that_was_not_agreed_is_closed(database: Database, vault: Vault) -> None:
    world = World(database, vault)
    await world.furnish(grants=())
    await world.consent()
    assert (await world.about(MINE)).json["error"] == "unauthorized_client"
    for grant_type, form in (
        ("urn:openid:params:grant-type:ciba", {"auth_req_id": "x"}),
        ("authorization_code", {"code": "x"}),
    ):
        reply = await world.ask(grant_type=grant_type, **form, **world.secret())
        assert (reply.status, reply.json["error"]) == (400, "unauthorized_client")


async def test_consent_that_is_withdrawn_while_the_token_is_made_gives_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.consent()
    mint = world.tokens.mint

    async def late(*args: Any, **options: Any) -> Any:
        await world.consent(granted=False)
        world.clock.at += 2
        return await mint(*args, **options)

    monkeypatch.setattr(world.tokens, "mint", late)
    assert (await world.about(MINE)).json["error"] == "invalid_grant"


async def test_consents_that_are_withdrawn_one_by_one_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "MOST_CONSENTS", 2)
    await world.consent()
    token = (await world.about(MINE)).json["access_token"]
    other = (await world.about(OTHER_OF_MINE)).json["access_token"]
    world.clock.at += 1
    await world.consent(msisdn=MINE, granted=False)
    for number in range(10):
        await world.consent(msisdn=f"+86139{number:08}", granted=False)
        named = await revocations.of_application(world.db, world.app_key, world.server.time())
        assert len(named) <= 3
        assert await world.tokens.check(token) is None, number
    assert await world.tokens.check(other) is None, "it is ended with the others of its purpose"
    world.clock.at += 1
    assert await world.tokens.check((await world.about(OTHER_OF_MINE)).json["access_token"]) is not None


@pytest.mark.parametrize("kid", [None, "1"])
async def test_an_unknown_client_costs_as_much_as_a_wrong_signature(
    world: World, monkeypatch: pytest.MonkeyPatch, kid: str | None
) -> None:
    """Neither the statements nor the signatures that are checked tell whether there is such a client, or such a key."""
    decoded: list[int] = []
    decode = jwt.decode

    def counted(*args: Any, **options: Any) -> Any:
        decoded.append(1)
        return decode(*args, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    stranger, header = ECKey.generate_key("P-256"), {} if kid is None else {"kid": kid}
    asked: list[str] = []
    fetchrow = world.db.fetchrow

    async def watched(query: str, *args: Any) -> Any:
        asked.append(query)
        return await fetchrow(query, *args)

    monkeypatch.setattr(world.db, "fetchrow", watched)
    seen = []
    for client in (world.app_key, "swk_nobody"):
        statement = world.signed(stranger, {"alg": "ES256", **header}, iss=client, sub=client)
        reply = await world.ask(
            grant_type="client_credentials", client_assertion_type=ASSERTION_TYPE, client_assertion=statement
        )
        seen.append((reply.status, reply.json, len(decoded), len(asked)))
        decoded.clear()
        asked.clear()
    assert seen[0] == seen[1]
    assert seen[0][2] == 1
