"""Answers equipment checks: who asks, whether he may, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from simwarden.domain.equipment import EquipmentStatus
from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ingest import UnacceptableReport
from simwarden.southbound.eir.codec import PATH, read
from simwarden.southbound.sbi.answers import Problem, answer, refuse
from simwarden.southbound.sbi.tokens import authorize

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from simwarden.engine.equipment import Asker, EquipmentChecks
    from simwarden.southbound.sbi.tokens import NrfTokens

SERVICE = "n5g-eir-eic"
NF_TYPE = "5G_EIR"
_ANSWERS = {
    status: b'{"status":"%s"}' % str(status).encode() for status in EquipmentStatus if status is not status.UNKNOWN
}
_AGAIN = ((b"retry-after", b"1"),)
_log = structlog.get_logger()


class CheckApp:
    """The ASGI application of one port."""

    def __init__(
        self,
        who: Callable[[str], Asker | None],
        checks: EquipmentChecks,
        tokens: NrfTokens | None = None,
        *,
        most: int = 2000,
        counted: Callable[[str, str], None] = lambda _outcome, _status: None,
    ) -> None:
        """`who`: the registered element at an address. `counted(outcome, status)`: once for each request."""
        self._who = who
        self._checks = checks
        self._tokens = tokens
        self._most = most
        self._counted = counted
        self._working = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if self._working >= self._most:
            self._counted("busy", "")
            problem = Problem(503, "Too many checks in work (eir_checks)", "NF_CONGESTION", headers=_AGAIN)
            await refuse(send, problem)
            return
        self._working += 1
        try:
            status = await self._check(scope)
        except Problem as problem:
            await refuse(send, problem)
        except StoreUnavailable:
            self._counted("unavailable", "")
            await refuse(send, Problem(503, "The database is away", "SYSTEM_FAILURE", headers=_AGAIN))
        except UnacceptableReport:
            self._counted("unacceptable", "")
            await refuse(send, Problem(500, "This check could not be taken in", "UNSPECIFIED_NF_FAILURE"))
        except Exception:  # the boundary: a fault of this server's
            _log.exception("equipment check failed")
            self._counted("failed", "")
            await refuse(send, Problem(500, "A fault of this server", "UNSPECIFIED_NF_FAILURE"))
        else:
            self._counted("accepted", str(status))
            if status is EquipmentStatus.UNKNOWN:
                await refuse(send, Problem(404, "The equipment is not known", "ERROR_EQUIPMENT_UNKNOWN"))
            else:
                await answer(send, 200, _ANSWERS[status])
        finally:
            self._working -= 1

    async def _check(self, scope: Scope) -> EquipmentStatus:
        asker = self._who(scope["client"][0] if scope.get("client") else "")
        if asker is None:
            self._counted("unknown_source", "")
            raise Problem(403, "No network element is registered with this address")
        try:
            authorize(self._tokens, scope["headers"], SERVICE)
        except Problem:
            self._counted("bad_token", "")
            raise
        try:
            if scope["path"] != PATH:
                raise Problem(404, "There is no such resource", "RESOURCE_URI_STRUCTURE_NOT_FOUND")
            if scope["method"] != "GET":
                raise Problem(405, "Only GET", "METHOD_NOT_ALLOWED", headers=((b"allow", b"GET"),))
            asked = read(scope["query_string"])
        except Problem:
            self._counted("malformed", "")
            raise
        return await self._checks.check(asker, asked.imei, asked.imsi, asked.msisdn)
