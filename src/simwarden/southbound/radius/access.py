"""Access-Requests: what they ask, and how they are answered.

RFC 2865 section 4.1, 3GPP TS 29.061 16.4.7. A device has proved its SIM to the network by then, so a User-Password that
a gateway makes up is not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.admission import AdmissionRequest
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import identity
from simwarden.southbound.radius.codec import Attribute, Code
from simwarden.southbound.radius.exchange import Response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from simwarden.engine.admission import Admission, AdmissionVerdict
    from simwarden.southbound.radius.accounting import PacketIdentity
    from simwarden.southbound.radius.codec import Packet
    from simwarden.southbound.radius.nas import Nas
    from simwarden.southbound.radius.settings import RadiusSettings

DECISION = "simwarden;event={event};at={at}"
"""The Class of an Access-Accept, which comes back in the session's accounting (RFC 2865 section 5.25): the SIM's newest
event at that time, and the second of the decision."""


class AccessService:
    """Admits sessions or refuses them."""

    def __init__(self, admission: Admission, settings: RadiusSettings) -> None:
        self._admission = admission
        self._rejects_when_away = settings.radius_when_unavailable == "reject"
        self._unknown = settings.radius_unknown_sims
        self._limits = [
            codec.integer(type_, seconds)
            for type_, seconds in (
                (Attribute.SESSION_TIMEOUT, settings.radius_session_timeout),
                (Attribute.ACCT_INTERIM_INTERVAL, settings.radius_interim_interval),
            )
            if seconds
        ]

    def read(self, packet: Packet, now: datetime) -> tuple[str, PacketIdentity]:
        """Who asks to be let in."""
        return "access", identity(packet, now)

    async def answer(self, nas: Nas, told: Sequence[PacketIdentity], now: datetime) -> Sequence[Response]:
        """Accept or reject. Raises StoreUnavailable, where it is set to be silent then, and UnacceptableReport."""
        try:
            verdicts = await self._admission.ask(*(_question(nas, each) for each in told))
        except StoreUnavailable:
            if not self._rejects_when_away:
                raise
            return [_reject("UNAVAILABLE", "unavailable")] * len(told)
        return [self._said(verdict, now) for verdict in verdicts]

    def _said(self, verdict: AdmissionVerdict, now: datetime) -> Response:
        if not verdict.known and self._unknown == "accept":
            return Response(Code.ACCESS_ACCEPT, self._limits)
        if verdict.reason is not None:
            return _reject(verdict.reason, "rejected")
        decision = DECISION.format(event=verdict.event, at=int(now.timestamp()))
        return Response(Code.ACCESS_ACCEPT, [codec.attribute(Attribute.CLASS, decision.encode()), *self._limits])


def _question(nas: Nas, told: PacketIdentity) -> AdmissionRequest:
    return AdmissionRequest(
        element_id=nas.ref.id,
        element_name=nas.ref.name,
        at=told.at.replace(microsecond=0),  # as Event-Timestamps of the accounting that follows
        message="access-request",
        imsi=told.imsi,
        msisdn=told.msisdn,
        imei=told.imei,
        apn=told.apn,
        cells=told.cells,
        cells_at=told.cells_at,
    )


def _reject(reason: str, outcome: str) -> Response:
    return Response(Code.ACCESS_REJECT, [codec.attribute(Attribute.REPLY_MESSAGE, reason.encode())], outcome)
