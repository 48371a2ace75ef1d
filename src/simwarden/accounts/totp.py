"""Time-based one-time passwords (RFC 6238: HMAC-SHA1, 30 seconds, 6 digits, as every authenticator has them)."""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from datetime import datetime

PERIOD = 30
DIGITS = 6
SECRET_BYTES = 20


def new_secret() -> bytes:
    """160 bits of chance (RFC 4226 clause 4)."""
    return secrets.token_bytes(SECRET_BYTES)


def code(secret: bytes, step: int) -> str:
    """The password of a step (RFC 4226 clause 5.3)."""
    mac = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    at = mac[-1] & 0x0F
    number = struct.unpack(">I", mac[at : at + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(now: datetime) -> int:
    """The step at a time."""
    return int(now.timestamp()) // PERIOD


def matching(secret: bytes, given: str, now: datetime) -> int | None:
    """The step whose password this is: the present one, the one before or the one behind; None: it is none."""
    present = step_of(now)
    found = None
    for step in (present - 1, present, present + 1):
        if hmac.compare_digest(code(secret, step).encode(), given.encode()):
            found = step
    return found


def as_text(secret: bytes) -> str:
    """A secret as people type it."""
    return base64.b32encode(secret).decode()


def uri(secret: bytes, email: str, issuer: str) -> str:
    """What an authenticator reads from a QR code (`otpauth://`)."""
    label = quote(f"{issuer}:{email}", safe="")
    return f"otpauth://totp/{label}?" + urlencode({"secret": as_text(secret), "issuer": issuer})
