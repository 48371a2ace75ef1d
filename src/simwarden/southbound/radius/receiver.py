"""UDP: one socket of a worker, for authentication (1812) or accounting (1813). Unknown sources get silence."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from simwarden.southbound.radius.exchange import RequestChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simwarden.southbound.radius.codec import Code
    from simwarden.southbound.radius.exchange import Exchange, RequestService
    from simwarden.southbound.radius.nas import Nas

_RECEIVE_BUFFER = 4 << 20
_CHANNELS = 4096
"""Senders whose channels are kept at hand."""


class UdpReceiver(asyncio.DatagramProtocol):
    """Hands what registered NAS send to the exchange."""

    def __init__(
        self,
        nas_of: Callable[[str], Nas | None],
        exchange: Exchange,
        services: Mapping[int, RequestService],
        alive: Code,
    ) -> None:
        """`nas_of(address)`: who is registered there. `services`, `alive`: see RequestChannel."""
        self._nas_of = nas_of
        self._exchange = exchange
        self._services = services
        self._alive = alive
        self._transport: asyncio.DatagramTransport | None = None
        self._channels: dict[tuple[Any, ...], RequestChannel] = {}

    async def listen(self, host: str, port: int) -> None:
        """Open the socket; worker processes share the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (host, port), reuse_port=True)
        # The kernel gives as much of this as it allows (net.core.rmem_max).
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._transport is not None, "it listens"
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def close(self) -> None:
        """Listen no more. The exchange has answered what was in work by then."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        """One packet, or what somebody takes for one."""
        nas = self._nas_of(address[0])
        if nas is None:
            self._exchange.counted("unknown_source", "")
            return
        self._exchange.take(data, nas, self._channels.get(address) or self._channel(address))

    def _channel(self, address: tuple[Any, ...]) -> RequestChannel:
        """By which whoever has this address and port is answered."""
        if len(self._channels) >= _CHANNELS:
            self._channels.clear()
        channel = self._channels[address] = RequestChannel(
            self._services, self._alive, f"{self._alive} {address}".encode(), lambda octets: self._send(octets, address)
        )
        return channel

    def _send(self, answer: bytes, address: tuple[Any, ...]) -> None:
        if self._transport is not None and not self._transport.is_closing():  # uvloop raises RuntimeError then
            self._transport.sendto(answer, address)
