"""A house with the console, and visitors who keep cookies and fill in forms as a browser does."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import uuid4

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from tests.integration.management.house import NO_TOKEN, House
from tests.support.fixtures import world_database
from tests.unit.northbound.asgi import Reply, call

from simwarden.console.frame import Console
from simwarden.management import routes
from simwarden.northbound.kernel.edge import Edge
from simwarden.store.database import Database
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["world_database"]
PASSWORD = "correct horse battery"
FORM = ("content-type", "application/x-www-form-urlencoded")


class Visitor:
    """Somebody with a browser."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self.cookies: dict[str, str] = {}
        self.email = ""
        self.page = ""
        """What he sees."""

    async def get(self, path: str, *headers: tuple[str, str]) -> Reply:
        """Go to a page of the console; redirects are not followed."""
        return self._saw(await call(self._app, "GET", f"/console{path}", headers=[*self._headers(), *headers]))

    async def post(self, path: str, *headers: tuple[str, str], csrf: str | None = None, **fields: str) -> Reply:
        """Send a form, with the token of the page that was seen last unless another one is given."""
        sent = urlencode({"csrf": self.csrf if csrf is None else csrf, **fields}).encode()
        given = [*self._headers(), FORM, *(headers or (("sec-fetch-site", "same-origin"),))]
        return self._saw(await call(self._app, "POST", f"/console{path}", sent, given))

    async def sign_in(self, email: str, **more: str) -> Reply:
        """By the form."""
        return await self.post("/sign-in", email=email, password=PASSWORD, **more)

    @property
    def csrf(self) -> str:
        """Of the forms of the page."""
        found = re.search(r'name="csrf" value="([^"]*)"', self.page)
        return unescape(found[1]) if found else ""

    def _headers(self) -> list[tuple[str, str]]:
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return [("host", "localhost"), *([("cookie", kept)] if kept else [])]

    def _saw(self, reply: Reply) -> Reply:
        if "set-cookie" in reply.headers:
            name, _, value = reply.headers["set-cookie"].partition(";")[0].partition("=")
            self.cookies[name] = value
        if reply.headers.get("content-type", "").startswith("text/html"):
            self.page = reply.body.decode()
        return reply


class Site:
    """The console over a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.app = Starlette(
            routes=Console(routes.api(house.parts, Edge(tokens=house.tokens, answers=house.answers))).routes()
        )

    def visitor(self) -> Visitor:
        """Somebody who is not signed in."""
        return Visitor(self.app)

    async def person(self, role: str, **more: str) -> Visitor:
        """Somebody who is signed in, with the overview or what stands in its place open."""
        email = f"{role}-{uuid4().hex}@operator.example"
        made = await self.house.manage("POST", "/users", {"email": email, "name": role, "role": role, **more})
        body = {"setupCode": made.json["setupCode"], "password": PASSWORD}
        assert (await self.house.manage("POST", "/session/setup", body, token=NO_TOKEN)).status == 201
        visitor = self.visitor()
        visitor.email = email
        assert (await visitor.sign_in(email)).status == 303
        reply = await visitor.get("")
        if reply.status == 303:
            await visitor.get(reply.headers["location"].removeprefix("/console"))
        return visitor


@pytest.fixture(scope="module")
def vault_of_module() -> Vault:
    """With a fixed key."""
    return Vault(bytes(range(32)))


@pytest_asyncio.fixture(scope="module")
async def site(world_database: Database, vault_of_module: Vault) -> AsyncIterator[Site]:
    """One for a module."""
    house = House(world_database, vault_of_module)
    await house.furnish(mine=60)
    yield Site(house)
