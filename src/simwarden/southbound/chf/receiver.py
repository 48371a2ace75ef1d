"""Takes charging data: what it says becomes sessions and volumes, and is answered with units or with a refusal."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote, UsedPart
from simwarden.edge.bodies import BodyRefused, read_body
from simwarden.engine.admission import Admission, AdmissionRequest
from simwarden.kit.clock import now_utc
from simwarden.southbound.chf import codec
from simwarden.southbound.chf.codec import Charging
from simwarden.southbound.chf.notifying import allowed_uri
from simwarden.southbound.sbi.answers import Problem
from simwarden.southbound.sbi.service import Answer, SbiApp
from simwarden.store.charging import ChargingSessions, OpenCharging
from simwarden.store.gateways import CommandAccess

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from simwarden.southbound.chf.settings import ChfSettings
    from simwarden.southbound.sbi.service import ServiceGate
    from simwarden.southbound.source import SourceServices

PATH = "/nchf-convergedcharging/v3/chargingdata"
MAX_BODY = 262_144
"""Bytes."""
_ACTION = re.compile(rf"{PATH}/([^/]+)/(update|release)")
_HOST = re.compile(rb"[A-Za-z0-9.\-\[\]:]{1,255}")
_encode = msgspec.json.Encoder().encode


class ChargingRequest(msgspec.Struct, frozen=True):
    """One request, understood."""

    told: Charging
    now: datetime
    root: bytes
    """Scheme and host that it was sent to; empty: it did not say."""
    action: str = "create"
    """Or `update`, `release`,"""
    ref: str = ""
    """of this session."""


class ChargingApp(SbiApp[CommandAccess, ChargingRequest]):
    """The ASGI application of one port."""

    def __init__(self, gate: ServiceGate[CommandAccess], services: SourceServices, settings: ChfSettings) -> None:
        super().__init__(gate)
        self._ingest = services.ingest
        self._admission = Admission(services.db, services.ingest)
        self._open = ChargingSessions(services.db)
        self._settings = settings
        self._scheme = b"http" if settings.chf_tls_certificate is None else b"https"

    async def read(self, scope: Scope, receive: Receive) -> ChargingRequest:
        """Raises Problem."""
        now = now_utc()
        action = _ACTION.fullmatch(scope["path"])
        if action is None and scope["path"] != PATH:
            raise Problem(404, "There is no such resource", "RESOURCE_URI_STRUCTURE_NOT_FOUND")
        if scope["method"] != "POST":
            raise Problem(405, "Only POST", "METHOD_NOT_ALLOWED", headers=((b"allow", b"POST"),))
        told = codec.read(await _body(scope, receive), now)
        if action is not None:
            return ChargingRequest(told, now, b"", action[2], action[1])
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        return ChargingRequest(told, now, self._scheme + b"://" + host if _HOST.fullmatch(host) else b"")

    async def serve(self, element: CommandAccess, asked: ChargingRequest) -> Answer:
        """Begin a session, let it go on, or end it. Raises Problem, StoreUnavailable, UnacceptableReport."""
        told, now, ref = asked.told, asked.now, asked.ref
        if asked.action == "create":
            return await self._create(element, told, now, asked.root)
        bucket = codec.bucket_of_ref(ref)
        if bucket is not None and codec.is_unstored(element.id, ref):
            return self._of_nobody(told, now, asked.action)
        known = None if bucket is None else await self._open.find(bucket, ref, element.id)
        if bucket is None or known is None:
            self._counted("unknown_session", asked.action)
            raise Problem(404, "There is no such charging session")
        if asked.action == "update":
            return await self._update(element, told, now, ref, known)
        await self._release(element, told, now, (bucket, ref), known)
        return 204, b"", ()

    async def _create(self, element: CommandAccess, told: Charging, now: datetime, root: bytes) -> Answer:
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
        [verdict] = await self._admission.ask(question)
        if not verdict.known and self._settings.chf_unknown == "REFUSE":
            self._counted("unknown_sim", "create")
            raise Problem(404, "This SIM is not charged here", "USER_UNKNOWN")
        if verdict.known and verdict.reason is not None:
            self._counted("denied", "create")
            raise Problem(403, verdict.reason, "END_USER_REQUEST_DENIED")
        stored = verdict.known and told.imsi is not None
        bucket, ref = codec.ref_of(element.id, told, stored=stored)
        uri = told.notify_uri
        if uri is not None and not allowed_uri(uri, element):
            self._counted("notify_uri_refused", "")
            uri = None
        if stored:
            await self._open.open(bucket, ref, element.id, OpenCharging(told.imsi, uri, now, told.apn))
        await self._note(element, told, now, Phase.BEGAN, ref, told.imsi, "charging-create")
        self._counted("accepted", "create")
        return 201, self._units(told, now), ((b"location", root + f"{PATH}/{ref}".encode()),)

    def _of_nobody(self, told: Charging, now: datetime, action: str) -> Answer:
        """A session of a SIM that is not registered goes on, or ends: nothing of it is known, and nothing is kept."""
        self._counted("accepted", action)
        return (200, self._units(told, now), ()) if action == "update" else (204, b"", ())

    async def _update(
        self, element: CommandAccess, told: Charging, now: datetime, ref: str, known: OpenCharging
    ) -> Answer:
        await self._note(element, told, now, Phase.GOES_ON, ref, known.imsi, "charging-update")
        denied = False
        if known.imsi is not None:
            apn = told.apn or known.apn
            denied = (await self._admission.standing(element.id, known.imsi, apn)).reason is not None
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


async def _body(scope: Scope, receive: Receive) -> bytes:
    declared = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-length"), None)
    try:
        return await read_body(receive, declared, MAX_BODY)
    except BodyRefused as error:
        raise Problem(error.http_status, error.message) from error
