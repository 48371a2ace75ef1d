"""What the operator sets about deliveries reaches those who hand them out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp

from simwarden.claim import Claim
from simwarden.container import Container
from simwarden.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from simwarden.store.database import Database

GIVEN = {
    "SIMWARDEN_EVENT_SOURCE": "https://warden.example/",
    "SIMWARDEN_DELIVERY_HOURS": "1.5",
    "SIMWARDEN_DELIVERIES_KEPT_DAYS": "90",
    "SIMWARDEN_ATTEMPTS_KEPT_DAYS": "3",
    "SIMWARDEN_ALLOW_PRIVATE_SINKS": "true",
}


async def test_every_setting_of_delivery_is_in_force(database: Database, tmp_path: Path) -> None:
    settings, _ = load({"data_dir": str(tmp_path)}, GIVEN)
    async with aiohttp.ClientSession() as session:
        container = Container(settings, database, database, session, Claim("worker", ()))
    for part in (container.notifier, container.customers.inboxes):
        assert part._settings.source == "https://warden.example/"
        assert part._settings.schedule.window == timedelta(hours=1, minutes=30)
        assert part._settings.keep_deliveries == timedelta(days=90)
        assert part._settings.keep_attempts == timedelta(days=3)
    assert container.notifier._allow_private
    assert container.customers.subscriptions._allow_private_sinks
    assert container.customers.sandboxed._allow_private_sinks
