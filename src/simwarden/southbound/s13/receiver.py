"""Listens for Diameter peers, and answers their checks."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ingest import UnacceptableReport
from simwarden.southbound.s13 import checks, codec
from simwarden.southbound.s13.checks import RefusedCheck
from simwarden.southbound.s13.codec import DiameterMessage, MalformedMessage
from simwarden.southbound.s13.link import DiameterIdentity, LinkStep, PeerLink
from simwarden.southbound.shares import WorkShares
from simwarden.southbound.streams import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.engine.equipment import Asker, EquipmentChecks
    from simwarden.southbound.s13.settings import S13Settings

MOST_OF_ELEMENT = 16
"""Connections of one element, per worker; further ones are closed."""
MOST_UNREAD = 1 << 20
"""Octets of answers that a peer may leave unread before it is closed."""
LOOK = 1.0
"""Seconds between two looks at a silent connection."""
UNABLE_TO_DELIVER, TOO_BUSY, UNABLE_TO_COMPLY = 3002, 3004, 5012
_log = structlog.get_logger()


class S13Listener:
    """One port."""

    def __init__(
        self,
        who: Callable[[str], Asker | None],
        equipment: EquipmentChecks,
        settings: S13Settings,
        counted: Callable[[str, str], None],
    ) -> None:
        """`who`: the registered element at an address. `counted(outcome, status)`: once for each request."""
        self._who = who
        self._equipment = equipment
        self._settings = settings
        self._counted = counted
        self._identity = DiameterIdentity(settings.s13_origin_host, settings.s13_realm)
        self._shares = WorkShares(settings.s13_checks)
        self._server: asyncio.Server | None = None
        self._open: Counter[int] = Counter()
        self._peers: set[_Peer] = set()
        self._work: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Raises OSError."""
        settings = self._settings
        self._server = await asyncio.start_server(self._serve, settings.s13_host, settings.s13_port, reuse_port=True)

    async def stop(self) -> None:
        """Listen no more; what is in work is answered, and peers are told that we go."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*self._work, return_exceptions=True)
        for peer in list(self._peers):
            peer.send(peer.link.bye())
            peer.writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[0]
        asker = self._who(source)
        if asker is None or self._open[asker.id] >= MOST_OF_ELEMENT:
            self._counted("unknown_source" if asker is None else "busy", "")
            writer.close()
            return
        loop = asyncio.get_running_loop()
        own = ipaddress.ip_address(writer.get_extra_info("sockname")[0])
        address = (1 if own.version == 4 else 2).to_bytes(2, "big") + own.packed
        link = PeerLink(self._identity, address, self._settings.s13_watchdog_seconds, loop.time())
        peer = _Peer(source, asker, link, writer)
        self._open[asker.id] += 1
        self._peers.add(peer)
        watch = asyncio.create_task(self._watch(peer), name="s13-watchdog")
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):  # the peer has gone
                await self._read(reader, peer)
        finally:
            watch.cancel()
            self._open[asker.id] -= 1
            self._peers.discard(peer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, peer: _Peer) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            data = await reader.readexactly(codec.HEADER)
            try:
                head = codec.read_head(data)
            except MalformedMessage:
                self._counted("malformed", "")
                return
            taken = peer.link.receive(data + await reader.readexactly(head.length - codec.HEADER), clock())
            if taken.check is not None:
                self._take(peer, taken.check)
            elif self._do(peer, taken):
                return

    async def _watch(self, peer: _Peer) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if self._do(peer, peer.link.look(clock())):
                peer.writer.close()
                return
            if self._who(peer.source) != peer.asker:  # it was changed or deleted: it connects again as what it is now
                self._counted("element_changed", "")
                peer.writer.close()
                return
            await asyncio.sleep(LOOK)

    def _do(self, peer: _Peer, taken: LinkStep) -> bool:
        """Send what is to be sent; returns whether the connection is over."""
        if taken.outcome is not None:
            self._counted(taken.outcome, "")
        peer.send(taken.send)
        return taken.close

    def _take(self, peer: _Peer, message: DiameterMessage) -> None:
        if not self._shares.take(peer.asker.id):
            self._counted("busy", "")
            peer.send(self._refused(peer, message, RefusedCheck(TOO_BUSY)))
            return
        task = asyncio.create_task(self._check(peer, message), name="s13-check")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _check(self, peer: _Peer, message: DiameterMessage) -> None:
        try:
            answer = await self._answer(peer, message)
        finally:
            self._shares.give_back(peer.asker.id)
        peer.send(answer)

    async def _answer(self, peer: _Peer, message: DiameterMessage) -> bytes:
        try:
            asked = checks.read(message)
            status = await self._equipment.check(peer.asker, asked.imei, asked.imsi)
        except RefusedCheck as refusal:
            self._counted("malformed", "")
            return self._refused(peer, message, refusal)
        except StoreUnavailable:
            self._counted("unavailable", "")
            return self._refused(peer, message, RefusedCheck(UNABLE_TO_DELIVER))
        except UnacceptableReport:
            self._counted("unacceptable", "")
            return self._refused(peer, message, RefusedCheck(UNABLE_TO_COMPLY))
        except Exception:  # the boundary: a fault of this server's
            _log.exception("a check was not answered", peer=peer.asker.name)
            self._counted("failed", "")
            return self._refused(peer, message, RefusedCheck(UNABLE_TO_COMPLY))
        self._counted("accepted", str(status))
        return peer.link.answer(message, checks.answered(message, self._identity.avps, status))

    def _refused(self, peer: _Peer, message: DiameterMessage, refusal: RefusedCheck) -> bytes:
        avps = checks.refused(message, self._identity.avps, refusal)
        return peer.link.answer(message, avps, error=3000 <= refusal.result < 4000)


class _Peer:
    """One connection."""

    def __init__(self, source: str, asker: Asker, link: PeerLink, writer: asyncio.StreamWriter) -> None:
        self.source = source
        self.asker = asker
        self.link = link
        self.writer = writer

    def send(self, octets: bytes) -> None:
        """Hand octets to the connection. Who reads nothing is cut off."""
        if not octets:
            return
        if self.writer.transport.get_write_buffer_size() > MOST_UNREAD:
            self.writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            write(self.writer, octets)
