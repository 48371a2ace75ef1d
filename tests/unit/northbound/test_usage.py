"""What each call is to be counted as: said to whoever makes the change, or counted when it was only answered."""

from __future__ import annotations

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.world import API, Client, World

from simwarden import northbound
from simwarden.domain.usage import Usage
from simwarden.northbound.kernel.edge import Edge

PHONE = {"phoneNumber": "+8613800000001"}
MANAGE = "device-communication-function-mgmt"
BIND, UNBIND, QUERY = ({kind: "IMEIBIND", "device": PHONE} for kind in ("bindType", "unBindType", "queryType"))


def usage(api: str, operation: str) -> Usage:
    return Usage("acc_meters", "swk_meters", api, operation)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


async def test_a_change_is_told_what_it_counts_as_and_a_read_is_counted(world: World, client: Client) -> None:
    await client("POST", f"/{API}/v0.1/bind", BIND)
    await client("POST", f"/{API}/v0.1/unbind", UNBIND)
    await client("POST", f"/{MANAGE}/v1/manage", {"device": PHONE, "busiType": "sms", "action": "close"})
    assert world.used == [
        *(usage(API, "bindDeviceImei"), usage(API, "unBindDeviceImei")),
        usage(MANAGE, "manageCommunicationFunction"),
    ]
    assert world.read_only == []
    await client("POST", f"/{API}/v0.1/query", QUERY)
    await client("POST", f"/{MANAGE}/v1/manage", {"device": PHONE, "busiType": "sms", "action": "query"})
    assert world.read_only == [usage(API, "query"), usage(MANAGE, "manageCommunicationFunction/query")]
    assert len(world.used) == 3


async def test_a_read_that_was_refused_is_not_counted(world: World, client: Client) -> None:
    unknown = {"device": {"phoneNumber": "+8613899999999"}, "queryType": "IMEIBIND"}
    assert (await client("POST", f"/{API}/v0.1/query", unknown)).status == 404
    assert (await client("POST", f"/{API}/v0.1/query", QUERY, token="narrow")).status == 403
    assert (await client("POST", f"/{API}/v0.1/query", {"device": PHONE})).status == 400
    assert (await client("GET", f"/{API}-subscriptions/v0.1/subscriptions")).status == 200
    assert world.read_only == []


async def test_without_a_ledger_nothing_is_told_or_counted(world: World) -> None:
    services = msgspec.structs.replace(world.services, edge=Edge(tokens=world))
    client = Client(northbound.ApisFirst(Starlette(), northbound.apis(services)))
    for path, body in (("bind", BIND), ("query", QUERY)):
        assert (await client("POST", f"/{API}/v0.1/{path}", body)).status == 200
    assert (world.used, world.read_only) == ([None], [])
