"""SIMs whose place changed although they did not move: their gateway's site, their cell or their address is another.

What is to be looked at stands in a table, written in the commit of that change; some SIMs at a time are taken off it,
in the commit of what comes of it. A restart loses none, and of several processes each takes others.
"""

from __future__ import annotations

import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine import areas, geofences
from simwarden.engine.deciding import AT_ONCE, DecidingWorker
from simwarden.engine.places import write_down
from simwarden.engine.unit_of_work import UnitOfWork
from simwarden.store import places, sites

_log = structlog.get_logger()
POLL = 2.0
"""Seconds between two looks when there is nothing to do."""


class PlaceReview(DecidingWorker):
    """The worker."""

    worker_name = "place-review"

    async def turn(self) -> float:
        """Some SIMs of each bucket in which some wait; returns the seconds until the next look."""
        buckets = await sites.waiting(self._db)
        looked = [await self._try(bucket, AT_ONCE) for bucket in buckets]
        return 0.0 if any(looked) else POLL

    async def _try(self, bucket: int, most: int) -> int:
        """Look at some SIMs. One of which a rule fails is left as it is, once it is alone."""
        try:
            return await self._look(bucket, most)
        except StoreUnavailable:
            raise
        except Exception:
            if most > 1:
                return await self._try(bucket, 1)
            async with self._db.transaction() as connection:
                imsis = await sites.take_reviews(connection, bucket, 1)
            _log.exception("rule failed, the SIM is left as it is", worker=self.worker_name, imsi=imsis[:1])
            return 1

    async def _look(self, bucket: int, most: int) -> int:
        now = self._clock()
        async with self._db.transaction() as connection:
            imsis = await sites.take_reviews(connection, bucket, most)
            if not imsis:
                return 0  # another process has them
            work = UnitOfWork(connection, now)
            await work.lock(imsis)
            known = await places.with_notes(connection, work.sims.values(), now)
            await write_down(connection, known)
            found = {imsi: place for imsi, (place, _) in known.items()}
            cause = Cause(CauseKind.OPERATOR, "places", now, "site, cell or address changed")
            causes = dict.fromkeys(found, cause)
            areas.see(work, found, now, causes)
            outcome = (await work.write()).plus(await geofences.judge(connection, found, now, causes))
        self._committed(outcome)
        return len(imsis)
