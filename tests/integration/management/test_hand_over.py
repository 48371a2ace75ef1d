"""SIMs are handed over from one account to another: one by one, by a filter, by a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration.management.house import House, imsi, phone
from tests.unit.northbound.asgi import call

from simwarden.accounts import applications
from simwarden.accounts.roles import Role

if TYPE_CHECKING:
    from tests.unit.northbound.asgi import Reply


async def act(house: House, number: int, token: str | None = None, **body: Any) -> Reply:
    return await house.manage("POST", f"/sims/{imsi(number)}/actions", body, token=token)


async def test_for_the_one_it_is_gone_for_the_other_it_is_new(house: House) -> None:
    await house.manage("PATCH", f"/sims/{imsi(1)}", {"tags": ["mine"]})
    await act(house, 1, action="bind", imei="353689530707903")
    await act(house, 1, action="limit", limits={"smsPerHour": 5})
    await house.db.execute(
        "insert into sim_identifier (kind, value, bucket, imsi, account_id) "
        "select 'ipv4', '203.0.113.7', bucket, imsi, account_id from sim where imsi = $1",
        imsi(1),
    )
    before = (await house.manage("GET", f"/sims/{imsi(1)}/events")).json["events"]
    done = await act(house, 1, action="hand-over", to="stranger")
    assert (done.status, done.json["changed"]) == (200, True)
    sim = done.json["sim"]
    assert (sim["account"], sim["lifecycle"], sim["bindingState"]) == (house.stranger.id, "ACTIVE", "NEUTRAL")
    assert (sim["phoneNumber"], sim["tags"]) == (phone(1), [])
    assert not {"boundTo", "limits", "seenAt"} & sim.keys()
    after = (await house.manage("GET", f"/sims/{imsi(1)}/events")).json["events"]
    assert [event["type"] for event in after] == ["SIM_ADDED"], "nothing from before"
    assert after[0]["n"] == before[0]["n"] + 2, "numbers are never given twice"
    owners = await house.db.fetch("select kind, account_id from sim_identifier where imsi = $1 order by 1", imsi(1))
    assert {row["kind"] for row in owners} == {"iccid", "msisdn", "ipv4"}
    assert {row["account_id"] for row in owners} == {house.stranger.id}
    current: Any = await house.db.fetchrow(
        "select account_id, owner_since = since as mine from number_assignment "
        "where number = $1 and until = 'infinity'",
        phone(1),
    )
    assert tuple(current) == (house.stranger.id, True)
    again = await act(house, 1, action="hand-over", to="stranger")
    assert (again.status, again.json["changed"]) == (200, False)
    back = await act(house, 1, action="hand-over", to="meters")
    assert back.json["sim"]["account"] == house.account.id


async def test_the_old_owner_no_longer_finds_it_and_the_new_one_does(house: House) -> None:
    async def found(token: str) -> int:
        body = {"device": {"phoneNumber": phone(2)}}
        return (await house.life("POST", "/retrieve-status", body, token=token)).status

    before = [await found(house.customer), await found(house.foreign)]
    await act(house, 2, action="hand-over", to="stranger")
    after = [await found(house.customer), await found(house.foreign)]
    assert after == before[::-1]
    assert before == [200, 404]


async def test_what_cannot_be_handed_over_says_why(house: House) -> None:
    await act(house, 3, action="suspend")
    held = await act(house, 3, action="hand-over", to="stranger")
    assert (held.status, "PRE_ACTIVE or ACTIVE" in held.json["message"]) == (409, True)
    await act(house, 4, action="close", functions=["SMS"])
    held = await act(house, 4, action="hand-over", to="stranger")
    assert (held.status, "CLOSED_BY_CUSTOMER" in held.json["message"]) == (409, True)
    assert (await act(house, 5, action="hand-over", to="nobody")).status == 404
    assert (await act(house, 5, action="hand-over")).status == 400
    assert (await act(house, 5, action="suspend", to="stranger")).status == 400
    assert (await act(house, 5, action="hand-over", to="stranger", tac="35368953")).status == 400
    assert (await act(house, 5, action="hand-over", to="operator")).status == 404


async def test_administrators_hand_over_and_nobody_else(house: House) -> None:
    made = await applications.issue_operator(house.accounts, "night", role=Role.OPERATOR)
    token = await house.token_of(made)
    assert (await act(house, 6, token, action="suspend")).status == 200
    assert (await act(house, 7, token, action="hand-over", to="stranger")).status == 403
    body = {"action": "hand-over", "to": "stranger", "filter": {"account": "meters"}}
    assert (await house.manage("POST", "/bulk", body, token=token)).status == 403


async def test_many_are_previewed_and_handed_over_one_commit_each_or_refused(house: House) -> None:
    await act(house, 0, action="suspend")
    begun = await house.manage(
        "POST", "/bulk", {"action": "hand-over", "to": "stranger", "filter": {"account": "meters"}}
    )
    await house.work()
    path = f"/operations/{begun.json['id']}"
    preview = (await house.manage("GET", path)).json
    assert (preview["state"], preview["counts"]["total"], preview["counts"]["refused"]) == ("READY", 20, 1)
    owned = "select count(*) from sim where account_id = $1"
    assert await house.db.fetchval(owned, house.stranger.id) == 2, "a preview changes nothing"
    await house.manage("POST", f"{path}/confirm", {"confirmToken": preview["confirmToken"]})
    await house.work()
    done = (await house.manage("GET", path)).json
    assert (done["state"], done["counts"]["done"], done["counts"]["refused"]) == ("COMPLETED", 19, 1)
    assert await house.db.fetchval(owned, house.stranger.id) == 21
    assert await house.db.fetchval(owned, house.account.id) == 1


async def test_a_list_names_them_too(house: House) -> None:
    csv = f"imsi\n{imsi(8)}\n{imsi(9)}\n{imsi(999)}\n"
    begun = await house.manage("POST", "/bulk", {"action": "hand-over", "to": "stranger", "csv": csv})
    await house.work()
    path = f"/operations/{begun.json['id']}"
    token = (await house.manage("GET", path)).json["confirmToken"]
    await house.manage("POST", f"{path}/confirm", {"confirmToken": token})
    await house.work()
    counts = (await house.manage("GET", path)).json["counts"]
    assert (counts["done"], counts["refused"]) == (2, 1)


async def test_subscriptions_of_the_old_owner_end(house: House) -> None:
    body = (
        b'{"protocol": "HTTP", "sink": "https://sink.example/x", '
        b'"types": ["org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"], '
        b'"config": {"subscriptionDetail": {"device": {"phoneNumber": "%s"}}}}' % phone(10).encode()
    )
    headers = [("authorization", f"Bearer {house.customer}"), ("content-type", "application/json")]
    path = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
    made = await call(house.app, "POST", path, body, headers)
    assert made.status == 201, made.body
    await act(house, 10, action="hand-over", to="stranger")
    alive = "select count(*) from subscription where imsi = $1 and ended_at is null"
    assert await house.db.fetchval(alive, imsi(10)) == 0
