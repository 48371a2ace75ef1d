"""The token endpoint as a client meets it: RFC 6749 clauses 2.3, 4.4, 5.1 and 5.2."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from tests.unit.northbound.asgi import Reply, call

from simwarden.accounts import applications
from simwarden.accounts.keys import SigningKeys
from simwarden.accounts.oauth import routes
from simwarden.accounts.server import AuthorizationServer
from simwarden.accounts.tokens import Tokens
from simwarden.store.accounts import Accounts
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

BIND = "iot-sim-fraud-prevention:bind"
QUERY = "iot-sim-fraud-prevention:query"
FORM = "application/x-www-form-urlencoded"


class Server:
    """The authorization server with one application that may bind and query."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.accounts = Accounts(database)
        self.keys = SigningKeys(self.accounts, vault)
        self.tokens = Tokens(self.accounts, self.keys, issuer="https://warden.example")
        parts = (database, self.accounts, self.tokens, self.keys)
        self.app = Starlette(routes=routes(AuthorizationServer.over(*parts, find=Sims(database).find)))

    async def ask(self, content_type: str = FORM, authorization: str | None = None, /, **form: str) -> Reply:
        headers = [("content-type", content_type)]
        if authorization is not None:
            headers.append(("authorization", authorization))
        return await call(self.app, "POST", "/oauth2/token", urlencode(form).encode(), headers)


@pytest.fixture
async def server(database: Database, vault: Vault) -> Server:
    server = Server(database, vault)
    await applications.open_account(server.accounts, "meters")
    return server


@pytest.fixture
async def issued(server: Server) -> applications.Issued:
    return await applications.issue(server.accounts, "meters", "billing", [BIND, QUERY])


def basic(app_key: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{app_key}:{secret}".encode()).decode()


async def test_a_token_is_granted_by_basic_and_by_body(server: Server, issued: applications.Issued) -> None:
    key, secret = issued.application.app_key, issued.app_secret
    by_basic = await server.ask(FORM, basic(key, secret), grant_type="client_credentials")
    by_body = await server.ask(
        FORM + "; charset=utf-8", grant_type="client_credentials", client_id=key, client_secret=secret, scope=QUERY
    )
    for reply, scope in ((by_basic, f"{BIND} {QUERY}"), (by_body, QUERY)):
        assert reply.status == 200
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["pragma"] == "no-cache"
        assert reply.headers["content-type"] == "application/json"
        assert reply.json["token_type"] == "Bearer"
        assert reply.json["expires_in"] == 3600
        assert reply.json["scope"] == scope
        caller = await server.tokens.check(reply.json["access_token"])
        assert caller is not None
        assert caller.scopes == frozenset(scope.split())


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "iot-sim-fraud-prevention:unbind"}, 400, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": f'{BIND} all"\n'}, 400, "invalid_scope"),
        ({"grant_type": "client_credentials", "client_secret": "twice"}, 400, "invalid_request"),
    ],
)
async def test_a_wrong_request_is_refused(
    server: Server, issued: applications.Issued, form: dict[str, str], status: int, error: str
) -> None:
    reply = await server.ask(FORM, basic(issued.application.app_key, issued.app_secret), **form)
    assert (reply.status, reply.json["error"]) == (status, error)
    assert reply.headers["cache-control"] == "no-store"
    assert '"' not in reply.json["error_description"]


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer x", "Basic", "Basic !!!", "Basic //79", basic("swk_unknown", "x"), basic("", ""), basic("é", "ü")],
)
async def test_an_unknown_client_is_refused(server: Server, authorization: str | None) -> None:
    reply = await server.ask(FORM, authorization, grant_type="client_credentials")
    assert (reply.status, reply.json["error"]) == (401, "invalid_client")
    assert reply.headers["www-authenticate"].startswith("Basic")


async def test_a_wrong_secret_and_a_revoked_application_are_refused_alike(
    server: Server, issued: applications.Issued
) -> None:
    key = issued.application.app_key
    wrong = await server.ask(grant_type="client_credentials", client_id=key, client_secret="sws_wrong")
    await server.accounts.revoke(key)
    revoked = await server.ask(grant_type="client_credentials", client_id=key, client_secret=issued.app_secret)
    assert wrong.status == revoked.status == 401
    assert wrong.json == revoked.json


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"grant_type=client_credentials&grant_type=client_credentials", FORM),
        (b"grant_type=%ff", FORM),
        (b"\xff", FORM),
        (b"&".join(b"a%d=1" % index for index in range(50)), FORM),
        (b"a=" + b"x" * 20_000, FORM),
        (b'{"grant_type": "client_credentials"}', "application/json"),
        (b"grant_type=client_credentials", ""),
    ],
)
async def test_an_unreadable_request_is_refused(server: Server, body: bytes, content_type: str) -> None:
    reply = await call(server.app, "POST", "/oauth2/token", body, [("content-type", content_type)])
    assert (reply.status, reply.json["error"]) == (400, "invalid_request")


async def test_metadata_names_endpoints_and_scopes(server: Server) -> None:
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
        metadata = (await call(server.app, "GET", path)).json
        assert metadata["issuer"] == "https://warden.example"
        assert metadata["token_endpoint"] == "https://warden.example/oauth2/token"
        assert metadata["jwks_uri"] == "https://warden.example/.well-known/jwks.json"
        assert BIND in metadata["scopes_supported"]


async def test_the_key_set_holds_public_keys_only(server: Server) -> None:
    keys = (await call(server.app, "GET", "/.well-known/jwks.json")).json["keys"]
    assert [sorted(key) for key in keys] == [["alg", "crv", "kid", "kty", "use", "x"]]


async def test_a_lost_database_is_503(server: Server, issued: applications.Issued, database: Database) -> None:
    await database.close()
    authorization = basic(issued.application.app_key, issued.app_secret)
    reply = await server.ask(FORM, authorization, grant_type="client_credentials")
    assert (reply.status, reply.json["error"]) == (503, "temporarily_unavailable")
    assert (await call(server.app, "GET", "/.well-known/jwks.json")).status == 503


async def test_the_client_of_the_body_is_that_of_the_header(server: Server, issued: applications.Issued) -> None:
    key, header = issued.application.app_key, basic(issued.application.app_key, issued.app_secret)
    same = await server.ask(FORM, header, grant_type="client_credentials", client_id=key)
    other = await server.ask(FORM, header, grant_type="client_credentials", client_id="swk_other")
    assert same.status == 200
    assert (other.status, other.json["error"]) == (400, "invalid_request")
