"""The act of a mobile card: real packets through a real gateway's user plane, which stop when the card is stolen."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from simwarden.demo.world import expect, until
from simwarden.simulator.nas import BARRED_FILTER, OPEN_FILTER, START, SessionRefused, VirtualDevice, VirtualNas
from simwarden.simulator.packet_path import NoNamespaces, PacketPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.demo.world import World
    from simwarden.simulator.nas import VirtualSession

FRAUD = "/iot-sim-fraud-prevention/v0.1"
FUNCTIONS = "/device-communication-function/vwip"
SHARED = "secret of the demo's packet gateway"
IMSI, MSISDN, ICCID = "460000990888888", "+8613900888888", "89860099088888888888"
HOME_IMEI, THIEF_IMEI = "35368953070790", "35900000088888"
ADDRESS, APN = "10.45.0.7", "iot.example"
QUIET = 0.5
"""Seconds without any answer to a ping, of which a hundred are sent in a second, after which the path is shut."""


class MobileCard:
    """`say` as in `Story`."""

    def __init__(self, world: World, say: Callable[[str, str], None]) -> None:
        self._world = world
        self._say = say

    async def play(self) -> None:
        """From the first ping to the one that is answered again. Raises StepFailed."""
        self._say("act", "A mobile card: real packets, a packet gateway, RADIUS")
        try:
            async with PacketPath(ADDRESS) as path:
                await self._with_path(path)
        except NoNamespaces as error:
            self._say("note", f"Left out, as it needs network namespaces and /dev/net/tun: {error}")

    async def _with_path(self, path: PacketPath) -> None:
        world, command = self._world, self._world.processes.command
        made = VirtualNas(
            SHARED.encode(),
            access_port=world.radius_access_port,
            accounting_port=world.radius_port,
            on_end=path.close,
        )
        async with made as nas:
            await command("sim", "add", "--account", "ACME", "--imsi", IMSI, "--iccid", ICCID, "--msisdn", MSISDN)
            await command(
                *("gateway", "add", "--name", "pgw", "--kind", "radius", "--source", "127.0.0.1"),
                *("--command-url", f"radius://127.0.0.1:{nas.disconnect_port}", "--password", SHARED),
            )
            session = await self._attached(nas, path)
            begun = time.time_ns()
            expect(await path.answered_after(begun, 20), "no ping was answered")
            self._say("see", f"The device pings through its session: {ADDRESS}, {APN}, admitted by Access-Request")
            device = {"phoneNumber": MSISDN}
            answer = await world.call(f"{FRAUD}/bind", {"device": device, "bindType": "IMEIBIND"})
            expect(answer == {"bound": True}, f"bind answered {answer}")
            self._say("do", "CAMARA bind: the card belongs to this device")
            await nas.detach(session)

            thief = VirtualDevice(imsi=IMSI, imei=THIEF_IMEI, apn=APN, ipv4=ADDRESS)
            stolen_at = time.time_ns()
            stolen = await self._let_in(nas, path, thief)
            await asyncio.wait_for(stolen.ended.wait(), 20)
            last = await self._silence(path)
            took = f"{(last - stolen_at) / 1e6:.0f}" if last > stolen_at else "0"
            self._say(
                "see",
                "The card is stolen, and a gateway that asks nobody lets the thief in; a Disconnect-Request ends that",
            )
            self._say("time", f"{took:>8} ms  after the thief's session began, the last ping is answered")
            refused = ""
            try:
                await nas.attach(thief)
            except SessionRefused as error:
                refused = str(error)
            expect(refused == "IMEI_MISMATCH", f"the thief's next session was answered {refused or 'by letting it in'}")
            self._say("see", f"Where the gateway asks first, no session begins: Access-Reject, {refused}")

            back_at = time.time_ns()
            again = await self._attached(nas, path)
            expect(await path.answered_after(back_at, 20), "no ping was answered")
            self._say("see", "The card is back in its device: admitted, and pings are answered")
            first = next(at for at in path.answered_ns if at > back_at)
            self._say(
                "time", f"{(first - back_at) / 1e6:8.0f} ms  after it asked for a session, the first ping is answered"
            )
            await self._filtered(nas, path, again)
            used = again.up + again.down
            await nas.detach(again)
            self._say("see", f"Its session is accounted for: {used} octets")

    async def _filtered(self, nas: VirtualNas, path: PacketPath, session: VirtualSession) -> None:
        """The customer closes data, and opens it again: the same session is filtered, and passes packets again."""
        world, body = self._world, {"device": {"phoneNumber": MSISDN}, "functionType": "DATA"}
        filters = f"barred-filter={BARRED_FILTER}&open-filter={OPEN_FILTER}"
        url = f"radius://127.0.0.1:{nas.disconnect_port}?{filters}"
        await world.processes.command("gateway", "update", "pgw", "--command-url", url)
        closed_at = time.time_ns()
        await world.call(f"{FUNCTIONS}/deactivate", body)
        last = await self._silence(path)
        took = f"{(last - closed_at) / 1e6:.0f}" if last > closed_at else "0"
        self._say("see", "The customer closes data, where the gateway has a filter for that: a CoA-Request names it")
        self._say("time", f"{took:>8} ms  after the call began, the last ping is answered; the session goes on")
        opened_at = time.time_ns()
        await world.call(f"{FUNCTIONS}/activate", body)
        expect(await path.answered_after(opened_at, 20), "no ping was answered")
        expect(not session.ended.is_set(), "the session was ended")
        first = next(at for at in path.answered_ns if at > opened_at)
        self._say("time", f"{(first - opened_at) / 1e6:8.0f} ms  after data was opened, a ping is answered in it again")

    async def _attached(self, nas: VirtualNas, path: PacketPath) -> VirtualSession:
        """The card in its own device, as soon as the server knows the gateway."""
        home = VirtualDevice(imsi=IMSI, imei=HOME_IMEI, apn=APN, ipv4=ADDRESS)

        async def admitted() -> VirtualSession | None:
            try:
                return await nas.attach(home)
            except (TimeoutError, SessionRefused):
                return None

        session: VirtualSession = await until(admitted, "the card is admitted in its device")
        path.open(session)
        return session

    async def _let_in(self, nas: VirtualNas, path: PacketPath, thief: VirtualDevice) -> VirtualSession:
        """As a gateway that sends accounting alone: packets pass before the server has heard of it."""
        session = nas.begin(thief)
        path.open(session)
        await nas.report(session, START)
        return session

    async def _silence(self, path: PacketPath) -> int:
        """Wait until no ping is answered any more; returns when the last one was."""

        async def silent() -> bool:
            count = len(path.answered_ns)
            await asyncio.sleep(QUIET)
            return len(path.answered_ns) == count

        await until(silent, "pings are answered no more")
        return path.answered_ns[-1]
