"""Alarms: list, show, acknowledge."""

from __future__ import annotations

from simwarden.domain.alarm import AlarmKind, Severity
from simwarden.domain.alarm_words import payload
from simwarden.management.callers import OperatorCaller
from simwarden.management.house import House
from simwarden.management.query import Query, RowId
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.store import alarms
from simwarden.store.alarms import AlarmNotFound


class AlarmRoutes:
    """The operations under `/alarms`."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def page(self, request: Request) -> Answer:
        """listAlarms: the newest first."""
        query = Query(
            request.query, ("state", "kind", "severity", "acknowledged", "gateway", "sim", "account"), "alarms"
        )
        state = query.choice("state", ("OPEN", "CLEARED"))
        acknowledged = query.choice("acknowledged", ("true", "false"))
        before = query.cursor(RowId)
        found = await alarms.page(
            self._house.db,
            before=2**63 - 1 if before is None else before,
            is_open=None if state is None else state == "OPEN",
            kind=query.choice("kind", tuple(AlarmKind)),
            severity=query.choice("severity", tuple(Severity)),
            acknowledged=None if acknowledged is None else acknowledged == "true",
            gateway_id=await self._house.gateway_id(query.text("gateway")),
            imsi=await self._house.imsi(query.text("sim")),
            account_id=await self._house.account_id(query.text("account")),
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        answer: dict[str, object] = {"alarms": [payload(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1].id)
        return Answer(200, answer)

    async def show(self, request: Request) -> Answer:
        """getAlarm."""
        return Answer(200, payload(await alarms.show(self._house.db, _number(request.parameter))))

    async def acknowledge(self, request: Request) -> Answer:
        """acknowledgeAlarm: whoever was first stays."""
        caller = request.caller
        assert isinstance(caller, OperatorCaller)
        found = await alarms.acknowledge(
            self._house.db, _number(request.parameter), self._house.clock(), f"{caller.name} ({caller.app_key})"
        )
        return Answer(200, payload(found))


def _number(text: str) -> int:
    """The number of an alarm. Raises AlarmNotFound for what cannot be one."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise AlarmNotFound
    return int(text)
