"""Commands to SIMs, executed in one transaction: each is done or refused for itself, all are written together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from simwarden.domain import rules
from simwarden.domain.attachment import Attachment, AttachmentStatus
from simwarden.domain.command import Command
from simwarden.domain.decision import Decision
from simwarden.domain.errors import IllegalTransition, SimNotFound, SimwardenError
from simwarden.domain.events import Cause
from simwarden.domain.sim import IdentifierKind, Lifecycle, Sim, SimRef
from simwarden.domain.usage import Usage
from simwarden.engine import areas
from simwarden.engine.commands.hand_over import HandOvers
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.store import sim_names, usage
from simwarden.store.usage import Key


class SimCommand(msgspec.Struct, frozen=True):
    """A command to one SIM: what is to be done, to which, and on whose behalf."""

    ref: SimRef
    command: Command
    cause: Cause
    account_id: str | None = None
    """Whose SIM it must be; None: whosever, for the operator, who names it by its IMSI."""
    usage: Usage | None = None
    """What it counts as when it is done; None: nothing, for the operator."""


async def resolve(connection: asyncpg.Connection, commands: Sequence[SimCommand]) -> list[str | None]:
    """The IMSI of the SIM that each command names; None where its account has no SIM of this name."""
    named = [(str(each.account_id), each.ref) for each in commands if each.ref.kind is not IdentifierKind.IMSI]
    found = await sim_names.imsis_of(connection, named) if named else {}
    return [
        each.ref.value if each.ref.kind is IdentifierKind.IMSI else found.get((str(each.account_id), each.ref))
        for each in commands
    ]


async def execute(
    connection: asyncpg.Connection, commands: Sequence[tuple[str | None, SimCommand]], now: datetime
) -> tuple[list[Decision | SimwardenError], Outcome]:
    """Execute commands, each with the IMSI that `resolve` found, in the transaction of `connection`.

    Returns what each came to, in their order. SIMs are locked in one order for everybody. Several commands to one SIM
    follow each other. An unknown SIM and one of another account are refused alike, with SimNotFound. What was done is
    counted, what was refused is not. The caller commits, then wakes whoever the outcome names.
    """
    changes = UnitOfWork(connection, now)
    await changes.lock({imsi for imsi, _ in commands if imsi is not None})
    results: list[Decision | SimwardenError] = []
    used: Counter[Key] = Counter()
    day = now.astimezone(UTC).date()
    handed = await HandOvers.among(connection, [each.command for _, each in commands])
    found = [(None if imsi is None else changes.sims.get(imsi), each.command) for imsi, each in commands]
    for (imsi, each), command in zip(commands, await areas.completed(connection, found, now), strict=True):
        sim = None if imsi is None else changes.sims.get(imsi)
        try:
            if sim is None or sim.lifecycle is Lifecycle.DELETED or each.account_id not in (None, sim.account_id):
                raise SimNotFound
            decision = rules.decide(sim, command, now, each.cause)
            if decision.sim.lifecycle is Lifecycle.DELETED:
                _may_go(sim, changes.attachments(sim.imsi), by_operator=each.account_id is None)
            handed.decided(sim, command, decision, each.cause)
        except SimwardenError as error:
            results.append(error)
        else:
            changes.decide(decision)
            results.append(decision)
            if each.usage is not None and decision.events:
                used[day, decision.sim.bucket, each.usage] += 1
    addresses = await handed.take()
    outcome = await changes.write()
    await handed.arrive(addresses)
    if used:
        await usage.count(connection, used)
    return results, outcome


def _may_go(sim: Sim, places: Sequence[Attachment], *, by_operator: bool) -> None:
    """A SIM is forgotten when it is seen to be stopped: nobody would stop it afterwards. Raises IllegalTransition.

    Where a gateway could not be made to (FAILED), the operator has the last word.
    """
    for item in places:
        undone = item.current and item.wanted and item.is_open
        if undone and not (by_operator and item.status is AttachmentStatus.FAILED):
            raise IllegalTransition(
                f"The SIM is {sim.lifecycle}, but the network has not confirmed yet that it is stopped "
                f"({item.status}); to delete it, that must be confirmed"
            )
