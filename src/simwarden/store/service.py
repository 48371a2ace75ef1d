"""Gateways out of service: they are sent no commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.errors import GatewayNotFound
from simwarden.store import attachments
from simwarden.store.gateways import Q, lock_named

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.store.database import Database


async def set_service(db: Database, name: str, out_since: datetime | None, now: datetime) -> None:
    """Take a gateway out of service, or, with None, put it back. Raises GatewayNotFound.

    What waited meanwhile is commanded at once when it is back.
    """
    async with db.transaction() as connection:
        id_ = await lock_named(connection, name)
        if id_ is None:
            raise GatewayNotFound(f"No gateway is named {name!r}")
        await connection.execute(Q["set_service"], id_, out_since)
        if out_since is None:
            await attachments.retry_now(connection, [id_], now)
            await attachments.wake(connection)
