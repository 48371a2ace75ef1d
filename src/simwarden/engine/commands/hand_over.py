"""The other half of a hand-over: what left one account is registered for the other, in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.errors import AccountNotFound
from simwarden.domain.rules.hand_over import HandOverSim
from simwarden.domain.sim import Sim, SimRef
from simwarden.engine import provision
from simwarden.store import sim_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.domain.command import Command
    from simwarden.domain.decision import Decision
    from simwarden.domain.events import Cause

Handed = tuple[Sim, HandOverSim, "Cause"]
"""A SIM as it was, and whose it becomes."""


class HandOvers:
    """Those of one transaction."""

    def __init__(self, connection: asyncpg.Connection, accounts: frozenset[str]) -> None:
        self._connection = connection
        self._accounts = accounts
        self._handed: list[Handed] = []

    @classmethod
    async def among(cls, connection: asyncpg.Connection, commands: Sequence[Command]) -> HandOvers:
        """With the accounts held that these commands name: none is deleted before the transaction ends."""
        wanted = sorted({each.account_id for each in commands if isinstance(each, HandOverSim)})
        held = await sim_names.hold_accounts(connection, wanted) if wanted else frozenset()
        return cls(connection, held)

    def decided(self, before: Sim, command: Command, decision: Decision, cause: Cause) -> None:
        """Remember a SIM that leaves. Raises AccountNotFound when the account is gone."""
        if not isinstance(command, HandOverSim) or not decision.events:
            return
        if command.account_id not in self._accounts:
            raise AccountNotFound(f"No account has the id {command.account_id!r}")
        self._handed.append((before, command, cause))

    async def take(self) -> dict[str, list[SimRef]]:
        """The static addresses of those that leave, which leave with them."""
        if not self._handed:
            return {}
        return await sim_names.addresses_of(self._connection, [sim for sim, _, _ in self._handed])

    async def arrive(self, addresses: dict[str, list[SimRef]]) -> None:
        """Register them. Raises SimExists when somebody else has a name of theirs."""
        groups: dict[str, list[Handed]] = {}
        for each in self._handed:
            groups.setdefault(each[1].account_id, []).append(each)
        for account_id, handed in sorted(groups.items()):
            rows = [
                provision.NewSim(
                    n,
                    provision.new_sim(
                        account_id,
                        imsi=sim.imsi,
                        iccid=sim.iccid,
                        msisdn=sim.msisdn,
                        nai=sim.nai,
                        lifecycle=sim.lifecycle,
                    ),
                    addresses=tuple(addresses.get(sim.imsi, ())),
                )
                for n, (sim, _, _) in enumerate(handed)
            ]
            await provision.insert_free(self._connection, account_id, rows, handed[0][2])
