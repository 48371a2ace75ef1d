"""Writes down which calls are refused; shows them, and what operators did."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from simwarden.domain.errors import AccountNotFound, ApplicationNotFound, SimNotFound
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.management.query import Query, RowId
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.store import audit, journal
from simwarden.store.audit import Act, AuditFault
from simwarden.store.journal import LoggedRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from simwarden.management.house import House
    from simwarden.northbound.kernel.ports import Answered
    from simwarden.store.database import Database

EVERY = 1.0
"""Seconds between two writings of the request log."""
PER_TURN = 50
"""Calls that a worker writes down a turn at most, so that a flood of refused calls does not become one of rows."""
PRUNE_EVERY = 600.0
MAX_FAULTS = 1000
"""That an answer names."""
PRUNED_AT_ONCE = 5_000
_log = structlog.get_logger()


class RequestLog(Worker):
    """Calls with an error, or all, in the database, where they can be found by their correlator."""

    worker_name = "request-log"

    def __init__(
        self,
        db: Database,
        *,
        least_status: int,
        per_turn: int = PER_TURN,
        requests_kept: timedelta,
        acts_kept: timedelta,
        also: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`least_status`: of the calls that are kept; 0 keeps all. Old rows, also of the audit list, are deleted,
        and `also` is called then."""
        super().__init__()
        self._db = db
        self._least = least_status
        self._per_turn = per_turn
        self._kept = (acts_kept, requests_kept)
        self._also = also
        self._clock = clock
        self._waiting: deque[LoggedRequest] = deque(maxlen=20 * per_turn)
        self._left_out = 0
        self._this_turn = 0
        self._prune_at = 0.0

    @classmethod
    def keeping(
        cls,
        db: Database,
        what: str,
        requests_days: float,
        acts_days: float,
        *,
        also: Callable[[], Awaitable[None]] | None = None,
    ) -> RequestLog:
        """As the settings want it: `what` is all, errors or off."""
        return cls(
            db,
            least_status={"all": 0, "errors": 400, "off": 1000}[what],
            per_turn=40 * PER_TURN if what == "all" else PER_TURN,
            requests_kept=timedelta(days=requests_days),
            acts_kept=timedelta(days=acts_days),
            also=also,
        )

    def add(self, call: Answered) -> None:
        """A call was answered. Those without a valid token are nobody's, and are in the log only."""
        if call.status < self._least or not call.app_key:
            return
        if self._this_turn >= self._per_turn:
            self._left_out += 1
            return
        self._this_turn += 1
        self._waiting.append(
            LoggedRequest(
                *(self._clock(), call.correlator, call.api, call.operation, call.status, call.code),
                *(call.account_id, call.app_key, round(call.seconds * 1000, 1)),
            )
        )

    async def turn(self) -> float:
        """Write what came, and delete what is old now and then. Raises StoreUnavailable."""
        await self.flush()
        now = asyncio.get_running_loop().time()
        if now >= self._prune_at:
            acts, requests = (self._clock() - kept for kept in self._kept)
            gone = await audit.prune(self._db, acts, PRUNED_AT_ONCE)
            gone += await journal.prune(self._db, requests, PRUNED_AT_ONCE)
            if self._also is not None:
                await self._also()
            self._prune_at = now + (0 if gone >= PRUNED_AT_ONCE else PRUNE_EVERY)
        return EVERY

    async def flush(self) -> None:
        """Write what came. Raises StoreUnavailable: then it is kept for later."""
        self._this_turn = 0
        if self._left_out:
            _log.warning("calls are not in the request log: too many at once", calls=self._left_out)
            self._left_out = 0
        rows = list(self._waiting)
        if rows:
            await journal.add_requests(self._db, rows)
            for _ in rows:
                self._waiting.popleft()


class JournalRoutes:
    """The operations under `/audit` and `/requests`."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def acts(self, request: Request) -> Answer:
        """listAudit: the newest first."""
        query = Query(request.query, ("operator", "operation", "target", "since", "until", "correlator"), "audit")
        target = query.text("target", 320)
        before = query.cursor(RowId)
        found = await audit.acts(
            self._house.db,
            before=audit.NEWEST if before is None else before,
            operator=query.text("operator"),
            operation=query.text("operation"),
            targets=None if target is None else await self._names(target),
            since=query.time("since"),
            until=query.time("until"),
            correlator=query.text("correlator"),
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        answer: dict[str, object] = {"audit": [_act(each) for _, each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1][0])
        return Answer(200, answer)

    async def verify(self, request: Request) -> Answer:
        """verifyAudit: chain by chain, until enough rows have been read."""
        query = Query(request.query, (), "audit verification")
        house = self._house
        checked = await audit.check(
            house.db, house.audit.sign, after=query.cursor(RowId) or 0, kept=timedelta(days=house.audit_days)
        )
        answer: dict[str, object] = {
            "chains": checked.chains,
            "rows": checked.rows,
            "faults": [_fault(each) for each in checked.faults[:MAX_FAULTS]],
        }
        if checked.next is not None:
            answer["nextCursor"] = query.next(checked.next)
        return Answer(200, answer)

    async def requests(self, request: Request) -> Answer:
        """listRequests: the newest first."""
        query = Query(request.query, ("correlator", "account", "application", "api", "status", "since"), "requests")
        before = query.cursor(RowId)
        least = query.choice("status", ("4xx", "5xx"))
        found = await journal.requests(
            self._house.db,
            before=journal.NEWEST if before is None else before,
            correlator=query.text("correlator"),
            account_id=await self._house.account_id(query.text("account")),
            app_key=await self._house.app_key(query.text("application")),
            api=query.text("api"),
            least_status=None if least is None else int(least[0]) * 100,
            since=query.time("since"),
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        answer: dict[str, object] = {"requests": [_request(each) for _, each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1][0])
        return Answer(200, answer)

    async def _names(self, target: str) -> list[str]:
        """What a path may have named it by: a SIM by each of its identifiers, an account by name and id."""
        names = {target}
        with contextlib.suppress(SimNotFound):
            sim = await self._house.sim(target)
            names |= {name for name in (sim.imsi, sim.iccid, sim.msisdn, sim.nai) if name}
            names |= {sim.msisdn.removeprefix("+")} if sim.msisdn else set()
        with contextlib.suppress(AccountNotFound):
            account = await self._house.accounts.get(target)
            names |= {account.id, account.name}
        with contextlib.suppress(ApplicationNotFound):
            names.add((await self._house.accounts.named(target)).app_key)
        return sorted(names)


def _act(act: Act) -> dict[str, Any]:
    shown = {
        "at": act.at,
        "operator": act.app_key,
        "name": act.key_name,
        "operation": act.operation,
        "target": act.target or None,
        "status": act.status,
        "code": act.code,
        "correlator": act.correlator,
        "detail": act.detail and msgspec.Raw(act.detail.encode()),
        "address": act.address or None,
        "session": act.session,
        "role": act.role,
        "changes": act.changes and msgspec.Raw(act.changes.encode()),
    }
    return {name: value for name, value in shown.items() if value is not None}


def _fault(found: AuditFault) -> dict[str, Any]:
    shown = {"chain": found.chain, "link": found.link, "fault": found.fault}
    return {name: value for name, value in shown.items() if value is not None}


def _request(call: LoggedRequest) -> dict[str, Any]:
    shown = {
        "at": call.at,
        "correlator": call.correlator,
        "api": call.api,
        "operation": call.operation,
        "status": call.status,
        "code": call.code,
        "account": call.account_id,
        "appKey": call.app_key,
        "durationMs": call.duration_ms,
    }
    return {name: value for name, value in shown.items() if value is not None}
