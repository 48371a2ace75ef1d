"""What can be wrong with a virtual gateway, switchable while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

FaultName = Literal["none", "offline", "refuse", "timeout", "lie", "no_report", "slow"]


@dataclass(slots=True)
class Fault:
    """The one fault a gateway has at a time; `none` is health."""

    name: FaultName = "none"
    """offline: neither listens nor reports. refuse: commands fail. timeout: commands hang. lie: commands are answered
    OK and do nothing. no_report: commands work and are not reported. slow: commands are answered late."""

    status: int = 500
    """HTTP status of a refused command; with 200 only the code in the body says no."""

    code: int = 7
    """Vendor code of a refused command (7 = Server Error)."""

    delay: float = 1.0
    """Seconds a slow answer takes."""

    remaining: int | None = None
    """Commands the fault still applies to; afterwards it heals. None = until it is cleared."""

    cleared: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when another fault, or none, takes its place: hanging commands are let go."""

    def take(self) -> FaultName:
        """The fault the next command meets; counts it."""
        if self.remaining is None:
            return self.name
        if self.remaining <= 0:
            return "none"
        self.remaining -= 1
        return self.name
