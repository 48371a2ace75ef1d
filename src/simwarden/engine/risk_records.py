"""The rules see the records that a batch of reports stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.engine import risk
from simwarden.engine.unit_of_work import Outcome, UnitOfWork

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.events import Cause
    from simwarden.domain.risk_windows import Fact
    from simwarden.domain.sim import Sim
    from simwarden.store.holders import Holder
    from simwarden.store.vault import Vault

_PEER_BYTES = 8
"""Of different receivers of one SIM: two in 10^15 are taken for one."""


async def judge(
    connection: asyncpg.Connection,
    vault: Vault | None,
    facts: Mapping[str, Sequence[Fact]],
    sims: Mapping[str, Holder],
    causes: Mapping[str, Cause],
    now: datetime,
) -> Outcome:
    """Let the rules count what was stored just now, in this transaction. Facts, causes, and the SIMs that
    are registered: by IMSI."""
    work = UnitOfWork(connection, now)

    async def locked(imsis: Collection[str]) -> Mapping[str, Sim]:
        await work.lock(imsis)
        return work.sims

    def seal(imsi: str, number: bytes) -> bytes:
        assert vault is not None, "numbers come with records, which are stored sealed"
        return vault.fingerprint(imsi.encode() + b" " + number, "rule-receiver")[:_PEER_BYTES]

    for decision in await risk.decide(connection, facts, sims, causes, now, locked, seal):
        work.decide(decision)
    return await work.write() if work.sims else Outcome()
