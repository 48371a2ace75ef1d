"""Telling that the traffic of a SIM with hotzones is out of the ordinary: behind the commit of the record, once a day
for all that a subscription asks for together, and once for each of them that stands out by itself.

The commit that adds to a count leaves the day to be looked at, if somebody waits for such traffic. It is compared here,
outside of a transaction; what is found is written in one, with what was looked at: nothing is lost, nor told twice.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import Cause, Event, EventType
from simwarden.domain.hotzone import TOGETHER, HotZones, Question, anomaly, joined, one_by_one, parse_zones
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.domain.telling import data_of
from simwarden.engine.deciding import DecidingWorker
from simwarden.engine.hotzones import HotzoneJudge
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.store import hotzone_alerts as store
from simwarden.store.outbox import save_outboxes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import asyncpg

    from simwarden.domain.hotzone import HotzoneVerdict, HotzoneWatch
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.hotzone_alerts import StoredWatch, WatchedDay
    from simwarden.store.sims import Sims

LOOK_BACK = 7
"""A day is compared as `fraud-hotzone/check` with so many `lookBackDays` would compare it as its last one."""
ACCOUNTS = 64
"""Accounts of one turn; the next one goes on behind them."""
PER_TURN = 50
"""Days of an account that are looked at before it is another one's turn."""
POLL = 5.0
"""Seconds between two looks when nobody says that there is something."""
_log = structlog.get_logger()


class _Found(NamedTuple):
    """A day that stands out, for one subscription."""

    sim: Sim
    day: date
    cause: Cause
    stored: StoredWatch
    stand_out: dict[str, dict[str, Any]]
    """Hotzones that do by themselves, and all TOGETHER: what is found of each."""

    def told(self) -> list[store.Told]:
        """What is to be remembered as told."""
        return [(self.sim.imsi, self.stored.subscription_id, self.day, zone) for zone in self.stand_out]

    def only(self, news: Collection[store.Told]) -> _Found:
        """Without what was told before."""
        return self._replace(stand_out={one[3]: self.stand_out[one[3]] for one in self.told() if one in news})

    @property
    def data(self) -> dict[str, Any]:
        """Of the event."""
        return joined(self.stand_out)


class HotzoneAlerts(DecidingWorker):
    """Any number of them may run: a day that two look at is told once, by whoever writes first."""

    worker_name = "hotzone-alerts"

    def __init__(self, db: Database, sims: Sims, **options: Any) -> None:
        super().__init__(db, **options)
        self._sims = sims
        self._judging = HotzoneJudge(sims)
        self._served = ""
        """The account that was served last, in the order of their ids."""

    async def turn(self) -> float:
        """Some days of some accounts; returns the seconds until the next."""
        accounts = await store.accounts(self._db, self._served, ACCOUNTS)
        for account_id in accounts:
            await self._serve(account_id)
        more = bool(accounts or self._served)
        self._served = accounts[-1] if len(accounts) == ACCOUNTS else ""
        return 0.0 if more else POLL

    async def _serve(self, account_id: str) -> None:
        days = await store.due(self._db, account_id, PER_TURN)
        imsis = sorted({each.imsi for each in days})
        every, of_sims = await store.watches(self._db, account_id, imsis)
        told = await store.told(self._db, {(each.imsi, each.day) for each in days})
        found: list[_Found] = []
        for imsi in imsis:
            sim = await self._sims.find(account_id, SimRef(IdentifierKind.IMSI, imsi))
            if sim is None:
                continue
            newest = {each.day: each.cause for each in days if each.imsi == imsi}
            for day, cause in newest.items():
                waiting = [each for each in (*every, *of_sims.get(imsi, ())) if day >= each.watch.since]
                found += await self._compare(sim, day, cause, waiting, told)
        await self._commit(days, found)

    async def _compare(
        self, sim: Sim, day: date, cause: Cause, waiting: Sequence[StoredWatch], told: Collection[store.Told]
    ) -> list[_Found]:
        """Those of these subscriptions for which a day stands out, and that were not told of it. One whose comparison
        fails is passed over."""
        verdicts: dict[tuple[HotZones, Question], HotzoneVerdict] = {}

        async def judged(zones: HotZones, asked: Question) -> HotzoneVerdict:
            if (zones, asked) not in verdicts:
                traffic = await self._sims.traffic(sim, zones, asked.baseline_first, asked.today)
                verdicts[zones, asked] = await self._judging.judge(
                    sim, zones, asked, traffic, about_to_read=lambda: None
                )
            return verdicts[zones, asked]

        found = []
        for each in waiting:
            watch = each.watch
            asked = Question(
                today=day,
                look_back=LOOK_BACK,
                kinds=watch.kinds,
                side=watch.side,
                method=watch.method,
                threshold=watch.threshold,
            )
            try:
                zones = await self._zones(sim.account_id, watch)
                together = await judged(zones, asked)
                compared = {TOGETHER: (zones, together)} | {
                    name: (alone, await judged(alone, asked))
                    for name, alone in one_by_one(zones, day, together).items()
                    if (sim.imsi, each.subscription_id, day, name) not in told
                }
            except StoreUnavailable:
                raise
            except Exception:
                _log.exception("comparison failed, nobody is told", imsi=sim.imsi, subscription=each.subscription_id)
                continue
            stand_out = {
                name: data
                for name, (alone, verdict) in compared.items()
                if (sim.imsi, each.subscription_id, day, name) not in told
                and (data := anomaly(watch, alone, day, verdict)) is not None
            }
            if stand_out:
                found.append(_Found(sim, day, cause, each, stand_out))
        return found

    async def _zones(self, account_id: str, watch: HotzoneWatch) -> HotZones:
        """With what is in the account's lists now; one that was taken away holds nothing."""
        if not watch.lists:
            return watch.zones
        lists = await self._sims.hotzones(account_id, watch.lists)
        more = parse_zones(text for texts in lists.values() for text in texts)
        return HotZones(watch.zones.countries | more.countries, watch.zones.prefixes | more.prefixes)

    async def _commit(self, days: Sequence[WatchedDay], found: Sequence[_Found]) -> None:
        """Write what was found, and that these days have been looked at."""
        now = self._clock()
        async with self._db.transaction() as connection:
            work = UnitOfWork(connection, now)
            await work.lock({one.sim.imsi for one in found})
            there = [
                one
                for one in found
                if one.sim.imsi in work.sims and work.sims[one.sim.imsi].first_event == one.sim.first_event
            ]
            news = await store.tell(connection, {key for one in there for key in one.told()}) if there else set()
            left = [one.only(news) for one in there]
            told = self._record(work, sorted((one for one in left if one.stand_out), key=lambda one: one.told()))
            outcome = await work.write()
            outcome = outcome.plus(Outcome(deliveries=await _tell_all(connection, told)))
            await store.done(connection, days)
        self._committed(outcome)

    def _record(self, work: UnitOfWork, news: Iterable[_Found]) -> list[tuple[_Found, Event]]:
        """Add an event for each day and what is told of it; returns those for subscriptions to all of an account's
        SIMs, which stand under no SIM."""
        alike: dict[tuple[str, date, str], list[_Found]] = defaultdict(list)
        for one in news:
            alike[one.sim.imsi, one.day, repr(sorted(one.data.items()))].append(one)
        told = []
        for (imsi, _, _), ones in alike.items():
            ids = sorted(one.stored.subscription_id for one in ones)
            data = {"subscriptions": ids, **ones[0].data}
            n = work.record(imsi, EventType.HOTZONE_ANOMALY, ones[0].cause, None, data)
            event = Event(n, EventType.HOTZONE_ANOMALY, self._clock(), ones[0].cause, data)
            told += [(one, event) for one in ones if one.stored.everyone]
        return told


async def _tell_all(connection: asyncpg.Connection, told: Sequence[tuple[_Found, Event]]) -> int:
    """Write the deliveries of those who wait for all SIMs of their account; returns how many."""
    if not told:
        return 0
    outboxes = await store.lock_outboxes(connection, {one.stored.subscription_id for one, _ in told})
    for one, event in told:
        outbox = outboxes.get(one.stored.subscription_id)
        if outbox is not None:
            outbox.append({**data_of(event), **_named(one.sim)}, event.at, event=None)
    return await save_outboxes(connection, [outbox for outbox in outboxes.values() if outbox.added])


def _named(sim: Sim) -> dict[str, Any]:
    """The SIM as its account knows it; nothing where it has neither phone number nor name."""
    if sim.msisdn is not None:
        return {"device": {"phoneNumber": sim.msisdn}}
    return {} if sim.nai is None else {"device": {"networkAccessIdentifier": sim.nai}}
