"""APIs that ask about a phone number: whose it is, and what the record says of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.domain.numbers import owned_since
from simwarden.northbound.kernel.devices import Device, PhoneNumber
from simwarden.northbound.kernel.errors import InvalidArgument, OutOfRange, ServiceNotApplicable

if TYPE_CHECKING:
    from simwarden.domain.numbers import Assignment
    from simwarden.domain.sim import Sim, SimRef
    from simwarden.northbound.kernel.api import Request
    from simwarden.northbound.kernel.bodies import Problem
    from simwarden.northbound.kernel.services import Services

INVALID_NUMBER: dict[str, Problem] = {"phoneNumber": (InvalidArgument, "Invalid format: phoneNumber")}
"""For `bodies.Wording`."""
_NOT_RECORDED = "It is not recorded since when the account has had this phone number"
_EASTMOST = timedelta(hours=14)
"""So far ahead of UTC a caller's calendar may be."""


class NumberRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A request about a phone number, which is left out with a 3-legged token."""

    phone_number: PhoneNumber | UnsetType = UNSET


@runtime_checkable
class NumberHistory(Protocol):
    """Knows since when SIMs have their phone numbers."""

    async def assignment(self, sim: Sim) -> Assignment | None:
        """Since when a SIM has had its phone number; None: it has none, or that is not recorded."""


class Callers:
    """Finds the SIM of the phone number that a request is about."""

    def __init__(self, services: Services) -> None:
        self._devices = services.devices

    async def sim(self, request: Request, number: str | UnsetType) -> Sim:
        """Raises MissingIdentifier, UnnecessaryIdentifier, SimNotFound."""
        return await self._devices.find(request.caller, self._name(request, number))

    def _name(self, request: Request, number: str | UnsetType) -> SimRef:
        device = UNSET if number is UNSET else Device(phone_number=number)
        return self._devices.name(request.caller, device)


class Assignments(Callers):
    """Finds the SIM of the phone number that a request is about, and since when it has had it."""

    def __init__(self, services: Services, history: NumberHistory) -> None:
        super().__init__(services)
        self._history = history

    async def find(self, request: Request, number: str | UnsetType) -> tuple[Sim, Assignment | None]:
        """The SIM, and since when it has had its number; None: that is not recorded.

        Nothing is asked of a number before the account's SIM of it is found: a foreign one costs what an unknown one
        does. Raises MissingIdentifier, UnnecessaryIdentifier, SimNotFound.
        """
        sim = await self.sim(request, number)
        return sim, await self._history.assignment(sim)


class Owners:
    """Knows since when accounts have their phone numbers."""

    def __init__(self, services: Services, history: NumberHistory) -> None:
        self._assignments = Assignments(services, history)
        self._clock = services.edge.clock

    async def since(self, request: Request, number: str | UnsetType, day: date, name: str) -> bool:
        """Whether the caller's account has had a number without a break since a day, in UTC.

        `name`: the property that has the day. Raises OutOfRange for a day that has begun nowhere on earth; what
        `Assignments.find` raises; ServiceNotApplicable where it is not known.
        """
        end = _end_of(day, self._clock(), name)
        _, found = await self._assignments.find(request, number)
        known = None if found is None else owned_since(found, end)
        if known is None:
            raise ServiceNotApplicable(_NOT_RECORDED)
        return known


class Monitored:
    """How far back the operator may look for swaps, where a law or its own rules limit that."""

    def __init__(self, days: int | None) -> None:
        """`days`: None for no limit."""
        self._days = days

    def check(self, hours: int) -> None:
        """Raises OutOfRange for a `maxAge` beyond the limit."""
        if self._days is not None and hours > self._days * 24:
            raise OutOfRange(f"maxAge must not exceed the {self._days} days for which swaps are monitored")

    def told(self, at: datetime | None, now: datetime) -> tuple[datetime | None, int | UnsetType]:
        """What may be told of a date: itself, or nothing and the days for which there was no swap."""
        if self._days is None or at is None or now - at <= timedelta(days=self._days):
            return at, UNSET
        return None, self._days


def within(at: datetime, now: datetime, hours: int) -> bool:
    """Whether something happened in the last hours."""
    return now - at <= timedelta(hours=hours)


def _end_of(day: date, now: datetime, name: str) -> datetime:
    """The last moment of a day in UTC. Raises OutOfRange for a day that has begun nowhere on earth."""
    if day > (now.astimezone(UTC) + _EASTMOST).date():
        raise OutOfRange(f"{name} must not lie in the future")
    return datetime.combine(day, time.max, UTC)
