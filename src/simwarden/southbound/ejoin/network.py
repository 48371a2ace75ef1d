"""The engine's driver for Ejoin gateways: sets of functions become locks of slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.sim import ALL_FUNCTIONS
from simwarden.engine.ports import Capabilities, CommandFailed, OutgoingText, ProvenBy
from simwarden.kit.clock import now_utc
from simwarden.southbound.ejoin import translate
from simwarden.southbound.ejoin.codec import decode
from simwarden.southbound.ejoin.commands import KNOWN_TASK, REASONS, Generation, Slot, SmsOrder, is_passing
from simwarden.southbound.ejoin.driver import EjoinDriver
from simwarden.southbound.ejoin.messages import DeviceStatus, Undecodable
from simwarden.store.gateways import GatewayRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from simwarden.domain.reports import Report
    from simwarden.engine.ports import TargetState
    from simwarden.southbound.ejoin.commands import CommandAnswer
    from simwarden.store.gateways import CommandAccess

CAPABILITIES = Capabilities((ALL_FUNCTIONS,), ProvenBy.READ_BACK)
"""A lock stops every function of a SIM: voice, SMS and data cannot be separated."""


class EjoinNetwork:
    """Commands to one gateway."""

    def __init__(self, session: aiohttp.ClientSession, access: CommandAccess, timeout: float) -> None:
        assert access.url is not None
        self._ref = GatewayRef(access.id, access.name, 0, None)
        self._driver = EjoinDriver(
            session,
            access.url,
            access.username or "",
            access.password or "",
            generation=Generation(access.generation) if access.generation else None,
            timeout=timeout,
        )

    @property
    def generation(self) -> str | None:
        """The generation that answered."""
        return self._driver.generation

    @property
    def capabilities(self) -> Capabilities:
        """A slot is locked or open; what it shows, and the status when it is asked for, is the proof."""
        return CAPABILITIES

    async def apply(self, states: Sequence[TargetState]) -> None:
        """Lock the slots where functions are to be off, and unlock the others. Raises CommandFailed."""
        locked = [_slot(state.target) for state in states if state.off]
        opened = [_slot(state.target) for state in states if not state.off]
        if locked:
            await self._driver.lock(locked)
        if opened:
            await self._driver.unlock(opened)

    async def observe(self) -> Report:
        """The state of all slots, as a report like those that the gateway pushes. Raises CommandFailed.

        It counts as of the moment when it was asked for: what the gateway pushes while it answers is newer.
        """
        asked = now_utc()
        body = await self._driver.read_status()
        try:
            decoded = decode(body)
        except Undecodable as error:
            raise CommandFailed(f"The gateway's status cannot be read: {error.reason}") from error
        for message in decoded.messages:
            if isinstance(message, DeviceStatus):
                return translate.to_report(self._ref, message, body, asked, polled=True)
        raise CommandFailed("The gateway answered something else than its status")

    async def send(self, texts: Sequence[OutgoingText]) -> dict[int, str | None]:
        """MessageCarrier. Raises CommandFailed.

        Whether the network took a message shows in the gateway's reports of sent messages, to be switched on there.
        """
        orders = [SmsOrder(each.task, _slot(each.target), each.to, each.text) for each in texts]
        answers = await self._driver.send_sms(orders)
        return {task: _said(answer) for task, answer in answers.items()}


def _said(answer: CommandAnswer) -> str | None:
    """What a gateway's answer to a task means; a task that it knows is one that was told it before."""
    if answer.succeeded or answer.code == KNOWN_TASK:
        return None
    if is_passing(answer.code):
        return OutgoingText.LATER
    return f"code {answer.code}, {REASONS.get(answer.code, 'no reason known')}"


def _slot(target: str) -> Slot:
    """The slot of a target: `3.02` is port 3, slot 2, and `3.00` port 3 of a gateway that names no slots."""
    port, _, slot = target.partition(".")
    return Slot(int(port), int(slot) or None)
