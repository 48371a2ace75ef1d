"""Takes charging data: what it says becomes sessions and volumes, and is answered with units or with a refusal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote, UsedPart
from simwarden.edge.bodies import BodyRefused, read_body
from simwarden.engine.admission import Admission, AdmissionRequest
from simwarden.engine.ingest import UnacceptableReport
from simwarden.kit.clock import now_utc
from simwarden.southbound.chf import codec
from simwarden.southbound.chf.notifying import allowed_uri
from simwarden.southbound.sbi.answers import Problem, answer, refuse
from simwarden.southbound.sbi.tokens import authorize
from simwarden.store.charging import ChargingSessions, OpenCharging

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.types import Receive, Scope, Send

    from simwarden.southbound.chf.codec import Charging
    from simwarden.southbound.chf.settings import ChfSettings
    from simwarden.southbound.sbi.answers import Headers
    from simwarden.southbound.sbi.tokens import NrfTokens
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

SERVICE = "nchf-convergedcharging"
NF_TYPE = "CHF"
PATH = f"/{SERVICE}/v3/chargingdata"
MAX_BODY = 262_144
"""Bytes."""
_ACTION = re.compile(rf"{PATH}/([^/]+)/(update|release)")
_HOST = re.compile(rb"[A-Za-z0-9.\-\[\]:]{1,255}")
_AGAIN = ((b"retry-after", b"1"),)
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()
_Answer = tuple[int, bytes, "Headers"]


class ChargingApp:
    """The ASGI application of one port."""

    def __init__(
        self,
        who: Callable[[str], CommandAccess | None],
        services: SourceServices,
        settings: ChfSettings,
        tokens: NrfTokens | None = None,
    ) -> None:
        """`who`: the registered element at an address."""
        self._who = who
        self._ingest = services.ingest
        self._admission = Admission(services.db, services.ingest)
        self._open = ChargingSessions(services.db)
        self._settings = settings
        self._tokens = tokens
        self._counted = services.counted
        self._scheme = b"http" if settings.chf_tls_certificate is None else b"https"
        self._working = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if self._working >= self._settings.chf_requests:
            self._counted("busy", "")
            await refuse(
                send, Problem(503, "Too many requests in work (chf_requests)", "NF_CONGESTION", headers=_AGAIN)
            )
            return
        self._working += 1
        try:
            status, body, headers = await self._answer(scope, receive)
        except Problem as problem:
            await refuse(send, problem)
        except StoreUnavailable:
            self._counted("unavailable", "")
            await refuse(send, Problem(503, "The database is away", "SYSTEM_FAILURE", headers=_AGAIN))
        except UnacceptableReport:
            self._counted("unacceptable", "")
            await refuse(send, Problem(500, "This request could not be taken in", "UNSPECIFIED_NF_FAILURE"))
        except Exception:  # the boundary: a fault of this server's
            _log.exception("charging data not taken in")
            self._counted("failed", "")
            await refuse(send, Problem(500, "A fault of this server", "UNSPECIFIED_NF_FAILURE"))
        else:
            await answer(send, status, body, headers)
        finally:
            self._working -= 1

    async def _answer(self, scope: Scope, receive: Receive) -> _Answer:
        element = self._who(scope["client"][0] if scope.get("client") else "")
        if element is None:
            self._counted("unknown_source", "")
            raise Problem(403, "No network element is registered with this address")
        try:
            authorize(self._tokens, scope["headers"], SERVICE)
        except Problem:
            self._counted("bad_token", "")
            raise
        now = now_utc()
        try:
            action = _ACTION.fullmatch(scope["path"])
            if action is None and scope["path"] != PATH:
                raise Problem(404, "There is no such resource", "RESOURCE_URI_STRUCTURE_NOT_FOUND")
            if scope["method"] != "POST":
                raise Problem(405, "Only POST", "METHOD_NOT_ALLOWED", headers=((b"allow", b"POST"),))
            told = codec.read(await self._body(scope, receive), now)
        except Problem:
            self._counted("malformed", "")
            raise
        if action is None:
            return await self._create(element, told, now, scope)
        bucket = codec.bucket_of_ref(action[1])
        known = None if bucket is None else await self._open.find(bucket, action[1], element.id)
        if bucket is None or known is None:
            self._counted("unknown_session", action[2])
            raise Problem(404, "There is no such charging session")
        if action[2] == "update":
            return await self._update(element, told, now, action[1], known)
        await self._release(element, told, now, (bucket, action[1]), known)
        return 204, b"", ()

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        declared = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"content-length"), None
        )
        try:
            return await read_body(receive, declared, MAX_BODY)
        except BodyRefused as error:
            raise Problem(error.http_status, error.message) from error

    async def _create(self, element: CommandAccess, told: Charging, now: datetime, scope: Scope) -> _Answer:
        question = AdmissionRequest(
            element_id=element.id,
            element_name=element.name,
            at=now,
            message="charging-create",
            imsi=told.imsi,
            msisdn=told.msisdn,
            imei=told.imei,
            apn=told.apn,
            cells=told.cells,
            cells_at=told.cells_at,
        )
        verdict = await self._admission.ask(question)
        if not verdict.known and self._settings.chf_unknown == "REFUSE":
            self._counted("unknown_sim", "create")
            raise Problem(404, "This SIM is not charged here", "USER_UNKNOWN")
        if verdict.known and verdict.reason is not None:
            self._counted("denied", "create")
            raise Problem(403, verdict.reason, "END_USER_REQUEST_DENIED")
        bucket, ref = codec.ref_of(element.id, told)
        uri = told.notify_uri
        if uri is not None and not allowed_uri(uri, element):
            self._counted("notify_uri_refused", "")
            uri = None
        await self._open.open(bucket, ref, element.id, OpenCharging(told.imsi if verdict.known else None, uri, now))
        await self._note(element, told, now, Phase.BEGAN, ref, told.imsi, "charging-create")
        self._counted("accepted", "create")
        return 201, self._units(told, now), ((b"location", self._location(scope, ref)),)

    async def _update(
        self, element: CommandAccess, told: Charging, now: datetime, ref: str, known: OpenCharging
    ) -> _Answer:
        await self._note(element, told, now, Phase.GOES_ON, ref, known.imsi, "charging-update")
        denied = False
        if known.imsi is not None:
            denied = (await self._admission.standing(element.id, known.imsi, told.apn)).reason is not None
        self._counted("denied" if denied else "accepted", "update")
        return 200, self._units(told, now, denied=denied), ()

    async def _release(
        self, element: CommandAccess, told: Charging, now: datetime, at: tuple[int, str], known: OpenCharging
    ) -> None:
        await self._note(element, told, now, Phase.ENDED, at[1], known.imsi, "charging-release")
        await self._open.close(*at, element.id)
        self._counted("accepted", "release")

    async def _note(
        self,
        element: CommandAccess,
        told: Charging,
        now: datetime,
        phase: Phase,
        ref: str,
        imsi: str | None,
        message: str,
    ) -> None:
        if imsi is None:
            return
        began = told.began_at if told.began_at is not None and told.began_at < told.at else told.at
        note = SessionNote(
            key=ref,
            phase=phase,
            at=told.at,
            began_at=began,
            imsi=imsi,
            imei=told.imei,
            svn=told.svn,
            plmn=told.plmn,
            cells=told.cells,
            cells_at=told.cells_at,
            apn=told.apn,
            rat=told.rat,
            ipv4=told.ipv4,
            ipv6=told.ipv6,
            used=None if told.used is None else UsedPart(told.used, told.number),
        )
        await self._ingest.submit(
            Report(
                gateway_id=element.id,
                gateway_name=element.name,
                received_at=now,
                message=message,
                sessions=(note,),
                authentic=True,
            )
        )

    def _units(self, told: Charging, now: datetime, *, denied: bool = False) -> bytes:
        settings = self._settings
        granted = {"octets": settings.chf_grant_octets, "seconds": settings.chf_validity_seconds}
        return _encode(codec.units(told, now, **granted, denied=denied))

    def _location(self, scope: Scope, ref: str) -> bytes:
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        root = self._scheme + b"://" + host if _HOST.fullmatch(host) else b""
        return root + f"{PATH}/{ref}".encode()
