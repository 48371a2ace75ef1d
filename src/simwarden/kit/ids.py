"""Making ids, names and secrets that nobody can guess and no two of which are alike."""

from __future__ import annotations

import base64
import os
import secrets
import string
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in string.hexdigits[:16]}
"""Two bits of the variant, and two of chance."""
_ALPHABET = string.ascii_lowercase + string.digits


def uuid7(now: datetime) -> uuid.UUID:
    """A UUID version 7 (RFC 9562 5.7): those of different milliseconds are in the order of time."""
    milliseconds = int(now.timestamp() * 1000) & 0xFFFFFFFFFFFF
    random = secrets.randbits(74)
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | random >> 62 << 64 | 0b10 << 62 | random & (1 << 62) - 1)


_AHEAD = 256
"""Numbers that are drawn from the system at a time: each time takes as long as making the text."""
_drawn: list[str] = []


def uuid4_text() -> str:
    """A UUID version 4 (RFC 9562 5.4) as text, in a fifth of the time that `uuid.uuid4` takes."""
    try:
        text = _drawn.pop()
    except IndexError:
        digits = os.urandom(16 * _AHEAD).hex()
        _drawn.extend(digits[at : at + 32] for at in range(0, len(digits), 32))
        text = _drawn.pop()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"


os.register_at_fork(after_in_child=_drawn.clear)  # else parent and child would draw the same


def random_name(length: int) -> str:
    """Lower case letters and digits, 5.2 bits of chance in each."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def signing_secret() -> str:
    """A secret that signs notifications (Standard Webhooks 1.0.0, "Signature scheme"): `whsec_`, 32 bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
