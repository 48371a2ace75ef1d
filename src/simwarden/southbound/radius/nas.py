"""What is kept of a registered network access server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.store.gateways import GatewayRef

if TYPE_CHECKING:
    from simwarden.store.gateways import CommandAccess

KIND = "radius"


class Nas(msgspec.Struct, frozen=True):
    """A network access server that accounting is taken from."""

    ref: GatewayRef
    secret: bytes

    def __repr__(self) -> str:
        return f"Nas({self.ref.name!r})"  # never the secret


def nas_of(element: CommandAccess) -> Nas | None:
    """None for one without a secret: nothing of it can be checked."""
    if element.password is None:
        return None
    return Nas(GatewayRef(element.id, element.name, 0, None), element.password.encode())
