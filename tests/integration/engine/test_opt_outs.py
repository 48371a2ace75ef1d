"""Who opted out is listed, added and removed; accounts may have words of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.engine.test_messages import NUMBER, PEER, box, sms
from tests.support.world import ACCOUNT, Box, World, imsi

from simwarden.domain.messages import Recipient
from simwarden.domain.opt_outs import ANY_NUMBER, OptOutSource, TooManyOptOuts
from simwarden.store import opt_outs, removal
from simwarden.store.opt_outs import OptOutList

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["box"]
OTHER = "+8613715266979"


@pytest.fixture
def listed(world: World) -> OptOutList:
    return OptOutList(world.db, world.vault, world.clock)


async def entries(of: OptOutList, number: str | None = None) -> list[tuple[Any, ...]]:
    found = await of.page(ACCOUNT, number, behind=None, limit=100)
    return [(each.number, each.receiver, str(each.source)) for each in found]


async def out(world: World, card: int, number: str | None, peers: Sequence[str] = (PEER, OTHER)) -> set[str]:
    sim = Recipient((await world.sim(card)).bucket, imsi(card), ACCOUNT, number, None)
    async with world.db.connection() as connection:
        return await opt_outs.opted_out(connection, world.vault, sim, peers)


async def test_receivers_are_listed_sealed_and_page_by_page(world: World, box: Box, listed: OptOutList) -> None:
    await world.take(box.records(sms=[sms("STOP")]))
    world.clock.turn(60)
    await listed.add(ACCOUNT, imsi(2), OTHER, OptOutSource.OPERATOR)
    world.clock.turn(60)
    await listed.add(ACCOUNT, ANY_NUMBER, OTHER, OptOutSource.CUSTOMER)
    every = [(ANY_NUMBER, OTHER, "CUSTOMER"), (imsi(2), OTHER, "OPERATOR"), (NUMBER, PEER, "MESSAGE")]
    assert await entries(listed) == every
    assert await entries(listed, NUMBER) == [every[0], every[2]]
    first = await listed.page(ACCOUNT, None, behind=None, limit=2)
    rest = await listed.page(ACCOUNT, None, behind=first[-1].place, limit=2)
    assert [each.number for each in (*first, *rest)] == [number for number, _, _ in every]
    assert await listed.page("other", None, behind=None, limit=9) == []
    for row in await world.db.fetch("select opt_out::text as shown from opt_out"):
        assert PEER[1:] not in row["shown"]
        assert OTHER[1:] not in row["shown"]


async def test_what_is_added_counts_for_its_number_or_for_all(world: World, box: Box, listed: OptOutList) -> None:
    await listed.add(ACCOUNT, NUMBER, PEER, OptOutSource.CUSTOMER)
    await listed.add(ACCOUNT, NUMBER, PEER, OptOutSource.OPERATOR)  # who was first counts
    assert await entries(listed) == [(NUMBER, PEER, "CUSTOMER")]
    assert (await out(world, 1, NUMBER), await out(world, 2, None)) == ({PEER}, set())
    await listed.add(ACCOUNT, ANY_NUMBER, OTHER, OptOutSource.CUSTOMER)
    assert (await out(world, 1, NUMBER), await out(world, 2, None)) == ({PEER, OTHER}, {OTHER})
    await world.take(box.records(sms=[sms("START"), sms("unstop", sender=OTHER)]))
    assert await out(world, 1, NUMBER) == {OTHER}, "START lifts what is recorded for its SIM"
    await listed.remove(ACCOUNT, ANY_NUMBER, OTHER)
    await listed.remove(ACCOUNT, ANY_NUMBER, OTHER)
    assert await out(world, 1, NUMBER) == set()


async def test_no_account_may_add_without_end(
    world: World, listed: OptOutList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opt_outs, "MOST", 1)
    await listed.add(ACCOUNT, NUMBER, PEER, OptOutSource.CUSTOMER)
    with pytest.raises(TooManyOptOuts, match="At most 1"):
        await listed.add(ACCOUNT, NUMBER, OTHER, OptOutSource.CUSTOMER)
    await listed.add("other", NUMBER, OTHER, OptOutSource.CUSTOMER)


async def test_who_adds_waits_for_others_who_add_to_the_account(
    world: World, listed: OptOutList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opt_outs, "MOST", 1)
    async with world.db.transaction() as first:
        await first.execute("select id from account where id = $1 for no key update", ACCOUNT)
        sim = Recipient(0, imsi(1), ACCOUNT, NUMBER, None)
        await opt_outs.opt_out(first, world.vault, sim, PEER, world.clock())
        adding = asyncio.create_task(listed.add(ACCOUNT, NUMBER, OTHER, OptOutSource.CUSTOMER))
        await asyncio.wait({adding}, timeout=0.3)
    with pytest.raises(TooManyOptOuts):
        await adding
    assert len(await entries(listed)) == 1


async def test_an_account_has_words_of_its_own(world: World, box: Box, listed: OptOutList) -> None:
    await listed.set_words(ACCOUNT, ["HALT"])
    await world.take(box.records(sms=[sms("stop"), sms(" Halt ", sender=OTHER)]))
    assert await entries(listed) == [(NUMBER, OTHER, "MESSAGE")]
    await listed.set_words(ACCOUNT, None)
    await world.take(box.records(sms=[sms("Stop")]))
    assert await out(world, 1, NUMBER) == {PEER, OTHER}
    await listed.set_words(ACCOUNT, ["HALT"])
    await removal.remove_account(world.db, ACCOUNT, ["gw1"])
    for table in ("opt_out", "opt_out_words"):
        assert await world.db.fetchval(f"select count(*) from {table}") == 0


async def test_one_that_was_recorded_before_has_no_receiver(world: World, box: Box, listed: OptOutList) -> None:
    await world.take(box.records(sms=[sms("STOP")]))
    await world.db.execute("update opt_out set sealed = null")
    assert await entries(listed) == [(NUMBER, None, "MESSAGE")]
    assert await out(world, 1, NUMBER) == {PEER}
