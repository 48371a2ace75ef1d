"""Agreements with applications and consents, through the management API and the command line."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from joserfc.jwk import ECKey
from tests.integration.management.house import House, phone
from tests.integration.management.test_commands import Shell, shell

from simwarden.store.authorizations import BackchannelRequest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shell"]
FRAUD = "FraudPreventionAndDetection"
KEY = ECKey.generate_key("P-256")


async def app_key(house: House) -> str:
    listed = (await house.manage("GET", "/applications?application=meters/app")).json["applications"]
    found: str = listed[0]["appKey"]
    return found


async def test_an_agreement_is_changed_bit_by_bit(house: House) -> None:
    path = f"/applications/{await app_key(house)}/client"
    bare = (await house.manage("GET", path)).json
    assert (bare["grants"], bare["keys"], bare["purposes"], bare["keysOnly"]) == ([], [], [], False)
    wanted = {"grants": ["jwt_bearer", "ciba"], "purposes": [FRAUD], "redirectUris": ["https://app.example/b?x=1"]}
    agreed = (await house.manage("PATCH", path, wanted)).json
    assert agreed["grants"] == ["ciba", "jwt_bearer"]
    changed = (await house.manage("PATCH", path, {"asksUser": True, "outsideId": "meters@idp"})).json
    assert changed == {**agreed, "asksUser": True, "outsideId": "meters@idp"}
    assert (await house.manage("GET", path)).json == changed
    public = KEY.as_dict(private=False)
    added = await house.manage("POST", f"{path}/keys", {"key": {**public, "x5u": "https://evil.example"}})
    (key,) = added.json["keys"]
    assert key == {**public, "kid": KEY.thumbprint()}
    assert (await house.manage("PATCH", path, {"keysOnly": True})).json["keysOnly"] is True
    last = await house.manage("DELETE", f"{path}/keys?kid={key['kid']}")
    assert last.status == 400  # nothing would be left to authenticate with
    await house.manage("PATCH", path, {"keysOnly": False})
    assert (await house.manage("DELETE", f"{path}/keys?kid={key['kid']}")).json["keys"] == []
    assert (await house.manage("DELETE", f"{path}/keys?kid={key['kid']}")).status == 404


async def test_a_secret_to_sign_with_is_shown_once(house: House) -> None:
    path = f"/applications/{await app_key(house)}/client"
    made = await house.manage("POST", f"{path}/signing-secret", {})
    assert made.json["signingSecret"].startswith("swh_")
    assert made.headers["cache-control"] == "no-store"
    again = await house.manage("POST", f"{path}/signing-secret", {"overlapSeconds": 60})
    assert again.json["signingSecret"] != made.json["signingSecret"]
    shown = (await house.manage("GET", path)).json
    assert shown["signs"] is True
    assert "swh_" not in str(shown)
    acts = (await house.manage("GET", "/audit?operation=issueSigningSecret")).json["audit"]
    assert "swh_" not in str(acts)
    assert (await house.manage("DELETE", f"{path}/signing-secret")).status == 204
    assert (await house.manage("GET", path)).json["signs"] is False
    assert (await house.manage("POST", f"{path}/signing-secret", {}, token=house.reader)).status == 403


async def test_what_cannot_be_agreed_is_refused(house: House) -> None:
    path = f"/applications/{await app_key(house)}/client"
    public = KEY.as_dict(private=False)
    wrong: list[dict[str, Any]] = [
        {"grants": ["password"]},
        {"purposes": ["Fun"]},
        {"keysOnly": True},
        {"keysUrl": "http://app.example/keys"},
        {"keysUrl": "https://127.0.0.1/keys"},
        {"keysUrl": "https://169.254.169.254/latest/meta-data"},
        *(
            {"redirectUris": [uri]}
            for uri in (
                "app.example",
                "http://app.example/",
                "https://app.example/#x",
                "https://user@app.example/",
                "javascript:alert(1)",
                'https://app.example/"><script>',
                "https://app.example/\n",
                "https:///x",
                "//app.example",
                "data:text/html,x",
            )
        ),
        {"unknown": 1},
    ]
    for body in wrong:
        assert (await house.manage("PATCH", path, body)).status == 400, body
    for key in (KEY.as_dict(private=True), {"kty": "oct", "k": "AAAA"}, {}, {**public, "alg": "HS256"}):
        assert (await house.manage("POST", f"{path}/keys", {"key": key})).status == 400
    assert (await house.manage("PATCH", path, {"redirectUris": ["http://127.0.0.1:9/x"]})).status == 200
    await house.manage("POST", f"{path}/keys", {"key": public})
    assert (await house.manage("PATCH", path, {"keysUrl": "https://app.example/keys"})).status == 400
    await house.manage("PATCH", path, {"outsideId": "one"})
    theirs = (await house.manage("GET", "/applications?application=stranger/app")).json["applications"][0]["appKey"]
    assert (await house.manage("PATCH", f"/applications/{theirs}/client", {"outsideId": "one"})).status == 409
    assert (await house.manage("GET", "/applications/swk_none/client")).status == 404
    assert (await house.manage("PATCH", path, {"grants": []}, token=house.reader)).status == 403
    assert (await house.manage("GET", path, token=house.customer)).status == 403


async def test_consents_are_given_refused_listed_and_withdrawn(house: House) -> None:
    decision = {"application": "meters/app", "purpose": FRAUD, "granted": True}
    made = await house.manage("POST", "/consents", decision)
    assert (made.status, made.json["granted"], made.json["decidedBy"]) == (200, True, "operator")
    one = {**decision, "granted": False, "phoneNumber": phone(1)}
    assert (await house.manage("POST", "/consents", one)).json["phoneNumber"] == phone(1)
    listed = (await house.manage("GET", "/consents?account=meters&limit=1")).json
    rest = (await house.manage("GET", f"/consents?account=meters&cursor={listed['nextCursor']}")).json
    assert [each["granted"] for each in (*listed["consents"], *rest["consents"])] == [True, False]
    assert (await house.manage("GET", "/consents?account=stranger")).json["consents"] == []
    named = f"application=meters/app&purpose={FRAUD}"
    assert (await house.manage("DELETE", f"/consents?{named}&sim=%2B{phone(1)[1:]}")).status == 204
    assert (await house.manage("DELETE", f"/consents?{named}&sim=%2B{phone(1)[1:]}")).status == 404
    assert len((await house.manage("GET", "/consents?application=meters/app")).json["consents"]) == 1
    for wrong in (
        {"purpose": "Fun"},
        {"application": "meters/nobody"},
        {"phoneNumber": "1"},
        {"scopes": ["made:up"]},
        {"scopes": ["manage:read"]},
    ):
        assert (await house.manage("POST", "/consents", {**decision, **wrong})).status in (400, 404), wrong


async def test_requests_that_wait_are_listed(house: House) -> None:
    key = await app_key(house)
    assert (await house.manage("GET", "/consent-requests?application=meters/app")).json == {"requests": []}
    assert (await house.manage("GET", "/consent-requests")).status == 400
    now = house.server.time()
    asked = BackchannelRequest(
        app_key=key,
        msisdn=phone(1),
        scopes=(f"dpv:{FRAUD}", "sim-swap:check"),
        purpose=FRAUD,
        created_at=now,
        expires_at=now + timedelta(minutes=10),
        pause=5,
    )
    await house.server.authorizations.add_request("some-id", asked)
    (shown,) = (await house.manage("GET", f"/consent-requests?application={key}")).json["requests"]
    assert (shown["phoneNumber"], shown["purpose"]) == (phone(1), FRAUD)


async def test_all_of_it_at_the_command_line(shell: Shell, tmp_path: Path) -> None:
    async def says(*arguments: str, code: int = 0) -> str:
        result = await shell(*arguments)
        assert result.exit_code == code, result.output
        return result.output

    await says("app", "create", "--account", "ACME", "--name", "app")
    assert "ciba" in await says("app", "client", "set", "ACME/app", "--grant", "ciba", "--purpose", FRAUD)
    pem, private = tmp_path / "key.pem", tmp_path / "private.pem"
    pem.write_bytes(KEY.as_pem(private=False))
    private.write_bytes(KEY.as_pem(private=True))
    assert "m-1 (P-256)" in await says("app", "key", "add", "ACME/app", str(pem), "--kid", "m-1")
    await says("app", "key", "add", "ACME/app", str(private), code=2)
    assert "opens nothing" in await says("app", "client", "set", "ACME/app", "--keys-only")
    assert "opens nothing" in await says("app", "client", "show", "ACME/app")
    await says("app", "client", "set", "ACME/app", "--no-keys-only")
    assert "m-1" not in await says("app", "key", "remove", "ACME/app", "m-1")
    assert "granted" in await says("consent", "give", "ACME/app", FRAUD)
    assert "refused" in await says("consent", "refuse", "ACME/app", FRAUD, "--sim", "+8613800000001")
    assert "+8613800000001" in await says("consent", "list", "--account", "ACME")
    assert "nobody has decided" in await says("consent", "withdraw", "ACME/app", FRAUD)
    assert "Nothing waits" in await says("consent", "waiting", "ACME/app")
