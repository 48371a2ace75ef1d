"""One batch of work on many SIMs, in its transaction: find them by a filter, look what would become of them, do it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain import rules
from simwarden.domain.errors import InvalidIdentifier, SimExists, SimNotFound, SimwardenError
from simwarden.domain.identifiers import parse_imei
from simwarden.domain.numbering import OutsideRanges
from simwarden.domain.sim import IdentifierKind, Lifecycle, SimRef
from simwarden.engine import areas, provision
from simwarden.engine.commands import catalogue
from simwarden.engine.commands.catalogue import Add
from simwarden.engine.commands.command import SimCommand, execute
from simwarden.engine.unit_of_work import Outcome
from simwarden.store import listing, ranges, usage
from simwarden.store import operations as store
from simwarden.store.listing import SimFilter
from simwarden.store.operations import NewItem, Settled, Todo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.command import Command
    from simwarden.domain.sim import Sim
    from simwarden.store.operations import Part, PartOfWork


def searches(work: PartOfWork) -> bool:
    """Whether the SIMs of this part are yet to be found, by the filter."""
    return work.state == "PREVIEWING" and work.filter is not None


class BulkBatch:
    """Some SIMs of an operation, within one transaction. `work`: the part, or one of them."""

    def __init__(self, connection: asyncpg.Connection, work: PartOfWork, action: Command, now: datetime) -> None:
        self._connection = connection
        self._work = work
        self._action = action
        self._now = now
        self._cause = msgspec.structs.replace(work.cause, at=now)

    async def gather(self, parts: Mapping[int, Part], size: int) -> tuple[dict[int, tuple[Part, bool]], int]:
        """Find the next SIMs of the filter, look at each, and write them down as items.

        `parts`: locked, in the order of their buckets. Returns those that were searched, each with whether there may be
        more in it; and how many SIMs were found. What comes behind a gap, or was begun already, is left to a later
        batch.
        """
        work = self._work
        first = last = next(iter(parts))
        while last + 1 in parts and not parts[last + 1].after_imsi:
            last += 1
        wanted = msgspec.convert(work.filter, SimFilter)
        if work.account_id is not None:
            wanted = msgspec.structs.replace(wanted, account=work.account_id)
        found = await listing.sims(
            self._connection, wanted, after=(first, parts[first].after_imsi), last=last, limit=size
        )
        more = len(found) == size
        reached = found[-1].sim.bucket if more else last
        moved = {bucket: (parts[bucket], False) for bucket in range(first, reached + 1)}
        items = []
        commands = await areas.completed(self._connection, [(each.sim, self._action) for each in found], self._now)
        for each, command in zip(found, commands, strict=True):
            bucket, imsi = each.sim.bucket, each.sim.imsi
            part, _ = moved[bucket]
            result = self._look_at(Todo(bucket, part.items + 1, imsi, None), each.sim, command)
            given = {"imsi": imsi}
            items.append(NewItem(part.items + 1, given, bucket, imsi, None, result.status, result.code, result.reason))
            part = msgspec.structs.replace(
                part,
                after_imsi=imsi,
                items=part.items + 1,
                unchanged=part.unchanged + (result.status == "UNCHANGED"),
                refused=part.refused + (result.status == "REFUSED"),
            )
            moved[bucket] = part, more and bucket == reached
        if items:
            await store.insert_items(self._connection, work.operation_id, items, self._now)
        return moved, len(found)

    async def preview(self, items: Sequence[Todo]) -> list[Settled]:
        """Which of the items would not change or cannot, and why. Nothing is locked, nothing changes."""
        sims = await store.read_sims(self._connection, [(item.bucket, item.imsi) for item in items])
        wanted = [(sims.get(item.imsi), catalogue.for_item(self._action, item.data)) for item in items]
        commands = await areas.completed(self._connection, wanted, self._now)
        looked = [
            self._look_at(item, sims.get(item.imsi), command) for item, command in zip(items, commands, strict=True)
        ]
        return [each for each in looked if each.status != "REQUESTED" or each.reason]

    def _look_at(self, item: Todo, sim: Sim | None, command: Command) -> Settled:
        try:
            if sim is None or self._work.account_id not in (None, sim.account_id):
                raise SimNotFound
            decision = rules.decide(sim, command, self._now, self._cause)
        except SimwardenError as error:
            return Settled(item.bucket, item.n, *catalogue.refusal_of(error))
        return Settled(item.bucket, item.n, "REQUESTED", reason=catalogue.remark(command, sim, decision))

    async def run(self, items: Sequence[Todo]) -> tuple[list[Settled], Outcome]:
        """Do it."""
        if not items:
            return [], Outcome()
        if isinstance(self._action, Add):
            return await self._add(items), Outcome()
        work = self._work
        wanted = [
            (
                item.imsi,
                SimCommand(
                    SimRef(IdentifierKind.IMSI, item.imsi),
                    catalogue.for_item(self._action, item.data),
                    self._cause,
                    work.account_id,
                    work.usage,
                ),
            )
            for item in items
        ]
        found, outcome = await execute(self._connection, wanted, self._now)
        results = []
        for item, each in zip(items, found, strict=True):
            if isinstance(each, SimwardenError):
                results.append(Settled(item.bucket, item.n, *catalogue.refusal_of(each)))
            else:
                results.append(Settled(item.bucket, item.n, "DONE"))
        return results, outcome

    async def _add(self, items: Sequence[Todo]) -> list[Settled]:
        account_id = self._work.account_id
        assert account_id is not None, "SIMs are added to an account"
        rows, results = [], []
        # What lies outside is refused before the register is looked at: whether it is somebody's does not show.
        book = await ranges.keep(self._connection, account_id)
        for place, item in enumerate(items):
            try:
                row = _row(place, account_id, item.data or {})
                if book.outside(account_id, row.names):
                    raise OutsideRanges
                rows.append(row)
            except (InvalidIdentifier, OutsideRanges) as error:
                results.append(refused(item, error))
        bad = await provision.insert(self._connection, account_id, rows, self._cause)
        reasons = {row.line: row.reason for row in bad}
        added: Counter[int] = Counter()
        for row in rows:
            item, taken = items[row.line], reasons.get(row.line)
            results.append(refused(item, SimExists(taken)) if taken else Settled(item.bucket, item.n, "DONE"))
            added[item.bucket] += not taken
        if self._work.usage is not None:
            day = self._now.astimezone(UTC).date()
            counts = {(day, bucket, self._work.usage): count for bucket, count in sorted(added.items()) if count}
            if counts:
                await usage.count(self._connection, counts)
        return results


def _row(n: int, account_id: str, data: dict[str, Any]) -> provision.NewSim:
    """A SIM to be added. Raises InvalidIdentifier."""
    names = {name: data[name] for name in ("imsi", "iccid", "msisdn", "nai") if name in data}
    imei = data.get("imei")
    if imei:
        parse_imei(imei)
    sim = provision.new_sim(account_id, lifecycle=Lifecycle(data.get("lifecycle", "PRE_ACTIVE")), **names)
    return provision.NewSim(n, sim, imei)


def refused(item: Todo, error: Exception) -> Settled:
    if isinstance(error, SimwardenError):
        return Settled(item.bucket, item.n, *catalogue.refusal_of(error))
    reason = "This item cannot be done. Tell the operator of this server."
    return Settled(item.bucket, item.n, "REFUSED", SimwardenError.code, reason)
