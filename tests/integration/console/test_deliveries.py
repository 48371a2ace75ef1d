"""Subscriptions and their events in the console: how they fare, what can be done, and what hostile sinks show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest_asyncio
from tests.integration.management.house import imsi
from tests.support.subscribing import wish

from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Sim
from simwarden.engine.subscriptions import Subscriptions

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site

HOSTILE = "<script>alert(1)</script>"


@pytest_asyncio.fixture(scope="module")
async def failing(site: Site) -> str:
    """A subscription with an event that was delivered, one that was given up, and two that wait; its id."""
    house = site.house
    app_key = (await house.accounts.named("meters/app")).app_key
    sim = Sim(bucket=bucket_of(imsi(0)), imsi=imsi(0), account_id=house.account.id)
    made, _ = await Subscriptions(house.db, house.parts.vault, allow_private_sinks=True).create(
        wish(sim, app_key, sink=f"http://127.0.0.1:9/{HOSTILE}")
    )
    for _ in range(3):
        await house.manage("POST", f"/subscriptions/{made.id}/test")
    at = datetime.now(UTC)
    for n, status in ((1, "DELIVERED"), (2, "DEAD"), (3, "PENDING")):
        await house.db.execute(
            "update delivery set status = $3, attempts = 1, attempted_at = $4, finished_at = $4, last_error = $5 "
            "where bucket = $6 and subscription_id = $1 and n = $2",
            *(made.id, n, status, at, None if n == 1 else f"{n} {HOSTILE}", int(made.id[:2], 16)),
        )
    await house.db.execute(
        "insert into delivery_attempt values ($1, $2, 2, $3, 7, 500, $4, $4)",
        *(int(made.id[:2], 16), made.id, at, f'"><img src=x onerror=alert(1)>{HOSTILE}'),
    )
    return made.id


async def test_the_health_of_subscriptions_is_counted(site: Site, failing: str) -> None:
    [listed] = (await site.house.manage("GET", "/subscriptions?health=true")).json["subscriptions"]
    health = listed["health"]
    assert (health["waiting"], health["retrying"], health["delivered"], health["failed"]) == (2, 1, 1, 1)
    assert HOSTILE in health["lastError"]
    assert {"deliveredAt", "lastErrorAt"} <= set(health)
    assert (await site.house.manage("GET", f"/subscriptions/{failing}")).json["health"] == health
    assert "health" not in (await site.house.manage("GET", "/subscriptions")).json["subscriptions"][0]
    assert (await site.house.manage("GET", "/subscriptions?health=false")).status == 400


async def test_what_sinks_say_is_shown_and_never_run(site: Site, failing: str) -> None:
    visitor = await site.person("viewer")
    for path in (
        "/deliveries",
        "/deliveries?failing=true",
        "/deliveries/events",
        f"/deliveries/events?subscription={failing}&status=DEAD&within=1",
        f"/deliveries/subscriptions/{failing}",
        f"/deliveries/events/{failing}-2",
    ):
        assert (await visitor.get(path)).status == 200, path
        assert "<script>alert" not in visitor.page, path
        assert "<img" not in visitor.page.replace('<img src="/console/static/', ""), path
        assert "&lt;script&gt;alert(1)" in visitor.page, path
    assert "/act/" not in visitor.page


async def test_wrong_filters_say_so_and_unknown_things_are_not_found(site: Site, failing: str) -> None:
    visitor = await site.person("viewer")
    for path, status in (
        ("/deliveries?status=WRONG", 400),
        ("/deliveries?sim=460000999999999", 404),
        ("/deliveries/events?cursor=forged", 400),
        ("/deliveries/events/../../users", 404),
        ("/deliveries/subscriptions/unknown", 404),
        (f"/deliveries/events/{failing}-99", 404),
    ):
        assert (await visitor.get(path)).status == status, path


async def test_a_viewer_can_do_nothing_with_a_subscription(site: Site, failing: str) -> None:
    viewer = await site.person("viewer")
    path = f"/deliveries/subscriptions/{failing}"
    await viewer.get(path)
    assert "/act/" not in viewer.page
    assert (await viewer.get(f"{path}/act/end")).status == 403
    for action in ("test", "pause", "end", "replay"):
        assert (await viewer.post(f"{path}/act/{action}")).status == 403
    assert (await viewer.post(f"/deliveries/events/{failing}-2")).status == 403


async def test_an_operator_tests_pauses_sends_again_and_ends(site: Site, failing: str) -> None:
    operator = await site.person("operator")
    path = f"/deliveries/subscriptions/{failing}"
    await operator.get(f"{path}/act/replay")
    assert "In the last hour" in operator.page
    again = await operator.post(f"{path}/act/replay", within="1")
    assert again.headers["location"] == f"/console{path}?done=replayed"
    again = await operator.post(f"{path}/act/replay", within="nonsense")
    assert again.headers["location"] == f"/console{path}?done=nothing_to_replay"
    await site.house.db.execute("update delivery set status = 'DEAD' where subscription_id = $1 and n = 2", failing)
    again = await operator.post(f"/deliveries/events/{failing}-2")
    assert again.headers["location"] == f"/console/deliveries/events/{failing}-2?done=replayed"
    tested = await operator.post(f"{path}/act/test")
    assert tested.headers["location"].startswith(f"/console/deliveries/events/{failing}-")
    assert (await operator.get(tested.headers["location"].removeprefix("/console"))).status == 200
    assert 'data-refresh="2"' in operator.page
    assert (await operator.post(f"{path}/act/pause")).headers["location"] == f"/console{path}?done=saved"
    await operator.get(path)
    assert f"{path}/act/resume" in operator.page
    assert f"{path}/act/test" not in operator.page
    refused = await operator.post(f"{path}/act/test")
    assert refused.status == 409, "it is paused: the form says so"
    assert 'role="alert"' in operator.page
    assert (await operator.get(f"{path}/act/pause")).status == 409
    assert (await operator.get(f"{path}/act/nonsense")).status == 404
    await operator.get(f"{path}/act/end")
    await operator.post(f"{path}/act/end")
    shown = (await site.house.manage("GET", f"/subscriptions/{failing}")).json
    assert (shown["status"], shown["endedReason"]) == ("EXPIRED", "NETWORK_TERMINATED")


async def test_a_list_without_rows_says_what_to_do(site: Site) -> None:
    visitor = await site.person("viewer")
    await visitor.get("/deliveries?status=DELETED")
    assert 'class="empty"' in visitor.page
    await visitor.get(f"/deliveries/events?sim={imsi(5)}")
    assert 'class="empty"' in visitor.page
