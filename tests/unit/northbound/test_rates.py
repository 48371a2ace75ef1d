"""Where a limit of calls stands among the checks, and what its answer says."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
import pytest
from tests.unit.northbound.world import API, SUBSCRIPTIONS, Client, World

from simwarden import northbound
from simwarden.domain.rates import OverLimit, ServiceLimit, policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.engine.rates import LimitedCaller, Rates

PHONE = {"phoneNumber": "+8613800000001"}
QUERY = {"queryType": "IMEIBIND", "device": PHONE}
LIMITS = [
    ServiceLimit("application", policy("application", 2000, 2), 7, 2),
    ServiceLimit("account-x", policy("account-x", 10, 60), 0, 60),
]


class Wall:
    """Lets so many calls through."""

    def __init__(self) -> None:
        self.at_hand = 0
        self.to_draw = 0
        self.asked: list[tuple[str, str, str, bool]] = []
        self.set: Sequence[ServiceLimit] = ()

    def spend(self, _app_key: str, _api: str, _operation: str) -> bool:
        self.at_hand -= 1
        return self.at_hand >= 0

    async def admit(self, who: LimitedCaller, api: str, operation: str, *, subscribes: bool) -> None:
        self.asked.append((who.app_key, api, operation, subscribes))
        self.to_draw -= 1
        if self.to_draw < 0:
            raise OverLimit("Rejected due to request rate limit overpassed: account-x.", 3, LIMITS[1])

    def limits(self, _app_key: str) -> Sequence[ServiceLimit]:
        return self.set

    def shown(self, _app_key: str, _api: str, _operation: str) -> Sequence[ServiceLimit]:
        return self.set


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def world(wall: Wall) -> World:
    made = World()
    edge = msgspec.structs.replace(made.services.edge, rates=cast("Rates", wall))
    made.app = northbound.ApisFirst(made.app, northbound.apis(msgspec.structs.replace(made.services, edge=edge)))
    return made


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


async def test_a_call_too_many_is_refused_and_changes_and_counts_nothing(world: World, client: Client) -> None:
    reply = await client("POST", f"/{API}/v0.1/bind", {"bindType": "IMEIBIND", "device": PHONE})
    assert (reply.status, reply.json["code"]) == (429, "TOO_MANY_REQUESTS")
    assert reply.json["message"] == "Rejected due to request rate limit overpassed: account-x."
    assert reply.headers["retry-after"] == "3"
    assert reply.headers["ratelimit-policy"] == '"account-x";q=10;w=60'
    assert reply.headers["ratelimit"] == '"account-x";r=0;t=60'
    assert (await client("POST", f"/{API}/v0.1/query", QUERY)).status == 429
    assert (world.used, world.read_only, world.causes, world.answers.kept) == ([], [], [], {})
    assert [call.status for call in world.metered] == [429, 429]


async def test_tokens_at_hand_are_not_asked_for(wall: Wall, client: Client) -> None:
    wall.at_hand, wall.to_draw = 2, 1
    statuses = [(await client("POST", f"/{API}/v0.1/query", QUERY)).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert wall.asked == [("swk_meters", API, "query", False)] * 2


async def test_it_comes_behind_token_and_scope_and_before_the_body(wall: Wall, client: Client) -> None:
    path = f"/{API}/v0.1/query"
    assert (await client("POST", path, QUERY, token=None)).status == 401
    assert (await client("POST", path, QUERY, token="narrow")).status == 403
    assert (await client("GET", path)).status == 405
    assert wall.asked == []
    assert (await client("POST", path, b"x", headers=[("content-type", "text/plain")])).status == 429


async def test_what_makes_a_subscription_is_known_as_that(wall: Wall, client: Client) -> None:
    await client("POST", f"/{SUBSCRIPTIONS}/v0.1/subscriptions", {})
    await client("GET", f"/{SUBSCRIPTIONS}/v0.1/subscriptions")
    await client("POST", "/device-card-binding-mgmt/v1/subscribe", {})
    await client("POST", "/device-card-binding-mgmt/v1/bind", {})
    assert [subscribes for *_, subscribes in wall.asked] == [True, False, True, False]


async def test_who_has_limits_sees_them_with_every_answer(wall: Wall, client: Client) -> None:
    wall.at_hand = 9
    plain = await client("POST", f"/{API}/v0.1/query", QUERY)
    assert "ratelimit" not in plain.headers
    wall.set = LIMITS
    for body in (QUERY, {}):
        reply = await client("POST", f"/{API}/v0.1/query", body)
        assert reply.headers["ratelimit-policy"] == '"application";q=2000;w=2, "account-x";q=10;w=60'
        assert reply.headers["ratelimit"] == '"application";r=7;t=2, "account-x";r=0;t=60'
