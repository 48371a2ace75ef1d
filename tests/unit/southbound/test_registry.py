"""Kinds of network elements: found by their folder, built, started, stopped, and asked for drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from starlette.routing import Route

from simwarden.edge.throttle import Allowance
from simwarden.engine.ports import CommandFailed, ElementRules
from simwarden.settings import OwnSettings, Settings, load
from simwarden.southbound import registry
from simwarden.southbound.registry import Sources
from simwarden.southbound.source import ElementKind, SourceServices
from simwarden.store.gateways import CommandAccess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from simwarden.engine.ports import Driver


RULES = ElementRules(check=lambda _wanted: None, reports_to_url=False)


class Wired(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a kind of this test."""

    wired_port: int = 7


class Wire:
    """A kind of network element that has a listener of its own, and takes no commands."""

    journal: list[str]
    fails: bool = False

    def __init__(self, services: SourceServices, settings: Wired) -> None:
        self.services = services
        self.settings = settings

    def routes(self) -> Sequence[BaseRoute]:
        return [Route(f"/wire/{self.settings.wired_port}", lambda _request: None)]

    async def start(self) -> None:
        self.journal.append(f"start {self.settings.wired_port}")
        if self.fails:
            raise OSError("the port is taken")

    async def stop(self) -> None:
        self.journal.append(f"stop {self.settings.wired_port}")

    def driver(self, access: CommandAccess) -> Driver:
        raise ValueError(f"{access.name} takes no commands")


def sources(*kinds: ElementKind) -> Sources:
    nothing = cast("Any", None)
    services = SourceServices(elements=nothing, ingest=nothing, db=nothing, session=nothing, guesses=Allowance(1))
    return Sources(services, lambda settings: settings(), {kind.name: kind for kind in kinds} or None)


def wire(journal: list[str], *, name: str = "wire", fails: bool = False) -> ElementKind:
    made = type("Made", (Wire,), {"journal": journal, "fails": fails})
    return ElementKind(name=name, settings=Wired, rules=RULES, build=made)


def access(kind: str, url: str | None = None) -> CommandAccess:
    return CommandAccess(1, "gw1", kind, url, None, None, None)


def test_every_folder_with_a_source_is_a_kind_of_its_name() -> None:
    kinds = registry.kinds()
    assert [kind.name for kind in kinds] == registry.names()
    assert "ejoin" in registry.names()


def test_the_settings_of_each_kind_are_settings_of_the_server() -> None:
    for kind in registry.kinds():
        for field in msgspec.structs.fields(kind.settings):
            assert field.name not in OwnSettings.__struct_fields__
            assert field.name in Settings.__struct_fields__
            assert field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT
    [ejoin] = [kind.settings for kind in registry.kinds() if kind.name == "ejoin"]
    found, _ = load({}, {"SIMWARDEN_REPORTS_PER_GATEWAY": "7"})
    assert msgspec.structs.asdict(found.of(ejoin))["reports_per_gateway"] == 7


async def test_listeners_are_opened_and_closed_and_routes_are_gathered() -> None:
    journal: list[str] = []
    built = sources(wire(journal))
    assert [cast("Route", route).path for route in built.routes()] == ["/wire/7"]
    await built.start()
    await built.stop()
    assert journal == ["start 7", "stop 7"]


async def test_when_one_listener_cannot_be_opened_the_others_are_closed() -> None:
    journal: list[str] = []
    with pytest.raises(OSError, match="taken"):
        await sources(wire(journal), wire(journal, name="broken", fails=True)).start()
    assert journal == ["start 7", "start 7", "stop 7", "stop 7"]


@pytest.mark.parametrize(
    ("element", "words"),
    [
        (access("wire"), "as it is registered: gw1 takes no commands"),
        (access("fax"), "no source for network elements of kind 'fax'"),
    ],
)
def test_an_element_that_cannot_be_commanded_says_why(element: CommandAccess, words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        sources(wire([])).driver(element)


@pytest.mark.parametrize(("url", "words"), [(None, "no command URL"), ("ftp://h", "as it is registered: base_url")])
def test_an_ejoin_gateway_needs_an_address_to_be_commanded(url: str | None, words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        sources().driver(access("ejoin", url))
