"""The short messages of virtual SIMs: what they receive, to be told or asked for. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import msgspec

from simwarden.domain.messages import Arrived, Recipient, received

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.domain.messages import ReceivedMessage
    from simwarden.domain.sim import Sim

_TEXTS = "temp 21.5", "STOP", "Grüße aus dem Schacht 🔋", "START"
"""In turn: a keyword, a word that opts out, a text in UCS-2, a word that opts in."""
PEER = "+491700000042"
REPLIED = "00" + "5" * 32
"""The one received message that can be replied to."""
OPTED_OUT = "0000"
"""Receivers whose numbers end so want no messages."""
ANY_SIM = "+491700000001"
"""The one that gets the messages to all SIMs of an account."""
_NAMES = UUID("8e0f5f0a-6f9d-4d0c-9d53-6f6a3d8f3a51")


def message(sim: Sim, n: int, at: datetime) -> ReceivedMessage:
    """Message number `n` (from 1) that a virtual SIM receives; its id is always the same."""
    to = Recipient(sim.bucket, sim.imsi, sim.account_id, sim.msisdn, sim.nai)
    text = _TEXTS[(n - 1) % len(_TEXTS)]
    return received(f"{sim.bucket:02x}{uuid5(_NAMES, f'{sim.imsi} {n}').hex}", Arrived(PEER, None, text, at), to)


def kept(sim: Sim, count: int, now: datetime, since: datetime | None, after: int) -> list[tuple[int, dict[str, Any]]]:
    """Of so many messages, the last one received a minute ago, those behind a place and a time, with their places."""
    times = {n: now - timedelta(minutes=count - n + 1) for n in range(after + 1, count + 1)}
    return [(n, msgspec.to_builtins(message(sim, n, at))) for n, at in times.items() if since is None or at >= since]
