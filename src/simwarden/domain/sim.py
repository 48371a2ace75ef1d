"""A SIM and everything that is decided about it."""

from __future__ import annotations

import enum
import re
from datetime import datetime
from functools import lru_cache

import msgspec

from simwarden.domain.area import Area, Whereabouts
from simwarden.domain.errors import SimwardenError
from simwarden.domain.place import Place
from simwarden.domain.traffic import TrafficLimits


class Function(enum.IntFlag):
    """Communication functions of a SIM; a set of them fits in one small integer."""

    VOICE = 1
    SMS = 2
    DATA = 4


ALL_FUNCTIONS = Function.VOICE | Function.SMS | Function.DATA
_SETS = tuple(Function(bits) for bits in range(ALL_FUNCTIONS + 1))
"""By their bits: to look one up takes a tenth of the time of making it, and every call needs some."""


class BindingState(enum.StrEnum):
    """Where a SIM stands with its device."""

    NEUTRAL = "NEUTRAL"
    """No binding."""
    ARMED = "ARMED"
    """Will bind to the first device seen."""
    LOCKED = "LOCKED"
    """Bound, and in a device that matches."""
    DIFFERED = "DIFFERED"
    """Bound, and in another device."""


class BindingKind(enum.StrEnum):
    """What a binding compares."""

    IMEI = "IMEI"
    """One device: 14 digits."""
    TAC = "TAC"
    """Any device of a model: 8 digits."""
    LIST = "LIST"
    """Any device of a list of IMEIs."""


class Learnt(enum.StrEnum):
    """Where a binding took its device from."""

    EXPLICIT = "EXPLICIT"
    CURRENT = "CURRENT"
    FIRST_SEEN = "FIRST_SEEN"


class OnMismatch(enum.StrEnum):
    """What a mismatch leads to."""

    ENFORCE = "ENFORCE"
    ALERT = "ALERT"


class OnUnknown(enum.StrEnum):
    """What a missing or unreadable IMEI, or a place that shows no side of the border, leads to."""

    ALLOW = "ALLOW"
    DENY = "DENY"


class Resume(enum.StrEnum):
    """How a SIM that came back is opened again."""

    AUTO = "AUTO"
    MANUAL = "MANUAL"


class IdentifierKind(enum.StrEnum):
    """The names by which a SIM can be found."""

    IMSI = "imsi"
    ICCID = "iccid"
    MSISDN = "msisdn"
    NAI = "nai"
    IPV4 = "ipv4"
    """`public:port` or `public/private`."""
    IPV6 = "ipv6"


class SimRef(msgspec.Struct, frozen=True):
    """One name of a SIM, in canonical form."""

    kind: IdentifierKind
    value: str


class OneSim(msgspec.Struct, frozen=True):
    """The SIM that a call may be about, and no other."""

    names: frozenset[SimRef]
    """All by which it may be named."""
    otherwise: SimwardenError
    """What a call about another SIM, or about all of an account, is refused with."""


class Policy(msgspec.Struct, frozen=True):
    """What a binding or an area limit does when it is not met."""

    on_mismatch: OnMismatch = OnMismatch.ENFORCE
    unknown: OnUnknown = OnUnknown.ALLOW
    resume: Resume = Resume.AUTO


class Binding(msgspec.Struct, frozen=True):
    """Which device(s) a SIM may be in."""

    kind: BindingKind
    values: tuple[str, ...]
    """14 digit IMEIs, or one 8 digit TAC; empty while ARMED."""
    learnt: Learnt
    policy: Policy
    since: datetime


class PendingSide(msgspec.Struct, frozen=True):
    """A SIM was seen on the other side of its area's border, and is waited for to stay there."""

    to: Whereabouts
    due: datetime
    """When it counts."""


class AreaLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a SIM may be."""

    policy: Policy
    since: datetime
    area: Area | None = None
    """None: armed, it becomes a circle around the first place at which the SIM is seen."""
    learnt: Learnt = Learnt.EXPLICIT
    radius: int | None = None
    """Metres, of the circle around a place."""
    dwell: int = 0
    """Seconds for which a SIM must be on the other side of the border before that counts."""
    name: str | None = None
    """Of a named area, as it was when its shape was copied here."""
    id: str | None = None
    """Of a named area, which many SIMs share."""
    version: int = 0
    """Of the named area's shape."""
    side: Whereabouts = Whereabouts.UNKNOWN
    """On which side of the border the SIM was when that was last known."""
    unknown: bool = False
    """The newest place does not show the side."""
    side_since: datetime | None = None
    pending: PendingSide | None = None
    place: Place | None = None
    """The newest place that counted; None: none since the limit is set, or it is not known any more."""

    @property
    def state(self) -> str:
        """ARMED, INSIDE, OUTSIDE or UNKNOWN."""
        if self.area is None:
            return "ARMED"
        return str(Whereabouts.UNKNOWN if self.unknown else self.side)


class Lifecycle(enum.StrEnum):
    """Where a SIM stands in its life. Only an ACTIVE one may use the network."""

    PRE_ACTIVE = "PRE_ACTIVE"
    """Registered, not yet in use."""
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    """Kept from the network for a while."""
    DEACTIVATED = "DEACTIVATED"
    """Out of use; may be activated again."""
    DELETED = "DELETED"
    """The end: the register does not know the SIM any more."""


class BarCause(enum.StrEnum):
    """The reasons for which a function may not work."""

    IMEI_MISMATCH = "IMEI_MISMATCH"
    AREA_EXIT = "AREA_EXIT"
    CLOSED_BY_CUSTOMER = "CLOSED_BY_CUSTOMER"
    SUSPENDED = "SUSPENDED"
    RISK = "RISK"
    QUOTA = "QUOTA"


class Bar(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reason why functions may not work now."""

    cause: BarCause
    functions: int
    """Set of Function bits that this bar switches off."""
    since: datetime
    event: int
    """Number of the SIM's event that raised it."""
    until: datetime | None = None
    """When it ends by itself; None: it does not."""


class ClosedApn(msgspec.Struct, frozen=True):
    """One access point name that the customer closed; data as such is a function of its own."""

    apn: str
    since: datetime
    event: int
    """Number of the SIM's event that closed it."""


class NetworkTarget(msgspec.Struct, frozen=True):
    """What can be acted upon for a SIM: a slot of a SIM gateway, a session, a subscriber."""

    element_id: int
    """The network element that it is at."""
    key: str
    """Its name there. Only the element's driver reads it, with two exceptions: `3.02` is port 3, slot 2 of a SIM
    gateway, which events, alarms and the operator's API have always said in two numbers; and what stands behind an `@`
    is an access point name, to which alone the target belongs."""

    @property
    def slot(self) -> tuple[int, int] | None:
        """Port and slot (0: the gateway names none); None for everything that is no slot."""
        return _slot_of(self.key)

    @property
    def apn(self) -> str | None:
        """The access point name that alone can be switched here; None: it does not belong to one."""
        return self.key.partition("@")[2] or None

    @property
    def facts(self) -> dict[str, int | str]:
        """How it is named in events and alarms: by `port` and `slot`, or by `target`."""
        slot = self.slot
        return {"target": self.key} if slot is None else {"port": slot[0], "slot": slot[1]}

    @property
    def holds_card(self) -> bool:
        """The card itself is there, so it is in no other slot. Of sessions a SIM may have several."""
        return self.slot is not None


def session_target(element_id: int, imsi: str, apn: str | None) -> NetworkTarget:
    """A SIM's sessions of an access point, at the element that carries them; None: those that name none."""
    return NetworkTarget(element_id, imsi if apn is None else f"{imsi}@{apn}")


_SLOT_KEY = re.compile(r"(0|[1-9][0-9]*)\.([0-9]{2}|[1-9][0-9]{2,})")
"""Exactly what `_key_of` makes."""


@lru_cache(maxsize=16_384)
def _key_of(port: int, slot: int) -> str:
    return f"{port}.{slot:02}"


@lru_cache(maxsize=16_384)
def _slot_of(key: str) -> tuple[int, int] | None:
    found = _SLOT_KEY.fullmatch(key)
    return None if found is None else (int(found[1]), int(found[2]))


class CardSlot(msgspec.Struct, frozen=True):
    """Where in a SIM gateway a card sits."""

    gateway_id: int
    port: int
    slot: int
    """Slot of the port, from 1; 0 when the gateway names none."""

    @property
    def target(self) -> NetworkTarget:
        """The same as something that can be acted upon: `3.02` is port 3, slot 2."""
        return NetworkTarget(self.gateway_id, _key_of(self.port, self.slot))


class Seen(msgspec.Struct, frozen=True):
    """The newest sighting that counted."""

    at: datetime
    """Source time: when the device was seen, not when we heard of it."""
    imei: str | None
    """Last known device, 14 digits."""
    unknown: bool = False
    """The newest sighting carried no readable IMEI, so `imei` is from an earlier one."""
    slot: CardSlot | None = None
    device_at: datetime | None = None
    """When the device was last said to be a new one, where that is before `at`: it is known from something that began
    then and goes on. A sighting of another device that comes late is compared with this. None: `at`."""


class Sim(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription, with what was decided about it."""

    bucket: int
    imsi: str
    account_id: str
    iccid: str | None = None
    msisdn: str | None = None
    nai: str | None = None
    number_since: datetime | None = None
    """When it was registered with its phone number, which nobody in the record had had before. None: it has no number,
    or the record of assignments says since when."""
    binding: Binding | None = None
    state: BindingState = BindingState.NEUTRAL
    seen: Seen | None = None
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    lifecycle_since: datetime | None = None
    """None: not known before it is stored."""
    bars: tuple[Bar, ...] = ()
    """A set: any order of the same bars means the same."""
    closed_apns: tuple[ClosedApn, ...] = ()
    """In the order of their names."""
    first_event: int = 1
    """Number of the event that added this SIM. Higher than 1 when its IMSI was another SIM's, deleted since."""
    reported_iccid: str | None = None
    """The ICCID that was reported last, where it is another one than `iccid`."""
    event_count: int = 0
    """Number of the newest event of this SIM; they count from `first_event` without gaps."""
    upheld_at: datetime | None = None
    """While a report that would lift the bar of a mismatch waits for its proof: when the bar was upheld last."""
    limits: TrafficLimits = TrafficLimits()
    area: AreaLimit | None = None
    """Where it may be; None: anywhere."""

    @property
    def due_at(self) -> datetime | None:
        """When the first of its bars ends by itself, or what waits at the border of its area counts."""
        times = [bar.until for bar in self.bars if bar.until is not None]
        if self.area is not None and self.area.pending is not None:
            times.append(self.area.pending.due)
        return min(times, default=None)

    @property
    def barred(self) -> Function:
        """All functions for which at least one bar stands."""
        return self._union(None)

    @property
    def closed(self) -> Function:
        """The functions that the customer wants closed."""
        return self._union(BarCause.CLOSED_BY_CUSTOMER)

    @property
    def functions_off(self) -> Function:
        """All functions that may not work: the barred ones, and every one while the SIM is not active."""
        return self.barred if self.lifecycle is Lifecycle.ACTIVE else ALL_FUNCTIONS

    def off_at(self, target: NetworkTarget) -> Function:
        """The functions that may not work at a target: data also where its access point name is closed."""
        off, apn = self.functions_off, target.apn
        closed = apn is not None and any(each.apn == apn for each in self.closed_apns)
        return off | Function.DATA if closed else off

    def bar(self, cause: BarCause) -> Bar | None:
        """The first bar of this cause, if one stands."""
        return next((bar for bar in self.bars if bar.cause is cause), None)

    def _union(self, cause: BarCause | None) -> Function:
        off = 0
        for bar in self.bars:
            if cause is None or bar.cause is cause:
                off |= bar.functions
        return _SETS[off]


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A source saw a SIM in a device."""

    imsi: str
    imei: str | None
    """14 digits; None when the report carried none that could be read."""
    at: datetime
    """Source time, never later than the time of receipt."""
    slot: CardSlot | None = None
    iccid: str | None = None
    """The card's, where the report carries it."""
    confirmed_at: datetime | None = None
    """The last time the SIM's known slot was confirmed by a whole status of its gateway. `Seen.at` is refreshed
    coarsely; a report that comes late must be newer than this too."""
    since: datetime | None = None
    """The device is taken from the beginning of something that began then, and may not be true any more: a sighting of
    another device since then is newer than this one."""
