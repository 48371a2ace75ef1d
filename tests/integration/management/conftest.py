from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.management.house import House

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish()
    return made
