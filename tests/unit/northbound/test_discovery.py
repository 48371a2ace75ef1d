"""A folder of `northbound` with a document is an API: it is found, built on services, and served under its name."""

from __future__ import annotations

import msgspec
import pytest
from starlette.routing import Mount
from tests.unit.northbound.world import World

from simwarden import northbound


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
