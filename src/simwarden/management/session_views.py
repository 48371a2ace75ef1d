"""Data sessions of SIMs, and what network elements were told of SIMs, as the management API shows them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from simwarden.domain.identifiers import full_imei
from simwarden.domain.sim import Function
from simwarden.management.house import House
from simwarden.management.query import Query, Text
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.store import attachments, sessions

if TYPE_CHECKING:
    from simwarden.domain.attachment import Attachment
    from simwarden.domain.session import Session

NEWEST = 50
"""Sessions of a SIM that are shown."""
LARGEST = 2**53 - 1
"""Up to this number every JSON reader is exact (RFC 8259 section 6)."""


class SessionViews:
    """The operations `/sims/{simId}/sessions` and `/gateways/{gatewayId}/targets`."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def of_sim(self, request: Request) -> Answer:
        """listSimSessions: those that were reported last first."""
        Query(request.query, (), "sessions")
        found = await sessions.latest_of_sim(self._house.db, await self._house.sim(request.parameter), NEWEST)
        names = await self._house.gateways.names(one.element_id for one in found)
        return Answer(200, {"sessions": [_session(one, names.get(one.element_id, "")) for one in found]})

    async def of_element(self, request: Request) -> Answer:
        """listGatewayTargets: SIMs at an element, with their live sessions, and how far it is as it is to be."""
        number = await self._house.gateway_id(request.parameter)
        assert number is not None
        query = Query(request.query, (), f"targets of {number}")
        async with self._house.db.connection() as connection:
            found = await attachments.page_of_element(connection, number, query.cursor(Text) or "", query.limit + 1)
            shown = found[: query.limit]
            live = await sessions.live(connection, number, sorted({imsi for imsi, _ in shown}))
        of: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in live:
            of[one.target.key].append(_session(one, request.parameter))
        answer: dict[str, Any] = {"targets": [_target(imsi, each, of[each.target.key]) for imsi, each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1][1].target.key)
        return Answer(200, answer)


def _session(one: Session, gateway: str) -> dict[str, Any]:
    shown = {
        "gateway": gateway,
        "imsi": one.imsi,
        "apn": one.apn,
        "ipv4": one.ipv4,
        "ipv6": one.ipv6,
        "rat": one.rat,
        "plmn": one.plmn,
        "imei": one.imei and full_imei(one.imei),
        "octetsUp": min(one.up, LARGEST),
        "octetsDown": min(one.down, LARGEST),
        "beganAt": one.began_at,
        "seenAt": one.seen_at,
        "endedAt": one.ended_at,
        "endPresumed": one.presumed or None,
        "filtered": (one.is_live and one.is_restricted) or None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _target(imsi: str, item: Attachment, live: list[dict[str, Any]]) -> dict[str, Any]:
    shown = {
        "imsi": imsi,
        **item.target.facts,
        "there": item.current,
        "toBeOff": [each.name for each in Function if each in item.wanted],
        "status": str(item.status),
        "since": item.since,
        "attempts": item.attempts,
        "commandedAt": item.commanded_at,
        "lastError": item.last_error,
        "sessions": live,
    }
    return {name: value for name, value in shown.items() if value is not None}
