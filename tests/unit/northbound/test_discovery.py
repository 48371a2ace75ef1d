"""A folder of `northbound` with a document is an API: it is found, built on services, and served under its name."""

from __future__ import annotations

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.unit.northbound.asgi import call
from tests.unit.northbound.world import World

from simwarden import northbound
from simwarden.sandbox.mode import by_mode


def served(world: World, **without: None) -> list[str]:
    """The names of the APIs that are served on the world's services."""
    routes = northbound.routes(msgspec.structs.replace(world.services, **without))
    return [str(route.name) for route in routes if isinstance(route, Mount)]


@pytest.mark.parametrize("name", northbound.DOCUMENTS)
def test_a_folder_builds_the_api_of_its_name(name: str) -> None:
    api = northbound.BUILDERS[name](World().services)
    assert api is not None
    assert api.name == name


def test_every_document_has_its_api() -> None:
    assert served(World()) == list(northbound.DOCUMENTS)


@pytest.mark.parametrize("missing", ["operations", "lives"])
def test_an_api_whose_services_are_not_there_is_not_served(missing: str) -> None:
    assert northbound.DOCUMENTS.keys() - set(served(World(), **{missing: None})) == {"iot-device-management"}


class Trying(msgspec.Struct, frozen=True):
    """A caller whose application is in sandbox mode."""

    app_key: str = "swk_trial"
    account_id: str = "acc_meters"
    scopes: frozenset[str] = frozenset()
    device: str | None = None
    daily_quota: int | None = None
    sandbox: bool = True


class Tokens:
    """Every token is one of the sandbox."""

    async def check(self, token: str) -> Trying:
        """ModeCheck."""
        return Trying()


async def test_a_call_of_what_the_sandbox_does_not_serve_is_metered() -> None:
    world, tokens = World(), Tokens()
    edge = msgspec.structs.replace(world.services.edge, tokens=tokens)
    sandboxed = msgspec.structs.replace(world.services, edge=edge, operations=None, lives=None)
    routes = by_mode(northbound.routes(world.services), northbound.routes(sandboxed), tokens, edge)
    headers = [("authorization", "Bearer any")]
    reply = await call(Starlette(routes=routes), "POST", "/iot-device-management/vwip/add", headers=headers)
    assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")
    assert [(each.api, each.status, each.code) for each in world.metered] == [
        ("iot-device-management", 404, "NOT_FOUND")
    ]
