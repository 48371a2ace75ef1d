"""A SIM that is no more ends the subscriptions to it, and their sinks are told (CAMARA NETWORK_TERMINATED)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.subscribing import wish
from tests.support.world import ACCOUNT, CALLER, imsi, ref

from simwarden.domain.errors import SimNotFound
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.commands.command import SimCommand
from simwarden.engine.subscriptions import Subscriptions
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from tests.support.world import World

    from simwarden.engine.unit_of_work import Outcome
    from simwarden.store.vault import Vault


async def test_deleting_a_sim_ends_its_subscriptions_and_says_so(world: World, vault: Vault) -> None:
    await world.card(1)
    sim = await Sims(world.db).find(ACCOUNT, ref(1))
    assert sim is not None
    subscriptions = Subscriptions(world.db, vault, allow_private_sinks=True, clock=world.clock)
    new = wish(sim)
    made, _ = await subscriptions.create(new)
    outcomes: list[Outcome] = []
    commands = CommandBatcher(world.db, clock=world.clock, committed=outcomes.append)

    async def step(what: Step) -> None:
        await commands.submit(SimCommand(ref(1), Transition(what), CALLER, ACCOUNT))

    await step(Step.DEACTIVATE)
    assert (await subscriptions.get("app-1", made.id)).status == "ACTIVE"
    await step(Step.DELETE)
    ended = await subscriptions.get("app-1", made.id)
    assert (ended.status, ended.ended_reason) == ("EXPIRED", "NETWORK_TERMINATED")
    lane = await world.db.fetch(
        "select type, data, ends from delivery where bucket = $1 order by n", bucket_of(imsi(1))
    )
    assert [row["type"].rpartition(".")[2] for row in lane] == ["subscription-started", "subscription-ended"]
    assert (lane[-1]["data"], lane[-1]["ends"]) == ({"terminationReason": "NETWORK_TERMINATED"}, True)
    assert outcomes[-1].deliveries == 1
    with pytest.raises(SimNotFound):
        await subscriptions.create(new)
