"""Finds the kinds of network elements, and holds what is built of them.

A folder of this room that has a `source.py` is a kind; nothing else names it. Its `settings.py` is read alone, before
the rest, because the server's settings are put together of all kinds'.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib import resources
from typing import TYPE_CHECKING

from simwarden import southbound
from simwarden.engine.ports import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import msgspec
    from starlette.routing import BaseRoute

    from simwarden.engine.ports import Driver
    from simwarden.southbound.source import ElementKind, Source, SourceServices
    from simwarden.store.gateways import CommandAccess


def names() -> list[str]:
    """The names of all kinds."""
    return [
        found.name
        for found in pkgutil.iter_modules(southbound.__path__)
        if found.ispkg and (resources.files(southbound) / found.name / "source.py").is_file()
    ]


def settings_types() -> list[type[msgspec.Struct]]:
    """The settings of each kind. Imports nothing of a kind but these."""
    return [importlib.import_module(f"{southbound.__name__}.{name}.settings").SETTINGS for name in names()]


def kinds() -> list[ElementKind]:
    """All kinds, by the order of their names."""
    return [importlib.import_module(f"{southbound.__name__}.{name}.source").SOURCE for name in names()]


class Sources:
    """All kinds in one worker process. `settings_of` picks a kind's own settings out of the server's."""

    def __init__(
        self,
        services: SourceServices,
        settings_of: Callable[[type[msgspec.Struct]], msgspec.Struct],
        among: Mapping[str, ElementKind] | None = None,
    ) -> None:
        """`among`: instead of the kinds that are found in this room."""
        found = {kind.name: kind for kind in kinds()} if among is None else among
        self._built: dict[str, Source] = {
            name: kind.build(services, settings_of(kind.settings)) for name, kind in found.items()
        }

    def routes(self) -> list[BaseRoute]:
        """What the server's own port answers for them."""
        return [route for source in self._built.values() for route in source.routes()]

    async def start(self) -> None:
        """Open the listeners of all kinds. One that cannot be opened closes the others again, and its error is
        raised."""
        try:
            for source in self._built.values():
                await source.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the listeners of all kinds."""
        for source in self._built.values():
            await source.stop()

    def driver(self, access: CommandAccess) -> Driver:
        """How to command a network element. Raises CommandFailed when that cannot be, as it is registered."""
        source = self._built.get(access.kind)
        if source is None:
            raise CommandFailed(f"This server has no source for network elements of kind {access.kind!r}")
        try:
            return source.driver(access)
        except ValueError as error:
            raise CommandFailed(f"The gateway cannot be commanded as it is registered: {error}") from error
