"""How many subscriptions may be active: per SIM, application and account, also when many are made at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from simwarden.domain.errors import TooManySubscriptions
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Sim
from simwarden.engine.subscription_limits import SubscriptionLimits
from simwarden.engine.subscriptions import Subscriptions

if TYPE_CHECKING:
    from tests.integration.notify.house import House

SINK = "http://127.0.0.1:9/sink"


def limit(house: House, **limits: int) -> list[str]:
    """Let clients have no more subscriptions than this; returns where refusals are counted."""
    refused: list[str] = []
    house.subscriptions = Subscriptions(
        house.db, house.vault, allow_private_sinks=True, limits=SubscriptionLimits(**limits), refused=refused.append
    )
    return refused


async def more_sims(house: House, count: int, account_id: str = "acme") -> list[Sim]:
    """SIMs of an account."""
    base = {"acme": 46001, "other": 46002}[account_id]
    made = [Sim(bucket=bucket_of(f"{base}{n:010}"), imsi=f"{base}{n:010}", account_id=account_id) for n in range(count)]
    for sim in made:
        await house.add_sim(sim)
    return made


async def active(house: House) -> int:
    """How many are."""
    count: int = await house.db.fetchval("select count(*) from subscription where ended_at is null")
    assert await house.db.fetchval("select coalesce(sum(active), 0)::bigint from subscription_tally") == count
    return count


async def test_an_application_may_have_so_many_to_a_sim(house: House) -> None:
    refused = limit(house, subscriptions_per_app_and_sim=2)
    first, _ = await house.subscribe(SINK)
    await house.subscribe(SINK)
    with pytest.raises(TooManySubscriptions, match=r"At most 2 .* \(subscriptions_per_app_and_sim\)"):
        await house.subscribe(SINK)
    assert refused == ["subscriptions_per_app_and_sim"]
    await house.subscribe(SINK, app_key="app-2")
    (other,) = await more_sims(house, 1)
    await house.subscribe(SINK, sim=other)
    await house.subscriptions.delete("app-1", first.id)
    await house.subscribe(SINK)
    assert await active(house) == 4


async def test_an_account_may_have_so_many_to_a_sim(house: House) -> None:
    refused = limit(house, subscriptions_per_sim=2)
    await house.subscribe(SINK)
    await house.subscribe(SINK, app_key="app-2")
    with pytest.raises(TooManySubscriptions):
        await house.subscribe(SINK, app_key="app-3")
    assert refused == ["subscriptions_per_sim"]


async def test_an_application_and_an_account_may_have_so_many(house: House) -> None:
    refused = limit(house, subscriptions_per_app=3, subscriptions_per_account=4)
    sims = await more_sims(house, 5)
    for sim in sims[:3]:
        await house.subscribe(SINK, sim=sim)
    with pytest.raises(TooManySubscriptions):
        await house.subscribe(SINK, sim=sims[3])
    await house.subscribe(SINK, sim=sims[3], app_key="app-2")
    with pytest.raises(TooManySubscriptions):
        await house.subscribe(SINK, sim=sims[4], app_key="app-2")
    assert refused == ["subscriptions_per_app", "subscriptions_per_account"]
    (theirs,) = await more_sims(house, 1, "other")
    await house.subscribe(SINK, sim=theirs, account_id="other", app_key="app-9")


@pytest.mark.parametrize("limits", [{"subscriptions_per_app_and_sim": 5}, {"subscriptions_per_sim": 5}])
async def test_who_subscribes_to_a_sim_at_the_same_time_does_not_exceed_it(
    house: House, limits: dict[str, int]
) -> None:
    limit(house, **limits)
    results = await asyncio.gather(*(house.subscribe(SINK) for _ in range(30)), return_exceptions=True)
    assert sum(isinstance(one, TooManySubscriptions) for one in results) == 25
    assert await active(house) == 5


@pytest.mark.parametrize("limits", [{"subscriptions_per_app": 7}, {"subscriptions_per_account": 7}])
async def test_who_subscribes_to_many_sims_at_the_same_time_does_not_exceed_it(
    house: House, limits: dict[str, int]
) -> None:
    limit(house, **limits)
    sims = await more_sims(house, 40)
    results = await asyncio.gather(*(house.subscribe(SINK, sim=sim) for sim in sims), return_exceptions=True)
    assert sum(isinstance(one, TooManySubscriptions) for one in results) == 33
    assert await active(house) == 7


async def test_whatever_ends_a_subscription_makes_room_once(house: House) -> None:
    limit(house, subscriptions_per_account=3)
    once, _ = await house.subscribe(SINK, max_events=1)
    deleted, _ = await house.subscribe(SINK)
    await house.subscribe(SINK)
    await house.publish(1)
    await house.subscriptions.delete("app-1", deleted.id)
    await house.subscriptions.delete("app-1", once.id)  # it had ended before
    assert await active(house) == 1
    for _ in range(2):
        await house.subscribe(SINK)
    with pytest.raises(TooManySubscriptions):
        await house.subscribe(SINK)
