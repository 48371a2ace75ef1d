"""Whether a SIM is in a call now, by what is recorded of its calls and what its gateway shows. Pure."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.standing import SILENT_PERIODS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.standing import ShownSlot

TOLD_EACH = timedelta(seconds=60)
"""A gateway reports a running call so often."""
UNTIL_SILENT = TOLD_EACH * 3 / 2
"""A call that was reported longer ago may have ended."""
LOOKED_BACK = timedelta(days=1)
"""Calls that began earlier do not count."""
_IN_CALL = 4
"""Code of SIM gateways for a SIM in a call."""


class SeenCall(msgspec.Struct, frozen=True):
    """What is recorded of a call."""

    begin_at: datetime
    answer_at: datetime | None
    end_at: datetime | None
    heard_at: datetime
    """When it was reported last."""


class InCall(enum.StrEnum):
    """Whether a SIM is in a call."""

    TRUE = "TRUE"
    FALSE = "FALSE"
    UNKNOWN = "UNKNOWN"


class CallVerdict(msgspec.Struct, frozen=True):
    """Whether it is, since when if that was reported, and as of when that is known."""

    in_call: InCall
    at: datetime
    since: datetime | None = None


def in_call(calls: Sequence[SeenCall], slot: ShownSlot | None, now: datetime) -> CallVerdict:
    """`calls`: the newest of the SIM. A call is one from its answer on.

    An answered call that nobody reports any more leaves it unknown, unless the gateway has shown the SIM without a call
    since, or a later call was reported. A gateway that fell silent tells nothing.
    """
    going = [each for each in calls if each.answer_at is not None and each.end_at is None]
    live = [each for each in going if now - each.heard_at <= UNTIL_SILENT]
    if live:
        since = min(each.answer_at for each in live if each.answer_at is not None)
        return CallVerdict(InCall.TRUE, max(each.heard_at for each in live), since)
    told = slot is not None and slot.status is not None and now - slot.heard_at <= SILENT_PERIODS * slot.period
    shown = slot if told else None
    newest = max(calls, key=lambda each: each.begin_at, default=None)
    if shown is not None and (newest is None or shown.at > newest.heard_at):
        return CallVerdict(InCall.TRUE if shown.status == _IN_CALL else InCall.FALSE, shown.at)
    if shown is None or newest is None or newest in going:
        return CallVerdict(InCall.UNKNOWN, now)
    return CallVerdict(InCall.FALSE, newest.heard_at)
