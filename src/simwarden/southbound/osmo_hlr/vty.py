"""The VTY of osmo-hlr (TCP 4258): commands as people type them, and what `show subscriber` prints.

The dialogue is text: a prompt, the command echoed, lines, the next prompt. What comes is bounded, and what cannot be
read is an error, never a subscriber.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import parse_imei
from simwarden.domain.sim import Function
from simwarden.southbound.osmo_hlr.wire import NotUnderstood, connected
from simwarden.southbound.streams import write

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

    from simwarden.southbound.osmo_hlr.address import HlrAddress

CIRCUIT = Function.VOICE | Function.SMS
PACKET = Function.DATA
_ANSWER_MOST = 4096
"""Octets of one answer."""
_TELNET = re.compile(rb"\xff[\xfb-\xfe].|\xff[\xf0-\xfa]", re.DOTALL)
_FIRST_PROMPT = re.compile(rb"(?:^|\n)([!-~]{1,64}?)([>#]) $|(?:^|\n)(Password): $")
_MODES = {(False, False): "cs+ps", (True, False): "ps", (False, True): "cs", (True, True): "none"}
"""By whether circuit and packet switched service is off."""


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """A subscriber as `show subscriber` prints it."""

    imsi: str
    imei: str | None = None
    """14 digits."""
    vlr: str | None = None
    sgsn: str | None = None
    """Who serves it: the names of MSC and SGSN that it registered at last. osmo-hlr keeps them after a purge too."""
    off: Function = Function(0)
    updated_circuit: datetime | None = None
    updated_packet: datetime | None = None
    """The last location updates that were accepted."""

    @property
    def updated_at(self) -> datetime | None:
        """The newer of both."""
        return max((at for at in (self.updated_circuit, self.updated_packet) if at is not None), default=None)


def set_mode(imsi: str, off: Function) -> str:
    """The command after which only the other functions may be used."""
    mode = _MODES[off & CIRCUIT == CIRCUIT, off & PACKET == PACKET]
    return f"subscriber imsi {imsi} update network-access-mode {mode}"


def show(imsi: str) -> str:
    """The command that prints a subscriber."""
    return f"show subscriber imsi {imsi}"


def read_subscriber(text: str, imsi: str) -> Subscriber | None:
    """What `show` printed; None: there is no such subscriber. Raises NotUnderstood."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith("% No subscriber") for line in lines):
        return None
    values: dict[str, str] = {}
    off = Function(0)
    for line in lines:
        name, colon, value = line.partition(": ")
        if colon:
            values.setdefault(name, value.strip())
        off |= {"CS disabled": CIRCUIT, "PS disabled": PACKET}.get(line, Function(0))
    if values.get("IMSI") != imsi:
        raise NotUnderstood(f"no IMSI {imsi} in {text[:80]!r}")
    return Subscriber(
        imsi=imsi,
        imei=_imei(values.get("IMEI")),
        vlr=_name(values.get("VLR number")),
        sgsn=_name(values.get("SGSN number")),
        off=off,
        updated_circuit=_time(values.get("last LU seen on CS")),
        updated_packet=_time(values.get("last LU seen on PS")),
    )


def _imei(text: str | None) -> str | None:
    try:
        return None if text is None else parse_imei(text).key
    except InvalidIdentifier:
        return None


def _name(text: str | None) -> str | None:
    return text[:100] if text and text != "none" else None


def _time(text: str | None) -> datetime | None:
    """`2026-11-22T14:54:25+00:00 (2s ago)`."""
    try:
        at = datetime.fromisoformat((text or "").split(" ", 1)[0])
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None and at.year >= 1980 else None


async def run(
    address: HlrAddress, commands: Sequence[str], *, password: str | None, enable: bool, seconds: float
) -> list[str]:
    """Give commands in one connection; returns what each printed. Raises CommandFailed."""
    async with connected(address.host, address.vty, "VTY", seconds) as (reader, writer):
        dialogue = _Dialogue(reader)
        asks = await dialogue.begin()
        if asks:
            write(writer, (password or "").encode() + b"\n")
            asks = await dialogue.begin()
        if asks:
            raise NotUnderstood("the password is refused")
        if enable:
            write(writer, b"enable\n")
            if await dialogue.begin():
                write(writer, (password or "").encode() + b"\n")
                if await dialogue.begin():
                    raise NotUnderstood("the password is refused")
        write(writer, b"".join(command.encode() + b"\n" for command in commands))
        await writer.drain()
        return [
            _without_echo(text, command)
            for text, command in zip(await dialogue.answers(len(commands)), commands, strict=True)
        ]


class _Dialogue:
    """What the VTY prints, up to its prompts."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._prompt: re.Pattern[bytes] | None = None

    async def begin(self) -> bool:
        """Wait for a prompt with nothing behind it; returns whether it asks for a password."""
        data = b""
        while (found := _FIRST_PROMPT.search(data)) is None:
            data = _TELNET.sub(b"", data + await self._some(len(data), _ANSWER_MOST))
        if found[3]:
            return True
        self._prompt = re.compile(rb"(?:^|\n)" + re.escape(found[1]) + rb"[>#] ")
        return False

    async def answers(self, count: int) -> list[str]:
        """What stands before each of the next `count` prompts."""
        assert self._prompt is not None
        data = b""
        while len(list(self._prompt.finditer(data))) < count:
            data += await self._some(len(data), _ANSWER_MOST * count)
        return [part.decode("ascii", "replace") for part in self._prompt.split(_TELNET.sub(b"", data))[:count]]

    async def _some(self, have: int, most: int) -> bytes:
        if have > most:
            raise NotUnderstood(f"more than {most} octets without a prompt")
        data = await self._reader.read(16_384)
        if not data:
            raise EOFError("the HLR hung up")
        return data


def _without_echo(text: str, command: str) -> str:
    return text.lstrip("\r\n").removeprefix(command)


def complaints(texts: Iterable[str]) -> list[str | None]:
    """For each answer to a command that prints nothing when it is carried out: what it complains of, if it does."""
    return [text.strip().splitlines()[0][:200] if text.strip() else None for text in texts]
