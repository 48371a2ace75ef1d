"""What happens to every call before and after its operation, alike for all APIs: built once in a process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from simwarden.edge.throttle import Turns
from simwarden.engine.ports import now_utc
from simwarden.northbound.kernel.ports import no_meter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.northbound.kernel.ports import AnswerBook, Caller, Meter, Quota, ReadMeter, TokenCheck


PATIENCE = 2.0
"""Seconds that the answer 429 is held back at most."""


def _refusals() -> Turns:
    return Turns(rate=10, burst=50, patience=PATIENCE)


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that each API shares with the others. A concern of every call is an attribute here."""

    tokens: TokenCheck
    meter: Meter = no_meter
    """Is given every call that was answered, refused ones too."""
    answers: AnswerBook | None = None
    """Those kept under Idempotency-Keys; without it the header has no effect."""
    reads: ReadMeter | None = None
    """Counts calls that only read. Without it no call is counted in the usage ledger."""
    quota: Quota | None = None
    """Refuses calls that would be counted, when their application's quota is used up."""
    clock: Callable[[], datetime] = now_utc
    """The time of day, for causes and limits; with a time zone."""
    refusals: Turns = msgspec.field(default_factory=_refusals)
    """Answers 429 of an application, by its APPKEY: beyond 50 at once and 10 a second they are held back. Who sends
    again as soon as he is refused would else take from others what refusing him costs."""

    async def hold_back(self, caller: Caller) -> None:
        """Wait until the next answer 429 of this caller is due, for the patience of `refusals` at most."""
        wait = self.refusals.take(caller.app_key)
        await asyncio.sleep(self.refusals.patience if wait is None else wait)
