"""Taking and handing on, until somebody says stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from simwarden.listener.client import Refused, Unreachable, patience

if TYPE_CHECKING:
    from simwarden.listener.client import ListenClient
    from simwarden.listener.forward import EventHandler, Local
    from simwarden.northbound.listen.schemas import DeliveryVerdict, InboxAnswer, WaitingEvent


class Teller(Protocol):
    """What the developer sees of it."""

    def opened(self, inbox: InboxAnswer) -> None:
        """This is the inbox."""

    def handed(self, event: WaitingEvent, local: Local, verdict: DeliveryVerdict | None) -> None:
        """An event was handed on; None: the server did not take the acknowledgement."""

    def trouble(self, text: str) -> None:
        """The server cannot be reached; said once until it can."""

    def again(self) -> None:
        """The server can be reached again."""


class Loop:
    """One listener at work."""

    def __init__(self, client: ListenClient, target: EventHandler, teller: Teller) -> None:
        self._client = client
        self._target = target
        self._teller = teller
        self._failures = 0

    async def run(self, name: str, stop: asyncio.Event) -> None:
        """Until `stop` is set: a poll is then given up, an event under way is finished. Raises Refused."""
        stopped = asyncio.create_task(stop.wait())
        opened = False
        try:
            while not stop.is_set():
                work = asyncio.create_task(self._client.take() if opened else self._open(name))
                await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    work.cancel()
                    await asyncio.gather(work, return_exceptions=True)
                    return
                try:
                    events = work.result()
                except Unreachable as error:
                    await self._wait(error, stopped)
                    continue
                opened = True
                self._reached()
                # At most one of each subscription, so none of them has to wait for another.
                await asyncio.gather(*map(self._one, events))
        finally:
            stopped.cancel()

    async def _open(self, name: str) -> list[WaitingEvent]:
        self._teller.opened(await self._client.open(name))
        return []

    async def _one(self, event: WaitingEvent) -> None:
        local = await self._target.hand(event)
        try:
            verdict = await self._client.acknowledge(local.acknowledgement(event.event_id))
        except Refused:
            verdict = None  # settled meanwhile, or its subscription is gone; offered again if not
        self._teller.handed(event, local, verdict)

    async def _wait(self, error: Unreachable, stopped: asyncio.Task[bool]) -> None:
        if self._failures == 0:
            self._teller.trouble(str(error))
        await asyncio.wait((stopped,), timeout=patience(self._failures))
        self._failures += 1

    def _reached(self) -> None:
        if self._failures:
            self._teller.again()
        self._failures = 0
