"""check."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.hot_traffic import (
    DIRECTIONS,
    HotZones,
    HotzoneVerdict,
    InvalidZone,
    Question,
    baseline_days,
    judge,
    parse_zones,
)
from simwarden.domain.hotzone import DEFAULT_THRESHOLD, FEWEST_BASELINE_DAYS, Baseline, baseline_of
from simwarden.northbound.fraud_hotzone import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import InvalidArgument, OutOfRange, PermissionDenied, ServiceNotApplicable
from simwarden.northbound.kernel.numbers import Callers
from simwarden.northbound.kernel.traffic import TrafficHistory, is_reported

if TYPE_CHECKING:
    from collections.abc import Collection

    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Services

NAME = "fraud-hotzone"
DETAIL = "fraud-hotzone:check-detail"
_LIST = "list:"
_NO_SOURCE = "No source reports calls or messages of this phone number"


class FraudHotzone:
    """The one operation."""

    def __init__(self, services: Services, history: TrafficHistory) -> None:
        self._callers = Callers(services)
        self._history = history
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
        zones = await self._zones(request.caller.account_id, wanted.fraud_hot_zone)
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

    async def _zones(self, account_id: str, texts: Collection[str]) -> HotZones:
        """Raises InvalidArgument for a country or a list that there is not."""
        wanted = {text.removeprefix(_LIST) for text in texts if text.startswith(_LIST)}
        found = await self._history.hotzones(account_id, wanted) if wanted else {}
        if missing := sorted(wanted - found.keys()):
            raise InvalidArgument(f"fraudHotZone: there is no list {missing[0]}")
        own = [text for text in texts if not text.startswith(_LIST)]
        try:
            return parse_zones([*own, *chain.from_iterable(found.values())])
        except InvalidZone as error:
            raise InvalidArgument(f"fraudHotZone: {error.message}") from error

    async def _judge(self, sim: Sim, zones: HotZones, asked: Question) -> HotzoneVerdict:
        """Raises ServiceNotApplicable where nothing would tell."""
        traffic = await self._history.traffic(sim, zones, asked.baseline_first, asked.today)
        if not await is_reported(self._history, sim, traffic):
            raise ServiceNotApplicable(_NO_SOURCE)
        dates = await self._history.device_dates(sim)
        last_seen = None if sim.seen is None else sim.seen.at
        days = [_day(at) for at in (dates.first_seen, last_seen) if at is not None]
        days += [each.day for each in traffic.days]
        days += [] if traffic.first_day is None else [traffic.first_day]
        seen = min(days, default=asked.today), max(days, default=asked.today)
        others = Baseline()
        if len(baseline_days(asked, traffic, seen)) < FEWEST_BASELINE_DAYS:
            counts = await self._history.traffic_of_its_like(
                sim, zones, (asked.kinds, DIRECTIONS[asked.side]), asked.baseline_first, asked.before
            )
            others = baseline_of(counts)
        return judge(asked, traffic, seen, others)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


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
    if not isinstance(services.sims, TrafficHistory):
        return None
    served = FraudHotzone(services, services.sims)
    endpoints = {"/vwip/check": {"POST": Endpoint("checkFraudHotzone", served.check, has_body=True, reads=True)}}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
