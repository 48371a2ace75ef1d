"""The virtual gateways that run beside this server, if any: where their control server is, and how they are steered.

Who runs them (`simwarden quickstart`) says so by a file in the server's data directory, for as long as they run.
Nothing else switches this on, and nothing that a caller says leads elsewhere than to that control server, on this
machine.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import msgspec

from simwarden.domain.errors import IncompatibleState, InvalidValue, ResourceNotFound, SimwardenError

if TYPE_CHECKING:
    from pathlib import Path

_CONTROL = re.compile(r"http://127\.0\.0\.1:[1-9][0-9]{0,4}")
_LONGEST = 64
"""Bytes of the file."""
_MOST = 1 << 20
"""Bytes of an answer of the control server."""
_GATEWAYS, _CARDS = 64, 512
"""Shown at most: gateways, and cards of one."""
_FRESH = 0.5
"""Seconds for which a look serves all who ask."""
_PATIENCE = aiohttp.ClientTimeout(total=20)


class NoSimulator(ResourceNotFound):
    """No virtual gateways run beside this server."""

    def __init__(self) -> None:
        super().__init__("No virtual gateways run beside this server; `simwarden quickstart` runs some")


class NotSimulated(ResourceNotFound):
    """There is no such virtual gateway, slot or SIM."""


class _Slot(msgspec.Struct, frozen=True):
    gateway: str
    slot: str

    def shown(self) -> dict[str, Any]:
        return {"gateway": self.gateway, **_numbers(self.slot)}


class _Outbreak(msgspec.Struct, frozen=True):
    kind: str
    of: int
    done: int
    is_over: bool


class _Gateway(msgspec.Struct, frozen=True):
    name: str
    ports: int
    slots: int
    online: bool


class _Card(msgspec.Struct, frozen=True):
    imsi: str
    msisdn: str
    gateway: str
    slot: str
    locked: bool
    imei: str | None = None
    home: _Slot | None = None
    outbreak: _Outbreak | None = None


class _Gateways(msgspec.Struct, frozen=True):
    gateways: list[_Gateway]


class _Cards(msgspec.Struct, frozen=True):
    sims: list[_Card]


class _Moved(msgspec.Struct, frozen=True):
    imsi: str
    origin: _Slot = msgspec.field(name="from")
    to: _Slot
    moved_ns: int


class _Wrong(msgspec.Struct, frozen=True):
    message: str


class _Refusal(msgspec.Struct, frozen=True):
    error: _Wrong


class VirtualGateways:
    """Of this machine. What is looked at and done is as the management API shows it (`Simulator`, `SimulatedMove`)."""

    def __init__(self, file: Path, session: aiohttp.ClientSession) -> None:
        """`file` holds the address of the control server, while there is one."""
        self._file = file
        self._session = session
        self._seen: tuple[float, dict[str, Any]] | None = None
        self._looking = asyncio.Lock()

    def is_there(self) -> bool:
        """Whether virtual gateways are said to run."""
        return self._control() is not None

    async def look(self) -> dict[str, Any]:
        """The gateways and their cards. Raises NoSimulator."""
        async with self._looking:
            if self._seen is None or time.monotonic() - self._seen[0] > _FRESH:
                self._seen = (time.monotonic(), await self._look())
            return self._seen[1]

    async def move(self, imsi: str, gateway: str, port: int, slot: int, *, swap: bool) -> dict[str, Any]:
        """Carry a card to a slot. Raises NoSimulator, NotSimulated, IncompatibleState, InvalidValue."""
        wanted = {"imsi": imsi, "gateway": gateway, "port": port, "slot": slot, "swap": swap}
        moved = msgspec.convert(await self._ask("POST", "/move", wanted), _Moved)
        return {
            "imsi": moved.imsi,
            "from": moved.origin.shown(),
            "to": moved.to.shown(),
            "at": datetime.fromtimestamp(moved.moved_ns / 1e9, UTC),
        }

    async def switch(self, gateway: str, *, on: bool) -> None:
        """Take a gateway down, or up again. Raises NoSimulator, NotSimulated."""
        await self._ask("POST", f"/gateways/{quote(gateway, safe='')}/fault", {"fault": "none" if on else "offline"})

    async def infect(self, imsi: str, messages: int, rate: float, at_once: int) -> None:
        """Let the device of a card send so many messages, so many a second, unless `at_once` cards are infected. Raises
        NoSimulator, NotSimulated, IncompatibleState."""
        await self._ask("POST", "/mass-sms", {"imsi": imsi, "count": messages, "rate": rate, "at_once": at_once})

    async def cure(self, imsi: str) -> None:
        """End that. Raises NoSimulator, NotSimulated."""
        await self._ask("POST", "/cure", {"imsi": imsi})

    async def _look(self) -> dict[str, Any]:
        gateways, cards = await asyncio.gather(self._ask("GET", "/gateways"), self._ask("GET", "/sims"))
        try:
            found, held = msgspec.convert(gateways, _Gateways).gateways, msgspec.convert(cards, _Cards).sims
            return {"gateways": [_gateway(each, held) for each in found[:_GATEWAYS]]}
        except (msgspec.ValidationError, ValueError) as error:
            raise NoSimulator from error

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        control = self._control()
        if control is None:
            raise NoSimulator
        if method != "GET":
            self._seen = None
        try:
            async with self._session.request(
                method, control + path, json=body, timeout=_PATIENCE, allow_redirects=False
            ) as answer:
                content = bytearray()
                async for piece in answer.content.iter_any():
                    content += piece
                    if len(content) > _MOST:
                        raise NoSimulator
                told = msgspec.json.decode(content)
                if answer.status == 200:
                    return told
                message = msgspec.convert(told, _Refusal).error.message
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
            raise NoSimulator from error
        raise _REFUSALS.get(answer.status, InvalidValue)(message)

    def _control(self) -> str | None:
        """The address that the file holds, when it is this user's own and nobody else can write it."""
        try:
            with open(os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
                about = os.fstat(file.fileno())
                text = file.read(_LONGEST).decode("ascii", "replace").strip()
        except OSError:
            return None
        is_ours = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o022
        return text if is_ours and _CONTROL.fullmatch(text) else None


_REFUSALS: dict[int, type[SimwardenError]] = {404: NotSimulated, 409: IncompatibleState}


def _gateway(found: _Gateway, cards: list[_Card]) -> dict[str, Any]:
    return {
        "name": found.name,
        "on": found.online,
        "ports": found.ports,
        "slots": found.slots,
        "sims": [_card(each) for each in cards if each.gateway == found.name][:_CARDS],
    }


def _card(card: _Card) -> dict[str, Any]:
    home, outbreak = card.home, card.outbreak
    shown = {
        "imsi": card.imsi,
        "phoneNumber": f"+{card.msisdn.removeprefix('+')}",
        **_numbers(card.slot),
        "locked": card.locked,
        "imei": card.imei,
        "home": None if home is None else home.shown(),
        "infection": None
        if outbreak is None
        else {"messages": outbreak.of, "sent": outbreak.done, "ended": outbreak.is_over},
    }
    return {name: value for name, value in shown.items() if value is not None}


def _numbers(slot: str) -> dict[str, int]:
    """Port and slot of an address like 6.01. Raises ValueError."""
    port, _, number = slot.partition(".")
    return {"port": int(port), "slot": int(number)}
