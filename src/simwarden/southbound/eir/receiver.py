"""Answers equipment checks (3GPP TS 29.511): who asks what, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.equipment import EquipmentStatus
from simwarden.engine.equipment import Asker
from simwarden.southbound.eir.codec import PATH, Check, read
from simwarden.southbound.sbi.answers import Problem
from simwarden.southbound.sbi.service import Answer, SbiApp

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from simwarden.engine.equipment import EquipmentChecks
    from simwarden.southbound.sbi.service import ServiceGate

_ANSWERS: dict[EquipmentStatus, Answer] = {
    status: (200, b'{"status":"%s"}' % str(status).encode(), ())
    for status in EquipmentStatus
    if status is not EquipmentStatus.UNKNOWN
}


class CheckApp(SbiApp[Asker, Check]):
    """The ASGI application of one port."""

    def __init__(self, gate: ServiceGate[Asker], checks: EquipmentChecks) -> None:
        super().__init__(gate)
        self._checks = checks

    async def read(self, scope: Scope, receive: Receive) -> Check:
        """Raises Problem."""
        if scope["path"] != PATH:
            raise Problem(404, "There is no such resource", "RESOURCE_URI_STRUCTURE_NOT_FOUND")
        if scope["method"] != "GET":
            raise Problem(405, "Only GET", "METHOD_NOT_ALLOWED", headers=((b"allow", b"GET"),))
        return read(scope["query_string"])

    async def serve(self, element: Asker, asked: Check) -> Answer:
        """The verdict. Raises Problem for equipment that is not known, StoreUnavailable, UnacceptableReport."""
        status = await self._checks.check(element, asked.imei, asked.imsi, asked.msisdn)
        self._counted("accepted", str(status))
        if status is EquipmentStatus.UNKNOWN:
            raise Problem(404, "The equipment is not known", "ERROR_EQUIPMENT_UNKNOWN")
        return _ANSWERS[status]
