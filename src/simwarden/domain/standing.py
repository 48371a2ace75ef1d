"""What the network shows of a SIM now: whether it can be reached, and which network serves it, of which type. Pure.

It is what network elements said last. Where an element has fallen silent, what it said is an old status, not a new
one: the SIM cannot be taken for reachable any more, as of the time at which it last was.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.allowance import Reached
from simwarden.domain.sim import Function, Lifecycle
from simwarden.domain.visited import countries_of, is_home

if TYPE_CHECKING:
    from collections.abc import Collection

    from simwarden.domain.sim import Sim

REGISTERED = frozenset({3, 4})
"""Codes of SIM gateways for a SIM that the mobile network has registered: registered, and in a call."""
NOT_CONNECTED = "UNKNOWN"
"""The generation of no network, or of none that is known, as CAMARA calls it."""
SILENT_PERIODS = 2
"""Report intervals without a report after which what an element said is old."""


class ShownSlot(msgspec.Struct, frozen=True, kw_only=True):
    """The slot of a SIM gateway in which a SIM was seen last."""

    status: int | None
    """The gateway's code; None also where the slot shows another card by now, or none."""
    plmn: str | None
    imei: str | None
    at: datetime
    """When it was shown last."""
    heard_at: datetime
    """When the gateway reported last."""
    period: timedelta
    """How often it reports."""


class ShownSession(msgspec.Struct, frozen=True, kw_only=True):
    """The data session of a SIM that was reported last; one that goes on comes before all that ended."""

    live: bool
    at: datetime
    """When it was reported last, coarsely, or ended."""
    plmn: str | None
    imei: str | None
    svn: str | None
    generation: str | None = None
    """Of the network that carries it, `2G` to `5G`; None: not a mobile one, or not known."""
    heard_at: datetime
    """When the element that carries it reported last."""
    period: timedelta


class Standing(msgspec.Struct, frozen=True):
    """Everything of a SIM; what there is not was never reported."""

    slot: ShownSlot | None = None
    session: ShownSession | None = None
    home: tuple[str, ...] = ()
    """Networks that are the SIM's home, beside the one of its IMSI and those that its account names."""


class Reach(enum.StrEnum):
    """By what a SIM can be reached, as CAMARA tells them apart."""

    DATA = "DATA"
    """By data, whether or not by short messages too."""
    SMS = "SMS"
    """By short messages alone."""
    DISCONNECTED = "DISCONNECTED"


class Reachability(msgspec.Struct, frozen=True):
    """What can be reached; None: nothing tells."""

    data: bool | None
    sms: bool | None
    at: datetime
    """Of when this is."""

    @property
    def reach(self) -> Reach:
        """In one word."""
        return Reach.DATA if self.data else Reach.SMS if self.sms else Reach.DISCONNECTED


class Roams(msgspec.Struct, frozen=True):
    """Which network serves a SIM, and whether it roams there."""

    plmn: str
    roaming: bool

    @property
    def mcc(self) -> str:
        """Of which country it is."""
        return self.plmn[:3]

    @property
    def countries(self) -> tuple[str, ...]:
        """The same as ISO 3166-1 codes: several where countries share an MCC, none where it belongs to none."""
        return countries_of(self.mcc)

    @property
    def told(self) -> dict[str, Any]:
        """As CAMARA tells it: the country only while the SIM roams."""
        country = {"countryCode": int(self.mcc), "countryName": list(self.countries)} if self.roaming else {}
        return {"roaming": self.roaming, **country}


class ServingNetwork(Roams, frozen=True):
    """The same, and of when it is."""

    at: datetime


class Remembered(msgspec.Struct, frozen=True):
    """What those who are told of changes have been told last, or knew when they subscribed."""

    reach: Reach | None = None
    roams: Roams | None = None
    generation: str | None = None
    """`2G` to `5G`, or NOT_CONNECTED."""
    volume: Reached | None = None
    """How much of its data allowance it used; looked at only while somebody is told of that."""


def reachability(sim: Sim, shown: Standing, now: datetime) -> Reachability | None:
    """Whether a SIM can be reached; None where no element ever told.

    A function that may not work (barred, or the SIM is not active) cannot be reached, since the bar was raised.
    """
    sms = data = None
    times = []
    if shown.slot is not None:
        sms = shown.slot.status in REGISTERED and not _is_old(shown.slot, now)
        times.append((sms, shown.slot.at, Function.SMS))
    if shown.session is not None:
        data = shown.session.live and not _is_old(shown.session, now)
        times.append((data, shown.session.at, Function.DATA))
    if not times:
        return None
    off = sim.functions_off
    if not off:  # as of most SIMs
        known = [(works, at) for works, at, _ in times]
    else:
        known = [(works and function not in off, _since(sim, at, function)) for works, at, function in times]
        data = data and Function.DATA not in off
        sms = sms and Function.SMS not in off
    able = any(works for works, _ in known)
    return Reachability(data, sms, min(max(at for works, at in known if works == able), now))


def serving(sim: Sim, shown: Standing, home: Collection[str] = ()) -> ServingNetwork | None:
    """Which network serves a SIM, by the newest that tells; None where nothing does.

    `home`: networks that are the SIM's home beside the one of its IMSI.
    """
    told = []
    if shown.slot is not None and shown.slot.plmn and shown.slot.status in REGISTERED:
        told.append((shown.slot.at, shown.slot.plmn))
    if shown.session is not None and shown.session.plmn:
        told.append((shown.session.at, shown.session.plmn))
    if not told:
        return None
    at, plmn = max(told)
    return ServingNetwork(plmn, not is_home(sim.imsi, plmn, (*home, *shown.home)), at)


def connected_by(shown: Standing) -> str | None:
    """The generation of the network that connects a SIM, or NOT_CONNECTED; None where no session was ever reported."""
    if shown.session is None:
        return None
    return (shown.session.live and shown.session.generation) or NOT_CONNECTED


def confirmed_at(sim: Sim, shown: Standing) -> datetime | None:
    """When the device of a SIM was last confirmed to be the one it is known to be in; None: it is in no known one."""
    if sim.seen is None or sim.seen.imei is None or sim.seen.unknown:
        return None
    told = [part.at for part in (shown.slot, shown.session) if part is not None and part.imei == sim.seen.imei]
    return max([sim.seen.at, *told])


def _is_old(shown: ShownSlot | ShownSession, now: datetime) -> bool:
    return now - shown.heard_at > SILENT_PERIODS * shown.period


def _since(sim: Sim, at: datetime, function: Function) -> datetime:
    """Since when a function is known to be as it is: what was decided about it later is newer than what was shown."""
    since = [at, *(bar.since for bar in sim.bars if bar.functions & function)]
    if sim.lifecycle is not Lifecycle.ACTIVE and sim.lifecycle_since is not None:
        since.append(sim.lifecycle_since)
    return max(since)


def remembered(sim: Sim, shown: Standing, now: datetime, home: Collection[str] = ()) -> Remembered:
    """What is to be remembered of what is shown now."""
    reached, served = reachability(sim, shown, now), serving(sim, shown, home)
    return Remembered(
        None if reached is None else reached.reach,
        None if served is None else Roams(served.plmn, served.roaming),
        connected_by(shown),
    )
