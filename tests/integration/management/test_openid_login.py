"""Operators log in at an OpenID provider."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from joserfc.jwk import RSAKey
from tests.integration.management.house import NO_TOKEN, House
from tests.support.openid import CLIENT, SECRET, OpenIdProvider, openid_provider
from tests.unit.northbound.asgi import Reply

from simwarden.accounts import logins, openid
from simwarden.accounts.openid import OpenIdLogin, Provider, ProviderFailed, roles_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BACK = "http://127.0.0.1:53211/callback"
ROLES = roles_of("noc=operator, boss=admin,watch=viewer")


@pytest.fixture
async def provider(house: House) -> AsyncIterator[OpenIdProvider]:
    async with openid_provider() as found, aiohttp.ClientSession() as session:
        settings = Provider(issuer=found.issuer, client_id=CLIENT, client_secret=SECRET, roles=ROLES)
        house.parts.openid = OpenIdLogin(settings, lambda: session, house.parts.vault, ("https://warden.example",))
        found.claims = {"email": "Ann@operator.example", "name": "Ann", "groups": ["noc", "watch", "other"]}
        yield found


async def begun(house: House) -> tuple[dict[str, str], str]:
    """The query that the provider gets, and the id of the log-in."""
    answer = await house.manage("POST", "/session/openid", {"redirectUri": BACK}, token=NO_TOKEN)
    assert answer.status == 200
    return dict(parse_qsl(urlsplit(answer.json["authorizationUrl"]).query)), answer.json["loginId"]


async def finished(house: House, query: dict[str, str], login_id: str, code: str, **more: Any) -> Reply:
    body = {"loginId": login_id, "code": code, "state": query["state"], **more}
    return await house.manage("POST", "/session/openid/finish", body, token=NO_TOKEN)


async def logged_in(house: House, provider: OpenIdProvider) -> Reply:
    query, login_id = await begun(house)
    return await finished(house, query, login_id, provider.authorize(query))


async def test_a_person_logs_in_with_the_role_of_the_group(house: House, provider: OpenIdProvider) -> None:
    query, login_id = await begun(house)
    assert query["scope"] == "openid email profile"
    code = provider.authorize(query)
    done = await finished(house, query, login_id, code, issuer=provider.issuer)
    assert done.status == 201
    user = done.json["user"]
    assert (user["email"], user["name"], user["role"]) == ("ann@operator.example", "Ann", "operator")
    assert (user["issuer"], user["hasPassword"], done.json["session"]["method"]) == (provider.issuer, False, "openid")
    assert (await house.manage("GET", "/sims", token=done.json["token"])).status == 200
    assert (await finished(house, query, login_id, code)).status == 401, "a code is good once"

    provider.claims["groups"] = "watch"
    again = await logged_in(house, provider)
    assert (again.json["user"]["id"], again.json["user"]["role"]) == (user["id"], "viewer")
    assert (await house.manage("GET", "/session", token=done.json["token"])).status == 401, "another role: it ended"
    provider.claims["groups"] = ["nothing"]
    assert (await logged_in(house, provider)).status == 403
    provider.claims["groups"] = ["noc"]
    await house.manage("PATCH", f"/users/{user['id']}", {"disabled": True})
    assert (await logged_in(house, provider)).status == 401, "he is locked here"
    assert (await house.manage("POST", f"/users/{user['id']}/setup-code", {})).status == 409


async def test_somebody_with_the_same_e_mail_address_is_another_person(house: House, provider: OpenIdProvider) -> None:
    made = await house.manage("POST", "/users", {"email": "ann@operator.example", "name": "Ann", "role": "admin"})
    done = await logged_in(house, provider)
    assert (done.status, done.json["user"]["role"]) == (201, "operator")
    assert done.json["user"]["id"] != made.json["id"]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://127.0.0.1:1"},
        {"aud": "another"},
        {"aud": ["another", CLIENT]},
        {"azp": "another"},
        {"exp": 1},
        {"exp": None},
        {"iat": 4102444800},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"sub": 7},
    ],
)
async def test_a_token_that_is_not_for_us_is_refused(
    house: House, provider: OpenIdProvider, claims: dict[str, Any]
) -> None:
    provider.claims |= claims
    assert (await logged_in(house, provider)).status == 401


@pytest.mark.parametrize("forged", ["other-key", "none", "hs256"])
async def test_a_forged_token_is_refused(house: House, provider: OpenIdProvider, forged: str) -> None:
    provider.forged = forged
    assert (await logged_in(house, provider)).status == 401
    provider.forged = ""
    assert (await logged_in(house, provider)).status == 201


async def test_one_persons_code_does_not_log_in_another(house: House, provider: OpenIdProvider) -> None:
    mine, my_id = await begun(house)
    theirs, their_id = await begun(house)
    code = provider.authorize(theirs)
    assert (await finished(house, mine, their_id, code)).status == 401, "the state is another one's"
    assert (await finished(house, mine, my_id, code)).status == 401, "and so is what the code is bound to"
    assert (await finished(house, mine, "x", code)).status == 401
    code = provider.authorize(mine)
    assert (await finished(house, mine, my_id, code, issuer="https://evil.example")).status == 401, "a mix-up"
    over = house.parts.openid
    assert over is not None
    query, login_id = await begun(house)
    began = over._now()
    over._now = lambda: began + openid.PENDING + 1
    assert (await finished(house, query, login_id, provider.authorize(query))).status == 401, "it took too long"


async def test_guesses_of_codes_are_bounded_for_an_address(
    house: House, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, login_id = await begun(house)
    monkeypatch.setattr(logins, "PER_ADDRESS", 2)
    assert [(await finished(house, query, login_id, "x")).status for _ in range(4)] == [401, 401, 429, 429]


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/console/login",
        "https://warden.example/console/login/../x",
        "http://127.0.0.1:1/other",
        "http://127.0.0.1.evil.example:80/callback",
        "javascript:alert(1)",
    ],
)
async def test_the_browser_is_sent_back_to_nobody_else(house: House, provider: OpenIdProvider, redirect: str) -> None:
    assert provider.issuer
    answer = await house.manage("POST", "/session/openid", {"redirectUri": redirect}, token=NO_TOKEN)
    assert answer.status == 400


async def test_new_keys_of_the_provider_are_learnt(
    house: House, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await logged_in(house, provider)).status == 201
    provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"})
    monkeypatch.setattr(openid, "KEYS_AGAIN", 0)
    assert (await logged_in(house, provider)).status == 201


async def test_without_a_provider_and_with_one_that_is_away(house: House, provider: OpenIdProvider) -> None:
    found, house.parts.openid = house.parts.openid, None
    answer = await house.manage("POST", "/session/openid", {"redirectUri": BACK}, token=NO_TOKEN)
    assert answer.status == 404
    house.parts.openid = found
    provider.padding = openid.MAX_ANSWER
    answer = await house.manage("POST", "/session/openid", {"redirectUri": BACK}, token=NO_TOKEN)
    assert answer.status == 503, "it says more than is read"
    provider.issuer += "/other"
    answer = await house.manage("POST", "/session/openid", {"redirectUri": BACK}, token=NO_TOKEN)
    assert answer.status == 503


def test_groups_within_claims() -> None:
    settings = Provider(issuer="i", client_id="c", claim="realm_access.roles", roles=ROLES)
    made = OpenIdLogin(settings, lambda: None, None, ())  # type: ignore[arg-type,return-value]
    claims: dict[str, Any] = {"iss": "i", "sub": "s", "realm_access": {"roles": ["boss", "noc"]}}
    assert made._identity(claims).role == "admin"
    for claims in ({"iss": "i", "sub": "s"}, {"iss": "i", "sub": "s", "realm_access": ["boss"]}):
        with pytest.raises(openid.NoRole):
            made._identity(claims)


@pytest.mark.parametrize("groups", [7, {"noc": True}, None, True])
async def test_groups_that_are_no_list_are_none(house: House, provider: OpenIdProvider, groups: Any) -> None:
    provider.claims["groups"] = groups
    assert (await logged_in(house, provider)).status == 403


async def test_an_absent_provider_is_asked_once_in_a_while(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    now = 1000.0
    settings = Provider(issuer="https://idp.example", client_id=CLIENT, client_secret=SECRET, roles=ROLES)
    login = OpenIdLogin(
        settings, lambda: pytest.fail("as below"), house.parts.vault, ("https://warden.example",), now=lambda: now
    )
    house.parts.openid = login

    async def absent(_method: str, url: str, *_: Any, **__: Any) -> Any:
        asked.append(url)
        await asyncio.sleep(0)
        raise ProviderFailed

    monkeypatch.setattr(login, "_json", absent)
    body = {"redirectUri": BACK}
    answers = await asyncio.gather(*(house.manage("POST", "/session/openid", body, token=NO_TOKEN) for _ in range(5)))
    assert [each.status for each in answers] == [503] * 5
    assert len(asked) == 1
    now += openid.AGAIN
    assert (await house.manage("POST", "/session/openid", body, token=NO_TOKEN)).status == 503
    assert len(asked) == 2


async def test_who_is_locked_while_he_logs_in_stays_locked_and_outside(
    house: House, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = (await logged_in(house, provider)).json["user"]
    provider.claims["groups"] = ["boss"]  # another role, which was written with the lock as it was found
    people = house.parts.logins.people
    rename, change_role = people.by_subject, people.change_role

    async def locked_behind(issuer: str, subject: str) -> Any:
        found = await rename(issuer, subject)
        assert (await house.manage("PATCH", f"/users/{user['id']}", {"disabled": True})).status == 200
        return found

    monkeypatch.setattr(people, "by_subject", locked_behind)
    assert (await logged_in(house, provider)).status == 401
    monkeypatch.setattr(people, "by_subject", rename)
    assert (await people.get(user["id"])).disabled_at is not None

    async def locked_later(user_id: str, role: str) -> bool:
        changed = await change_role(user_id, role)
        assert (await house.manage("PATCH", f"/users/{user['id']}", {"disabled": True})).status == 200
        return changed

    assert (await house.manage("PATCH", f"/users/{user['id']}", {"disabled": False})).status == 200
    monkeypatch.setattr(people, "change_role", locked_later)
    assert (await logged_in(house, provider)).status == 401
    now = datetime.now(UTC)
    assert await people.sessions(user["id"], now, now - timedelta(hours=1)) == []
