"""Short message centres as a kind of network element."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from simwarden.engine.ports import ElementRules
from simwarden.kit.worker import Worker
from simwarden.southbound.smpp.driver import SmppDriver, address, check
from simwarden.southbound.smpp.intake import SmppIntake
from simwarden.southbound.smpp.link import Link
from simwarden.southbound.smpp.settings import SmppSettings
from simwarden.southbound.source import ElementKind
from simwarden.store.gateways import GatewayRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

KIND = "smpp"
REFRESH = 5.0
"""Seconds until a message centre that was registered, changed or deleted is known to be."""


class SmppSource:
    """We bind to them: every worker process has a connection of its own to each."""

    def __init__(self, services: SourceServices, settings: SmppSettings) -> None:
        self._links = Links(services, settings)

    def routes(self) -> Sequence[BaseRoute]:
        """SMPP is not HTTP."""
        return ()

    async def start(self) -> None:
        """Connect to those that are registered. Raises nothing: what cannot be reached is tried again."""
        self._links.start()

    async def stop(self) -> None:
        """Hang up."""
        await self._links.stop()

    def driver(self, access: CommandAccess) -> SmppDriver:
        """Raises ValueError for one that is not registered as `check` wants it."""
        address(access.url)
        return SmppDriver(self._links.of(access.id))


class Links(Worker):
    """The connections, by the register."""

    worker_name = "smpp"

    def __init__(self, services: SourceServices, settings: SmppSettings) -> None:
        super().__init__()
        self._services = services
        self._settings = settings
        self._links: dict[int, tuple[CommandAccess, Link, SmppIntake]] = {}

    def of(self, element_id: int) -> Link | None:
        """The connection to a message centre, if this process has one."""
        found = self._links.get(element_id)
        return None if found is None else found[1]

    async def stop(self) -> None:
        """Hang up everywhere."""
        await super().stop()
        for element_id in list(self._links):
            await self._drop(element_id)

    async def turn(self) -> float:
        """Read the register, and see to parts that wait. Raises StoreUnavailable; what is connected stays."""
        found = {each.id: each for each in await self._services.elements.of_kind(KIND)}
        for element_id, (access, _, _) in list(self._links.items()):
            now = found.get(element_id)
            if now is None or _how(now) != _how(access):
                await self._drop(element_id)
        for element_id, access in found.items():
            if element_id not in self._links and access.password is not None:
                self._connect(access, access.password)
        for _, _, intake in list(self._links.values()):
            await intake.sweep()
        return REFRESH

    def _connect(self, access: CommandAccess, password: str) -> None:
        try:
            host, port, secure = address(access.url)
        except ValueError:
            return  # registered by another version
        services, vault = self._services, self._services.vault
        assert vault is not None, "messages are stored sealed"
        intake = SmppIntake(GatewayRef(access.id, access.name, 0, None), services.db, vault, services.ingest)
        link = Link(
            access.name,
            (host, port, ssl.create_default_context() if secure else None),
            (access.username or "", password),
            intake,
            window=self._settings.smpp_window,
            enquire=self._settings.smpp_enquire_seconds,
            counted=services.counted,
        )
        self._links[access.id] = access, link, intake
        link.start()

    async def _drop(self, element_id: int) -> None:
        _, link, _ = self._links.pop(element_id)
        await link.stop()


def _how(access: CommandAccess) -> tuple[object, ...]:
    return access.name, access.url, access.username, access.password


SOURCE = ElementKind(
    name=KIND,
    settings=SmppSettings,
    rules=ElementRules(check=check, reports_to_url=False),
    sends_from_numbers=True,
    build=SmppSource,
)
