"""What elements that keep subscribers (HLRs) show of SIMs: where these may register, and with which device.

A SIM is attached at such an element as soon as the element is known to have it as a subscriber. What it shows is
compared with what is stored, and costs a probe of an index where nothing differs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from simwarden.domain.reports import Evidence
from simwarden.domain.sim import NetworkTarget
from simwarden.store import attachments, sims

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from simwarden.domain.attachment import Attachment
    from simwarden.domain.reports import Report, SubscriberNote
    from simwarden.store.gateways import LockedGateway


SECOND = timedelta(seconds=1)
"""HLRs say in which second a subscriber registered: it was before the end of that."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""A device that was kept with the subscriber before the SIM was first seen there: any other sighting may be newer."""


class SubscriberBook:
    """Of one transaction, which has locked the elements that report."""

    def __init__(self, connection: asyncpg.Connection, gateways: Mapping[int, LockedGateway]) -> None:
        self._connection = connection
        self._gateways = gateways
        self.shown: list[tuple[Report, SubscriberNote]] = []
        """What differs from what is stored, or may prove a command."""
        self.evidence: list[tuple[Report, Evidence]] = []
        """What is said of devices."""
        self.unknown = 0
        """Subscribers that are no registered SIMs, or not of the account that the element is pinned to."""

    async def follow(self, reports: Sequence[Report]) -> None:
        """Take in what reports show of subscribers."""
        told = [(report, note) for report in reports for note in report.subscribers]
        told = [(report, note) for report, note in told if report.gateway_id in self._gateways]
        if not told:
            return
        owners = await sims.accounts_of(self._connection, sorted({note.imsi for _, note in told}))
        known = await attachments.of_sims(self._connection, sorted(owners))
        stored = {(imsi, item.target): item for imsi, items in known.items() for item in items}
        for report, note in told:
            owner, pinned = owners.get(note.imsi), self._gateways[report.gateway_id].account_id
            if owner is None or pinned not in (None, owner):
                self.unknown += 1
                continue
            before = stored.get((note.imsi, NetworkTarget(report.gateway_id, note.imsi)))
            self._take(report, note, before)

    def _take(self, report: Report, note: SubscriberNote, before: Attachment | None) -> None:
        changed = before is not None and note.imei is not None and note.imei != before.device
        if before is None or before.held is None or before.is_open or before.applied != int(note.off) or changed:
            self.shown.append((report, note))
        if note.imei is None or note.seen_at is None:
            return
        at = min(note.seen_at, report.received_at)
        if before is not None and before.held is not None and changed:
            # It is another one than it was: since when is only known if the subscriber registered since then.
            since = None
            if before.device_since is not None and at < before.device_since:
                at = report.received_at
            at = min(at + SECOND, report.received_at)
        else:
            since = before.device_since if before is not None else None
            since = since or EPOCH
        told = Evidence(imsi=note.imsi, iccid=None, imei=note.imei, at=at, since=since, where="subscriber")
        self.evidence.append((report, told))
