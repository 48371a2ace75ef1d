"""Foreign = unknown: the same answer, after the same statements, which read the same rows: none."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.integration.northbound.house import House

from simwarden.store import accounts, call_limits, revocations

if TYPE_CHECKING:
    from collections.abc import Collection

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

FOREIGN = {"phoneNumber": "+8613800000009"}
UNKNOWN = {"phoneNumber": "+8613800000019"}
OWN = {"phoneNumber": "+8613800000001"}


ELSEWHERE = frozenset(
    {*call_limits.Q.values(), *revocations.Q.values(), accounts.Q["application"], accounts.Q["signing_keys"]}
)
"""Statements that run when the caller called often enough, or some seconds ago: about it, and about no name."""


class Watched:
    """Notes each statement with parameters of any connection, and how many rows it gave; not those that are `apart`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, apart: Collection[str] = ELSEWHERE) -> None:
        self.seen: list[tuple[str, int]] = []
        run = asyncpg.Connection._execute

        async def noted(connection: asyncpg.Connection, query: str, *args: Any, **options: Any) -> Any:
            answer = await run(connection, query, *args, **options)
            rows = answer[0] if options.get("return_status") else answer
            if query not in apart:
                self.seen.append((query, len(rows)))
            return answer

        monkeypatch.setattr(asyncpg.Connection, "_execute", noted)


@pytest.mark.parametrize("operation", ["query", "bind", "unbind"])
async def test_a_foreign_sim_and_an_unknown_one_cost_the_same(
    database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    house = House(database, vault)
    await house.furnish()
    path = f"/iot-sim-fraud-prevention/v0.1/{operation}"
    await house.ask(path, UNKNOWN)  # tokens and keys are read with the first call
    watched = Watched(monkeypatch)
    answers, costs = [], []
    for device in (UNKNOWN, FOREIGN, UNKNOWN, FOREIGN):
        watched.seen.clear()
        answers.append(await house.ask(path, device))
        costs.append(list(watched.seen))
    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)
    assert costs[0]
    assert all(cost == costs[0] for cost in costs)
    assert all(rows == 0 for query, rows in costs[0] if query != accounts.Q["account_settings"])
    watched.seen.clear()
    assert (await house.ask("/iot-sim-fraud-prevention/v0.1/query", OWN))[0] == 200
    assert [rows for _, rows in watched.seen if rows] != []


async def test_subscribing_to_a_foreign_sim_and_reading_a_foreign_subscription_cost_no_more(
    database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(database, vault)
    await house.furnish()
    path = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"

    async def subscribe(device: dict[str, Any], token: str) -> Any:
        body = {
            "protocol": "HTTP",
            "sink": "https://events.example.com",
            "types": ["org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"],
            "config": {"subscriptionDetail": {"device": device}},
        }
        return await house.client("POST", path, body, token=token)

    theirs = (await subscribe(FOREIGN, house.stranger)).json["id"]
    nobodys = theirs[:2] + theirs[:1:-1]
    await subscribe(UNKNOWN, house.token)
    watched = Watched(monkeypatch)
    subscribing = [partial(subscribe, device, house.token) for device in (UNKNOWN, FOREIGN)]
    others = [
        [partial(house.client, method, f"{path}/{id_}{below}", content, token=house.token) for id_ in (nobodys, theirs)]
        for method, below, content in (("GET", "", None), ("DELETE", "", None), ("POST", "/rotate-secret", {}))
    ]
    for pair in (subscribing, *others):
        seen = []
        for ask in pair:
            watched.seen.clear()
            reply = await ask()
            seen.append((reply.status, reply.body, list(watched.seen)))
        assert seen[0] == seen[1]
        assert seen[0][0] == 404
        assert seen[0][2]
    assert (await house.client("GET", f"{path}/{theirs}", token=house.stranger)).status == 200
