"""Statements for which one plan does are planned once, and not for the keys of each execution (decision 0064)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from tests.support.fixtures import world_database
from tests.support.world import ACCOUNT, World, device, imsi

import simwarden.store.queries
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.store import sim_names, sims, sims_by_imsi
from simwarden.store.database import Database
from simwarden.store.equipment import Pair, known
from simwarden.store.listed_devices import ListedDevices
from simwarden.store.numbers import Numbers
from simwarden.store.queries import load

if TYPE_CHECKING:
    from simwarden.store.vault import Vault

__all__ = ["world_database"]
FILES = [path.stem for path in Path(next(iter(simwarden.store.queries.__path__))).glob("*.sql")]
FOR_THEIR_VALUES = 5
"""So many executions PostgreSQL plans for their values before it compares costs (`plan_cache_mode`)."""
TIMES = 2 * FOR_THEIR_VALUES + 2


async def test_a_statement_for_few_keys_is_not_planned_at_each_execution(
    world_database: Database, vault: Vault
) -> None:
    marked = {sql: f"{file}.{name}" for file in FILES for name, sql in load(file).items() if "/* one plan */" in sql}
    single = await Database.connect(world_database.url, size=1)  # plans are a connection's own
    try:
        world = World(single, vault)
        await world.prepare()
        box = await world.box()
        await world.card(1)
        box.put(1, port=1)
        numbers, name = Numbers(single), SimRef(IdentifierKind.IMSI, imsi(1))
        lists = ListedDevices(single)
        numbered = replace(await world.sim(1), msisdn="+8613912345678")
        for n in range(TIMES):
            box.devices[1] = device(n)
            world.clock.turn(60)
            await world.take(box.dev_status())
            await world.bind(1, imei=device(n))
            assert await sims.find_all(single, [(ACCOUNT, name)])
            assert await sims_by_imsi.of_imsis(single, [imsi(1)])
            assert await known(single, [Pair(imsi(1), device(n))])
            assert await lists.lists_of(device(n)) is None
            assert await numbers.of_sim(numbered) is None
            async with single.connection() as connection:
                assert await sims.confirmed(connection, [imsi(1)])
                assert await sim_names.imsis_of(connection, [(ACCOUNT, name)])
        plans = await single.fetch("select statement, generic_plans, custom_plans from pg_prepared_statements")
    finally:
        await single.close()
    executed = {marked[each["statement"]]: each for each in plans if each["statement"] in marked}
    assert executed.keys() == set(marked.values())
    planned_anew = {name for name, each in executed.items() if not each["generic_plans"]}
    assert not planned_anew
