"""The operator ends, pauses, tests and hands over customers' subscriptions, and revokes applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.management.house import House, imsi
from tests.support.subscribing import wish

from simwarden.accounts import applications
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Sim
from simwarden.engine.subscriptions import Subscriptions
from simwarden.northbound.kernel import subscription_forms

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish(mine=2)
    return made


async def subscribe(house: House, vault: Vault, app_key: str, number: int = 0) -> str:
    """A subscription of this application; its id."""
    sim = Sim(bucket=bucket_of(imsi(number)), imsi=imsi(number), account_id=house.account.id)
    made, _ = await Subscriptions(house.db, vault, allow_private_sinks=True).create(wish(sim, app_key))
    return made.id


async def key_of(house: House, name: str) -> str:
    return (await house.accounts.named(name)).app_key


async def test_pause_resume_test_hand_over_and_end(house: House, vault: Vault) -> None:
    app, other = await key_of(house, "meters/app"), await key_of(house, "meters/other app")
    id_ = await subscribe(house, vault, app)
    path = f"/subscriptions/{id_}"
    paused = (await house.manage("POST", f"{path}/pause")).json
    assert paused["status"] == "ACTIVE"
    assert "pausedAt" in paused
    seen = await Subscriptions(house.db, vault, allow_private_sinks=True).get(app, id_)
    assert subscription_forms.shown(seen).status == "INACTIVE", "what its client sees"
    refused = await house.manage("POST", f"{path}/test")
    assert (refused.status, refused.json["code"]) == (409, "INCOMPATIBLE_STATE")
    assert "pausedAt" not in (await house.manage("POST", f"{path}/resume")).json
    tested = (await house.manage("POST", f"{path}/test")).json
    assert (tested["type"], tested["status"]) == ("org.simwarden.v1.subscription-test", "PENDING")
    assert (await house.manage("GET", f"/deliveries/{tested['id']}")).json == tested
    given = (await house.manage("POST", f"{path}/hand-over", {"application": "meters/other app"})).json
    assert given["appKey"] == other
    for wrong, status in (("stranger/app", 409), ("nobody", 404)):
        assert (await house.manage("POST", f"{path}/hand-over", {"application": wrong})).status == status
    ended = (await house.manage("DELETE", path)).json
    assert (ended["status"], ended["endedReason"]) == ("EXPIRED", "NETWORK_TERMINATED")
    assert (await house.manage("POST", f"{path}/pause")).status == 409


async def test_only_those_who_may_change_something(house: House, vault: Vault) -> None:
    app = await key_of(house, "meters/app")
    id_ = await subscribe(house, vault, app)
    for method, path, body in (
        ("DELETE", f"/subscriptions/{id_}", None),
        ("POST", f"/subscriptions/{id_}/pause", None),
        ("POST", f"/subscriptions/{id_}/hand-over", {"application": "meters/other app"}),
        ("POST", f"/applications/{app}/revoke", {}),
    ):
        for token in (house.reader, house.customer):
            assert (await house.manage(method, path, body, token=token)).status == 403
        unknown = path.replace(id_, "00" * 17).replace(app, "nobody")
        assert (await house.manage(method, unknown, body)).status == 404


async def test_revoking_with_and_without_a_successor(house: House) -> None:
    app = await key_of(house, "meters/app")
    wrong = await house.manage("POST", f"/applications/{app}/revoke", {"handOverTo": "stranger/app"})
    assert (wrong.status, wrong.json["code"]) == (409, "INCOMPATIBLE_STATE")
    revoked = (await house.manage("POST", f"/applications/{app}/revoke", {"handOverTo": "meters/other app"})).json
    assert (revoked["appKey"], revoked["name"]) == (app, "app")
    assert "revokedAt" in revoked
    successor = await house.db.fetchval("select successor from application where app_key = $1", app)
    assert successor == await key_of(house, "meters/other app")
    again = (await house.manage("POST", f"/applications/{app}/revoke", {})).json
    assert again == revoked
    third = (await applications.issue(house.accounts, "meters", "third")).application.app_key
    assert "revokedAt" in (await house.manage("POST", f"/applications/{third}/revoke", {})).json
