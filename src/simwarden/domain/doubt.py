"""Reports that are neither believed nor dropped: what makes one doubtful, and what became of the doubt."""

from __future__ import annotations

import enum
import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.domain.reports import PortObservation

PROOF_INTERVALS = 1.25
"""A bar that a gateway upholds is lifted by a pushed report only when for so many report intervals nothing upheld it:
the gateway, were the SIM still barred there, would have reported within one."""
PENDING_INTERVALS = 0.75
"""The first report that would lift a bar waits for a second one, at least half an interval (1.25 - 0.75) later."""


class DoubtKind(enum.StrEnum):
    """Why a report is doubted. Bounded: these are labels of a metric."""

    LATE = "LATE"
    """A lower sequence number than one that was seen: late or replayed."""
    JUMP = "JUMP"
    """A sequence number further ahead than the gateway can have come."""
    NO_SUCH_PORT = "NO_SUCH_PORT"
    """The gateway says in its statuses that it has fewer ports."""
    REPLAY = "REPLAY"
    """The status that began an earlier boot, again."""
    CONFLICT = "CONFLICT"
    """It would take a SIM away from, or lift a bar that is upheld by, another gateway that showed the SIM within its
    report interval."""
    FOREIGN = "FOREIGN"
    """The gateway is pinned to an account, and the SIM belongs to another one."""
    UNPROVEN = "UNPROVEN"
    """It would lift a bar. Nothing is wrong with it: every lift waits for proof."""
    DISAGREEMENT = "DISAGREEMENT"
    """It shows a SIM in another device than a different element does, at nearly the same time. The newest counts."""


class DoubtOutcome(enum.StrEnum):
    """What became of a doubt."""

    CONFIRMED = "CONFIRMED"
    """The gateway's status, asked for, shows what the report said."""
    REFUTED = "REFUTED"
    """It shows something else."""
    UNANSWERED = "UNANSWERED"
    """The gateway did not answer."""


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """One doubted report, or what it says about one slot."""

    gateway_id: int
    kind: DoubtKind
    at: datetime
    message: str
    """The vendor's message type and number."""
    imsi: str = ""
    port: int = 0
    """0 for a whole status."""
    slot: int = 0
    imei: str | None = None
    claim: bytes = b""
    """Digest of what it says, to be compared with what the gateway shows when it is asked."""
    against: int | None = None
    """The other gateway of a conflict."""


def claim_of(ports: Iterable[PortObservation]) -> bytes:
    """A digest of which SIM is in which device at which slot; empty slots do not count."""
    shown = sorted((p.port, p.slot, p.imsi or p.iccid or "", p.imei or "") for p in ports if p.imsi or p.iccid)
    return hashlib.sha256(repr(shown).encode()).digest()[:16]


def proven_at(upheld_at: datetime, interval: int) -> datetime:
    """From when on a pushed report may lift a bar that was upheld last at `upheld_at`."""
    return upheld_at + timedelta(seconds=max(interval, 1) * PROOF_INTERVALS)


def pending_since(upheld_at: datetime, now: datetime, interval: int) -> datetime:
    """When the bar counts as upheld last, for the first report that would lift it."""
    return max(upheld_at, now - timedelta(seconds=max(interval, 1) * PENDING_INTERVALS))
