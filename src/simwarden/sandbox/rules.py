"""The table of `docs/sandbox.md`: what the last digits of a number stand for. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from simwarden.domain.area import Circle, Whereabouts
from simwarden.domain.device_model import DeviceModel
from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import bucket_of, full_imei
from simwarden.domain.numbers import Assignment
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.sim import (
    ALL_FUNCTIONS,
    AreaLimit,
    Bar,
    BarCause,
    Binding,
    BindingKind,
    BindingState,
    IdentifierKind,
    Learnt,
    Policy,
    Seen,
    Sim,
    SimRef,
)
from simwarden.domain.standing import Roams, ShownSession, ShownSlot, Standing
from simwarden.domain.traffic import TrafficLimits
from simwarden.domain.usage import until_tomorrow
from simwarden.northbound.kernel.errors import (
    PermissionDenied,
    QuotaExceeded,
    ServiceNotApplicable,
    TooManyRequests,
)
from simwarden.store.sims import DeviceDates

OWN = "35209900176148"
"""The device of a virtual SIM."""
OWN_MODEL = DeviceModel(OWN[:8], "Simwarden", "Virtual Meter")
OTHER = "86052105000017"
"""Any other device."""
_SINCE = timedelta(days=30)
_SEEN = timedelta(minutes=5)
_PREFIX = "sandbox"


HERE = 50.735851, 7.10066
"""Where virtual SIMs are: latitude and longitude."""
AREA = Circle(*HERE, 5000)
"""Where those may be that are limited to an area."""
_GONE = Circle(HERE[0] + 1, HERE[1], 5000)
"""The area of one that is outside of it."""


class VirtualChange(msgspec.Struct, frozen=True):
    """A change of device that is sent to a subscription."""

    after: timedelta
    """Since it was made."""
    imei: str


class Kind(msgspec.Struct, frozen=True):
    """What a number stands for."""

    error: type[SimwardenError] | None = None
    """Every call that names it is answered with this."""
    conflict: bool = False
    """Binding it is answered with 409 INCOMPATIBLE_STATE."""
    known: bool = True
    """False: 404 IDENTIFIER_NOT_FOUND."""
    seen: str | None = OWN
    """The device it is in; None: never seen."""
    state: BindingState = BindingState.NEUTRAL
    binding: BindingKind | None = None
    changes: tuple[VirtualChange, ...] = ()


def _at(seconds: float, imei: str) -> VirtualChange:
    return VirtualChange(timedelta(seconds=seconds), imei)


_TWO_DIGITS = {
    "03": Kind(error=PermissionDenied),
    "22": Kind(error=ServiceNotApplicable),
    "29": Kind(error=TooManyRequests),
    "39": Kind(error=QuotaExceeded),
    "50": Kind(error=StoreUnavailable),
}
_ONE_DIGIT = {
    "0": Kind(
        state=BindingState.LOCKED,
        binding=BindingKind.IMEI,
        changes=tuple(_at(n, OTHER if n % 2 else OWN) for n in range(1, 11)),
    ),
    "1": Kind(state=BindingState.LOCKED, binding=BindingKind.IMEI, changes=(_at(3, OTHER),)),
    "2": Kind(state=BindingState.DIFFERED, binding=BindingKind.IMEI, seen=OTHER, changes=(_at(3, OWN), _at(6, OTHER))),
    "3": Kind(changes=(_at(3, OTHER),)),
    "4": Kind(known=False),
    "5": Kind(seen=None, changes=(_at(6, OTHER),)),
    "6": Kind(state=BindingState.LOCKED, binding=BindingKind.TAC),
    "7": Kind(state=BindingState.ARMED, binding=BindingKind.IMEI, seen=None, changes=(_at(6, OTHER),)),
    "8": Kind(),
    "9": Kind(conflict=True),
}
_FIRST_SEEN = timedelta(days=300)
_SWAPPED = {"0": timedelta(days=200), "1": timedelta(hours=1), "2": timedelta(days=3)}
"""By last digit, how long ago the SIM came into its device from another one (`device-swap`), and the phone number to
its SIM (`sim-swap`) and owner (`number-recycling`, `kyc-tenure`)."""
_UNRECORDED = "5"
"""Last digit of the numbers of which it is not recorded since when their SIM has them."""
_HOME = "00101"
"""The network of virtual SIMs: the test network of ITU-T E.212."""
_VISITED = {"3": "20801", "6": "34001", "9": "90112"}
"""By last digit, the network in which a SIM roams: France, the French Antilles (one code of several countries), and a
network of no country."""
_SILENT = timedelta(hours=3)
"""So long ago the element that shows a SIM ending in 8 reported last."""

_ALLOWANCE = 10 * 1024
"""Mebibytes of data that virtual SIMs may use in a month; those ending in 5 have no allowance."""
_ELSEWHERE = {"2": (10_000.0, timedelta(days=3)), "5": None, "7": None}
"""By last digit, how widely (metres) and how long ago a SIM was located; None: never."""


def kind_of(number: str) -> Kind:
    """What a number stands for; two digits count before one, other characters do not count."""
    digits = "".join(character for character in number if character.isdecimal() and character.isascii())
    return _TWO_DIGITS.get(digits[-2:]) or _ONE_DIGIT[digits[-1:] or "0"]


def changes_of(number: str, topic: EventType) -> tuple[VirtualChange, ...]:
    """What is sent to a subscription. A SIM that is limited to an area is outside of it while in another device. Of
    unusual traffic there is one event a day, of each mark of a data allowance one a month."""
    kind = kind_of(number)
    if topic is EventType.AREA_CHANGED and kind.binding is None:
        return ()
    return kind.changes[:1] if topic in (EventType.HOTZONE_ANOMALY, EventType.DATA_USED) else kind.changes


def device_dates(sim: Sim, now: datetime) -> DeviceDates:
    """When a virtual SIM came into its device. What it is called by stands at the end of its IMSI."""
    ago = _SWAPPED.get(sim.imsi[-1])
    return DeviceDates(first_seen=now - _FIRST_SEEN, changed=None if ago is None else now - ago)


def assignment(sim: Sim, now: datetime) -> Assignment | None:
    """Since when a virtual SIM has had its phone number, which stands at the end of its IMSI."""
    if sim.msisdn is None or sim.imsi.endswith(_UNRECORDED):
        return None
    since = now - _SWAPPED.get(sim.imsi[-1], _FIRST_SEEN)
    return Assignment(
        number=sim.msisdn,
        imsi=sim.imsi,
        account_id=sim.account_id,
        since=since,
        sim_since=since,
        owner_since=since,
        begin_known=True,
    )


def place(sim: Sim, now: datetime) -> Place | None:
    """Where a virtual SIM is. What it is called by stands at the end of its IMSI."""
    found = _ELSEWHERE.get(sim.imsi[-1], (500.0, _SEEN))
    if found is None:
        return None
    radius, ago = found
    return Place(*HERE, radius, now - ago, PlaceSource.SITE, "")


def shown(sim: Sim, now: datetime) -> Standing:
    """What is shown of a virtual SIM that has been seen: registered at home, with a data session, unless its number
    stands for something else."""
    if sim.seen is None:
        return Standing()
    digit = sim.imsi[-1]
    heard = now - (_SILENT if digit == "8" else timedelta(seconds=20))
    plmn = _VISITED.get(digit, _HOME)
    slot = ShownSlot(status=3, plmn=plmn, imei=sim.seen.imei, at=heard, heard_at=heard, period=timedelta(minutes=1))
    session = ShownSession(
        live=digit != "1",
        at=heard,
        plmn=plmn,
        imei=sim.seen.imei,
        svn="01",
        heard_at=heard,
        period=timedelta(minutes=1),
    )
    return Standing(slot, session, (_HOME,))


_AWAY = (Roams("20801", roaming=True), Roams("20601", roaming=True))
"""Where virtual SIMs are seen that roam from country to country: France and Belgium."""


def played(topic: EventType, kind: str, n: int, change: VirtualChange, number: str) -> dict[str, Any]:
    """The data of the event number `n`, from 1, that a subscription to this type of CloudEvents is sent."""
    if topic is EventType.DEVICE_CHANGED:
        return {"imei": full_imei(change.imei)}
    if topic is EventType.AREA_CHANGED:
        center = {"latitude": AREA.latitude, "longitude": AREA.longitude}
        return {"area": {"areaType": "CIRCLE", "center": center, "radius": int(AREA.radius)}}
    if topic is EventType.SMS_STATUS:
        status, detail = ("SUCCESS", "SENT") if n % 2 else ("FAIL", "NOT_SENT")
        return {"msgId": f"{n:034x}", "status": status, "detail": detail, "recipient": 1}
    if topic is EventType.ROAMING_CHANGED:
        if kind.endswith(".roaming-change-country"):
            return {name: value for name, value in _AWAY[n % 2].told.items() if name != "roaming"}
        if kind.endswith(".roaming-status"):
            return _AWAY[0].told if n % 2 else {"roaming": False}
    if topic is EventType.NETWORK_TYPE_CHANGED:  # a number that ends in 3 begins with 5G
        return {"connectedNetworkType": ("4G", "5G")[(n + number.endswith("3")) % 2]}
    if topic is EventType.RULE_FIRED:
        return {"rule": "mass-sms", "version": 1, "counted": {"smsSent": 29 + n}, "minutes": 60}
    return {}


def virtual(account_id: str, ref: SimRef, now: datetime) -> Sim | None:
    """The virtual SIM of this name; None where there is to be none. Raises SimwardenError where it stands for one.

    Its IMSI is none that a network could issue, so nothing that happens to a real SIM can be about it.
    """
    return _sim(account_id, f"{_PREFIX}:{account_id}:{ref.kind}:{ref.value}", ref, now)


def _sim(account_id: str, imsi: str, ref: SimRef, now: datetime) -> Sim | None:
    kind = kind_of(ref.value)
    if kind.error is QuotaExceeded:
        raise QuotaExceeded(until_tomorrow(now))
    if kind.error is not None:
        raise kind.error
    if not kind.known:
        return None
    since = now - _SINCE
    binding = None
    if kind.binding is not None:
        values = () if kind.state is BindingState.ARMED else (OWN[:8] if kind.binding is BindingKind.TAC else OWN,)
        binding = Binding(kind.binding, values, Learnt.EXPLICIT, Policy(), since)
    differs = kind.state is BindingState.DIFFERED
    causes = (BarCause.IMEI_MISMATCH, BarCause.AREA_EXIT) if differs else ()
    return Sim(
        bucket=bucket_of(imsi),
        imsi=imsi,
        account_id=account_id,
        msisdn=ref.value if ref.kind is IdentifierKind.MSISDN else None,
        nai=ref.value if ref.kind is IdentifierKind.NAI else None,
        binding=binding,
        state=kind.state,
        seen=None if kind.seen is None else Seen(now - _SEEN, kind.seen),
        bars=tuple(Bar(cause, int(ALL_FUNCTIONS), now - _SEEN, 2) for cause in causes),
        area=_limit(kind, since),
        event_count=3,
        limits=TrafficLimits(data_allowance=None if ref.value.endswith("5") else _ALLOWANCE),
    )


def _limit(kind: Kind, since: datetime) -> AreaLimit | None:
    """The area limit of a virtual SIM: those that are bound have one."""
    if kind.binding is None:
        return None
    if kind.state is BindingState.ARMED:
        return AreaLimit(Policy(), since, learnt=Learnt.FIRST_SEEN, radius=5000)
    outside = kind.state is BindingState.DIFFERED
    side = Whereabouts.OUTSIDE if outside else Whereabouts.INSIDE
    return AreaLimit(Policy(), since, area=_GONE if outside else AREA, side=side, side_since=since)
