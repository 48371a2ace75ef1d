"""What is posted to a sink: headers and body of one attempt."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from yarl import URL

from simwarden import __version__
from simwarden.domain.sink import is_own_header, parse_sink
from simwarden.domain.telling import CONTENT, SHORT_MESSAGE
from simwarden.notify import cloudevents
from simwarden.notify.signature import sign
from simwarden.store import messages, targets
from simwarden.store.sink_secrets import SigningSecret, unseal_credential, unseal_secrets
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.store.deliveries import ClaimedQueue, Head

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_VALUE = re.compile(r"[\x20-\x7e\t]{0,512}")
_parse_sink = lru_cache(maxsize=4096)(parse_sink)


class SinkRequest(msgspec.Struct, frozen=True):
    """One attempt, ready to be sent."""

    url: URL
    headers: dict[str, str]
    body: bytes
    at: datetime | None = None
    """The time that it was signed for; the attempt is kept with the same."""


class OpenedQueue(msgspec.Struct, frozen=True):
    """A queue with its secrets opened: makes the requests of its deliveries."""

    queue: ClaimedQueue
    url: URL
    token: str | None
    secrets: list[SigningSecret]
    custom: dict[str, str]
    source: str
    vault: Vault

    def request(self, head: Head, now: datetime) -> SinkRequest:
        """The request that hands out this delivery now."""
        body = cloudevents.render(
            event_id=head.event_id,
            source=self.source,
            type=head.type,
            time=head.time,
            subscription_id=self.queue.id,
            data=self._data(head),
        )
        headers = {
            **self.custom,
            "content-type": cloudevents.CONTENT_TYPE,
            "user-agent": f"Simwarden/{__version__}",
            **sign(self.secrets, event_id=head.event_id, at=now, body=body),
        }
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        if head.correlator:
            headers["x-correlator"] = head.correlator
        return SinkRequest(self.url, headers, body, now)

    def _data(self, head: Head) -> dict[str, Any]:
        """The data of an event. Of a message that was deleted for its age there is the id alone, of a record all but
        its text and numbers. Raises WrongKey."""
        if CONTENT in head.data:
            shown = {name: value for name, value in head.data.items() if name != CONTENT}
            return shown if head.record is None else {**shown, **head.record.opened(self.vault)}
        message_id = head.data.get(SHORT_MESSAGE)
        if message_id is None:
            return head.data
        rest = {name: value for name, value in head.data.items() if name != SHORT_MESSAGE}
        if head.sealed is None:
            return {"messageId": message_id, **rest}
        return {**messages.opened(self.vault, message_id, head.sealed), **rest}


def open_queue(queue: ClaimedQueue, vault: Vault, *, source: str, allow_private: bool) -> OpenedQueue:
    """Open what is needed to send. Raises WrongKey, InvalidSink (a sink that is not allowed any more)."""
    queue = targets.opened(vault, queue)
    return OpenedQueue(
        queue,
        _parse_sink(queue.sink, allow_private=allow_private).url,
        None if queue.credential is None else unseal_credential(vault, queue.id, queue.credential),
        unseal_secrets(vault, queue.id, queue.signing_secrets),
        custom_headers(queue.protocol_settings),
        source,
        vault,
    )


def custom_headers(settings: Mapping[str, Any] | None) -> dict[str, str]:
    """The customer's own headers (CAMARA protocolSettings.headers), without any that are ours or the connection's."""
    given = (settings or {}).get("headers")
    if not isinstance(given, dict):
        return {}
    kept = {}
    for name, value in given.items():
        lower = str(name).lower()
        if is_own_header(lower):
            continue
        if _TOKEN.fullmatch(lower) and isinstance(value, str) and _VALUE.fullmatch(value):
            kept[lower] = value
    return kept
