"""Signing in at an OpenID provider by way of the console's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
from tests.support.openid import CLIENT, SECRET, openid_provider

from simwarden.accounts.openid import OpenIdLogin, Provider, roles_of

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site


async def test_a_person_comes_back_from_the_provider_and_is_signed_in(site: Site) -> None:
    house = site.house
    await site.person("admin")  # the first person is there
    visitor = site.visitor()
    await visitor.get("/sign-in")
    assert "/console/sign-in/openid" not in visitor.page
    async with openid_provider() as provider, aiohttp.ClientSession() as session:
        settings = Provider(
            issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, roles=roles_of("noc=operator")
        )
        house.parts.openid = OpenIdLogin(settings, lambda: session, house.parts.vault, ("https://localhost",))
        provider.claims = {"email": "zoe@operator.example", "name": "Zoe", "groups": ["noc"]}
        await visitor.get("/sign-in")
        assert "/console/sign-in/openid" in visitor.page
        sent = await visitor.get("/sign-in/openid")
        assert sent.status == 303
        query = dict(parse_qsl(urlsplit(sent.headers["location"]).query))
        assert query["redirect_uri"] == "https://localhost/console/login"
        back = urlencode({"code": provider.authorize(query), "state": query["state"], "iss": provider.issuer})
        assert (await site.visitor().get(f"/login?{back}")).status == 403, "it was begun in another browser"
        assert (await visitor.get("/login?error=access_denied&state=x")).status == 403
        sent_back = await visitor.get(f"/login?{back}", ("sec-fetch-site", "cross-site"))
        assert (sent_back.status, b'http-equiv="refresh"' in sent_back.body) == (200, True)
        done = await visitor.get(f"/login?{back}", ("sec-fetch-site", "same-origin"))
        assert (done.status, done.headers["location"]) == (303, "/console?signed=1")
        await visitor.get("/me")
        assert "zoe@operator.example" in visitor.page
        assert (await visitor.get(f"/login?{back}")).status == 403, "a code is good once"
    house.parts.openid = None
