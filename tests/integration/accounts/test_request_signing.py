"""Signed requests to the two APIs after China Telecom's proposals, over real parts."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.integration.northbound.house import House
from tests.unit.northbound.asgi import Reply, call

from simwarden.accounts import request_signing
from simwarden.accounts.request_signing import RequestSignatures, authorization
from simwarden.edge.throttle import Guard

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

PATH = "/device-card-binding-mgmt/v1/query"
BODY = msgspec.json.encode({"bindType": "IMEIBIND", "device": {"phoneNumber": "+8613800000001"}})
SECRET = "swh_" + "s" * 43
PAGE = (Path(__file__).parents[3] / "docs" / "signing.md").read_text(encoding="utf-8")
NONCE = "f3kQ0m1zR9y7a2Xb"


class Signing:
    """The house of `meters`, whose application `billing` signs."""

    def __init__(self, house: House, guard: Guard | None = None) -> None:
        self.house = house
        self.now = float(int(time.time()))
        self.nonces = 0
        self.signatures = house.signatures
        self.signatures._now = lambda: self.now
        self.signatures._guard = guard

    @property
    def app_key(self) -> str:
        return self.house.issued.application.app_key

    def header(self, body: bytes = BODY, *, secret: str = SECRET, **changes: Any) -> str:
        self.nonces += 1
        given = {"appkey": self.app_key, "method": "POST", "path": PATH, "at": int(self.now)}
        return authorization(secret, body=body, **{**given, "nonce": f"nonce-{self.nonces:012}", **changes})

    async def send(self, header: str, body: bytes = BODY, path: str = PATH, method: str = "POST") -> Reply:
        headers = [("authorization", header), ("content-type", "application/json")]
        return await call(self.house.app, method, path, body, headers)


async def signing(database: Database, vault: Vault, guard: Guard | None = None) -> Signing:
    house = House(database, vault)
    await house.furnish()
    found = Signing(house, guard)
    await house.server.clients.set_signing_secret(found.app_key, SECRET.encode(), None)
    return found


async def test_a_signed_request_is_the_applications_and_used_once(database: Database, vault: Vault) -> None:
    signed = await signing(database, vault)
    header = signed.header()
    assert (await signed.send(header)).status == 200
    again = await signed.send(header)
    assert (again.status, again.json["code"]) == (401, "UNAUTHENTICATED")
    assert "nonce" in again.json["message"]
    other = RequestSignatures(signed.house.server.clients, signed.house.server.once, signed.house.tokens)
    one = signed.header()
    tries = (other.check(one, "POST", PATH, "", "") for _ in range(3))
    found = await asyncio.gather(*tries, signed.signatures.check(one, "POST", PATH, "", ""), return_exceptions=True)
    assert sorted(isinstance(each, Exception) for each in found) == [False, True, True, True]
    token = await signed.send(f"Bearer {signed.house.token}")
    assert token.status == 200


async def test_what_is_not_signed_as_it_should_be_is_refused(database: Database, vault: Vault) -> None:
    signed = await signing(database, vault)
    right = signed.header()
    stranger = signed.house.stranger_key
    wrong = [
        signed.header(secret="swh_wrong"),
        signed.header(appkey="swk_unknown"),
        signed.header(appkey=stranger),
        signed.header(appkey="swk_\x7f"),
        signed.header(path=PATH + "/"),
        signed.header(path="/device-card-binding-mgmt/v1/unbind"),
        signed.header(method="GET"),
        signed.header(query="a=b"),
        signed.header(at=int(signed.now) - 301),
        signed.header(at=int(signed.now) + 301),
        signed.header(nonce="short"),
        signed.header(nonce="x" * 65),
        signed.header(body=b"{}"),
        re.sub(r'signature="[^"]+"', 'signature="é"', right),
        re.sub(r'signature="[^"]+"', 'signature=""', right),
        re.sub(r'digest="[^"]+"', 'digest="AAAA"', right),
        re.sub(r'digest="[^"]+", ', "", right),
        right + ', nonce="f3kQ0m1zR9y7a2Xb"',
        right.replace('"', ""),
        "SIMWARDEN-HMAC-SHA256",
        "SIMWARDEN-HMAC-SHA256 " + ",".join('a="b"' for _ in range(2000)),
        "Basic c3drOnN3cw==",
        "Digest x",
    ]
    for header in wrong:
        reply = await signed.send(header)
        assert (reply.status, reply.json["code"]) == (401, "UNAUTHENTICATED"), header
        assert "www-authenticate" in reply.headers
    assert (await signed.send(right)).status == 200
    for at in (-300, 300):
        assert (await signed.send(signed.header(at=int(signed.now) + at))).status == 200


async def test_the_body_is_the_one_that_was_signed(database: Database, vault: Vault) -> None:
    signed = await signing(database, vault)
    reply = await signed.send(signed.header(), BODY.replace(b"0001", b"0002"))
    assert (reply.status, reply.json["message"]) == (401, "The body is not the one that was signed")


async def test_unknown_and_foreign_applications_are_answered_alike(database: Database, vault: Vault) -> None:
    signed = await signing(database, vault)
    replies = [
        await signed.send(signed.header(appkey=key)) for key in ("swk_unknown", signed.house.stranger_key, "operator")
    ]
    assert len({(reply.status, reply.body) for reply in replies}) == 1


async def test_a_secret_is_replaced_with_an_overlap_and_taken_away(database: Database, vault: Vault) -> None:
    signed = await signing(database, vault)
    clients, new = signed.house.server.clients, "swh_" + "n" * 43
    until = datetime.fromtimestamp(signed.now + 60, UTC)
    await clients.set_signing_secret(signed.app_key, new.encode(), until)
    assert (await signed.send(signed.header())).status == 200
    assert (await signed.send(signed.header(secret=new))).status == 200
    signed.now += 60
    assert (await signed.send(signed.header())).status == 401
    await clients.set_signing_secret(signed.app_key, None, None)
    assert (await signed.send(signed.header(secret=new))).status == 401
    sealed = await database.fetchval("select count(*) from client where signing_secret is null")
    assert sealed == 1


async def test_a_revoked_application_signs_in_vain_and_scopes_hold(database: Database, vault: Vault) -> None:
    signed = await signing(database, vault)
    await database.execute("update application set scopes = '{}' where app_key = $1", signed.app_key)
    signed.house.tokens.invalidate("")
    assert (await signed.send(signed.header())).status == 403
    await signed.house.accounts.revoke(signed.app_key)
    signed.house.tokens.invalidate("")
    assert (await signed.send(signed.header())).status == 401


async def test_other_apis_take_no_signatures(database: Database, vault: Vault) -> None:
    signed = await signing(database, vault)
    path = "/iot-sim-fraud-prevention/v0.1/query"
    body = msgspec.json.encode({"queryType": "IMEIBIND", "device": {"phoneNumber": "+8613800000001"}})
    assert (await signed.send(signed.header(body, path=path), body, path)).status == 401


async def test_wrong_signatures_are_bounded(database: Database, vault: Vault) -> None:
    signed = await signing(database, vault, Guard(2, 1000))
    statuses = [(await signed.send(signed.header(secret="swh_wrong"))).status for _ in range(3)]
    assert statuses == [401, 401, 429]
    late = await signed.send(signed.header())
    assert (late.status, late.json["code"]) == (429, "TOO_MANY_REQUESTS")
    assert int(late.headers["retry-after"]) > 0


def test_the_page_shows_what_is_signed() -> None:
    (python,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    scope: dict[str, Any] = {}
    exec(python, scope)
    given = ("swh_x", "swk_y", "POST", PATH, BODY)
    shown = scope["sign"](*given, timestamp=1795351118, nonce=NONCE)
    expected = authorization("swh_x", "swk_y", "POST", PATH, BODY, at=1795351118, nonce=NONCE)
    assert shown == expected
    assert request_signing.SCHEME in PAGE
    if shutil.which("openssl") is None or shutil.which("bash") is None:
        pytest.skip("openssl and bash are not both there")
    (bash,) = re.findall(r"```bash\n(.*?^}\n)", PAGE, re.DOTALL | re.MULTILINE)
    line = 'sign "$1" "$2" "$3" "$4" "$5" "$6" "$7"'
    arguments = ["swh_x", "swk_y", "POST", PATH, BODY.decode(), "1795351118", NONCE]
    run = subprocess.run(["bash", "-c", bash + line, "bash", *arguments], capture_output=True, text=True, check=True)
    assert run.stdout == expected
