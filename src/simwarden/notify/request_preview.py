"""What an attempt handed to a sink, for people who ask later: made anew, for nothing of it changes but the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.sink import parse_sink
from simwarden.domain.telling import CONTENT, SHORT_MESSAGE
from simwarden.notify.request import OpenedQueue, custom_headers, open_queue
from simwarden.store.targets import MASK, SinkAddress
from simwarden.store.vault import WrongKey

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.store.deliveries import ClaimedQueue
    from simwarden.store.vault import Vault

SHOWN_BODY = 4096
"""Bytes of the body that are shown."""


class RequestPreview(msgspec.Struct, frozen=True):
    """The request of one attempt. The sink's secrets are masked: access token, query, values of its own headers."""

    url: str
    headers: dict[str, str]
    body: str
    """The first 4096 bytes."""


def preview(queue: ClaimedQueue, at: datetime, vault: Vault, *, source: str) -> RequestPreview:
    """The request of the attempt at this time; the delivery is the first of the queue's heads.

    With another master key than the one that sealed the secrets there is no signature to be shown.
    """
    opened = _opened(queue, vault, source)
    then = [one for one in opened.secrets if one.since is None or one.since <= at]
    # Texts and numbers are not for the operator, and what was signed is longer than what is shown.
    if not queue.heads[0].data.keys().isdisjoint({SHORT_MESSAGE, CONTENT}):
        then = []
    request = msgspec.structs.replace(opened, secrets=then).request(queue.heads[0], at)
    masked = dict.fromkeys(opened.custom, MASK)
    if opened.token is not None:
        masked["authorization"] = f"Bearer {MASK}"
    headers = {name: masked.get(name, value) for name, value in request.headers.items()}
    return RequestPreview(
        SinkAddress(str(request.url), None).masked().sink, headers, request.body[:SHOWN_BODY].decode("utf-8", "replace")
    )


def _opened(queue: ClaimedQueue, vault: Vault, source: str) -> OpenedQueue:
    try:
        return open_queue(queue, vault, source=source, allow_private=True)
    except WrongKey:
        token = None if queue.credential is None else MASK
        url = parse_sink(queue.sink, allow_private=True).url
        return OpenedQueue(queue, url, token, [], custom_headers(queue.protocol_settings), source, vault)
