"""Packets of a device's session, carried between two network namespaces while the session lives.

The device and the internet are processes in namespaces of their own (`namespace.py`). Between them this process is the
user plane of a packet gateway: a packet passes only when the device's address belongs to a session that goes on and
is not barred, and its octets count for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from simwarden.simulator.nas import VirtualSession

INTERNET = "10.45.0.1"
"""What the device pings."""
_LARGEST = 2048
_START = 20.0
"""Seconds that a namespace may take to be there."""


class NoNamespaces(Exception):
    """Network namespaces or TUN interfaces are not allowed here; the text says why."""


class PacketPath:
    """A device at `address` that pings INTERNET every ten milliseconds. Linux; `async with`. Raises NoNamespaces."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._session: VirtualSession | None = None
        self._processes: list[asyncio.subprocess.Process] = []
        self._device = self._internet = -1
        self._listening: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        self.answered_ns: list[int] = []
        """When answers to pings came, by the machine's clock."""

    async def __aenter__(self) -> Self:
        try:
            self._internet = await self._start(INTERNET)
            self._device = await self._start(self._address, INTERNET)
        except BaseException:
            await self._close()
            raise
        loop = asyncio.get_running_loop()
        loop.add_reader(self._device, self._carry, self._device, self._internet)
        loop.add_reader(self._internet, self._carry, self._internet, self._device)
        self._listening = asyncio.create_task(self._listen(self._processes[-1]))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    def open(self, session: VirtualSession) -> None:
        """Carry the packets of this session, and of no other."""
        self._session = session

    def close(self, session: VirtualSession) -> None:
        """Carry nothing more, if it is this session's packets that are carried. For `VirtualNas`' `on_end`."""
        if self._session is session:
            self._session = None

    async def answered_after(self, since_ns: int, seconds: float) -> bool:
        """Whether a ping is answered after this time; waits for that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.answered_ns or self.answered_ns[-1] <= since_ns:
                    self._answered.clear()
                    await self._answered.wait()
                return True
        return False

    async def _start(self, address: str, *peer: str) -> int:
        """Start a namespace; returns its interface."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "simwarden.simulator.namespace", str(theirs.fileno()), address, *peer),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=[theirs.fileno()],
            )
            self._processes.append(process)
            assert process.stdout is not None
            said = json.loads(await asyncio.wait_for(process.stdout.readline(), _START) or b'{"error": "it ended"}')
            if "error" in said:
                raise NoNamespaces(said["error"])
            _, [made], _, _ = socket.recv_fds(ours, 1, 1)
            return made

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self.answered_ns.append(int(json.loads(line)["received_ns"]))
            self._answered.set()

    def _carry(self, come: int, go: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = os.read(come, _LARGEST)
                session = self._session
                at = 12 if come == self._device else 16  # the source's address, or the destination's (RFC 791 3.1)
                if session is None or session.is_barred or packet[:1] < b"\x40" or packet[:1] > b"\x4f":
                    continue
                if packet[at : at + 4] != socket.inet_aton(session.device.ipv4):
                    continue
                if come == self._device:
                    session.up += len(packet)
                else:
                    session.down += len(packet)
                os.write(go, packet)

    async def _close(self) -> None:
        loop = asyncio.get_running_loop()
        for each in (self._device, self._internet):
            if each >= 0:
                loop.remove_reader(each)
                os.close(each)
        self._device = self._internet = -1
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
            await process.wait()
        if self._listening is not None:
            await self._listening
