"""Sending by a message centre, and how it is registered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from simwarden.domain.sim import Function
from simwarden.engine.ports import Capabilities, CommandFailed, OutgoingText, ProvenBy
from simwarden.southbound.smpp import content
from simwarden.southbound.smpp.codec import ShortMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.engine.ports import Registration, TargetState
    from simwarden.southbound.smpp.link import Link

PORTS = {"smpp": 2775, "smpps": 3550}
CAPABILITIES = Capabilities((Function(0),), ProvenBy.ANSWER)
_PASSING = frozenset({0x14, 0x58, 0x64, 0x08})
"""Message queue full, throttled, temporary error, system error."""


class SmppDriver:
    """Commands to one message centre: it sends, and has no hand in anything else."""

    generation = None

    def __init__(self, link: Link | None) -> None:
        self._link = link

    @property
    def capabilities(self) -> Capabilities:
        """None."""
        return CAPABILITIES

    async def apply(self, states: Sequence[TargetState]) -> None:
        """Raises CommandFailed."""
        raise CommandFailed("A message centre switches nothing")

    async def observe(self) -> None:
        """It shows nothing."""

    async def send(self, texts: Sequence[OutgoingText]) -> dict[int, str | None]:
        """MessageCarrier. The target is the SIM's phone number. Raises CommandFailed."""
        if self._link is None:
            raise CommandFailed("The message centre is not connected by this process")
        answers: dict[int, str | None] = {}
        failed: list[CommandFailed] = []
        for text, answer in zip(
            texts, await asyncio.gather(*(self._try(self._link, text) for text in texts)), strict=True
        ):
            if not isinstance(answer, CommandFailed):
                answers[text.task] = answer
                continue
            failed.append(answer)
            if answer.reached:  # else nobody knows whether it took it
                answers[text.task] = OutgoingText.LATER
        if len(failed) == len(texts) and len({error.reached for error in failed}) == 1:
            raise failed[0]
        return answers

    async def _try(self, link: Link, text: OutgoingText) -> str | CommandFailed | None:
        try:
            return await self._send(link, text)
        except CommandFailed as error:
            return error

    async def _send(self, link: Link, text: OutgoingText) -> str | None:
        source, destination = text.target.removeprefix("+"), text.to.removeprefix("+")
        for esm_class, coding, data in content.pack(text.text, text.task >> 8):  # the bucket is in the lowest byte
            message = ShortMessage(
                source=source,
                destination=destination,
                esm_class=esm_class,
                data_coding=coding,
                registered_delivery=1,
                message=data,
            )
            answer = await link.submit(message)
            if answer.status in _PASSING:
                return OutgoingText.LATER
            if answer.status:
                return f"command_status {answer.status:#x}"
        return None


def address(url: str | None) -> tuple[str, int, bool]:
    """Host, port and whether TLS is spoken, of `smpp://HOST[:PORT]` or `smpps://...`. Raises ValueError."""
    try:
        parts = urlsplit(url or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if (
        url is None
        or not host
        or port == 0
        or parts.scheme not in PORTS
        or parts.username
        or parts.path not in ("", "/")
    ):
        raise ValueError("commandUrl must be smpp://HOST[:PORT] or smpps://HOST[:PORT]")
    return host, port or PORTS[parts.scheme], parts.scheme == "smpps"


def check(wanted: Registration) -> None:
    """A message centre has an address and a password. Raises ValueError."""
    address(wanted.command_url)
    if not wanted.has_password:
        raise ValueError("a message centre needs a password, and its system_id as user name")
