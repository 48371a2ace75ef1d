"""Where an HLR is reached: its VTY, its control interface and its GSUP port, all on one host."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec

if TYPE_CHECKING:
    from simwarden.engine.ports import Registration

_NO_URL = (
    "commandUrl must be osmo-hlr://HOST, with ?vty=PORT&ctrl=PORT&gsup=PORT where these are not 4258, 4259 and 4222"
)


class HlrAddress(msgspec.Struct, frozen=True):
    """One HLR."""

    host: str
    vty: int = 4258
    ctrl: int = 4259
    gsup: int = 4222


def parse(url: str | None) -> HlrAddress:
    """Raises ValueError."""
    try:
        parts = urlsplit(url or "")
        given = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        ports = {name: int(text) for name, text in given.items()}
        unusual = parts.port is not None or parts.username is not None
    except ValueError:
        raise ValueError(_NO_URL) from None
    if parts.scheme != "osmo-hlr" or not parts.hostname or unusual or parts.path not in ("", "/") or parts.fragment:
        raise ValueError(_NO_URL)
    if not ports.keys() <= {"vty", "ctrl", "gsup"} or not all(0 < port < 65536 for port in ports.values()):
        raise ValueError(_NO_URL)
    return HlrAddress(parts.hostname, **ports)


def check(wanted: Registration) -> None:
    """An HLR has an address; a password only where its VTY asks for one. Raises ValueError."""
    parse(wanted.command_url)
