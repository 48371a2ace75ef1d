"""What happens to every call before and after its operation, alike for all APIs: built once in a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.edge.throttle import HeldBack
from simwarden.kit.clock import now_utc
from simwarden.northbound.kernel.ports import no_meter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.domain.usage import Usage
    from simwarden.engine.idempotency import IdempotencyStore
    from simwarden.engine.quota import Quotas
    from simwarden.engine.rates import Rates
    from simwarden.northbound.kernel.ports import Answered, SignatureCheck, TokenCheck


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that each API shares with the others.

    A concern of every call is an attribute here; one of the calls that carry a header of its own is a step
    (`kernel.steps`).
    """

    tokens: TokenCheck
    meter: Callable[[Answered], None] = no_meter
    """Is given every call that was answered, refused ones too."""
    answers: IdempotencyStore | None = None
    """Those kept under Idempotency-Keys; without it the header has no effect."""
    reads: Callable[[Usage], None] | None = None
    """Counts calls that only read. Without it no call is counted in the usage ledger."""
    quota: Quotas | None = None
    """Refuses calls that would be counted, when their application's quota is used up."""
    rates: Rates | None = None
    """Refuses calls of applications that call too fast."""
    signatures: SignatureCheck | None = None
    """Checks signed requests, for the APIs that take them."""
    clock: Callable[[], datetime] = now_utc
    """The time of day, for causes and limits; with a time zone."""
    refusals: HeldBack = msgspec.field(default_factory=HeldBack)
    """For answers 429, by the application's APPKEY."""
