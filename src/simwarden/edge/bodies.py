"""Request bodies: read whole within a size, a time and a rate, and no more of them at once than the server can bear.

Each body being read is watched. It must be complete after `Limits.seconds`, and after `GRACE` seconds it must have come
at `Limits.rate` bytes/s on average. Of bodies that take longer than `SLOW` seconds there are at most
`Limits.per_address` from one address and `Limits.total` altogether: the oldest are refused first, so that a new body,
which is complete within milliseconds when its client is honest, is never kept out by slow ones.

What is over a limit is read no further, and of each address a few are refused at a time: who connects again as soon as
he is refused would else cost the more, the sooner he is.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

import msgspec

from simwarden.domain.errors import SimwardenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Receive

GRACE = 5.0
"""Seconds before the rate counts."""
SLOW = 2.0
"""Seconds after which a body counts as slow."""
EVERY = 0.5
"""Seconds from one look at the open bodies to the next."""
AT_ONCE = 2
"""Bodies that are refused before others get their turn: refusing hundreds together would hold everybody up."""
PAUSE = 0.002
"""Seconds that others have then."""
AT_A_LOOK = 8
"""Bodies of one address that are refused at one look; the others that are over a limit wait for the next."""
WAITING = 2048
"""Bodies that may wait for that, of all addresses; the oldest beyond it are refused at once."""


class BodyRefused(SimwardenError):
    """A body that is not read to its end. `reason` is the label in the metrics, `message` is for the client."""

    status, code = 400, "INVALID_ARGUMENT"
    reason = ""
    http_status: ClassVar[int] = 400
    """The fitting status of HTTP: the CAMARA error model has no 408 and no 413."""


class BodyTooLong(BodyRefused):
    """More bytes than the door allows."""

    reason = "body_too_long"
    http_status = 413

    def __init__(self, most: int) -> None:
        super().__init__(f"The request body must not exceed {most} bytes")


class BodyIncomplete(BodyRefused):
    """Cut short, or its chunked transfer coding is malformed. The server's HTTP library does not tell these apart."""

    reason = "body_incomplete"

    def __init__(self) -> None:
        super().__init__("The request body is incomplete, or its chunked transfer coding is malformed")


class BodyTooSlow(BodyRefused):
    """Over the time limit or under the least rate."""

    reason = "body_too_slow"
    http_status = 408

    def __init__(self, limits: Limits) -> None:
        super().__init__(
            f"The request body must be complete within {limits.seconds:g} seconds, "
            f"and after {GRACE:g} seconds have come at {limits.rate} bytes/s"
        )


class TooManyBodies(BodyRefused):
    """The address has too many slow bodies open."""

    status, code = 429, "TOO_MANY_REQUESTS"
    reason = "bodies_of_address"
    http_status = 429
    retry_after = 1

    def __init__(self, limits: Limits) -> None:
        super().__init__(f"At most {limits.per_address} slow request bodies at once from one address")


class BodiesExhausted(BodyRefused):
    """All addresses together have too many slow bodies open, or too many bytes of them are held."""

    status, code = 503, "UNAVAILABLE"
    reason = "bodies_in_total"
    http_status = 503
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("Too many slow request bodies at the moment, send again")


class Limits(msgspec.Struct, frozen=True):
    """What bodies may take, in one process."""

    seconds: float = 120.0
    """From the first look for the body until it must be complete."""
    rate: int = 1024
    """Bytes/s, on average since the beginning."""
    per_address: int = 64
    """Slow bodies of one address at once."""
    total: int = 1024
    """Slow bodies at once."""
    memory: int = 64 * 1024 * 1024
    """Bytes of unfinished bodies at once."""


class Body:
    """One request's body on its way in. `receive` takes the place of the server's own."""

    _task: asyncio.Task[object] | None = None
    began = 0.0
    received = 0
    is_over = False
    """It is over a limit: it is read no further, and refused when its address has its turn."""
    refusal: BodyRefused | None = None

    def __init__(self, bodies: Bodies, receive: Receive, address: str, *, complete: bool, declared: int = 0) -> None:
        """`complete`: there is none; `declared`: how long it is by its Content-Length, 0: it has none."""
        self._bodies = bodies
        self._receive = receive
        self._left = declared or -1
        self.address = address
        self.complete = complete
        self.seconds = bodies.limits.seconds

    async def receive(self) -> Message:
        """The next piece. Raises BodyRefused, now and ever after; a client that hung up counts as BodyIncomplete."""
        if self.complete:
            return await self._receive()
        self._check()
        if not self.began:
            self._bodies.begin(self)
        self._task = asyncio.current_task()
        try:
            message = await (asyncio.get_running_loop().create_future() if self.is_over else self._receive())
        except asyncio.CancelledError:
            if self.refusal is not None and self._task is not None:
                self._task.uncancel()
                self._check()
            self._bodies.end(self)
            raise
        finally:
            self._task = None
        if message["type"] == "http.disconnect":
            incomplete = BodyIncomplete()
            self.refuse(incomplete)
            raise incomplete
        if message.get("more_body", False) and self._is_short(size := len(message.get("body", b""))):
            self._bodies.grow(self, size)
            self._check()
        else:
            message["more_body"] = False
            self.complete = True
            self._bodies.end(self)
        return message

    def _is_short(self, size: int) -> bool:
        """Whether something follows, though Granian says so of every piece: that none does is a message of its own."""
        self._left -= size
        return self._left != 0

    def _check(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def refuse(self, refusal: BodyRefused) -> None:
        """Whoever waits for the next piece, or asks for it, gets this instead."""
        if self.refusal is None and not self.complete:
            self.refusal = refusal
            self._bodies.end(self)
            self._bodies.counted(refusal.reason)
            if self._task is not None:
                self._task.cancel()

    async def drain(self, most: int, seconds: float) -> None:
        """Read what is left and throw it away, when it is at most `most` bytes and comes within so many seconds."""
        self.seconds = (self._bodies.clock() - self.began if self.began else 0.0) + seconds
        left = most
        with contextlib.suppress(BodyRefused):
            while not self.complete and left >= 0:
                left -= len((await self.receive()).get("body", b""))
                self._bodies.shrink(self)


class Bodies:
    """All bodies that this process is reading."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        counted: Callable[[str], None] = lambda _reason: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`counted(reason)` is called for every body that is refused here."""
        self.limits = limits or Limits()
        self.counted = counted
        self.clock = clock
        self._open: dict[Body, None] = {}
        """Those that are read."""
        self._over: dict[str, dict[Body, BodyRefused]] = {}
        """By address, those that are over a limit and wait to be refused."""
        self._held = 0
        self._watch: asyncio.Task[None] | None = None

    def begin(self, body: Body) -> None:
        """A body is waited for from now on."""
        body.began = self.clock()
        self._open[body] = None
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look(), name="bodies")

    def grow(self, body: Body, size: int) -> None:
        """So many bytes of an unfinished body have come."""
        body.received += size
        self._held += size
        while self._held > self.limits.memory:
            waiting = next(iter(self._over.values()), None) or self._open
            next(iter(waiting)).refuse(BodiesExhausted())

    def shrink(self, body: Body) -> None:
        """What came of a body so far was thrown away."""
        if body in self._open or body in self._over.get(body.address, ()):
            self._held -= body.received
            body.received = 0

    def end(self, body: Body) -> None:
        """Nobody waits for this body any more."""
        if body in self._open:
            del self._open[body]
        elif body in (waiting := self._over.get(body.address, {})):
            del waiting[body]
            if not waiting:
                del self._over[body.address]
        else:
            return
        self._held -= body.received

    async def _look(self) -> None:
        """Refuse what is over a limit, for as long as there are open bodies."""
        last = self.clock()
        while self._open or self._over:
            await asyncio.sleep(EVERY)
            now = self.clock()
            # A process that was held up itself must first take in what has come meanwhile.
            if now - last < 2 * EVERY:
                for number, (body, refusal) in enumerate(self._due(now), 1):
                    body.refuse(refusal)  # it may have ended meanwhile
                    if number % AT_ONCE == 0:
                        await asyncio.sleep(PAUSE)
            last = self.clock()

    def look(self, now: float) -> None:
        """Refuse what is over a limit now and has its turn."""
        for body, refusal in self._due(now):
            body.refuse(refusal)

    def _due(self, now: float) -> list[tuple[Body, BodyRefused]]:
        for body, refusal in self._found_over(now):
            body.is_over = True
            del self._open[body]
            self._over.setdefault(body.address, {})[body] = refusal
        due = [each for waiting in self._over.values() for each in itertools.islice(waiting.items(), AT_A_LOOK)]
        rest = (each for waiting in self._over.values() for each in itertools.islice(waiting.items(), AT_A_LOOK, None))
        return due + list(itertools.islice(rest, max(0, sum(map(len, self._over.values())) - len(due) - WAITING)))

    def _found_over(self, now: float) -> list[tuple[Body, BodyRefused]]:
        limits = self.limits
        over: list[tuple[Body, BodyRefused]] = []
        slow = []
        for body in self._open:
            age = now - body.began
            if age > body.seconds or (age > GRACE and body.received < limits.rate * (age - GRACE)):
                over.append((body, BodyTooSlow(limits)))
            elif age > SLOW:
                slow.append(body)
        of_address = Counter(body.address for body in slow)
        left = []
        for body in slow:  # the oldest first
            if of_address[body.address] > limits.per_address:
                of_address[body.address] -= 1
                over.append((body, TooManyBodies(limits)))
            else:
                left.append(body)
        return over + [(body, BodiesExhausted()) for body in left[: max(0, len(left) - limits.total)]]


async def read_body(receive: Receive, declared: str | None, most: int) -> bytes:
    """The whole body, at most `most` bytes; `declared` is its Content-Length. Raises BodyRefused."""
    if declared is not None and declared.isdecimal() and (len(declared) > 9 or int(declared) > most):
        raise BodyTooLong(most)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > most:
            raise BodyTooLong(most)
        return body
    collected = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise BodyIncomplete
        collected += message.get("body", b"")
        if len(collected) > most:
            raise BodyTooLong(most)
        if not message.get("more_body", False):
            return bytes(collected)
        message = await receive()
