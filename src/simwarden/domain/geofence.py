"""A circle that somebody wants to be told of when a SIM enters or leaves it. Pure."""

from __future__ import annotations

import msgspec

from simwarden.domain.area import Circle, Whereabouts, compare
from simwarden.domain.place import Place


class Geofence(msgspec.Struct, frozen=True):
    """What one subscription waits for."""

    area: Circle
    enters: bool
    """It waits for the SIM to enter; False: to leave."""
    inside: bool | None = None
    """Where the SIM was when that was last certain; None: it has never been."""

    def follow(self, place: Place) -> tuple[Geofence, bool]:
        """The fence as it is to be remembered with the SIM at `place`, and whether it was crossed as it waits for.

        A place that overlaps the border is neither inside nor outside: nothing is known then, and nothing changes. So a
        crossing counts once, when all of the place has left or entered the circle. The first certain place is none.
        """
        where = compare(self.area, place)
        if where is Whereabouts.UNKNOWN:
            return self, False
        inside = where is Whereabouts.INSIDE
        if inside is self.inside:
            return self, False
        crossed = self.inside is not None and inside is self.enters
        return msgspec.structs.replace(self, inside=inside), crossed


def at_begin(fence: Geofence, place: Place | None, *, initial_event: bool) -> tuple[Geofence, bool]:
    """A fence as its subscription begins with the SIM at `place`, and whether that is what it waits for.

    With `initial_event` that is told at once, or by the first place that is certain (CAMARA initialEvent).
    """
    if initial_event:
        fence = msgspec.structs.replace(fence, inside=not fence.enters)
    return (fence, False) if place is None else fence.follow(place)
