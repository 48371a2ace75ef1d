"""Too many subscriptions are refused in CAMARA's error model, and a deleted one makes room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.northbound.house import House
from tests.unit.northbound.test_subscriptions import body

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

PATH = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"


async def test_beyond_the_limit_the_answer_is_429_and_names_it(database: Database, vault: Vault) -> None:
    house = House(database, vault)
    await house.furnish()
    made = [await house.client("POST", PATH, body(), token=house.token) for _ in range(20)]
    assert [reply.status for reply in made] == [201] * 20
    key = [("idempotency-key", "one-too-many")]
    refused = await house.client("POST", PATH, body(), token=house.token, headers=key)
    assert (refused.status, refused.json["code"]) == (429, "QUOTA_EXCEEDED")
    assert "At most 20" in refused.json["message"]
    assert "subscriptions_per_app_and_sim" in refused.json["message"]
    assert (await house.client("DELETE", f"{PATH}/{made[0].json['id']}", token=house.token)).status == 204
    again = await house.client("POST", PATH, body(), token=house.token, headers=key)
    assert again.status == 201, "a refusal for a limit is not kept under its key"
