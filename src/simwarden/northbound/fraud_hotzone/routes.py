"""check."""

from __future__ import annotations

from datetime import UTC
from math import ceil
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import SimwardenError
from simwarden.domain.hotzone import HotZones, HotzoneVerdict, Question
from simwarden.domain.outliers import DEFAULT_THRESHOLD
from simwarden.edge.throttle import Allowance
from simwarden.engine.hotzones import HotzoneJudge
from simwarden.northbound.fraud_hotzone import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import OutOfRange, PermissionDenied, ServiceNotApplicable
from simwarden.northbound.kernel.numbers import Callers
from simwarden.northbound.kernel.traffic import TrafficView, is_reported, zones_of

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Services

NAME = "fraud-hotzone"
DETAIL = "fraud-hotzone:check-detail"
_NO_SOURCE = "No source reports calls or messages of this phone number"


class TooManyBaselines(SimwardenError):
    """Too many new SIMs were measured by others. The message names the limit."""

    status, code = 429, "TOO_MANY_REQUESTS"

    def __init__(self, most: int, wait: float) -> None:
        self.retry_after = ceil(wait)
        super().__init__(
            f"At most {most} times a minute SIMs without days of their own are measured by others of their account "
            "(hotzone_baselines_per_minute)"
        )


class FraudHotzone:
    """The one operation."""

    def __init__(self, services: Services, view: TrafficView) -> None:
        self._callers = Callers(services)
        self._view = view
        self._judging = HotzoneJudge(view)
        self._most = services.hotzone_baselines_per_minute
        self._baselines = Allowance(self._most)
        self._clock = services.edge.clock
        self._kept = services.traffic_kept_days
        self._check = Decoder(schemas.HotzoneRequest)

    async def check(self, request: Request) -> Answer:
        """Whether traffic with hotzones was out of the ordinary (checkFraudHotzone)."""
        wanted = decode(self._check, request.body, schemas.WORDING)
        if wanted.detail and DETAIL not in request.caller.scopes:
            raise PermissionDenied
        if wanted.look_back_days > self._kept:
            raise OutOfRange(f"lookBackDays must not exceed the {self._kept} days for which traffic is known")
        zones = await zones_of(self._view, request.caller.account_id, wanted.fraud_hot_zone, "fraudHotZone")
        asked = Question(
            today=self._clock().astimezone(UTC).date(),
            look_back=wanted.look_back_days,
            kinds=wanted.check_type.kinds,
            side=wanted.check_target,
            method=wanted.method,
            threshold=wanted.threshold_ratio or DEFAULT_THRESHOLD[wanted.method],
        )
        verdict = await self._judge(await self._callers.sim(request, wanted.phone_number), zones, asked)
        return Answer(200, _told(verdict, detail=wanted.detail))

    async def _judge(self, sim: Sim, zones: HotZones, asked: Question) -> HotzoneVerdict:
        """Raises ServiceNotApplicable where nothing would tell, TooManyBaselines."""
        traffic = await self._view.traffic(sim, zones, asked.baseline_first, asked.today)
        if not await is_reported(self._view, sim, traffic):
            raise ServiceNotApplicable(_NO_SOURCE)
        return await self._judging.judge(sim, zones, asked, traffic, about_to_read=lambda: self._allow(sim.account_id))

    def _allow(self, account_id: str) -> None:
        """One more baseline of this account is about to be read. Raises TooManyBaselines."""
        wait = self._baselines.wait(account_id)
        if wait > 0:
            raise TooManyBaselines(self._most, wait)
        self._baselines.use(account_id)


def _told(verdict: HotzoneVerdict, *, detail: bool) -> schemas.HotzoneResponse:
    return schemas.HotzoneResponse(
        anomaly_detected=verdict.anomalous,
        anomaly_date=verdict.days,
        coverage=schemas.Coverage(verdict.known_from, verdict.known_to, verdict.complete),
        risk_level=verdict.risk or UNSET,
        detail=tuple(
            schemas.HotzoneDetail(
                each.day, each.country, each.count, None if each.usual is None else round(each.usual, 2)
            )
            for each in verdict.details
        )
        if detail
        else UNSET,
    )


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/fraud-hotzone`; None where nothing is counted."""
    if not isinstance(services.sims, TrafficView):
        return None
    served = FraudHotzone(services, services.sims)
    endpoints = {"/vwip/check": {"POST": Endpoint("checkFraudHotzone", served.check, has_body=True, reads=True)}}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
