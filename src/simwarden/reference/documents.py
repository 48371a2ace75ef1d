"""The OpenAPI documents of the customer APIs, as this server serves them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from simwarden.accounts.server import METADATA_PATH, TOKEN_PATH
from simwarden.reference.bundle import bundled

if TYPE_CHECKING:
    from collections.abc import Mapping

MAIN = "iot-sim-fraud-prevention"
"""The document that is listed first, and that /docs opens on."""
_API_ROOT = "default: http://localhost:9091"
_METADATA = "openIdConnectUrl: https://localhost/.well-known/openid-configuration"
"""What the documents say of the server's place, in the words that CAMARA prescribes for them."""
_encoder = msgspec.json.Encoder()


class Document:
    """One document. It is read when it is first asked for, and kept."""

    def __init__(self, name: str, package: str, base_url: str) -> None:
        """`name`: of the API; `package`: the one that holds its `openapi.yaml`."""
        self.name = name
        self._package = package
        self._base_url = base_url

    @cached_property
    def text(self) -> str:
        """The YAML, complete in itself and with this server's own address in it, otherwise as it was written."""
        placed = bundled(self._package).replace(_API_ROOT, f"default: {self._base_url}")
        return placed.replace(_METADATA, f"openIdConnectUrl: {self._base_url}{METADATA_PATH}")

    @cached_property
    def content(self) -> dict[str, Any]:
        """What it says."""
        found: dict[str, Any] = yaml.load(self.text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        return found

    @cached_property
    def json(self) -> bytes:
        """The same as JSON."""
        return _encoder.encode(self.content)


class Documents:
    """All documents there are, by API name."""

    def __init__(self, packages: Mapping[str, str], base_url: str) -> None:
        """`packages`: API name to the package that holds its document (`simwarden.northbound.DOCUMENTS`)."""
        self._base_url = base_url
        self._documents = {name: Document(name, package, base_url) for name, package in _ordered(packages)}

    def find(self, name: str) -> Document | None:
        """The document of this API."""
        return self._documents.get(name)

    @cached_property
    def index(self) -> bytes:
        """Which documents there are, and where access tokens come from; addresses are relative to this list's own."""
        return _encoder.encode(
            {
                "documents": [
                    {
                        "name": name,
                        "title": document.content["info"]["title"],
                        "version": document.content["info"]["version"],
                        "yaml": f"{name}.yaml",
                        "json": f"{name}.json",
                    }
                    for name, document in self._documents.items()
                ],
                "token_endpoint": f"..{TOKEN_PATH}",
            }
        )


def _ordered(packages: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(packages.items(), key=lambda each: (each[0] != MAIN, each[0]))
