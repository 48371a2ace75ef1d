"""Alarms to the operator's webhook: JSON, signed in the scheme of Standard Webhooks, up to 100 alarms a request."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from yarl import URL

from simwarden import __version__
from simwarden.domain.alarm_words import payload
from simwarden.notify.alarms.pusher import PushFailed
from simwarden.notify.request import SinkRequest
from simwarden.notify.signature import sign
from simwarden.store.sink_secrets import SigningSecret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.domain.alarm import Alarm
    from simwarden.notify.sender import Sender
    from simwarden.store.alarms import ChannelName


class WebhookPush:
    """Posts to `url`. It is the operator's own: plain http and private addresses are allowed."""

    name: ChannelName = "webhook"
    most = 100
    pause = timedelta(0)

    def __init__(
        self, url: str, secret: str | None, sender: Callable[[], Sender], *, clock: Callable[[], datetime]
    ) -> None:
        """`secret`: whsec_ and base64; without it nothing is signed. `sender` is asked for inside the running loop."""
        self._url = URL(url)
        self._secrets = [SigningSecret(secret, None)] if secret else []
        self._sender = sender
        self._clock = clock

    async def push(self, changed: Sequence[Alarm]) -> None:
        """Raises PushFailed unless the answer is 2xx."""
        now = self._clock()
        # The same alarms in the same state have the same id, so that a repetition can be known from news.
        state = msgspec.json.encode([(alarm.id, alarm.version) for alarm in changed])
        id_ = f"alarms_{hashlib.sha256(state).hexdigest()[:32]}"
        body = msgspec.json.encode({"type": "simwarden.alarms", "alarms": [payload(alarm) for alarm in changed]})
        headers = {"content-type": "application/json", "user-agent": f"Simwarden/{__version__}"}
        headers |= sign(self._secrets, event_id=id_, at=now, body=body)
        outcome = await self._sender().send(SinkRequest(self._url, headers, body, now))
        if not outcome.delivered:
            raise PushFailed(f"{self._url.host}: {outcome.error}")
