"""What an operator does in a day, all of it through the management API: accounts, keys, gateways, audit."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.integration.management.house import House, imsi
from tests.unit.northbound.asgi import call

from simwarden.management.audit import detail
from simwarden.management.journal import RequestLog
from simwarden.northbound.kernel.ports import Answered
from simwarden.store import attachments, audit, journal, watch

if TYPE_CHECKING:
    import pytest


async def token(house: House, app_key: str, secret: str) -> int:
    """The status of a token request."""
    basic = base64.b64encode(f"{app_key}:{secret}".encode()).decode()
    headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", f"Basic {basic}")]
    return (await call(house.app, "POST", "/oauth2/token", b"grant_type=client_credentials", headers=headers)).status


async def test_an_account_is_opened_changed_and_deleted(house: House) -> None:
    made = await house.manage("POST", "/accounts", {"name": "ACME", "strict": True})
    assert (made.status, made.json["name"], made.json["strict"]) == (201, "ACME", True)
    assert (await house.manage("POST", "/accounts", {"name": "ACME"})).status == 409
    changed = await house.manage("PATCH", "/accounts/ACME", {"name": "Acme", "policy": {"unknown": "DENY"}})
    assert (changed.json["id"], changed.json["name"], changed.json["strict"]) == (made.json["id"], "Acme", True)
    assert changed.json["policy"] == {"onMismatch": "ENFORCE", "unknown": "DENY", "resume": "AUTO"}
    assert (await house.manage("PATCH", "/accounts/Acme", {"name": "meters"})).status == 409
    assert (await house.manage("PATCH", "/accounts/Acme", {"name": " x"})).status == 400
    listed = await house.manage("GET", "/accounts?limit=1")
    rest = await house.manage("GET", f"/accounts?limit=9&cursor={listed.json['nextCursor']}")
    assert [row["name"] for row in (*listed.json["accounts"], *rest.json["accounts"])] == ["Acme", "meters", "stranger"]

    await house.manage("POST", "/applications", {"account": "Acme", "name": "app"})
    await house.manage("POST", "/sims", {"account": "Acme", "imsi": imsi(900)})
    refused = await house.manage("DELETE", "/accounts/Acme")
    assert (refused.status, "1 SIMs" in refused.json["message"]) == (409, True)
    for verb in ("deactivate", "delete"):
        await house.manage("POST", f"/sims/{imsi(900)}/actions", {"action": verb})
    refused = await house.manage("DELETE", "/accounts/Acme")
    assert "1 applications that are not revoked" in refused.json["message"]
    [app] = (await house.manage("GET", "/applications?account=Acme")).json["applications"]
    await house.manage("POST", f"/applications/{app['appKey']}/revoke", {})
    assert (await house.manage("DELETE", "/accounts/Acme")).status == 204
    assert (await house.manage("GET", "/accounts/Acme")).status == 404
    assert (await house.manage("DELETE", "/accounts/operator")).status == 404


async def test_an_application_is_made_listed_and_limited(house: House) -> None:
    wanted = {"account": "meters", "name": "fleet", "scopeSets": ["read"], "scopes": ["listen:receive"]}
    made = await house.manage("POST", "/applications", wanted)
    assert made.status == 201
    assert made.headers["cache-control"] == "no-store"
    assert "listen:receive" in made.json["scopes"]
    assert (await house.manage("POST", "/applications", wanted)).status == 409
    assert (await house.manage("POST", "/applications", {**wanted, "name": "x", "scopeSets": ["y"]})).status == 400
    key = made.json["appKey"]
    quota = await house.manage("PATCH", f"/applications/{key}", {"dailyQuota": 7})
    assert quota.json["dailyQuota"] == 7
    assert "dailyQuota" not in (await house.manage("PATCH", f"/applications/{key}", {"dailyQuota": None})).json
    for query in ("application=meters/fleet", f"application={key}", "account=meters&revoked=false"):
        found = (await house.manage("GET", f"/applications?{query}")).json["applications"]
        assert key in [row["appKey"] for row in found]
        assert "appSecret" not in found[0]
    assert (await house.manage("GET", "/applications?application=meters/none")).status == 404
    [operator] = [row for row in (await house.manage("GET", "/operators")).json["operators"] if row["name"] == "ops"]
    assert (await house.manage("GET", f"/applications/{operator['appKey']}")).status == 404, "it is no tenant's"
    assert (await house.manage("POST", f"/operators/{key}/revoke")).status == 404, "it is no operator's"


async def test_a_secret_that_leaked_ends_at_once_with_its_tokens(house: House) -> None:
    made = (await house.manage("POST", "/applications", {"account": "meters", "name": "leaky"})).json
    key, old = made["appKey"], made["appSecret"]
    assert await token(house, key, old) == 200
    stolen = await house.tokens.issue(await house.accounts.application(key), made["scopes"])
    assert await house.tokens.check(stolen) is not None

    soft = (await house.manage("POST", f"/applications/{key}/rotate", {"overlapSeconds": 3600})).json
    assert soft["appSecret"] != old
    assert "previousSecretUntil" in soft
    assert [await token(house, key, secret) for secret in (old, soft["appSecret"])] == [200, 200]
    house.tokens.invalidate(key)  # as the notification does
    assert await house.tokens.check(stolen) is not None, "with an overlap nothing is cut off"
    await house.db.execute(
        "update application set previous_secret_until = $2 where app_key = $1", key, datetime.now(UTC)
    )
    assert await token(house, key, old) == 401, "the overlap is over"

    hard = (await house.manage("POST", f"/applications/{key}/rotate", {})).json
    assert [await token(house, key, secret) for secret in (soft["appSecret"], hard["appSecret"])] == [401, 200]
    await house.db.execute(  # tokens say when they were issued to the second
        "update application set tokens_from = $2 where app_key = $1", key, datetime.now(UTC) + timedelta(seconds=1)
    )
    house.tokens.invalidate(key)
    assert await house.tokens.check(stolen) is None
    await house.db.execute(
        "update application set tokens_from = $2 where app_key = $1", key, datetime.now(UTC) - timedelta(seconds=1)
    )
    house.tokens.invalidate(key)
    fresh = await house.tokens.issue(await house.accounts.application(key), made["scopes"])
    assert await house.tokens.check(fresh) is not None
    assert (await house.manage("POST", f"/applications/{key}/rotate", {"overlapSeconds": -1})).status == 400


async def test_operators_keys_and_the_signing_key(house: House) -> None:
    made = (await house.manage("POST", "/operators", {"name": "night", "readOnly": True})).json
    assert made["scopes"] == ["manage:read"]
    assert await token(house, made["appKey"], made["appSecret"]) == 200
    assert "revokedAt" in (await house.manage("POST", f"/operators/{made['appKey']}/revoke")).json
    assert await token(house, made["appKey"], made["appSecret"]) == 401
    for name in (made["appKey"] + "x", "nope"):
        unknown = await house.manage("POST", f"/operators/{name}/revoke")
        assert (unknown.status, unknown.json["message"]) == (404, "No operator's key has this APPKEY")
    kids = [(await house.manage("POST", "/signing-keys/rotate")).json["kid"] for _ in range(2)]
    assert len(set(kids)) == 2


async def test_a_gateway_out_of_service_is_sent_nothing_until_it_is_back(house: House) -> None:
    await house.manage("POST", "/gateways", {"name": "gw1", "commandUrl": "http://192.0.2.7"})
    number = await house.gateways.id_of("gw1")
    await house.db.execute(
        "insert into attachment (bucket, imsi, element_id, target, current, desired, status, since, next_attempt_at) "
        "select bucket, imsi, $2, '1.01', true, 7, 'PENDING', now(), now() - interval '1 minute' "
        "from sim where imsi = $1",
        imsi(0),
        number,
    )

    async def due() -> int:
        async with house.db.connection() as connection:
            return len(await attachments.due(connection, range(256), datetime.now(UTC), 10, []))

    assert await due() == 1
    out = await house.manage("POST", "/gateways/gw1/out-of-service")
    assert out.json["outOfServiceSince"]
    again = await house.manage("POST", "/gateways/gw1/out-of-service")
    assert again.json["outOfServiceSince"] == out.json["outOfServiceSince"], "the first time stays"
    assert await due() == 0
    back = await house.manage("POST", "/gateways/gw1/in-service")
    assert "outOfServiceSince" not in back.json
    assert await due() == 1
    assert (await house.manage("POST", "/gateways/gw9/out-of-service")).status == 404


async def test_a_gateway_out_of_service_raises_no_alarm_for_its_silence(house: House) -> None:
    for name in ("gw1", "gw2"):
        await house.manage("POST", "/gateways", {"name": name})
    await house.db.execute("update gateway set reported_at = now() - interval '1 day'")
    await house.manage("POST", "/gateways/gw1/out-of-service")
    async with house.db.connection() as connection:
        now = datetime.now(UTC)
        found = await watch.fell_silent(connection, now, now - timedelta(days=2))
    assert [each.name for each in found] == ["gw2"]


async def test_rejects_and_doubts_of_all_gateways(house: House) -> None:
    await house.manage("POST", "/gateways", {"name": "gw1"})
    number = await house.gateways.id_of("gw1")
    for n in range(3):
        await house.gateways.reject(number, datetime.now(UTC), "It is not JSON", "application/json", b"{%d" % n)
    page = (await house.manage("GET", "/rejects?limit=2")).json
    rest = (await house.manage("GET", f"/rejects?limit=2&cursor={page['nextCursor']}")).json
    assert [row["body"] for row in (*page["rejects"], *rest["rejects"])] == ["{2", "{1", "{0"]
    assert len((await house.manage("GET", "/rejects?gateway=gw1")).json["rejects"]) == 3
    assert (await house.manage("GET", "/rejects?gateway=gw9")).status == 404
    assert (await house.manage("GET", "/doubts")).json == {"doubts": []}


async def test_barred_sims_are_found_whatever_bars_them(house: House) -> None:
    await house.manage("POST", f"/sims/{imsi(3)}/actions", {"action": "suspend"})
    await house.manage("POST", f"/sims/{imsi(4)}/actions", {"action": "close", "functions": ["SMS"]})
    await house.manage("PATCH", f"/sims/{imsi(4)}", {"tags": ["site:north"]})

    async def found(query: str) -> list[str]:
        return sorted(sim["imsi"] for sim in (await house.manage("GET", f"/sims?{query}")).json["sims"])

    assert await found("barred=true") == [imsi(3), imsi(4)]
    assert await found("barred=true&tag=site:north") == [imsi(4)]
    assert len(await found("barred=false")) == 20
    begun = await house.manage("POST", "/bulk", {"action": "suspend", "filter": {"barred": True}})
    await house.work()
    shown = (await house.manage("GET", f"/operations/{begun.json['id']}")).json
    assert shown["counts"]["total"] == 2, "a bulk operation knows the same filter"


async def test_a_mismatch_bar_is_lifted_by_hand(house: House) -> None:
    nothing = await house.manage("POST", f"/sims/{imsi(5)}/actions", {"action": "resume"})
    assert nothing.json["changed"] is False
    policy = {"resume": "MANUAL"}
    body = {"action": "bind", "imei": "353689530707903", "policy": policy}
    assert (await house.manage("POST", f"/sims/{imsi(5)}/actions", body)).json["sim"]["policy"]["resume"] == "MANUAL"
    await house.db.execute(
        "update sim set bars = $2 where imsi = $1",
        imsi(5),
        [{"cause": "IMEI_MISMATCH", "functions": 7, "since": "2026-11-21T12:00:00Z", "event": 2}],
    )
    done = await house.manage("POST", f"/sims/{imsi(5)}/actions", {"action": "resume"})
    assert (done.json["changed"], done.json["sim"]["bars"]) == (True, [])


async def test_a_sim_is_bound_to_any_of_a_list(house: House) -> None:
    body = {"action": "bind", "imeis": ["353689530707903", "353689530707911"]}
    assert len((await house.manage("POST", f"/sims/{imsi(6)}/actions", body)).json["sim"]["boundTo"]) == 2
    both = await house.manage("POST", f"/sims/{imsi(6)}/actions", {**body, "tac": "35368953"})
    assert (both.status, "not several" in both.json["message"]) == (400, True)


async def test_a_sim_is_registered_with_its_addresses(house: House) -> None:
    body = {"account": "meters", "imsi": imsi(900), "ipv4": ["203.0.113.7:50001"], "ipv6": ["2001:db8::7"]}
    assert (await house.manage("POST", "/sims", body)).status == 201
    assert await house.db.fetchval("select count(*) from sim_identifier where imsi = $1", imsi(900)) == 2
    assert (await house.manage("POST", "/sims", {**body, "imsi": imsi(901), "ipv4": ["x"]})).status == 400


async def test_records_are_masked_for_who_may_only_read(house: House) -> None:
    shown = await house.manage("GET", f"/sims/{imsi(0)}/records")
    assert shown.json == {"messages": [], "calls": []}
    assert (await house.manage("GET", f"/sims/{imsi(0)}/records?reveal=true")).status == 200
    assert (await house.manage("GET", f"/sims/{imsi(0)}/records?reveal=true", token=house.reader)).status == 403


async def test_who_did_what_can_be_looked_up(house: House) -> None:
    headers = [("x-correlator", "c-17")]
    gateway = {"name": "gw1", "username": "root", "password": "kept-secret"}
    await house.manage("POST", "/gateways", gateway, headers=headers)
    await house.manage("POST", f"/sims/{imsi(3)}/actions", {"action": "suspend"})
    await house.manage("POST", f"/sims/{imsi(3)}/actions", {"action": "restore", "imei": "1"})
    await house.manage("GET", "/sims")

    async def acts(query: str = "") -> list[dict[str, object]]:
        await house.parts.audit.drain()
        found: list[dict[str, object]] = (await house.manage("GET", f"/audit?{query}")).json["audit"]
        return found

    rows = await acts()
    assert [(row["operation"], row["status"]) for row in rows] == [
        ("actOnSim", 400),
        ("actOnSim", 200),
        ("createGateway", 201),
    ], "the newest first; reading is no act"
    assert {row["name"] for row in rows} == {"ops"}
    assert rows[1]["detail"] == {"action": "suspend"}
    assert rows[0]["code"] == "INVALID_ARGUMENT"
    [made] = await acts("correlator=c-17")
    assert made["detail"] == {"name": "gw1", "username": "root", "password": "********"}
    sim = (await house.manage("GET", f"/sims/{imsi(3)}")).json
    for name in (sim["imsi"], sim["iccid"], sim["phoneNumber"].replace("+", "%2B")):
        assert len(await acts(f"target={name}")) == 2, "whichever of its names was used"
    assert len(await acts("operator=ops")) == 3
    assert await acts("operator=nobody") == []
    assert await acts("until=2026-01-01T00:00:00Z") == []
    first = (await house.manage("GET", "/audit?limit=2")).json
    rest = (await house.manage("GET", f"/audit?limit=2&cursor={first['nextCursor']}")).json
    assert len(rest["audit"]) == 1


def test_what_is_written_down_of_a_body() -> None:
    assert detail(b"") is None
    assert detail(b"[1]") is None
    assert detail(b"{") is None
    assert detail(b'{"password": "x", "csv": "y", "name": "z"}') == {
        "password": "********",
        "csv": "********",
        "name": "z",
    }
    assert detail(b'{"name": "' + b"x" * 9000 + b'"}') == {"properties": ["name"]}


def answered(number: int, status: int, *, app_key: str | None = "swk_a") -> Answered:
    return Answered("api", "doIt", status, "NOT_FOUND" if status > 399 else None, "acc", app_key, f"c-{number}", 0.012)


async def test_failed_calls_are_found_by_their_correlator(house: House) -> None:
    days = timedelta(days=3)
    log = RequestLog(house.db, least_status=400, per_turn=5, requests_kept=days, acts_kept=days)
    for number, status in enumerate((200, 404, 503)):
        log.add(answered(number, status))
    log.add(answered(9, 401, app_key=None))
    await log.flush()
    rows = (await house.manage("GET", "/requests")).json["requests"]
    assert [row["correlator"] for row in rows] == ["c-2", "c-1"]
    assert rows[0]["durationMs"] == 12
    [only] = (await house.manage("GET", "/requests?correlator=c-1")).json["requests"]
    assert (only["status"], only["api"], only["operation"]) == (404, "api", "doIt")
    assert [row["status"] for row in (await house.manage("GET", "/requests?status=5xx")).json["requests"]] == [503]
    for number in range(50):
        log.add(answered(100 + number, 500))
    await log.flush()
    assert await house.db.fetchval("select count(*) from request_log") == 7, "a flood is bounded"


async def test_old_rows_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=400)
    log = RequestLog(
        house.db, least_status=0, requests_kept=timedelta(days=3), acts_kept=timedelta(days=365), clock=lambda: long_ago
    )
    log.add(answered(1, 200))
    await log.flush()
    await house.manage("POST", "/gateways", {"name": "gw1"})
    await house.db.execute("update audit_chain set day = $1", long_ago.date())
    monkeypatch.setattr(log, "_clock", lambda: datetime.now(UTC))
    await log.turn()
    assert (await audit.acts(house.db, limit=9), await journal.requests(house.db, limit=9)) == ([], [])


async def test_subscriptions_that_fail_are_found(house: House) -> None:
    assert (await house.manage("GET", "/subscriptions?failing=true")).json == {"subscriptions": []}
    assert (await house.manage("GET", "/subscriptions?failing=maybe")).status == 400
    since = "2026-11-21T12:00:00Z"
    assert (await house.manage("GET", f"/deliveries?status=DEAD&since={since}")).json == {"deliveries": []}
