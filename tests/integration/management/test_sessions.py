"""People log in: what they get, what ends it, and what attackers of it meet."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.house import NO_TOKEN, House
from tests.unit.northbound.asgi import Reply

from simwarden.accounts import logins, totp
from simwarden.accounts.logins import Logins
from simwarden.accounts.passwords import Passwords
from simwarden.accounts.roles import Role
from simwarden.store.people import People

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

EMAIL, PASSWORD = "ann@operator.example", "correct horse battery"


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


async def ann(house: House, role: str = "operator", email: str = EMAIL) -> dict[str, Any]:
    """A person with a password; the answer of set-up."""
    made = await house.manage("POST", "/users", {"email": email, "name": "Ann", "role": role})
    assert made.status == 201
    body = {"setupCode": made.json["setupCode"], "password": PASSWORD}
    done = await house.manage("POST", "/session/setup", body, token=NO_TOKEN)
    assert done.status == 201
    answer: dict[str, Any] = done.json
    return answer


async def log_in(house: House, password: str = PASSWORD, email: str = EMAIL, **more: Any) -> Reply:
    return await house.manage("POST", "/session", {"email": email, "password": password, **more}, token=NO_TOKEN)


async def enrol(house: House, token: str) -> tuple[bytes, list[str]]:
    """A second factor for who is logged in; its secret and the recovery codes."""
    offered = await house.manage("POST", "/session/second-factor", {"currentPassword": PASSWORD}, token=token)
    secret = base64.b32decode(offered.json["secret"])
    code = totp.code(secret, totp.step_of(datetime.now(UTC)) - 1)
    done = await house.manage("POST", "/session/second-factor/confirm", {"code": code}, token=token)
    assert done.status == 200
    return secret, done.json["recoveryCodes"]


async def test_a_person_is_invited_sets_a_password_and_does_what_the_role_opens(house: House) -> None:
    made = await house.manage("POST", "/users", {"email": " Ann@Operator.example ", "name": "Ann", "role": "operator"})
    code = made.json["setupCode"]
    assert (made.json["email"], made.json["hasPassword"]) == (EMAIL, False)
    assert (await house.manage("POST", "/users", {"email": EMAIL, "name": "A", "role": "admin"})).status == 409
    assert (await log_in(house)).status == 401, "there is no password yet"
    weak = await house.manage("POST", "/session/setup", {"setupCode": code, "password": "short"}, token=NO_TOKEN)
    assert weak.status == 400
    wrong = await house.manage("POST", "/session/setup", {"setupCode": "x", "password": PASSWORD}, token=NO_TOKEN)
    assert wrong.status == 401
    done = await house.manage("POST", "/session/setup", {"setupCode": code, "password": PASSWORD}, token=NO_TOKEN)
    assert done.status == 201
    again = await house.manage("POST", "/session/setup", {"setupCode": code, "password": PASSWORD}, token=NO_TOKEN)
    assert again.status == 401, "it is good once"

    token = (await log_in(house)).json["token"]
    assert token.startswith("sos_")
    assert token != done.json["token"]
    assert (await house.manage("GET", "/sims", token=token)).status == 200
    assert (await house.manage("POST", "/accounts", {"name": "x"}, token=token)).status == 403
    shown = (await house.manage("GET", "/session", token=token)).json
    assert (shown["user"]["email"], shown["user"]["role"], shown["session"]["method"]) == (
        EMAIL,
        "operator",
        "password",
    )
    assert len((await house.manage("GET", "/sessions", token=token)).json["sessions"]) == 2
    assert (await house.manage("GET", "/sessions?user=usr_x", token=token)).status == 403
    assert (await house.manage("DELETE", "/session", token=token)).status == 204
    assert (await house.manage("GET", "/session", token=token)).status == 401
    assert (await house.manage("GET", "/session")).status == 401, "a key is no person"
    stored = await house.db.fetchval(
        "select string_agg(s::text || u::text, '') from operator_session s, operator_user u"
    )
    assert token not in stored
    assert PASSWORD not in stored


async def test_log_ins_and_failures_are_in_the_audit_list_without_secrets(house: House) -> None:
    user = (await ann(house))["user"]["id"]
    await log_in(house)
    await log_in(house, "wrong horse battery")
    await log_in(house, email="nobody@operator.example")
    await house.parts.audit.drain()
    rows = (await house.manage("GET", "/audit")).json["audit"]
    seen = [(row["operation"], row["operator"], row["name"], row["status"], "session" in row) for row in rows]
    assert seen == [
        ("logIn", "", "", 401, False),
        ("logIn", user, EMAIL, 401, False),
        ("logIn", user, EMAIL, 201, True),
        ("setUp", user, EMAIL, 201, True),
        ("createUser", rows[-1]["operator"], "ops", 201, False),
    ]
    assert {row["address"] for row in rows} == {"192.0.2.1"}
    text = str(rows)
    assert PASSWORD not in text
    assert "swsetup_" not in text
    assert "nobody@" not in text, "somebody may have typed a password there"


async def test_a_second_factor_is_asked_for_and_counts_once(house: House) -> None:
    token = (await ann(house))["token"]
    wrong = await house.manage("POST", "/session/second-factor", {"currentPassword": "x"}, token=token)
    assert wrong.status == 401
    assert (await house.manage("POST", "/session/second-factor/confirm", {"code": "1"}, token=token)).status == 409
    secret, recovery = await enrol(house, token)
    assert len(set(recovery)) == 10
    asked = await log_in(house)
    assert (asked.status, asked.json) == (202, {"needs": ["code", "recoveryCode"]})
    now = totp.step_of(datetime.now(UTC))
    used = totp.code(secret, now - 1)
    assert (await log_in(house, code=used)).status == 401, "it was used to confirm"
    fresh = totp.code(secret, now)
    found = await asyncio.gather(*(log_in(house, code=fresh) for _ in range(4)))
    assert sorted(each.status for each in found) == [201, 401, 401, 401], "at once, too"
    assert (await log_in(house, recoveryCode=recovery[0].upper())).status == 201
    sealed = await house.db.fetchval("select totp from operator_user")
    assert secret not in sealed


async def test_a_recovery_code_is_good_once_and_an_administrator_drops_the_factor(house: House) -> None:
    made = await ann(house)
    _, recovery = await enrol(house, made["token"])
    assert (await log_in(house, recoveryCode=recovery[1])).status == 201
    assert (await log_in(house, recoveryCode=recovery[1])).status == 401
    left = await house.manage("GET", "/session", token=made["token"])
    assert left.json["recoveryCodesLeft"] == 9
    path = f"/users/{made['user']['id']}/setup-code"
    body = {"dropSecondFactor": False}
    code = (await house.manage("POST", path, body)).json["setupCode"]
    assert (await house.manage("GET", "/session", token=made["token"])).status == 401, "his sessions ended"
    new = {"setupCode": code, "password": "another horse battery"}
    assert (await house.manage("POST", "/session/setup", new, token=NO_TOKEN)).status == 202, "the factor is asked for"
    code = (await house.manage("POST", path, {"dropSecondFactor": True})).json["setupCode"]
    assert (await log_in(house)).status == 401, "the password alone opened nothing before, and does not now"
    assert (await house.manage("POST", "/session/setup", new, token=NO_TOKEN)).status == 401, (
        "the code before is no good"
    )
    new["setupCode"] = code
    assert (await house.manage("POST", "/session/setup", new, token=NO_TOKEN)).status == 201


async def test_sessions_end_when_something_changes(house: House) -> None:
    made = await ann(house)
    user, first = made["user"]["id"], made["token"]
    second = (await log_in(house)).json["token"]
    body = {"currentPassword": PASSWORD, "newPassword": "another horse battery"}
    assert (await house.manage("POST", "/session/password", body, token=second)).status == 204
    assert (await house.manage("GET", "/session", token=first)).status == 401
    assert (await house.manage("GET", "/session", token=second)).status == 200
    assert (await log_in(house)).status == 401

    async def fresh() -> str:
        token: str = (await log_in(house, "another horse battery")).json["token"]
        return token

    changes: list[dict[str, Any]] = [{"role": "viewer"}, {"disabled": True}]
    for change in changes:
        token = await fresh()
        assert (await house.manage("PATCH", f"/users/{user}", change)).status == 200
        assert (await house.manage("GET", "/session", token=token)).status == 401, change
    assert (await log_in(house, "another horse battery")).status == 401, "he is locked"
    await house.manage("PATCH", f"/users/{user}", {"disabled": False})
    token = await fresh()
    [row] = (await house.manage("GET", f"/sessions?user={user}")).json["sessions"]
    assert (await house.manage("DELETE", f"/sessions/{row['id']}")).status == 204
    assert (await house.manage("DELETE", f"/sessions/{row['id']}")).status == 404
    assert (await house.manage("GET", "/session", token=token)).status == 401


async def test_nobody_ends_another_ones_session_or_raises_himself(house: House) -> None:
    made, other = await ann(house), await ann(house, email="bob@operator.example")
    path = f"/sessions/{other['session']['id']}"
    assert (await house.manage("DELETE", path, token=made["token"])).status == 404, "as one that is not there"
    assert (await house.manage("GET", "/session", token=other["token"])).status == 200
    for method, at, body in (
        ("PATCH", f"/users/{made['user']['id']}", {"role": "admin"}),
        ("POST", "/users", {"email": "x@y.example", "name": "x", "role": "admin"}),
        ("POST", f"/users/{other['user']['id']}/setup-code", {}),
        ("GET", "/users", None),
    ):
        assert (await house.manage(method, at, body, token=made["token"])).status == 403
    boss = await ann(house, "admin", "boss@operator.example")
    mine = f"/users/{boss['user']['id']}"
    bodies: list[dict[str, Any]] = [{"role": "viewer"}, {"disabled": True}, {"manages": "meters"}]
    for change in bodies:
        assert (await house.manage("PATCH", mine, change, token=boss["token"])).status == 409
    assert (await house.manage("POST", f"{mine}/setup-code", {}, token=boss["token"])).status == 409
    assert (await house.manage("PATCH", mine, {"name": "The boss"}, token=boss["token"])).json["name"] == "The boss"
    page = (await house.manage("GET", "/users?limit=2", token=boss["token"])).json
    rest = (await house.manage("GET", f"/users?limit=2&cursor={page['nextCursor']}", token=boss["token"])).json
    assert [each["name"] for each in (*page["users"], *rest["users"])] == ["Ann", "Ann", "The boss"]


async def test_a_session_ends_when_it_is_idle_and_in_any_case(database: Database, vault: Vault) -> None:
    clock = Clock()
    found = Logins(
        *(People(database), vault, Passwords(kib=64, passes=1)),
        idle=timedelta(minutes=30),
        life=timedelta(hours=2),
        clock=clock,
    )
    user, code = await found.invite(EMAIL, "Ann", Role.VIEWER)
    opened = await found.set_up(code, PASSWORD, None, None, "192.0.2.1")
    for _ in range(5):
        clock.now += timedelta(minutes=20)
        assert await found.holder(opened.token) is not None
    clock.now += timedelta(minutes=20)
    assert await found.holder(opened.token) is None, "two hours are over"
    opened = await found.opened(user, "192.0.2.1", "password")
    clock.now += timedelta(minutes=31)
    assert await found.holder(opened.token) is None, "it was idle"
    await found.prune()
    assert await database.fetchval("select count(*) from operator_session") == 0
    assert await found.holder("sos_" + "x" * 43) is None


async def test_guessing_is_bounded_over_all_workers_and_shuts_nobody_else_out(house: House) -> None:
    await ann(house)
    other = Logins(People(house.db), house.parts.vault, Passwords(kib=64, passes=1))
    found = await asyncio.gather(*(log_in(house, f"wrong horse {n}") for n in range(logins.PER_PAIR)))
    assert {each.status for each in found} == {401}
    refused = await log_in(house)
    assert refused.status == 429, "also with the right password"
    assert 0 < int(refused.headers["retry-after"]) <= 900
    with pytest.raises(logins.TooManyAttempts):  # another worker does not count for itself
        await other.log_in(EMAIL, PASSWORD, None, None, "192.0.2.1")
    opened = await other.log_in(EMAIL, PASSWORD, None, None, "198.51.100.7")
    assert opened.user.email == EMAIL, "from elsewhere he gets in"
    unknown = [(await log_in(house, email="nobody@operator.example")).status for _ in range(logins.PER_PAIR + 1)]
    assert unknown == [401] * logins.PER_PAIR + [429], "an unknown address is answered alike"


async def test_guessing_from_everywhere_is_bounded_but_where_he_was_before(house: House) -> None:
    await ann(house)
    found = house.parts.logins
    wrong = 0
    for n in range(logins.PER_EMAIL + 1):
        try:
            await found.log_in(EMAIL, "wrong horse", None, None, f"198.51.100.{n}")
        except logins.WrongCredentials:
            wrong += 1
        except logins.TooManyAttempts:
            break
    assert wrong <= logins.PER_EMAIL
    assert (await log_in(house)).status == 201, "from where he was logged in before"


async def test_an_address_that_fails_too_often_leaves_no_more_rows(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "PER_ADDRESS", 3)
    found = house.parts.logins
    outcomes = []
    for n in range(6):  # of one network of IPv6, which one client has to itself
        try:
            await found.log_in(f"nobody{n}@operator.example", "wrong horse", None, None, f"2001:db8::{n}")
        except (logins.WrongCredentials, logins.TooManyAttempts) as error:
            outcomes.append(error.status)
    assert outcomes == [401] * 3 + [429] * 3
    assert await house.db.fetchval("select count(*) from operator_throttle") == 1 + 2 * 3


async def test_what_anybody_can_send_leaves_few_rows(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "PER_ADDRESS", 2)
    finish = {"loginId": "x", "code": "x", "state": "x"}
    for path, body in (("", {}), ("/setup", {}), ("/openid", {"redirectUri": "x"}), ("/openid/finish", finish)):
        for _ in range(3):
            assert (await house.manage("POST", f"/session{path}", body, token=NO_TOKEN)).status in (400, 404, 429)
    await house.parts.audit.drain()
    assert (await house.manage("GET", "/audit")).json["audit"] == []


async def test_a_code_cannot_be_guessed_even_with_the_password(house: House) -> None:
    await enrol(house, (await ann(house))["token"])
    found = house.parts.logins
    outcomes = []
    for n in range(logins.PER_CODE + 2):
        try:
            await found.log_in(EMAIL, PASSWORD, "000000", None, f"203.0.113.{n}")
        except (logins.WrongCredentials, logins.TooManyAttempts) as error:
            outcomes.append(error.status)
    assert outcomes == [401] * logins.PER_CODE + [429] * 2


async def test_an_unknown_address_costs_the_same_work(house: House) -> None:
    """Not the time is held against each other, which a busy machine spoils, but what takes it."""
    await ann(house)
    counted: list[str | None] = []
    found = house.parts.logins
    original = found._passwords.is_right

    async def counting(password: str, stored: str | None) -> bool:
        counted.append(stored)
        return await original(password, stored)

    found._passwords.is_right = counting  # type: ignore[method-assign]
    answers = [await log_in(house, "wrong horse", email) for email in (EMAIL, "nobody@operator.example")]
    assert len(counted) == 2
    assert answers[0].json == answers[1].json


async def test_a_browser_has_its_session_in_a_cookie_that_no_other_site_can_use(house: House) -> None:
    await ann(house, "admin")
    opened = await log_in(house, cookie=True)
    assert "token" not in opened.json
    cookie = opened.headers["set-cookie"]
    assert cookie.startswith("__Host-simwarden=sos_")
    assert cookie.partition("; ")[2] == "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200"
    sent = ("cookie", f"other=1; {cookie.partition(';')[0]}")
    csrf = ("x-csrf-token", opened.json["csrfToken"])

    async def call(method: str, path: str, body: Any, *headers: tuple[str, str]) -> int:
        return (
            await house.manage(method, path, body, token=NO_TOKEN, headers=[("host", "sim.example"), *headers])
        ).status

    account = {"name": "one"}
    assert await call("GET", "/sims", None, sent) == 200
    assert await call("POST", "/accounts", account, sent) == 403, "without the header"
    assert await call("POST", "/accounts", account, sent, ("x-csrf-token", "x")) == 403
    assert await call("POST", "/accounts", account, sent, csrf, ("origin", "https://evil.example")) == 403
    assert await call("POST", "/accounts", account, sent, csrf, ("sec-fetch-site", "cross-site")) == 403
    assert await call("POST", "/accounts", account, sent, csrf, ("origin", "https://sim.example")) == 201
    shown = await house.manage("GET", "/session", token=NO_TOKEN, headers=[sent])
    assert shown.json["csrfToken"] == opened.json["csrfToken"]
    login = {"email": EMAIL, "password": PASSWORD}
    assert await call("POST", "/session", login, ("origin", "https://evil.example")) == 403, "nor logged in by another"
    assert await call("POST", "/session", login, ("cookie", "__Host-simwarden=sos_old")) == 201, "an old one is no bar"
    planted = ("cookie", "__Host-simwarden=sos_" + "x" * 43)
    assert (await log_in(house)).json["token"] not in planted[1]
    assert await call("GET", "/sims", None, planted) == 401
    assert await call("DELETE", "/session", None, sent, csrf) == 204
    assert await call("GET", "/sims", None, sent) == 401


async def test_who_has_no_second_factor_may_be_made_to_get_one(house: House) -> None:
    token = (await ann(house))["token"]
    house.parts.logins.second_factor = True
    assert (await house.manage("GET", "/sims", token=token)).status == 403
    assert (await house.manage("GET", "/session", token=token)).json["needsSecondFactor"] is True
    await enrol(house, token)
    assert (await house.manage("GET", "/sims", token=token)).status == 200
