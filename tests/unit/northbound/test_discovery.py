"""A folder of `northbound` with a document is an API: it is found, built on services, and served under its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from tests.unit.northbound.asgi import call
from tests.unit.northbound.world import Caller, World, sim

from simwarden import northbound

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from simwarden.domain.sim import Sim, SimRef


def served(world: World, **others: Any) -> list[str]:
    """The names of the APIs that are served on the world's services."""
    return list(northbound.apis(msgspec.structs.replace(world.services, **others)))


@pytest.mark.parametrize("name", northbound.DOCUMENTS)
def test_a_folder_builds_the_api_of_its_name(name: str) -> None:
    api = northbound.BUILDERS[name](World().services)
    assert api is not None
    assert api.name == name


def test_every_document_has_its_api() -> None:
    assert served(World()) == list(northbound.DOCUMENTS)


ALWAYS = {
    "iot-sim-fraud-prevention",
    "iot-sim-fraud-prevention-subscriptions",
    "device-communication-function",
    "device-communication-function-mgmt",
    "device-card-binding-mgmt",
    "subscription-status",
    "listen",
}
"""The APIs that need no more than any world has."""


class OnlyFinding:
    """SIMs of which nothing more is known than how they are now."""

    async def find(self, account_id: str, ref: SimRef) -> Sim | None:
        """SimSource."""
        raise AssertionError(account_id, ref)


@pytest.mark.parametrize("other", [{"operations": None}, {"sims": OnlyFinding()}])
def test_an_api_whose_services_are_not_there_is_not_served(other: dict[str, Any]) -> None:
    missing = northbound.DOCUMENTS.keys() - set(served(World(), **other))
    assert missing.isdisjoint(ALWAYS)
    assert missing >= {"iot-device-management"} | ({"device-swap"} if "sims" in other else set())


@pytest.mark.parametrize("rest", ["", "/", "/v0.1", "/v0.1/query/", "/v0.1/\n", "//v0.1/query"])
@pytest.mark.parametrize("root", ["", "/below"])
async def test_everything_below_its_name_is_the_apis(rest: str, root: str) -> None:
    async def others(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("not asked for")

    async def placed(scope: Scope, receive: Receive, send: Send) -> None:
        scope.update(path=root + scope["path"], root_path=root)
        await app(scope, receive, send)

    app = northbound.ApisFirst(others, northbound.apis(World().services))
    reply = await call(placed, "POST", f"/iot-sim-fraud-prevention{rest}")
    assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "path", ["/", "/iot-sim-fraud-preventions/v0.1/query", "/x/iot-sim-fraud-prevention", "//listen"]
)
async def test_every_other_path_is_left_to_the_others(path: str) -> None:
    app = northbound.ApisFirst(PlainTextResponse("others"), northbound.apis(World().services))
    assert (await call(app, "POST", path)).body == b"others"


class Modes:
    """A live world and a sandbox, each with SIMs of its own, behind the same routes."""

    def __init__(self) -> None:
        self.live, self.sandbox = World(), World()
        self.checks: list[str] = []
        world = self.live
        world.callers["trial"] = msgspec.structs.replace(world.callers["good"], sandbox=True)
        live = msgspec.structs.replace(world.services, edge=msgspec.structs.replace(world.services.edge, tokens=self))
        edge = msgspec.structs.replace(live.edge, reads=None, quota=None)
        sandbox = msgspec.structs.replace(self.sandbox.services, edge=edge, operations=None)
        self.app = northbound.ApisFirst(Starlette(), northbound.apis(live, sandbox))

    async def check(self, token: str) -> Caller | None:
        """TokenCheck; every call of it is noted."""
        self.checks.append(token)
        return await self.live.check(token)

    async def query(self, number: str, token: str) -> int:
        """The status of a query by phone number."""
        headers = [("authorization", f"Bearer {token}"), ("content-type", "application/json")]
        body = msgspec.json.encode({"device": {"phoneNumber": number}, "queryType": "IMEIBIND"})
        return (await call(self.app, "POST", "/iot-sim-fraud-prevention/v0.1/query", body, headers)).status


async def test_the_callers_mode_decides_which_sims_there_are_and_nothing_of_the_sandbox_is_counted() -> None:
    modes = Modes()
    modes.live.add(sim("+8613800000011"))
    modes.sandbox.add(sim("+8613800000012"))
    found = [await modes.query(f"+861380000001{n}", token) for n in (1, 2) for token in ("good", "trial")]
    assert found == [200, 404, 404, 200]
    assert len(modes.live.read_only) == 1
    assert modes.sandbox.read_only == []


@pytest.mark.parametrize("token", ["good", "trial", "bad"])
async def test_a_call_has_its_token_checked_once(token: str) -> None:
    modes = Modes()
    await modes.query("+8613800000001", token)
    assert modes.checks == [token]


async def test_a_call_of_what_the_sandbox_does_not_serve_is_metered() -> None:
    modes = Modes()
    headers = [("authorization", "Bearer trial")]
    reply = await call(modes.app, "POST", "/iot-device-management/vwip/add", headers=headers)
    assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")
    assert [(each.api, each.status, each.code) for each in modes.live.metered] == [
        ("iot-device-management", 404, "NOT_FOUND")
    ]


async def test_a_server_without_a_sandbox_has_nothing_for_callers_in_sandbox_mode() -> None:
    world = World()
    world.callers["trial"] = msgspec.structs.replace(world.callers["good"], sandbox=True)
    headers = [("authorization", "Bearer trial")]
    reply = await call(world.app, "POST", "/iot-sim-fraud-prevention/v0.1/query", headers=headers)
    assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")
