"""Bounds on attempts that fail, of one client from one address and of one address; and on how fast one may go."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = 20_000
"""Keys remembered at most. The one untouched for longest is forgotten first."""


class Allowance:
    """For each key `burst` attempts, and then `burst` a minute, evenly spaced."""

    def __init__(self, burst: int, *, kept: int = KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._rate = burst / 60
        self._kept = kept
        self._clock = clock
        self._used: dict[str, tuple[float, float]] = {}
        """Key to when it was last touched, and how many attempts were used up then."""

    def wait(self, key: str) -> float:
        """Seconds until one more attempt is allowed; 0: now."""
        return max(0.0, (self._now(key) + 1 - self._burst) / self._rate)

    def use(self, key: str) -> None:
        """One attempt is used up."""
        used = min(self._now(key) + 1, float(self._burst))
        self._used.pop(key, None)
        while len(self._used) >= self._kept:
            del self._used[next(iter(self._used))]
        self._used[key] = (self._clock(), used)

    def _now(self, key: str) -> float:
        at, used = self._used.get(key, (0.0, 0.0))
        return max(0.0, used - max(0.0, self._clock() - at) * self._rate)


class Turns:
    """For each key `burst` turns at once and `rate` a second; who comes beyond waits, at most `patience` seconds."""

    def __init__(
        self,
        rate: float,
        burst: int,
        patience: float,
        *,
        kept: int = KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._ahead = burst / rate
        self._patience = patience
        self._kept = kept
        self._clock = clock
        self._next: dict[str, float] = {}
        """Key to when its next turn would be if none could be taken ahead of time."""

    def take(self, key: str) -> float | None:
        """Seconds to wait for the turn that this takes; None: too many wait already, nothing was taken."""
        now = self._clock()
        due = max(self._next.get(key, 0.0), now - self._ahead + 1 / self._rate)
        if due - now > self._patience:
            return None
        self._next.pop(key, None)
        while len(self._next) >= self._kept:
            del self._next[next(iter(self._next))]
        self._next[key] = due + 1 / self._rate
        return max(0.0, due - now)


class HeldBack:
    """Holds back the answers to those who are refused: who sends again at once is then refused less often.

    Of each key 50 are answered at once and 10 a second; others wait for their turn, two seconds at most.
    """

    def __init__(self, rate: float = 10, burst: int = 50, patience: float = 2.0) -> None:
        self._turns = Turns(rate, burst, patience)
        self._patience = patience

    async def wait(self, key: str) -> None:
        """Wait until this refusal may be answered."""
        turn = self._turns.take(key)
        await asyncio.sleep(self._patience if turn is None else turn)


class Guard:
    """Lets attempts with credentials through, until too many have failed.

    Failures count for the client from that address, and for the address: whoever fails on purpose under another's name
    shuts nobody out but himself. Credentials that were right in this process before are let through always; whether
    they still are is for the caller to check.
    """

    def __init__(
        self, per_client: int, per_address: int, *, kept: int = KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Failures that are allowed at once, and then in a minute: of a client from one address, of an address."""
        self._clients = Allowance(per_client, kept=kept, clock=clock)
        self._addresses = Allowance(per_address, kept=kept, clock=clock)
        self._kept = kept
        self._right: dict[bytes, None] = {}
        self.held_back = HeldBack()
        """By address, for who must wait."""

    def wait(self, client: str, secret: str, address: str) -> int:
        """Whole seconds until this attempt may be made; 0: now."""
        if self._digest(client, secret) in self._right:
            return 0
        return math.ceil(max(self._clients.wait(_pair(client, address)), self._addresses.wait(address)))

    def failed(self, client: str, secret: str, address: str) -> None:
        """The attempt was made, and the credentials are wrong."""
        self._right.pop(self._digest(client, secret), None)
        self._clients.use(_pair(client, address))
        self._addresses.use(address)

    def succeeded(self, client: str, secret: str) -> None:
        """The credentials are right."""
        digest = self._digest(client, secret)
        self._right.pop(digest, None)
        while len(self._right) >= self._kept:
            del self._right[next(iter(self._right))]
        self._right[digest] = None

    @staticmethod
    def _digest(client: str, secret: str) -> bytes:
        return hashlib.sha256(f"{client}\0{secret}".encode(errors="surrogatepass")).digest()


def _pair(client: str, address: str) -> str:
    return f"{client[:64]}\0{address}"
