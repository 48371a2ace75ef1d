"""Statements that nobody signed, at all doors that take signed ones; a key set that is huge, slow or elsewhere."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.attacks.attackers import Answers, clients
from tests.attacks.target import HOME

from simwarden.demo.processes import free_port
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.clients import ClientProfile, Clients
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = (
    (401, "invalid_client"),
    (400, "invalid_grant"),
    (429, "slow_down"),
    (401, "UNAUTHENTICATED"),
    (403, ""),
    (400, ""),
    (429, ""),
)
SETTINGS = {"authorizations_per_address": "60"}
"""Few enough to be met on a machine that is busy."""
COUNTED = (
    'simwarden_refused_requests_total{reason="failed_logins"}',
    'simwarden_refused_requests_total{reason="authorizations"}',
)
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_KEY = ECKey.generate_key("P-256")


def _part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def statements(client: str, audience: str) -> list[str]:
    """Of this client: by a stranger's key and by none, with ids of keys, other algorithms, too large, too deep."""
    now = int(time.time())
    claims = {"iss": client, "sub": client, "aud": audience, "iat": now, "exp": now + 60, "jti": uuid4().hex}
    deep = b'{"iss":' + b"[" * 3000 + b"]" * 3000 + b"}"
    return [
        *(jwt.encode({"alg": "ES256", **more}, claims, _KEY) for more in ({}, {"kid": uuid4().hex}, {"kid": "../etc"})),
        jwt.encode({"alg": "ES256", "jwk": _KEY.as_dict(private=False)}, claims, _KEY),
        f"{_part({'alg': 'none'})}.{_part(claims)}.",
        f"{_part({'alg': 'HS256'})}.{_part(claims)}.{_part(b'x' * 32)}",
        f"{_part({'alg': 'ES256'})}.{_part(claims | {'pad': 'x' * 200_000})}.{_part(b'x' * 64)}",
        f"{_part({'alg': 'ES256'})}.{_part(deep)}.{_part(b'x' * 64)}",
    ]


class _KeySet:
    """The attacker's key set: without end, without hurry, or said to be within the network."""

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.asked % 2:
            return web.Response(status=302, headers={"location": "http://127.0.0.1:1/inside"})
        answer = web.StreamResponse(headers={"content-type": "application/json"})
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(10_000):
                await answer.write(b'{"keys":[' + b" " * 65_536)
        return answer


_ASKED: dict[str, _KeySet] = {}


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Four clients: at the token endpoint, with request signatures, at the page for consent and what leads to it."""
    answers, turns, keys = Answers(), itertools.count(), _KeySet()
    _ASKED[target.url] = keys
    app = web.Application()
    app.router.add_get("/keys", keys.answer)
    runner, port = web.AppRunner(app), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with target.database() as db:
        profile = ClientProfile(keys_url=f"http://127.0.0.1:{port}/keys", grants=("jwt_bearer",))
        vault = Vault(master_key(Settings(data_dir=str(target.directory / "data"))))
        await Clients(db, vault).change(target.attacker.app_key, lambda _: profile)
    token = f"{target.url}/oauth2/token"
    async with target.session() as one, target.session(HOME) as same:

        async def work(n: int) -> None:
            turn = next(turns)
            session = (one, same)[turn % 2]
            if n == 0:
                client = (target.honest.app_key, target.attacker.app_key, f"swk_{turn:024}")[turn % 3]
                given = statements(client, token)[turn % 8]
                form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
                form |= {"client_assertion": given, "scope": "x"}
                if turn % 5 == 0:
                    form = {"grant_type": BEARER, "assertion": given}
                async with session.post(token, data=form) as answer:
                    await answers.of(answer)
            elif n == 1:
                head = f'appkey="{target.honest.app_key}",timestamp="{int(time.time())}",nonce="{uuid4().hex}"'
                head += f',digest="{_part(b"x" * 32)}",signature="{_part(b"y" * 32)}"'
                signed = {"authorization": f"SIMWARDEN-HMAC-SHA256 {head}"}
                url = f"{target.url}/device-card-binding-mgmt/v1/bind"
                async with session.post(url, json={}, headers=signed) as answer:
                    await answers.of(answer)
            elif n == 2:
                form = {"ticket": _part(b"z" * 200), "decision": "allow"}
                evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
                async with session.post(f"{target.url}/oauth2/consent", data=form, headers=evil) as answer:
                    await answers.of(answer)
            else:
                query = {"client_id": target.honest.app_key, "redirect_uri": f"https://evil.example/{turn}"}
                query |= {"response_type": "code", "scope": "x"}
                url = f"{target.url}/oauth2/authorize"
                async with one.get(url, params=query, allow_redirects=False) as answer:
                    assert "location" not in answer.headers
                    assert answer.headers["x-frame-options"] == "DENY"
                    await answers.of(answer)

        try:
            async with clients(4, work, answers, pause=0.02):
                yield answers
        finally:
            await runner.cleanup()


async def check(target: Target, answers: Answers) -> None:
    """Nothing was opened, nothing broke, and the key set was asked for once in a while."""
    wrong = {status for status, _ in answers.seen} - {400, 401, 403, 413, 429}
    assert not wrong, answers.seen
    assert _ASKED[target.url].asked <= 20
