"""SIMs of two accounts on a real database, and a worker that is driven by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.accounts.applications import open_account
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.numbering import parse_range
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine import imports, provision
from simwarden.engine.bulk_jobs import BulkJobs, Named, Operation
from simwarden.engine.bulk_worker import BulkWorker
from simwarden.kit.clock import now_utc
from simwarden.store import ranges
from simwarden.store.accounts import Accounts
from simwarden.store.leases import Leases
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.domain.command import Command
    from simwarden.domain.sim import Sim
    from simwarden.engine.unit_of_work import Outcome
    from simwarden.store.database import Database
    from simwarden.store.listing import SimFilter

FIRST = 460000990000000
CAUSE = Cause(CauseKind.OPERATOR, "tester", now_utc(), reference="c-1")


def imsi(number: int) -> str:
    return str(FIRST + number)


def named(numbers: Iterable[int], **data: Any) -> list[Named]:
    """A list of SIMs by their IMSI."""
    return [
        Named(n, {"imsi": imsi(number)}, SimRef(IdentifierKind.IMSI, imsi(number)), data or None)
        for n, number in enumerate(numbers)
    ]


class House:
    """Two accounts; the first has the SIMs from 0 on, the second those from 1,000,000 on."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.outcomes: list[Outcome] = []
        self.operations = BulkJobs(db)
        self.worker = self.operate("w1")

    def operate(self, name: str) -> BulkWorker:
        return BulkWorker(self.db, Leases(self.db, "operate", name), committed=self.outcomes.append)

    async def furnish(self, mine: int, others: int = 0) -> None:
        accounts = Accounts(self.db)
        self.account = await open_account(accounts, "meters")
        self.stranger = await open_account(accounts, "stranger")
        for kind, text in (("imsi", "460000990"), ("msisdn", "+86")):
            await ranges.add(self.db, self.account.id, parse_range(kind, text))
        for account_id, first, count in ((self.account.id, 0, mine), (self.stranger.id, 1_000_000, others)):
            rows = [
                provision.NewSim(number, provision.new_sim(account_id, imsi=imsi(number), msisdn=f"+8690{number:010}"))
                for number in range(first, first + count)
            ]
            await imports.import_rows(self.db, rows, account_id, imports.Way(CAUSE))

    async def begin(
        self, action: Command, sims: SimFilter | list[Named], *, preview: bool = False, mine: bool = True
    ) -> Operation:
        account_id = self.account.id if mine else None
        return await self.operations.begin(action, sims, CAUSE, app_key="swk_a", account_id=account_id, preview=preview)

    async def settle(self, operation: Operation, worker: BulkWorker | None = None) -> Operation:
        """Let the worker work until there is nothing to do."""
        while await (worker or self.worker).look():
            pass
        return await self.operations.get(operation.id)

    async def sim(self, number: int) -> Sim:
        found = await Sims(self.db).find_any(imsi(number))
        assert found is not None
        return found

    async def events(self) -> list[tuple[str, str, int]]:
        """IMSI, type and number of every event but the first of each SIM."""
        rows = await self.db.fetch("select imsi, type, n from event where type <> 'SIM_ADDED' order by imsi, n")
        return [(row["imsi"], row["type"], row["n"]) for row in rows]
