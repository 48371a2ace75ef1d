"""The workers that decide about SIMs in the background, as one process runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.engine.areas import AreaFollower
from simwarden.engine.expiry import Expiry
from simwarden.engine.hotzone_alerts import HotzoneAlerts
from simwarden.engine.place_review import PlaceReview
from simwarden.engine.standing_watch import StandingWatch
from simwarden.store import hotzone_alerts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simwarden.engine.deciding import DecidingWorker
    from simwarden.engine.unit_of_work import Outcome
    from simwarden.store.database import Database
    from simwarden.store.sims import Sims


class Deciders:
    """All of them, to be started and stopped together."""

    def __init__(self, db: Database, background: Database, sims: Sims, committed: Callable[[Outcome], None]) -> None:
        """`background`: connections for what may take long."""
        self.areas = AreaFollower(background, committed=committed)
        self._alerts = HotzoneAlerts(background, sims, committed=committed)
        self._all: tuple[DecidingWorker, ...] = (
            Expiry(db, committed=committed),
            PlaceReview(db, committed=committed),
            StandingWatch(db, committed=committed),
            self.areas,
            self._alerts,
        )

    def start(self) -> None:
        """Begin to work."""
        for each in self._all:
            each.start()

    async def stop(self) -> None:
        """End what is under way, the last one first."""
        for each in reversed(self._all):
            await each.stop()

    @property
    def handlers(self) -> Mapping[str, Callable[[str], None]]:
        """What to do when the database notifies, by channel."""
        return {hotzone_alerts.CHANNEL: lambda _payload: self._alerts.wake()}
