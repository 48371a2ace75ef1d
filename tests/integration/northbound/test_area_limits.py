"""AREALIMIT in both customer APIs, and the events of it, on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance import contract
from tests.integration.northbound.house import PHONE, House, sim

from simwarden.accounts import applications
from simwarden.domain.area import Circle, Polygon
from simwarden.domain.events import EventType
from simwarden.domain.sim import BarCause, Policy
from simwarden.engine.areas import NamedAreas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

CAMARA, CARD = "/iot-sim-fraud-prevention/v0.1", "/device-card-binding-mgmt/v1"
SUBSCRIPTIONS = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
AREA = "AREALIMIT"
AREA_CHANGE = "org.camaraproject.iot-sim-fraud-prevention.v0.area-change"
HERE = {"areaType": "CIRCLE", "center": {"latitude": 52.5, "longitude": 13.4}, "radius": 5000}
UNSEEN = {"phoneNumber": "+8613800000002"}
FOREIGN = {"phoneNumber": "+8613900000001"}
RING = ((13.0, 52.0), (14.0, 52.0), (14.0, 53.0), (13.0, 53.0), (13.0, 52.0))


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish()
    return made


async def camara(house: House, operation: str, device: Mapping[str, str] = PHONE, what: str = AREA) -> tuple[int, Any]:
    """Ask, and hold the answer against our document."""
    body = {"device": dict(device), "bindType": what, "unBindType": what, "queryType": what}
    reply = await house.client("POST", f"{CAMARA}/{operation}", body, token=house.token)
    contract.ours("iot-sim-fraud-prevention").check("POST", f"/{operation}", reply)
    return reply.status, reply.json


async def card(house: House, operation: str, info: dict[str, Any] | None = None, what: str = AREA) -> tuple[int, Any]:
    body: dict[str, Any] = {"device": PHONE, "bindType": what} | ({} if info is None else {"bindInfo": info})
    reply = await house.client("POST", f"{CARD}/{operation}", body, token=house.token)
    contract.ours("device-card-binding-mgmt").check("POST", f"/{operation}", reply)
    return reply.status, reply.json


async def change_account(house: House, **settings: Any) -> None:
    found = await house.accounts.get("meters")
    await applications.change_account(
        house.accounts, found.id, new_name=None, settings=type(found.settings)(**settings)
    )


async def barred(house: House) -> set[BarCause]:
    row = await house.db.fetchrow("select bars from sim where imsi = $1", sim(PHONE["phoneNumber"]).imsi)
    assert row is not None
    return {BarCause(bar["cause"]) for bar in row["bars"] or ()}


async def test_a_bare_bind_limits_to_a_circle_around_the_place(house: House) -> None:
    await house.stand(52.5, 13.4)
    assert await camara(house, "query") == (200, {"areaLimit": {"areaLimitStatus": "UNRESTRICTED"}})
    assert await camara(house, "bind") == (200, {"bound": True})
    assert await camara(house, "query") == (200, {"areaLimit": {"areaLimitStatus": "RESTRICTED", "limitArea": HERE}})
    await house.move(53.5, 13.4)
    assert await barred(house) == {BarCause.AREA_EXIT}
    assert await camara(house, "bind") == (200, {"bound": True})
    _, found = await camara(house, "query")
    assert found["areaLimit"]["limitArea"]["center"]["latitude"] == 52.5, "the gateway that it is in stands there"
    assert await barred(house) == set()
    assert await camara(house, "unbind") == (200, {"unbound": True})
    status, error = await camara(house, "unbind")
    assert (status, error["code"], error["message"]) == (
        422,
        "UNNECESSARY_UNBIND_AREALIMIT",
        "The current device area limit has been unbound",
    )


async def test_a_sim_that_was_never_seen_waits_for_its_first_place_unless_the_account_is_strict(house: House) -> None:
    assert await camara(house, "bind", UNSEEN) == (200, {"bound": True})
    assert await camara(house, "query", UNSEEN) == (200, {"areaLimit": {"areaLimitStatus": "RESTRICTED"}})
    await house.move(48.0, 11.0, UNSEEN["phoneNumber"])
    _, found = await camara(house, "query", UNSEEN)
    assert found["areaLimit"]["limitArea"]["center"] == {"latitude": 48.0, "longitude": 11.0}
    await camara(house, "unbind", UNSEEN)
    await change_account(house, strict=True)
    status, error = await camara(house, "bind", UNSEEN)
    assert (status, error["code"]) == (409, "INCOMPATIBLE_STATE")


async def test_a_bare_bind_takes_the_accounts_area(house: House) -> None:
    named = NamedAreas(house.db)
    await named.add(house.account.id, "depot", Circle(52.5, 13.4, 7000))
    await change_account(house, area="depot", area_radius=100)
    await house.stand(52.5, 13.4)
    await camara(house, "bind")
    _, found = await camara(house, "query")
    assert found["areaLimit"]["limitArea"]["radius"] == 7000
    _, shown = await card(house, "query")
    assert shown["result"] == {
        "bindType": AREA,
        "bindStatus": "BOUND",
        "state": "INSIDE",
        "bindInfo": {"areaName": "depot"},
    }


async def test_both_limits_at_once_and_unbinding_one_keeps_the_other(house: House) -> None:
    await house.stand(52.5, 13.4)
    for what in (AREA, "IMEIBIND"):
        assert (await camara(house, "bind", what=what))[0] == 200
    await house.move(54.0, 13.4)
    await house.db.execute(
        """update sim set bars = bars || jsonb_build_array(jsonb_set(bars -> 0, '{cause}', '"IMEI_MISMATCH"')),
                          state = 'DIFFERED' where imsi = $1""",
        sim(PHONE["phoneNumber"]).imsi,
    )
    assert await camara(house, "unbind") == (200, {"unbound": True})
    assert await barred(house) == {BarCause.IMEI_MISMATCH}
    _, device = await camara(house, "query", what="IMEIBIND")
    assert device["imeiBind"]["bindStatus"] == "BOUND"
    await camara(house, "bind")
    assert await camara(house, "unbind", what="IMEIBIND") == (200, {"unbound": True})
    _, area = await camara(house, "query")
    assert area["areaLimit"]["areaLimitStatus"] == "RESTRICTED"
    assert (await camara(house, "unbind", what="IMEIBIND"))[1]["code"] == "UNNECESSARY_UNBIND_IMEI"


async def test_a_foreign_sim_is_an_unknown_one(house: House) -> None:
    for operation in ("bind", "unbind", "query"):
        foreign, unknown = (
            await camara(house, operation, FOREIGN),
            await camara(house, operation, {"phoneNumber": "+8613999999999"}),
        )
        assert foreign == unknown
        assert foreign[0] == 404


@pytest.mark.parametrize(
    ("info", "stored"),
    [
        ({"area": HERE}, Circle(52.5, 13.4, 5000)),
        (
            {"area": {"areaType": "POLYGON", "boundary": [{"latitude": y, "longitude": x} for x, y in RING[:-1]]}},
            Polygon((RING,)),
        ),
    ],
    ids=["circle", "polygon"],
)
async def test_our_own_contract_takes_an_area(house: House, info: dict[str, Any], stored: Circle | Polygon) -> None:
    await house.stand(52.5, 13.4)
    status, made = await card(house, "bind", info)
    assert (status, made["code"]) == (200, "SUCCESS")
    assert made["result"] == {"bindType": AREA, "bindStatus": "BOUND", "state": "INSIDE", "bindInfo": info}
    found = await house.sims.find_any(sim(PHONE["phoneNumber"]).imsi)
    assert found is not None
    assert found.area is not None
    assert found.area.area == stored
    kept = await card(house, "bind")
    assert (kept[1]["code"], kept[1]["result"]["bindInfo"]) == ("NO_CHANGE", info), "an area that was given stays"
    _, query = await camara(house, "query")
    circle = query["areaLimit"]["limitArea"]
    assert circle["areaType"] == "CIRCLE"
    assert circle["radius"] >= 5000
    await house.move(60.0, 13.4)
    assert (await card(house, "query"))[1]["result"]["state"] == "OUTSIDE"
    assert (await card(house, "unbind"))[1]["result"] == {
        "bindType": AREA,
        "bindStatus": "UNBOUND",
        "state": "NEUTRAL",
    }
    assert (await card(house, "unbind"))[1]["code"] == "NO_CHANGE"
    assert await barred(house) == set()


BOW_TIE = [{"latitude": y, "longitude": x} for x, y in ((9, 52), (9.2, 52.1), (9.2, 52), (9, 52.1))]


@pytest.mark.parametrize(
    ("info", "what", "status", "says"),
    [
        ({"area": {**HERE, "radius": 0}}, AREA, 400, "bindInfo.area.radius"),
        ({"area": {**HERE, "center": {"latitude": 99, "longitude": 0}}}, AREA, 400, "bindInfo.area.center.latitude"),
        ({"area": {"areaType": "CIRCLE", "center": HERE["center"]}}, AREA, 400, "area.radius must be specified"),
        ({"area": {**HERE, "boundary": BOW_TIE}}, AREA, 400, "area.boundary does not go with CIRCLE"),
        ({"area": {"areaType": "POLYGON", "boundary": BOW_TIE}}, AREA, 400, "meets the one from"),
        ({"area": {"areaType": "POLYGON", "boundary": BOW_TIE[:2]}}, AREA, 400, "bindInfo.area.boundary"),
        ({"area": {"areaType": "POLYGON", "boundary": BOW_TIE * 100}}, AREA, 400, "bindInfo.area.boundary"),
        ({"area": {"areaType": "SQUARE"}}, AREA, 400, "bindInfo.area.areaType"),
        ({"area": HERE, "areaName": "depot"}, AREA, 400, "one of area, areaName"),
        ({"imei": "352099001761481"}, AREA, 400, "one of area, areaName"),
        ({"area": HERE}, "IMEIBIND", 400, "one of imei, tac, imeiList"),
        ({"areaName": "theirs"}, AREA, 404, "not found"),
        ({"areaName": "nobodys"}, AREA, 404, "not found"),
    ],
)
async def test_areas_that_are_none(house: House, info: dict[str, Any], what: str, status: int, says: str) -> None:
    theirs = (await house.accounts.get("stranger")).id
    await NamedAreas(house.db).add(theirs, "theirs", Circle(52.5, 13.4, 7000))
    found, error = await card(house, "bind", info, what)
    assert (found, says in error["message"]) == (status, True), error
    assert (await card(house, "query"))[1]["result"]["bindStatus"] == "UNBOUND"


async def test_area_change_is_told_with_the_area(house: House) -> None:
    await house.stand(52.5, 13.4)
    await camara(house, "bind")
    body = {
        "protocol": "HTTP",
        "sink": "https://events.example.com/simwarden",
        "types": [AREA_CHANGE],
        "config": {"subscriptionDetail": {"device": PHONE}, "initialEvent": True},
    }
    made = await house.client("POST", SUBSCRIPTIONS, body, token=house.token)
    assert made.status == 201, made.json
    for latitude in (52.5, 53.5, 53.6, 52.5, 54.0):
        await house.move(latitude, 13.4)
    rows = await house.db.fetch(
        "select type, data from delivery where subscription_id = $1 order by n", made.json["id"]
    )
    told = [(row["type"], row["data"]) for row in rows if row["type"] == AREA_CHANGE]
    assert told == [(AREA_CHANGE, {"area": HERE, "device": PHONE})] * 3, "left, came back, left"
    events = await house.db.fetch(
        "select data ->> 'to' as side from event where imsi = $1 and type = $2 order by n",
        sim(PHONE["phoneNumber"]).imsi,
        EventType.AREA_CHANGED,
    )
    assert [row["side"] for row in events] == ["OUTSIDE", "INSIDE", "OUTSIDE"]


async def test_the_accounts_policy_is_that_of_a_bare_bind(house: House) -> None:
    await change_account(house, policy=Policy(on_mismatch="ALERT"))  # type: ignore[arg-type]
    await house.stand(52.5, 13.4)
    await camara(house, "bind")
    await house.move(54.0, 13.4)
    assert await barred(house) == set()
