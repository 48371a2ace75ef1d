"""The APIs that customers call, each in a folder of its own, over a kernel that they share.

A folder that has an `openapi.yaml` is an API, and is found here by that. Its `routes.build(services)` makes the API of
that name, or None where the services that it needs are not there. A folder with a `part.py` brings what its API alone
is built on: `part.make(of)` makes it, and `part.prune(db, now)` deletes what has expired of it.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from datetime import datetime

    from starlette.types import ASGIApp, Receive, Scope, Send

    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.services import Making, Services
    from simwarden.store.database import Database


@runtime_checkable
class WritesBehind(Protocol):
    """An own part of an API that writes behind calls."""

    async def drain(self) -> None:
        """Wait until it is written."""


DOCUMENTS = {
    found.name.replace("_", "-"): f"{__name__}.{found.name}"
    for found in pkgutil.iter_modules(__path__)
    if found.ispkg and (resources.files(__name__) / found.name / "openapi.yaml").is_file()
}
"""API name to the package that holds its `openapi.yaml`: every folder here that has one."""
BUILDERS: dict[str, Callable[[Services], Api | None]] = {
    name: importlib.import_module(f"{package}.routes").build for name, package in DOCUMENTS.items()
}
"""API name to what builds it."""
_PARTS = {
    name: importlib.import_module(f"{package}.part")
    for name, package in DOCUMENTS.items()
    if (resources.files(package) / "part.py").is_file()
}


def own_parts(of: Making) -> Mapping[str, object]:
    """What single APIs bring for themselves, by their names (`Services.own`)."""
    return {name: part.make(of) for name, part in _PARTS.items()}


async def drain(parts: Mapping[str, object]) -> None:
    """Wait until the own parts of APIs have written what they write behind calls."""
    for part in parts.values():
        if isinstance(part, WritesBehind):
            await part.drain()


async def prune(db: Database, now: datetime) -> None:
    """Delete what has expired of the own parts of APIs. Raises StoreUnavailable."""
    for part in _PARTS.values():
        await part.prune(db, now)


def apis(services: Services, sandbox: Services | None = None) -> dict[str, Api]:
    """The customer APIs that can be built, by name.

    `sandbox`: what callers in sandbox mode act upon; what cannot be built on it is not there for them.
    """
    found = {}
    for name, build in BUILDERS.items():
        if (api := build(services)) is not None:
            api.sandbox = None if sandbox is None else build(sandbox)
            found[name] = api
    _hand_out_steps(found.values())
    _hand_out_steps([api.sandbox for api in found.values() if api.sandbox is not None])
    return found


def _hand_out_steps(apis: Collection[Api]) -> None:
    """Those of each API to all."""
    steps = {header: step for api in apis for header, step in api.steps.items()}
    for api in apis:
        api.take(steps)


class ApisFirst:
    """Serves each API below its name, `/<api-name>/...`, and leaves all other paths to `others`.

    An API is found by the first segment of the path, before and without a search through a table of routes, which took
    a quarter of the processor time of a short call.
    """

    def __init__(self, others: ASGIApp, apis: Mapping[str, Api] = MappingProxyType({})) -> None:
        self.apis = apis
        """By name; replaced as a whole when what is served changes."""
        self._others = others

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request: what its application returns, without a coroutine more around it."""
        if scope["type"] != "lifespan":
            root = scope.get("root_path", "")
            api = self.apis.get(scope["path"].removeprefix(root).removeprefix("/").partition("/")[0])
            if api is not None:
                scope["root_path"] = f"{root}/{api.name}"
                return api(scope, receive, send)
        return self._others(scope, receive, send)
