"""Authorization codes with PKCE (RFC 6749 clause 4.1, RFC 7636), and the page that asks for consent."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from starlette.applications import Starlette
from tests.integration.accounts.world import (
    BIND,
    FORM,
    FRAUD,
    ISSUER,
    MINE,
    OTHER_OF_MINE,
    QUERY,
    REDIRECT,
    SCOPE,
    World,
)
from tests.unit.northbound.asgi import Reply, call

from simwarden.accounts import authorize, code_challenge, oauth
from simwarden.edge.throttle import Allowance

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

VERIFIER = "v" * 43
CHALLENGE = code_challenge.challenge_of(VERIFIER)
COOKIE = "__Host-simwarden-consent"


@pytest.fixture
async def world(database: Database, vault: Vault) -> World:
    world = World(database, vault)
    await world.furnish(asks_user=True)
    return world


def wanted(world: World, **changes: str) -> dict[str, str]:
    right = {
        "response_type": "code",
        "client_id": world.app_key,
        "redirect_uri": REDIRECT,
        "scope": f"openid {SCOPE}",
        "state": "st&te=1",
        "nonce": "n-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in {**right, **changes}.items() if value != "-"}


async def visit(world: World, headers: list[tuple[str, str]] | None = None, /, **changes: str) -> Reply:
    return await call(world.app, "GET", f"/oauth2/authorize?{urlencode(wanted(world, **changes))}", b"", headers or [])


def sent_back(reply: Reply) -> dict[str, str]:
    """What came back to the client, by its own address to the letter."""
    assert reply.status == 302, reply.body
    target = reply.headers["location"]
    assert target.startswith(f"{REDIRECT}&")
    assert reply.headers["cache-control"] == "no-store"
    said = dict(parse_qsl(target.removeprefix(f"{REDIRECT}&")))
    assert said.pop("iss") == ISSUER
    return said


async def code(world: World, **changes: str) -> str:
    return sent_back(await visit(world, **changes))["code"]


async def exchange(world: World, code: str, /, **changes: str) -> Reply:
    form = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, **world.secret(), **changes}
    return await world.ask(grant_type="authorization_code", **form)


async def test_with_consent_the_code_comes_back_at_once_and_gives_a_token(world: World) -> None:
    await world.consent()
    said = sent_back(await visit(world))
    assert said["state"] == "st&te=1"
    reply = await exchange(world, said["code"])
    assert reply.status == 200
    assert (reply.json["scope"], reply.json["expires_in"]) == (f"openid {SCOPE}", 3600)
    assert "refresh_token" not in reply.json
    caller = await world.tokens.check(reply.json["access_token"])
    assert caller is not None
    assert caller.device == MINE
    keys = (await world.keys.jwks())["keys"]
    claims = jwt.decode(reply.json["id_token"], OKPKey.import_key(keys[0]), algorithms=["Ed25519"]).claims
    assert (claims["nonce"], claims["aud"], claims["iss"]) == ("n-1", world.app_key, ISSUER)
    assert MINE.lstrip("+") not in str(claims)
    plain = await exchange(world, await code(world, scope=SCOPE))
    assert "id_token" not in plain.json


async def test_who_cannot_be_sent_back_is_told_on_a_page(world: World) -> None:
    cases: list[dict[str, str]] = [
        {"client_id": "swk_unknown"},
        {"client_id": "-"},
        {"client_id": "swk_\x00é"},
        {"redirect_uri": "-"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{REDIRECT}/"},
        {"redirect_uri": REDIRECT.upper()},
        {"redirect_uri": REDIRECT.replace("client", "client.example@evil")},
        {"redirect_uri": "https://client.example/back"},
        {"client_id": world.stranger.application.app_key, "redirect_uri": "https://client.example/b"},
        {"state": "x" * 17_000},
    ]
    for changes in cases:
        reply = await visit(world, **changes)
        assert reply.status == 400
        assert "location" not in reply.headers
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    twice = f"{urlencode(wanted(world))}&client_id={world.app_key}"
    assert (await call(world.app, "GET", f"/oauth2/authorize?{twice}")).status == 400


async def test_errors_are_sent_back_with_the_state(world: World) -> None:
    cases: list[tuple[dict[str, str], str]] = [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "-"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": "-"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "-"}, "invalid_request"),
        ({"scope": "-"}, "invalid_scope"),
        ({"scope": QUERY}, "invalid_scope"),
        ({"scope": f"dpv:{FRAUD} dpv:Marketing {QUERY}"}, "invalid_scope"),
        ({"scope": f"dpv:{FRAUD} sim-swap:check"}, "invalid_scope"),
        ({"request_uri": "https://evil.example/"}, "request_uri_not_supported"),
        ({"request": "x.y.z"}, "invalid_request_object"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "none"}, "consent_required"),
        ({"nonce": "x" * 1025}, "invalid_request"),
    ]
    for changes, error in cases:
        said = sent_back(await visit(world, **changes))
        assert (said["error"], said["state"]) == (error, "st&te=1"), changes


async def test_what_camara_leaves_open_is_ignored(world: World) -> None:
    await world.consent()
    said = sent_back(await visit(world, acr_values="3", login_hint="tel:+8613899999999", max_age="1", display="touch"))
    caller = await world.tokens.check((await exchange(world, said["code"])).json["access_token"])
    assert caller is not None
    assert caller.device == MINE  # as the network knows it, whatever the hint says


async def test_a_way_that_was_not_agreed_is_closed(world: World) -> None:
    profile = msgspec.structs.replace(world.profile, grants=())
    await world.server.clients.change(world.app_key, lambda _: profile)
    assert sent_back(await visit(world))["error"] == "unauthorized_client"
    profile = msgspec.structs.replace(world.profile, asks_user=False)
    await world.server.clients.change(world.app_key, lambda _: profile)
    assert sent_back(await visit(world))["error"] == "consent_required"


async def test_the_network_authenticates_and_nothing_else(world: World) -> None:
    """No SIM of the account behind this address: no code, whatever the request says."""
    await world.consent()
    await world.db.execute("delete from sim_identifier where kind = 'ipv4'")
    assert sent_back(await visit(world, login_hint=f"tel:{MINE}"))["error"] == "access_denied"
    forwarded = [("x-forwarded-for", "2001:db8::1"), ("forwarded", 'for="[2001:db8::1]"')]
    assert sent_back(await visit(world, forwarded))["error"] == "access_denied"


async def test_a_code_is_good_once_for_its_client_address_and_verifier(world: World) -> None:
    await world.consent()
    cases: list[dict[str, str]] = [
        {"code_verifier": "w" * 43},
        {"code_verifier": CHALLENGE},
        {"code_verifier": "short"},
        {"redirect_uri": "https://client.example/back"},
        {"redirect_uri": "https://evil.example/"},
        world.theirs(),
    ]
    for changes in cases:
        given = await code(world)
        reply = await exchange(world, given, **changes)
        assert (reply.status, reply.json["error"]) == (400, "invalid_grant")
        assert (await exchange(world, given)).json["error"] == "invalid_grant"  # it is used up
    for name in ("code", "redirect_uri", "code_verifier"):
        form = {"code": "x", "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        del form[name]
        reply = await world.ask(grant_type="authorization_code", **form, **world.secret())
        assert reply.json["error"] == "invalid_request"
    late = await code(world)
    world.clock.at += 60
    assert (await exchange(world, late)).json["error"] == "invalid_grant"
    assert (await exchange(world, "made-up")).json["error"] == "invalid_grant"


async def test_a_code_that_comes_again_ends_the_token_it_was_used_for(world: World) -> None:
    await world.consent()
    given = await code(world)
    token = (await exchange(world, given)).json["access_token"]
    assert await world.tokens.check(token) is not None
    again = await exchange(world, given, **world.theirs())
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    assert await world.tokens.check(token) is None
    ended = await world.db.fetch("select * from token_revocation")
    world.clock.at += 1
    assert (await exchange(world, given)).status == 400
    assert await world.db.fetch("select * from token_revocation") == ended, "it costs every process a look each time"


async def test_of_two_exchanges_at_a_time_one_succeeds_and_its_token_is_ended(world: World) -> None:
    await world.consent()
    given = await code(world)
    replies = await asyncio.gather(*(exchange(world, given) for _ in range(3)))
    assert sorted(reply.status for reply in replies) == [200, 400, 400]
    token = next(reply.json["access_token"] for reply in replies if reply.status == 200)
    world.tokens.invalidate("")
    assert await world.tokens.check(token) is None


async def test_consent_that_was_refused_meanwhile_gives_no_token(world: World) -> None:
    await world.consent()
    given = await code(world)
    await world.consent(granted=False)
    assert (await exchange(world, given)).json["error"] == "invalid_grant"
    assert sent_back(await visit(world))["error"] == "access_denied"


async def test_a_signed_request_counts_in_place_of_what_stands_beside_it(world: World) -> None:
    await world.consent()
    outside = wanted(world, state="-", nonce="-", code_challenge="-", code_challenge_method="-")
    inside = {**wanted(world), "sub": None, "aud": f"{ISSUER}/oauth2/authorize"}
    said = sent_back(
        await visit(world, **{**dict.fromkeys(wanted(world), "-"), **outside, "request": world.signed(**inside)})
    )
    assert said["state"] == "st&te=1"
    assert (await exchange(world, said["code"])).status == 200
    cases: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({"scope": f"dpv:{FRAUD} {BIND}"}, {}),
        ({"redirect_uri": "https://evil.example/"}, {}),
        ({"aud": "https://other.example"}, {}),
        ({"aud": None}, {}),
        ({"iat": None}, {}),
        ({"jti": None}, {}),
        ({"exp": int(world.clock()) + 400}, {}),
        ({"iat": int(world.clock()) + 60}, {}),
        ({"iss": "swk_other"}, {}),
    ]
    for changes, beside in cases:
        form = {**outside, **beside, "state": "s", "request": world.signed(**{**inside, **changes})}
        reply = await call(world.app, "GET", f"/oauth2/authorize?{urlencode(form)}")
        assert sent_back(reply)["error"] == "invalid_request_object", changes
    bare = {name: value for name, value in outside.items() if name != "scope"}
    form = {**bare, "request": world.signed(**inside)}
    assert sent_back(await call(world.app, "GET", f"/oauth2/authorize?{urlencode(form)}"))["error"] == "invalid_request"


# The page


class Shown:
    """The page as a browser has it."""

    def __init__(self, reply: Reply) -> None:
        assert reply.status == 200, reply.body
        self.reply = reply
        self.text = reply.body.decode()
        self.cookie = reply.headers["set-cookie"].partition(";")[0]
        found = re.search(r'name="ticket" value="([^"]+)"', self.text)
        assert found is not None
        self.ticket = found[1]


async def decide(world: World, shown: Shown, *headers: tuple[str, str], **changes: str) -> Reply:
    form = {"ticket": shown.ticket, "decision": "allow", **changes}
    sent = [("content-type", FORM), ("cookie", shown.cookie), ("origin", ISSUER), *headers]
    names = [name for name, _ in headers]
    sent = [each for index, each in enumerate(sent) if index >= 3 or each[0] not in names]
    return await call(world.app, "POST", "/oauth2/consent", urlencode(form).encode(), sent)


async def test_the_user_is_asked_and_what_he_allows_is_remembered(world: World) -> None:
    shown = Shown(await visit(world))
    assert "billing" in shown.text
    assert "meters" in shown.text
    assert "Fraud prevention and detection" in shown.text
    assert MINE not in shown.text
    assert "ends with 0001" in shown.text
    assert "<script" not in shown.text
    said = sent_back(await decide(world, shown))
    assert (await exchange(world, said["code"])).status == 200
    assert "code" in sent_back(await visit(world))  # is not asked again
    (kept,) = await world.server.consents.of_sim(world.app_key, FRAUD, MINE)
    assert (kept.msisdn, kept.granted, kept.scopes, kept.decided_by) == (MINE, True, (QUERY,), "user")
    wider = Shown(await visit(world, scope=f"dpv:{FRAUD} {BIND}"))  # for more he is asked
    await decide(world, wider)
    (kept,) = await world.server.consents.of_sim(world.app_key, FRAUD, MINE)
    assert kept.scopes == (BIND, QUERY)


async def test_a_refusal_is_sent_back_and_not_remembered(world: World) -> None:
    said = sent_back(await decide(world, Shown(await visit(world)), decision="refuse"))
    assert (said["error"], said["state"]) == ("access_denied", "st&te=1")
    assert await world.server.consents.of_sim(world.app_key, FRAUD, MINE) == []
    assert (await visit(world)).status == 200


async def test_the_page_cannot_be_framed_kept_or_made_to_run_anything(world: World) -> None:
    shown = Shown(await visit(world))
    headers = shown.reply.headers
    policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self' https://client.example"
    assert "script-src" not in policy
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["cache-control"]) == ("DENY", "no-store")
    attributes = headers["set-cookie"].split("; ")
    assert attributes[0].startswith(f"{COOKIE}=")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(attributes)


async def test_names_cannot_break_out_of_the_page(world: World) -> None:
    await world.db.execute(
        """update application set name = '"><script>alert(1)</script>' where app_key = $1""", world.app_key
    )
    text = Shown(await visit(world)).text
    assert "<script" not in text
    assert "&lt;script&gt;" in text


async def test_an_answer_from_elsewhere_counts_for_nothing(world: World) -> None:
    shown = Shown(await visit(world))
    for headers in (
        [("cookie", "")],
        [("cookie", f"{COOKIE}={'x' * 43}")],
        [("origin", "https://evil.example")],
        [("origin", "null")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
    ):
        reply = await decide(world, shown, *headers)
        assert reply.status == 403, headers
        assert "location" not in reply.headers
    assert await world.server.consents.of_sim(world.app_key, FRAUD, MINE) == []
    for ticket in ("", "x", shown.ticket[:-4] + "AAAA", "é"):
        assert (await decide(world, shown, ticket=ticket)).status == 403
    assert (await decide(world, shown, ("sec-fetch-site", "same-origin"))).status == 302
    assert (await decide(world, shown)).status == 403  # answered before


async def test_the_page_is_answered_in_time_by_the_same_sim(world: World) -> None:
    shown = Shown(await visit(world))
    await world.db.execute(
        "update sim_identifier set imsi = $1, bucket = (select bucket from sim where imsi = $1) where kind = 'ipv4'",
        "46000" + OTHER_OF_MINE[-10:],
    )
    assert sent_back(await decide(world, shown))["error"] == "access_denied"
    late = Shown(await visit(world))
    world.clock.at += 600
    assert (await decide(world, late)).status == 403


async def test_the_account_has_the_last_word(world: World) -> None:
    shown = Shown(await visit(world))
    await world.consent(granted=False)
    assert sent_back(await decide(world, shown))["error"] == "access_denied"
    await world.consent(granted=False, msisdn=MINE)
    assert sent_back(await visit(world))["error"] == "access_denied"


async def test_floods_of_one_address_are_bounded(world: World) -> None:
    server = msgspec.structs.replace(world.server, askers=Allowance(2))
    world.app = Starlette(routes=oauth.routes(server))
    assert [(await visit(world)).status for _ in range(3)] == [200, 200, 429]
    assert world.refusals == ["authorizations"]


async def test_the_page_of_an_application_that_was_deleted_says_so(world: World) -> None:
    shown = Shown(await visit(world))
    await world.db.execute("delete from application where app_key = $1", world.app_key)
    reply = await decide(world, shown)
    assert reply.status == 403
    assert "location" not in reply.headers


async def test_codes_of_an_application_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorize, "MOST_CODES", 2)
    await world.consent()
    await code(world)
    await code(world)
    assert sent_back(await visit(world))["error"] == "temporarily_unavailable"
    assert world.refusals == ["authorization_codes"]


async def test_consent_that_is_withdrawn_while_the_token_is_made_gives_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.consent()
    given, mint = await code(world), world.tokens.mint

    async def late(*args: Any, **options: Any) -> Any:
        await world.consent(granted=False)
        world.clock.at += 2  # so the token is younger than the withdrawal, which does not end it
        return await mint(*args, **options)

    monkeypatch.setattr(world.tokens, "mint", late)
    reply = await exchange(world, given)
    assert (reply.status, reply.json["error"]) == (400, "invalid_grant")
