"""Signing in the scheme of Standard Webhooks, version 1: HMAC-SHA256 over `id.timestamp.body`."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from simwarden.store.sink_secrets import SigningSecret

PREFIX = "whsec_"


def sign(secrets: Sequence[SigningSecret], *, event_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers; one signature for each secret that is live at `at`, the time of this attempt."""
    seconds = str(int(at.timestamp()))
    message = f"{event_id}.{seconds}.".encode() + body
    live = [one for one in secrets if one.until is None or one.until > at]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(_signature(one.secret, message) for one in live),
    }


def _signature(secret: str, message: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
