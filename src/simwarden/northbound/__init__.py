"""The APIs that customers call, each in a folder of its own, over a kernel that they share.

A folder that has an `openapi.yaml` is an API, and is found here by that. Its `routes.build(services)` makes the API of
that name, or None where the services that it needs are not there.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from importlib import resources
from typing import TYPE_CHECKING

from starlette.routing import Mount

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.routing import BaseRoute

    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.services import Services

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


class Beneath(Mount):
    """All paths beneath an API's name, those with an encoded line break too, so that no stray answer is given there."""

    def __init__(self, api: Api) -> None:
        super().__init__(f"/{api.name}", app=api, name=api.name)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


def routes(services: Services, sandbox: Services | None = None) -> list[BaseRoute]:
    """All customer APIs, to be put into the server's route table.

    `sandbox`: what callers in sandbox mode act upon; what cannot be built on it is not there for them.
    """
    built = []
    for build in BUILDERS.values():
        if (api := build(services)) is not None:
            api.sandbox = None if sandbox is None else build(sandbox)
            built.append(Beneath(api))
    return list(built)
