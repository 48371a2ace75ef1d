"""Requests of NAS and their answers, however they travel: proof, duplicates, limits, and the answer after the commit.

A NAS sends again what is not answered (RFC 2866 section 4.1, RFC 5080 section 2.2.1), so silence loses nothing: it is
the answer to forged and broken packets, and to accounting while the database is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ingest import UnacceptableReport
from simwarden.kit.clock import now_utc
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.codec import Attribute, Code, InvalidPacket
from simwarden.southbound.radius.shapes import PacketShapes
from simwarden.southbound.shares import WorkShares

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from simwarden.southbound.radius.codec import Packet
    from simwarden.southbound.radius.nas import Nas

_log = structlog.get_logger()
REMEMBERED = 10.0
"""Seconds for which an answer is given again to a retransmission (RFC 5080 section 2.2.2: 5 to 30)."""
REMEMBERED_MOST = 100_000
"""Answers remembered at most; the oldest are forgotten before their time."""
MOST_PROXY_STATE = 3072
"""Octets of Proxy-State of one request, which the answer repeats within its 4096."""
_KEEPING_MOST = 100


class Response(NamedTuple):
    """What a NAS is answered."""

    code: Code
    attributes: Sequence[bytes] = ()
    outcome: str = "accepted"
    """A word for the metrics."""


class RequestService(Protocol):
    """One kind of request."""

    def read(self, packet: Packet, now: datetime) -> tuple[str, Any]:
        """Understand an authentic request: its kind for the metrics, and what it says. Raises InvalidPacket."""

    async def answer(self, nas: Nas, told: Sequence[Any], now: datetime) -> Sequence[Response]:
        """Answer requests of one NAS that came together, in their order; returns when everything that they lead to is
        committed.

        Raises StoreUnavailable and UnacceptableReport, after which no answer is given: of several, each is then tried
        alone.
        """


class RequestChannel(NamedTuple):
    """Where requests come from, and how they are answered."""

    services: Mapping[int, RequestService]
    """By the code of their requests."""
    alive: Code
    """What a Status-Server is answered there (RFC 5997 section 2.1)."""
    sender: bytes
    """Names whoever sends from there. The same Identifier and Authenticator of another sender are another request."""
    send: Callable[[bytes], None]


class _Request(NamedTuple):
    """An authentic request in work."""

    service: RequestService | None
    """None: it asks whether anybody serves requests."""
    kind: str
    told: Any
    packet: Packet
    key: bytes
    channel: RequestChannel


class Exchange:
    """What all channels of a worker share.

    Requests that a NAS sent together, which the loop finds in its sockets in one round, are one task and one report to
    the engine: at 10,000 packets a second a task for each would cost more than to understand it.
    """

    def __init__(
        self,
        *,
        rejected: Callable[[Nas, str, bytes], Awaitable[None]],
        most: int,
        ready: Callable[[], Awaitable[None]],
        counted: Callable[[str, str], None] = lambda _outcome, _type: None,
        clock: Callable[[], datetime] = now_utc,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most`: requests in work, shared among NASes (`WorkShares`). `rejected(nas, reason, packet)` keeps what a
        registered NAS sent and could not be used. `ready()` raises StoreUnavailable while no request can be served.

        `counted(outcome, kind)` is called once a packet.
        """
        self._rejected = rejected
        self._shares = WorkShares(most)
        self._ready = ready
        self.counted = counted
        self._clock = clock
        self._monotonic = monotonic
        self._in_work: set[bytes] = set()
        """By sender and header: octets, because their hash is worked out once."""
        self._gathered: dict[tuple[int, int], tuple[Nas, list[_Request]]] = {}
        """What came in this round of the loop, by NAS and service."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeping: set[asyncio.Task[None]] = set()
        self._answered: dict[bytes, bytes] = {}
        """Answers that are remembered, by what is in `_in_work` before."""
        self._given: deque[tuple[float, list[bytes]]] = deque()
        """Until when those that were given together are remembered, oldest first."""
        self._shapes = PacketShapes()
        self._stopping = False

    async def stop(self) -> None:
        """Take nothing more; what is in work is finished and answered first."""
        self._stopping = True
        self._begin()
        while pending := [*self._tasks, *self._keeping]:
            await asyncio.wait(pending)

    def has_room(self, nas: Nas) -> bool:
        """Whether one more request of this NAS is taken."""
        return self._shares.has_room(nas.ref.id)

    def take(self, data: bytes, nas: Nas, channel: RequestChannel) -> None:
        """One packet of a registered NAS, or what somebody makes look like one."""
        if self._stopping:
            return
        if not self.has_room(nas):
            self.counted("busy", "")
            return
        now = self._clock()
        known = self._shapes.read(nas.ref.id, data)
        try:
            packet = known or codec.decode(data)
            key = channel.sender + packet.raw[: codec.HEADER]
            service = self._service(packet, channel)
            _prove(packet, nas.secret)
            if known is None:
                self._shapes.learn(nas.ref.id, packet)
            if self._is_repeated(key, channel):
                self.counted("duplicate", "")
                return
            if Attribute.PROXY_STATE in packet.attributes and sum(map(len, packet.proxy_states())) > MOST_PROXY_STATE:
                raise InvalidPacket("value", f"The Proxy-States of a packet have at most {MOST_PROXY_STATE} octets")
            kind, told = ("status", None) if service is None else service.read(packet, now)
        except InvalidPacket as error:
            self.counted(error.reason, "")
            self._keep(nas, str(error), data)
            return
        self._shares.take(nas.ref.id)  # there is room, see above
        self._in_work.add(key)
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._begin)
        gathered = self._gathered.get((id(nas), id(service)))
        if gathered is None:
            gathered = self._gathered[id(nas), id(service)] = nas, []
        gathered[1].append(_Request(service, kind, told, packet, key, channel))

    def _begin(self) -> None:
        """Serve what was gathered, of each NAS together."""
        gathered, self._gathered = self._gathered, {}
        now = self._clock()
        for nas, requests in gathered.values():
            task = asyncio.create_task(self._serve(nas, requests, now), name=f"radius-{nas.ref.name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _service(self, packet: Packet, channel: RequestChannel) -> RequestService | None:
        """Who serves a packet; None: it asks whether anybody does. Raises InvalidPacket (`code`)."""
        if packet.code == Code.STATUS_SERVER:
            return None
        service = channel.services.get(packet.code)
        if service is None:
            raise InvalidPacket("code", f"Packets of code {packet.code} are not taken here")
        return service

    def _is_repeated(self, key: bytes, channel: RequestChannel) -> bool:
        """Whether this very packet came before. It gets the same answer again, once there is one."""
        if key in self._in_work:
            return True
        if key not in self._answered:
            return False
        self._forget(REMEMBERED_MOST)
        answer = self._answered.get(key)
        if answer is not None:
            channel.send(answer)
        return answer is not None

    async def _serve(self, nas: Nas, requests: Sequence[_Request], now: datetime) -> None:
        try:
            await self._work(nas, requests, now)
        finally:
            self._in_work.difference_update([request.key for request in requests])
            self._shares.give_back(nas.ref.id, len(requests))

    async def _work(self, nas: Nas, requests: Sequence[_Request], now: datetime) -> None:
        """Answer requests to one service. What cannot be served spoils nothing for the others."""
        service, kind = requests[0].service, requests[0].kind
        try:
            if service is None:
                await self._ready()
                answers: Sequence[Response] = [Response(request.channel.alive) for request in requests]
            else:
                answers = await service.answer(nas, [request.told for request in requests], now)
        except StoreUnavailable:
            for request in requests:
                self.counted("unavailable", request.kind)
        except Exception as error:
            if len(requests) > 1:
                await asyncio.gather(*(self._work(nas, [request], now) for request in requests))
            elif isinstance(error, UnacceptableReport):
                self.counted("unacceptable", kind)
                self._keep(nas, error.message, requests[0].packet.raw)
            else:  # the boundary: a fault of this server's
                _log.exception("a RADIUS request could not be served", nas=nas.ref.name, kind=kind)
                self.counted("failed", kind)
                self._keep(nas, "Not taken in because of a fault of this server, see its log", requests[0].packet.raw)
        else:
            given = [_encoded(nas, *each) for each in zip(requests, answers, strict=True)]
            keys = [request.key for request in requests]
            self._forget(REMEMBERED_MOST - len(given))
            self._answered.update(zip(keys, given, strict=True))
            self._given.append((self._monotonic() + REMEMBERED, keys))
            for request, answer, octets in zip(requests, answers, given, strict=True):
                self.counted(answer.outcome, request.kind)
                request.channel.send(octets)

    def _forget(self, most: int) -> None:
        """Forget the answers whose time is over, and the oldest while there are more than `most`."""
        now = self._monotonic()
        while self._given and (self._given[0][0] < now or len(self._answered) > most):
            for key in self._given.popleft()[1]:
                self._answered.pop(key, None)

    def _keep(self, nas: Nas, reason: str, data: bytes) -> None:
        """Keep a packet for inspection, beside the work; when too many wait for that, no more."""
        if len(self._keeping) < _KEEPING_MOST:
            task = asyncio.create_task(self._keep_now(nas, reason, data), name=f"radius-reject-{nas.ref.name}")
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    async def _keep_now(self, nas: Nas, reason: str, data: bytes) -> None:
        with contextlib.suppress(StoreUnavailable):  # counted already, and the NAS sends again
            await self._rejected(nas, reason, data)


def _encoded(nas: Nas, request: _Request, answer: Response) -> bytes:
    packet = request.packet
    # An Accounting-Response has none: it is a keyed digest anyhow, and FreeRADIUS 3.2 computes that of one with an
    # authenticator of zeros, as RFC 2869 5.14 speaks of the answers to Access-Requests alone.
    prove = packet.code != Code.ACCOUNTING_REQUEST
    attributes = answer.attributes
    if Attribute.PROXY_STATE in packet.attributes:
        attributes = [*attributes, *packet.proxy_states()]
    return codec.encode_response(answer.code, packet, nas.secret, attributes, prove=prove)


def _prove(packet: Packet, secret: bytes) -> None:
    """Raise InvalidPacket (`unproved`, `forged`) for what was not made with the secret.

    An Access-Request and a Status-Server are proved by their Message-Authenticator alone (CVE-2024-3596; RFC 5997
    section 3), an Accounting-Request by its Request Authenticator.
    """
    if packet.code in (Code.ACCESS_REQUEST, Code.STATUS_SERVER):
        if Attribute.MESSAGE_AUTHENTICATOR not in packet.attributes:
            raise InvalidPacket("unproved", "The packet has no Message-Authenticator (CVE-2024-3596)")
        proved = codec.is_proved_request(packet, secret)
    else:
        proved = codec.is_authentic_request(packet, secret)
    if not proved:
        raise InvalidPacket("forged", "The packet was not made with the secret of this NAS")
