"""Where a SIM may be, and where it is seen: the bar AREA_EXIT, raised and lifted at the border. Pure.

A place whose circle overlaps the border shows no side of it. A SIM that is inside stays so while it may still be within
HYSTERESIS of the border; and with a dwell time a change of side counts only when it has lasted for it. So a SIM at the
border does not flap.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any

import msgspec

from simwarden.domain.area import (
    MAX_RADIUS,
    Area,
    Cells,
    Circle,
    Polygon,
    Sites,
    Whereabouts,
    check,
    compare,
    covering,
    depth,
)
from simwarden.domain.area import around as circle_around
from simwarden.domain.command import Command
from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.errors import AreaNotFound, NoPlaceSeen, NothingToChange, NotLimited, StillOutside
from simwarden.domain.events import Cause, EventType
from simwarden.domain.place import Place
from simwarden.domain.sim import (
    AreaLimit,
    BarCause,
    Learnt,
    OnMismatch,
    OnUnknown,
    PendingSide,
    Policy,
    Resume,
    Sim,
)

HYSTERESIS = 50.0
"""Metres by which an area is wider for who is inside."""
MAX_DWELL = 86_400
CELL_DWELL = 60
"""Seconds, where nothing else is said, for lists of cells: a device that does not move changes between neighbours."""
Radius = Annotated[int, msgspec.Meta(ge=1, le=MAX_RADIUS)]
Dwell = Annotated[int, msgspec.Meta(ge=0, le=MAX_DWELL)]


class PlaceLost(msgspec.Struct, frozen=True):
    """The SIM was seen, and nobody knows where."""

    at: datetime
    """Source time."""


class LimitArea(Command, frozen=True, tag="limit-area", omit_defaults=True):
    """Limit to an area: one of `area`, `named`, `around`; where none is given to the one that it is limited to."""

    area: Area | None = None
    named: str | None = None
    """Name of an area of the SIM's account; the engine adds its shape, id and version."""
    around: Radius | None = None
    """Metres: to a circle around the place where the SIM is."""
    keeps: bool = False
    """An area that somebody gave stays; what is given here is for a SIM without."""
    policy: Policy | None = None
    """None: as it is limited now, else `new_policy`."""
    new_policy: Policy = Policy()
    dwell: Dwell | None = None
    """Seconds. None: as it is limited now, else CELL_DWELL for cells, 0 for everything else."""
    strict: bool = False
    """With `around`: refuse a SIM of which no place is known."""
    again: bool = False
    """Limit it, with an event, also where it has this limit already."""
    id: str | None = None
    version: int = 0
    place: Place | None = None
    """Where the SIM is, from the engine."""

    @property
    def verb(self) -> str:
        """`limit-area`."""
        return "limit-area"

    @property
    def summary(self) -> str:
        """`limit-area depot`."""
        return f"{self.verb} {self.named}" if self.named else self.verb


class RedrawArea(Command, frozen=True):
    """The named area, to which the SIM is limited, has another shape."""

    id: str
    name: str
    version: int
    area: Area

    @property
    def verb(self) -> str:
        """`redraw area`."""
        return "redraw area"


class UnlimitArea(Command, frozen=True, tag="unlimit-area"):
    """Let the SIM be anywhere."""

    @property
    def verb(self) -> str:
        """`unlimit-area`."""
        return "unlimit-area"


class LiftAreaExit(Command, frozen=True, tag="resume-area"):
    """Lift the bar AREA_EXIT by hand."""

    @property
    def verb(self) -> str:
        """`resume-area`."""
        return "resume-area"


def locate(sim: Sim, place: Place, now: datetime, cause: Cause) -> Decision:
    """What seeing `sim` at a place leads to. An older place than the newest one changes nothing."""
    return _seen(sim, place, place.at, now, cause)


def lose(sim: Sim, lost: PlaceLost, now: datetime, cause: Cause) -> Decision:
    """What seeing `sim` nobody knows where leads to: an unknown place."""
    return _seen(sim, None, lost.at, now, cause)


def limit_area(sim: Sim, wanted: LimitArea, now: datetime, cause: Cause) -> Decision:
    """Limit `sim`, replacing the limit before; the place where it is, or was last, is judged at once.

    Raises InvalidArea, AreaNotFound; NotLimited, where no area is given and there is none; NoPlaceSeen;
    NothingToChange when the limit stays as it is. With `again` it is made anew in place of NothingToChange, and there
    are no events when it `keeps` both area and policy.
    """
    before = sim.area
    policy = wanted.policy or (before.policy if before else wanted.new_policy)
    place = wanted.place or (before.place if before else None)
    kept = before is not None and (not _gives(wanted) or (wanted.keeps and before.learnt is Learnt.EXPLICIT))
    if kept:
        assert before is not None
        dwell = before.dwell if wanted.dwell is None else wanted.dwell
        made = msgspec.structs.replace(before, policy=policy, dwell=dwell)
        if wanted.again and made == before:
            return Decision(sim)
    else:
        made = _made(wanted, policy, place, now)
        if wanted.dwell is None and before is not None:
            made = msgspec.structs.replace(made, dwell=before.dwell)
    if before is not None and not wanted.again and _same(before, made):
        raise NothingToChange("The SIM has this area limit already", sim)
    change = SimMutation(sim, now, cause)
    fresh = msgspec.structs.replace(
        made, since=now, side=Whereabouts.UNKNOWN, unknown=False, side_since=None, pending=None, place=None
    )
    _set(change, fresh)
    _say_limit(change, fresh)
    if place is not None:
        _judge(change, place, dwell=0)
    _settle_bar(change, renewed=True)
    return change.decision()


def redraw(sim: Sim, wanted: RedrawArea, now: datetime, cause: Cause) -> Decision:
    """Give the SIM's limit the new shape of its named area; without events where it has it, or another limit."""
    limit = sim.area
    if limit is None or limit.id != wanted.id or limit.version >= wanted.version:
        return Decision(sim)
    change = SimMutation(sim, now, cause)
    made = msgspec.structs.replace(limit, area=wanted.area, version=wanted.version, name=wanted.name, pending=None)
    _set(change, made)
    if wanted.area != limit.area:
        _say_limit(change, made)
        if limit.place is not None:
            _judge(change, limit.place, dwell=0)
            _settle_bar(change)
    return change.decision()


def unlimit_area(sim: Sim, _wanted: UnlimitArea, now: datetime, cause: Cause) -> Decision:
    """Remove the area limit and the bar that it raised. Raises NotLimited."""
    if sim.area is None:
        raise NotLimited
    change = SimMutation(sim, now, cause)
    change.update(area=None)
    change.record(EventType.AREA_UNLIMITED)
    change.lift(BarCause.AREA_EXIT)
    return change.decision()


def lift_area_exit(sim: Sim, _wanted: LiftAreaExit, now: datetime, cause: Cause) -> Decision:
    """Lift the bar AREA_EXIT by hand, of a SIM that came back where its policy does not do that.

    Raises NotLimited; StillOutside, also where its side is not known and its policy denies that.
    """
    if sim.area is None:
        raise NotLimited
    if sim.area.side is Whereabouts.OUTSIDE:
        raise StillOutside("The SIM is still outside its area: give it another area, or unlimit it")
    if _wants_bar(sim.area):
        raise StillOutside("It is not known whether the SIM is in its area, and its policy denies that")
    if sim.bar(BarCause.AREA_EXIT) is None:
        raise NothingToChange("The SIM is not barred for having left its area", sim)
    change = SimMutation(sim, now, cause)
    change.lift(BarCause.AREA_EXIT)
    return change.decision()


def settle_due(change: SimMutation) -> None:
    """Let the SIM be on the side where it has stayed for its dwell time; nothing when that is not over."""
    limit = change.sim.area
    if limit is not None and limit.pending is not None and limit.pending.due <= change.now:
        _enter(change, limit.pending.to)
        _settle_bar(change)


def lets_in(sim: Sim, place: Place) -> bool:
    """Whether seeing the SIM at this place speaks against its bar AREA_EXIT; False where it has none."""
    limit = sim.area
    if limit is None or sim.bar(BarCause.AREA_EXIT) is None:
        return False
    return limit.area is None or compare(limit.area, place) is Whereabouts.INSIDE  # none yet: it would be learnt here


def in_short(area: Area) -> dict[str, Any]:
    """An area for people, without its many points."""
    match area:
        case Circle():
            return {"kind": "circle", "latitude": area.latitude, "longitude": area.longitude, "radius": area.radius}
        case Polygon():
            return {"kind": "polygon", "points": sum(len(ring) - 1 for ring in area.rings)}
        case Cells():
            return {"kind": "cells", "count": len(area.cells)}
        case Sites():
            return {"kind": "sites", "count": len(area.gateways)}


def off_border(limit: AreaLimit) -> int | None:
    """Whole metres from the middle of the SIM's newest place to the border; negative outside; None where unknown."""
    if limit.place is None or not isinstance(limit.area, Circle | Polygon):
        return None
    return round(depth(limit.area, limit.place))


def _gives(wanted: LimitArea) -> bool:
    return any((wanted.area is not None, wanted.named, wanted.around is not None))


def _made(wanted: LimitArea, policy: Policy, place: Place | None, now: datetime) -> AreaLimit:
    learnt = Learnt.CURRENT if wanted.keeps else Learnt.EXPLICIT
    if wanted.named and wanted.area is None:
        raise AreaNotFound(f"The account has no area named {wanted.named[:64]!r}")
    if wanted.area is not None:
        if wanted.id is None:
            check(wanted.area)
        dwell = CELL_DWELL if isinstance(wanted.area, Cells) else 0
        named = {} if wanted.id is None else {"name": wanted.named, "id": wanted.id, "version": wanted.version}
        made = AreaLimit(policy, now, area=wanted.area, learnt=learnt, dwell=dwell, **named)  # type: ignore[arg-type]
    elif wanted.around is not None:
        if place is None and wanted.strict:
            raise NoPlaceSeen
        circle = None if place is None else circle_around(place, wanted.around)
        learnt = Learnt.FIRST_SEEN if place is None else Learnt.CURRENT
        made = AreaLimit(policy, now, area=circle, learnt=learnt, radius=wanted.around)
    else:
        raise NotLimited("The SIM is not limited to an area, so there is none to keep: give one")
    return made if wanted.dwell is None else msgspec.structs.replace(made, dwell=wanted.dwell)


def _same(one: AreaLimit, other: AreaLimit) -> bool:
    names = ("area", "policy", "dwell", "id", "version", "radius")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _say_limit(change: SimMutation, limit: AreaLimit) -> None:
    named = {} if limit.name is None else {"name": limit.name}
    if limit.area is None:
        change.record(EventType.AREA_ARMED, radius=limit.radius)
    else:
        change.record(EventType.AREA_LIMITED, area=in_short(limit.area), learnt=str(limit.learnt), **named)


def _seen(sim: Sim, place: Place | None, at: datetime, now: datetime, cause: Cause) -> Decision:
    if sim.area is None or (sim.area.place is not None and at < sim.area.place.at):
        return Decision(sim)
    change = SimMutation(sim, now, cause)
    settle_due(change)
    _judge(change, place, dwell=sim.area.dwell)
    _settle_bar(change)
    return change.decision()


def _judge(change: SimMutation, place: Place | None, *, dwell: int) -> None:
    limit = change.sim.area
    assert limit is not None
    if place is not None and limit.area is None:
        assert limit.radius is not None
        limit = msgspec.structs.replace(limit, area=circle_around(place, limit.radius))
        change.record(EventType.AREA_LEARNT, area=in_short(circle_around(place, limit.radius or 1)))
    verdict = Whereabouts.UNKNOWN
    if place is not None and limit.area is not None:
        is_inside = limit.side is Whereabouts.INSIDE and not limit.unknown
        verdict = compare(limit.area, place, HYSTERESIS if is_inside else 0.0)
    unknown = verdict is Whereabouts.UNKNOWN
    pending = None
    if not unknown and verdict is not limit.side and limit.side is not Whereabouts.UNKNOWN and dwell:
        begun = limit.pending if limit.pending is not None and limit.pending.to is verdict else None
        pending = begun or PendingSide(verdict, change.now + timedelta(seconds=dwell))
    _set(change, msgspec.structs.replace(limit, unknown=unknown, pending=pending, place=place))
    if not unknown and verdict is not limit.side and pending is None:
        _enter(change, verdict)


def _enter(change: SimMutation, side: Whereabouts) -> None:
    before = change.sim.area
    assert before is not None
    limit = msgspec.structs.replace(before, side=side, unknown=False, side_since=change.now, pending=None)
    _set(change, limit)
    if before.side is not Whereabouts.UNKNOWN or side is Whereabouts.OUTSIDE:
        circle = _as_camara(limit)
        change.record(EventType.AREA_CHANGED, to=str(side), circle=circle, **_where(limit))


def _settle_bar(change: SimMutation, *, renewed: bool = False) -> None:
    """Bring the bar in line with where the SIM is. `renewed`: the limit is new, and with it the bar."""
    limit = change.sim.area
    assert limit is not None
    is_barred = change.sim.bar(BarCause.AREA_EXIT) is not None
    if _wants_bar(limit):
        if not is_barred:
            change.raise_bar(BarCause.AREA_EXIT, verdict=limit.state, **_where(limit))
    elif is_barred and (renewed or (limit.policy.resume is Resume.AUTO and limit.state == Whereabouts.INSIDE)):
        change.lift(BarCause.AREA_EXIT)


def _wants_bar(limit: AreaLimit) -> bool:
    if limit.policy.on_mismatch is not OnMismatch.ENFORCE:
        return False
    return limit.side is Whereabouts.OUTSIDE or (limit.unknown and limit.policy.unknown is OnUnknown.DENY)


def _where(limit: AreaLimit) -> dict[str, Any]:
    """What an event says of the place: what it is taken from, and how far from the border; no coordinates."""
    said: dict[str, Any] = {}
    if limit.place is not None:
        said = {"source": str(limit.place.source), "ref": limit.place.ref}
    distance = off_border(limit)
    if distance is not None:
        said["distance"] = abs(distance)
    return said if limit.name is None else {"name": limit.name, **said}


def _as_camara(limit: AreaLimit) -> dict[str, Any]:
    """The area as CAMARA's `Circle`: itself, or one around it; for a list, which has none, around the SIM's place."""
    circle = None if limit.area is None else covering(limit.area)
    if circle is None:
        assert limit.place is not None
        circle = covering(circle_around(limit.place, 1))
        assert circle is not None
    return {
        "areaType": "CIRCLE",
        "center": {"latitude": circle.latitude, "longitude": circle.longitude},
        "radius": int(circle.radius),
    }


def _set(change: SimMutation, limit: AreaLimit) -> None:
    change.update(area=limit)


RULES: Mapping[type, object] = MappingProxyType(
    {
        Place: locate,
        PlaceLost: lose,
        LimitArea: limit_area,
        RedrawArea: redraw,
        UnlimitArea: unlimit_area,
        LiftAreaExit: lift_area_exit,
    }
)
