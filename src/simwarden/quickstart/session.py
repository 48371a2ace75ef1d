"""One run of the quickstart: set up, say what to do next, show what happens until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from simwarden.domain.errors import SimwardenError
from simwarden.listener.client import ListenClient, Refused, Unreachable
from simwarden.listener.forward import Nowhere
from simwarden.listener.loop import Loop
from simwarden.quickstart import env, sample
from simwarden.quickstart.guide import guide
from simwarden.simulator.control import ControlServer
from simwarden.simulator.fleet import SimulatedFleet, build_fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from simwarden.cli.database import Store
    from simwarden.domain.events import Cause
    from simwarden.listener.forward import Local
    from simwarden.northbound.listen.schemas import DeliveryVerdict, InboxAnswer, WaitingEvent
    from simwarden.simulator.commands import ReceivedCommand

_READY = 30.0
"""Seconds in which the server has to answer the gateways' first reports."""


class NotPossible(SimwardenError):
    """The quickstart cannot begin."""


class Quickstart:
    """`open_store` opens the server's database; `say` prints a line; `extra` goes into the env file too. While the
    gateways run, `simulator_file` lets the server's console and management API steer them."""

    def __init__(
        self,
        url: str,
        env_file: Path,
        open_store: Callable[[], AbstractAsyncContextManager[Store]],
        cause: Cause,
        extra: Mapping[str, str],
        say: Callable[[str], None],
        simulator_file: Path,
    ) -> None:
        self._url = url
        self._env_file = env_file
        self._open_store = open_store
        self._cause = cause
        self._extra = extra
        self._say = say
        self._simulator_file = simulator_file

    async def run(self, wait: float) -> None:
        """Wait `wait` seconds at most for the server, then work until SIGINT or SIGTERM.

        Raises NotPossible, Refused, NotOurs.
        """
        known = env.read(self._env_file)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session:
            await _look_for_server(session, self._url, wait, self._say)
            await self._look_for_another(session, known)
            fleet = build_fleet(sample.PLAN)
            control = await _start(fleet, known.get("SIMWARDEN_SIMULATOR", ""))
            try:
                client, variables = await self._set_up(session, fleet, known)
                variables |= {"SIMWARDEN_SIMULATOR": control.url, **self._extra}
                env.write(self._env_file, variables)
                await _reported(fleet)
                env.announce(self._simulator_file, control.url)
                stop = asyncio.Event()
                for number in (signal.SIGINT, signal.SIGTERM):
                    asyncio.get_running_loop().add_signal_handler(number, stop.set)
                self._introduce(variables)
                for server in fleet.servers.values():
                    server.executor.on_command = self._commanded(server.name)
                await Loop(client, Nowhere(), _Teller(self._say, self._url)).run("quickstart", stop)
            finally:
                env.withdraw(self._simulator_file, control.url)
                await control.close()
                await fleet.close()
        self._say("Stopped. The sample data stays: run it again, or `simwarden quickstart --remove`.")

    async def _look_for_another(self, session: aiohttp.ClientSession, known: Mapping[str, str]) -> None:
        simulator = known.get("SIMWARDEN_SIMULATOR")
        if not simulator:
            return
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
            async with session.get(f"{simulator}/gateways", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                if [one["name"] for one in (await answer.json())["gateways"]] == sample.names():
                    raise NotPossible(
                        f"A quickstart is running already; its simulator listens at {simulator} and {self._env_file} "
                        "belongs to it. Go on there, or stop it with Ctrl-C first."
                    )

    async def _set_up(
        self, session: aiohttp.ClientSession, fleet: SimulatedFleet, known: Mapping[str, str]
    ) -> tuple[ListenClient, dict[str, str]]:
        cards = [sim for server in fleet.servers.values() for _, sim in sorted(server.gateway.cards().items())]
        async with self._open_store() as store:
            opened = await _opened(session, self._url, known.get("APPKEY", ""), known.get("APPSECRET", ""))
            if opened is None:
                issued = await sample.application(store.db)
                key, secret = issued.application.app_key, issued.app_secret
                opened = await _opened(session, self._url, key, secret)
                if opened is None:
                    raise NotPossible(
                        f"The server at {self._url} does not know what was just made: it works on another database. "
                        "Give the quickstart the settings of the server (`simwarden config show`)."
                    )
                self._say("The account `quickstart` has an application with new credentials")
            else:
                key, secret = known["APPKEY"], known["APPSECRET"]
                self._say(f"The credentials in {self._env_file} are still good")
            added = await sample.register(store.db, cards, self._cause)
            self._say(f"{added} sample SIMs registered" if added else "The sample SIMs are registered already")
            for server in fleet.servers.values():
                token = await sample.connect(store.db, store.vault, server)
                server.configure_reports(f"{self._url}/southbound/ejoin/{token}", float(sample.INTERVAL))
        first = cards[0]
        client, inbox = opened
        return client, {
            "API": self._url,
            "APPKEY": key,
            "APPSECRET": secret,
            "SIMWARDEN_APP_KEY": key,
            "SIMWARDEN_APP_SECRET": secret,
            "IMSI": first.imsi,
            "PHONE": f"+{first.msisdn}",
            "SINK": inbox.sink,
        }

    def _introduce(self, variables: Mapping[str, str]) -> None:
        self._say(
            f"{sample.PLAN.gateways} virtual SIM gateways report to {self._url}\n\n"
            f"  APPKEY     {variables['APPKEY']}\n"
            f"  APPSECRET  {variables['APPSECRET']}\n"
            f"  SIM        IMSI {variables['IMSI']}, phone number {variables['PHONE']}\n"
            f"  Sink       {variables['SINK']}\n\n"
            f"All of it is in {self._env_file}. Open another terminal and paste, line by line:\n"
        )
        self._say(guide(self._env_file, self._url, variables["IMSI"], variables["PHONE"], variables["SINK"]))
        self._say("Here you see what reaches the customer and the gateways; the console's page Simulator shows it too.")
        self._say("Ctrl-C ends.")

    def _commanded(self, gateway: str) -> Callable[[ReceivedCommand], None]:
        def tell(command: ReceivedCommand) -> None:
            if command.slots:
                self._say(f"{_clock()}  Gateway {gateway} is commanded: {command.op} {', '.join(command.slots)}")

        return tell


async def _look_for_server(session: aiohttp.ClientSession, url: str, wait: float, say: Callable[[str], None]) -> None:
    """Wait until the server is ready, for `wait` seconds at most. Raises NotPossible."""
    until = asyncio.get_running_loop().time() + wait
    said = False
    while True:
        try:
            async with session.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=10)) as answer:
                if answer.status == 200:
                    return
                why = f"is not ready: it answers {answer.status} on /readyz"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            why = f"cannot be reached ({type(error).__name__})"
        if asyncio.get_running_loop().time() >= until:
            raise NotPossible(
                f"The server at {url} {why}. Start it in another terminal with `simwarden serve` and leave it running, "
                "or name another with --url."
            )
        if not said:
            say(f"Waiting for the server at {url}. Start it in another terminal: simwarden serve")
            said = True
        await asyncio.sleep(0.2)


async def _start(fleet: SimulatedFleet, previous: str) -> ControlServer:
    """Start the gateways and their control server, on the port it had last time where that is free."""
    await fleet.start()
    port = urlsplit(previous).port or 0
    try:
        for wanted in (port, 0):
            control = ControlServer(fleet, port=wanted)
            try:
                await control.start()
            except OSError as error:
                await control.close()
                if error.errno != errno.EADDRINUSE or wanted == 0:
                    raise
            else:
                return control
        raise AssertionError
    except BaseException:
        await fleet.close()
        raise


async def _opened(
    session: aiohttp.ClientSession, url: str, app_key: str, app_secret: str
) -> tuple[ListenClient, InboxAnswer] | None:
    """The inbox of an application; None when the server does not know its credentials. Raises NotPossible."""
    if not app_key:
        return None
    client = ListenClient(session, url, app_key, app_secret)
    try:
        return client, await client.open("quickstart")
    except Refused:
        return None
    except Unreachable as error:
        raise NotPossible(f"The server at {url} cannot be reached any more: {error}") from error


async def _reported(fleet: SimulatedFleet) -> None:
    """Wait until the server has taken each gateway's first report. Raises NotPossible."""
    pushes = [server.report_device() for server in fleet.servers.values()]
    try:
        async with asyncio.timeout(_READY):
            for push in pushes:
                await push.finished.wait()
    except TimeoutError:
        pass
    if any(push.outcome != "answered" for push in pushes):
        answers = ", ".join(str(push.http_status or push.outcome) for push in pushes)
        raise NotPossible(f"The server did not take the reports of the virtual gateways: {answers}")


class _Teller:
    """Prints what reaches the customer."""

    def __init__(self, say: Callable[[str], None], url: str) -> None:
        self._say = say
        self._url = url

    def opened(self, inbox: InboxAnswer) -> None:
        """Has been said."""

    def handed(self, event: WaitingEvent, local: Local, verdict: DeliveryVerdict | None) -> None:
        """The event, as the customer's sink gets it."""
        del local, verdict
        self._say(f"{_clock()}  The customer's sink receives {event.type.rpartition('.')[2]}:\n          {event.body}")

    def trouble(self, text: str) -> None:
        """The server is away."""
        self._say(f"{_clock()}  {self._url} cannot be reached ({text}); trying again")

    def again(self) -> None:
        """The server is back."""
        self._say(f"{_clock()}  {self._url} is reached again")


def _clock() -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}"
